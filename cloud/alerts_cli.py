"""`gridwarden alerts`: what is beyond its limits, and how well alerts serve those who answer."""

from __future__ import annotations

import typer

from cloud.performance_cli import performance

app = typer.Typer(no_args_is_help=True, help="Alerts, and how they perform.")


@app.callback()
def _alerts() -> None:
    """A group, also while it has one command."""


app.command()(performance)
