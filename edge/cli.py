"""gridwarden edge check | run | buffer | read | scan | probe | watch."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from contract.clock import SystemClock
from edge import app as agent
from edge import logs
from edge.buffer_report import look, table
from edge.cabinet.commands import read, scan, watch
from edge.cabinet.probe_command import probe
from edge.config import EdgeConfig, load

app = typer.Typer(
    help="The agent in a street cabinet.", no_args_is_help=True, pretty_exceptions_enable=False
)
Config = Annotated[Path, typer.Argument(help="the agent's YAML file", show_default=False)]


HANGING_S = 0.3


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@app.command()
def check(
    config: Config,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, last line")] = False,
) -> None:
    """Tell everything that is wrong with a configuration, and how busy its buses will be."""
    checked = load(config)
    if as_json:
        typer.echo(json.dumps(_figures(checked)))
        return
    for plan in checked.buses:
        busy = "" if plan.utilisation is None else f", busy {plan.utilisation:.1%} of the time"
        typer.echo(f"bus {plan.bus.id}: {plan.bus.driver}, {len(plan.devices)} devices{busy}")
    for warning in checked.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"{config}: good, {len(checked.devices)} devices")


@app.command()
def run(
    config: Config,
    drain_s: Annotated[
        float, typer.Option(min=0, max=60, help="how long to wait for the cloud when stopping")
    ] = agent.DRAIN_S,
    log_level: Annotated[Level, typer.Option(help="what is logged to stderr")] = Level.INFO,
) -> None:
    """Read devices, keep readings on disk, publish them; until Ctrl-C or SIGTERM."""
    checked = load(config)
    limit = logs.set_up(checked.log, log_level, SystemClock())
    threads = ThreadPoolExecutor(thread_name_prefix="resolver")
    loop = asyncio.new_event_loop()
    loop.set_default_executor(threads)
    loop.set_exception_handler(_tell_loop_error)
    loop.run_until_complete(agent.run(checked, drain_s, left_out=lambda: limit.suppressed))
    loop.close()
    threads.shutdown(wait=False, cancel_futures=True)
    _leave_hanging_threads()


@app.command()
def buffer(
    config: Config,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
) -> None:
    """Tell what the buffer holds, and when it will be full; also while the agent runs."""
    checked = load(config)
    held, report = look(checked)
    if not as_json:
        typer.echo(table(checked.buffer.path, held, report))
        return
    typer.echo(json.dumps(msgspec.to_builtins(held) | msgspec.to_builtins(report)))


for command in (read, scan, probe, watch):
    app.command()(command)


def _figures(checked: EdgeConfig) -> dict[str, object]:
    buses = [
        {
            "bus": plan.bus.id,
            "driver": plan.bus.driver,
            "devices": len(plan.devices),
            "utilisation": plan.utilisation,
        }
        for plan in checked.buses
    ]
    return {"buses": buses, "warnings": checked.warnings, "devices": len(checked.devices)}


def _tell_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """A socket that closes while aiomqtt registers it is no bug of ours, and not worth a page."""
    error = context.get("exception")
    if isinstance(error, OSError):
        logging.getLogger(__name__).debug("%s: %s", context.get("message"), error)
    else:
        loop.default_exception_handler(context)


def _leave_hanging_threads() -> None:
    """End now if a thread hangs, as looking up a broker's name does without a network.

    All is on disk by then; Python would wait for the thread, and the promise is five seconds.
    """
    deadline_s = time.monotonic() + HANGING_S
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, deadline_s - time.monotonic()))
            if thread.is_alive():
                sys.stderr.flush()
                os._exit(0)
