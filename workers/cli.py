"""The commands that need only a database; `local.cli` adds those of the embedded stack."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="empire",
    help="Empire Trading Hub.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
