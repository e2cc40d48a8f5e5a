"""`python -m local.venues <name>`: the same as `empire venue <name>`."""

import typer

from local.venues.cli import venue

if __name__ == "__main__":
    typer.run(venue)
