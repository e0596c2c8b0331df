"""`gridwarden cases`: what goes to other case systems."""

from __future__ import annotations

import typer

from cloud.cases import outbox_cli

app = typer.Typer(no_args_is_help=True, help="Cases, and the other systems that are told of them.")
app.add_typer(outbox_cli.app, name="outbox")


@app.callback()
def _cases() -> None:
    """Keep `outbox` a word of its own, even while it is the only one."""
