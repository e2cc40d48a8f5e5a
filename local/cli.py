"""The console script `empire`. What only starts, stops or shows the stack does not load the rest: half a second."""

from __future__ import annotations

import sys

_LIFECYCLE = ("up", "down", "status")


def main() -> None:
    """Entry point of the console script."""
    if sys.argv[1:2] and sys.argv[1] in _LIFECYCLE:
        from local.lifecycle import app
    else:
        from local.commands import app
    app()


if __name__ == "__main__":
    main()
