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

from contract.clock import SystemClock, iso_utc
from edge import app as agent
from edge import logs
from edge.cabinet.commands import read, scan, watch
from edge.cabinet.probe_command import probe
from edge.config import EdgeConfig, load
from edge.ports import Held
from edge.store import read_figures

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
def check(config: Config) -> None:
    """Tell everything that is wrong with a configuration, and how busy its buses will be."""
    checked = load(config)
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
    """Tell what the buffer holds; also while the agent runs."""
    checked = load(config)
    held = _figures(checked)
    if not as_json:
        typer.echo(_words(held, checked.buffer.path))
        return
    typer.echo(json.dumps(msgspec.to_builtins(held)))


for command in (read, scan, probe, watch):
    app.command()(command)


def _figures(config: EdgeConfig) -> Held:
    if not config.buffer.path.exists():
        return Held("", 0, 0, 0, 0, 0, None, config.buffer.max_bytes)
    return read_figures(config.buffer.path, config.buffer.max_bytes)


def _words(held: Held, path: Path) -> str:
    oldest = "" if held.oldest_ms is None else f", the oldest of {iso_utc(held.oldest_ms)}"
    return (
        f"{path}: epoch {held.epoch or '(never used)'}\n"
        f"published: {held.published_readings} readings in {held.published_batches} batches\n"
        f"held: {held.held_readings} readings in {held.held_batches} batches{oldest}\n"
        f"size: {held.held_bytes} of {held.max_bytes} bytes"
    )


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
