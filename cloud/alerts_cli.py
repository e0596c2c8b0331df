"""`gridwarden alerts`: what is beyond its limits, and how well alerts serve those who answer."""

from __future__ import annotations

import typer

from cloud import alert_desk_cli
from cloud.performance_cli import performance

app = typer.Typer(no_args_is_help=True, help="Alerts, and how they perform.")


@app.callback()
def _alerts() -> None:
    """A group of commands."""


app.command()(performance)
alert_desk_cli.register(app)
