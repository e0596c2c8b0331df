"""`gridwarden cases`: cases at the desk, their assessment, and what goes to other systems."""

from __future__ import annotations

import typer

from cloud.cases import desk_cli, keys_cli, outbox_cli, report_cli, uploads_cli

app = typer.Typer(no_args_is_help=True, help="Cases, and the other systems that are told of them.")
desk_cli.register(app)
app.add_typer(outbox_cli.app, name="outbox")
app.add_typer(keys_cli.app, name="keys")
app.add_typer(uploads_cli.app, name="uploads")
app.command()(report_cli.report)
