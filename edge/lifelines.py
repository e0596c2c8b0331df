"""Watches what the cabinet lives on: its supply and its modem, read off the loop, in bounded time.

What cannot be read is unknown, said as a problem, and asked for again; it stops nothing.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from contract.clock import Clock
from contract.errors import DecodeError
from contract.lifelines import MODEM, SUPPLY, Modem, Supply
from edge.cancelling import check_cancelled
from edge.core.lifelines import (
    modem_from_mmcli,
    modem_from_status,
    supply_from_sysfs,
    supply_from_word,
)
from edge.health import Health
from edge.options import ModemOptions, SupplyOptions

log = logging.getLogger(__name__)

T = TypeVar("T")
MOST_BYTES = 65_536
ATTRIBUTES = ("type", "online", "status", "capacity")


class Reader(Generic[T]):
    """Reads in a thread of its own, one at a time: one that hangs is not joined by another.

    The thread is a daemon, so that a file which never answers keeps no agent from ending.
    """

    def __init__(self, read: Callable[[], T], timeout_s: float) -> None:
        self._read, self._timeout_s = read, timeout_s
        self._thread: threading.Thread | None = None

    async def ask(self) -> T:
        """Return what is read. Raises: OSError, DecodeError, TimeoutError."""
        if self._thread is not None and self._thread.is_alive():
            raise TimeoutError
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._thread = threading.Thread(
            target=self._work, args=(loop, answer), name="lifeline", daemon=True
        )
        self._thread.start()
        async with asyncio.timeout(self._timeout_s):
            return await answer

    def _work(self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[T]) -> None:
        def settle(found: T | None, error: Exception | None) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(found)  # type: ignore[arg-type]  # there is no error

        found, failure = None, None
        try:
            found = self._read()
        except (OSError, DecodeError) as error:
            failure = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found, failure)


class Fresh:
    """Whether a file is still being written, by the monotonic clock: the other may be wrong."""

    def __init__(self, path: Path, max_age_s: float, clock: Clock) -> None:
        self._path, self._max_age_s, self._clock = path, max_age_s, clock
        self._seen: tuple[int, float] | None = None

    def check(self) -> None:
        """Raises: OSError; DecodeError if nobody has written it for too long."""
        if not self._max_age_s:
            return
        now_s, written_ns = self._clock.monotonic_s(), self._path.stat().st_mtime_ns
        if self._seen is None or self._seen[0] != written_ns:
            self._seen = written_ns, now_s
        if now_s - self._seen[1] > self._max_age_s:
            raise DecodeError(f"not written for over {self._max_age_s:g} s")


def supply_reader(options: SupplyOptions, clock: Clock) -> Reader[Supply]:
    """Return what reads the supply."""
    if options.power_supply is not None:
        folder = options.power_supply
        return Reader(lambda: supply_from_sysfs(list(_parts(folder))), options.timeout_s)
    assert options.file is not None
    path, fresh = options.file, Fresh(options.file, options.max_age_s, clock)

    def read() -> Supply:
        fresh.check()
        text = _text(path).decode(errors="replace")
        return supply_from_word(text, options.mains, options.battery)

    return Reader(read, options.timeout_s)


def modem_reader(options: ModemOptions, clock: Clock) -> Reader[Modem]:
    """Return what reads the modem."""
    if options.mmcli is not None:
        words = ["mmcli", "-m", options.mmcli, "-J"]
        return Reader(lambda: modem_from_mmcli(_said(words, options.timeout_s)), options.timeout_s)
    assert options.file is not None
    path, fresh = options.file, Fresh(options.file, options.max_age_s, clock)

    def read() -> Modem:
        fresh.check()
        return modem_from_status(_text(path))

    return Reader(read, options.timeout_s)


class Lifelines:
    """Keeps health's figures of the supply and the modem up to date."""

    def __init__(
        self,
        supply: SupplyOptions | None,
        modem: ModemOptions | None,
        *,
        clock: Clock,
        health: Health,
    ) -> None:
        self._supply, self._modem = supply, modem
        self._clock, self._health = clock, health
        health.supply = Supply() if supply else None
        health.modem = Modem() if modem else None

    async def run(self) -> None:
        """Watch until cancelled."""
        watches = []
        if self._supply:
            reader = supply_reader(self._supply, self._clock)
            watches.append(self._watch(SUPPLY, reader, self._supply.every_s, self._take_supply))
        if self._modem:
            asked = modem_reader(self._modem, self._clock)
            watches.append(self._watch(MODEM, asked, self._modem.every_s, self._take_modem))
        await asyncio.gather(*watches)

    async def _watch(
        self, what: str, reader: Reader[T], every_s: float, take: Callable[[T | None], None]
    ) -> None:
        while True:
            check_cancelled()
            try:
                take(await reader.ask())
                if self._health.clear_problem(what):
                    log.info("%s: is known again", what)
            except (OSError, DecodeError) as error:  # TimeoutError is an OSError
                take(None)
                why = str(error) or "it does not answer"
                if self._health.set_problem(what, f"unknown: {why}"):
                    log.warning("%s: unknown: %s", what, why)
            await asyncio.sleep(every_s)

    def _take_supply(self, found: Supply | None) -> None:
        self._health.take_supply(found or Supply())

    def _take_modem(self, found: Modem | None) -> None:
        self._health.take_modem(found or Modem())


def _parts(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the attributes of a power supply, or of each in a folder of them."""
    for part in [folder] if (folder / "type").is_file() else sorted(folder.iterdir()):
        found: dict[str, str] = {}
        for name in ATTRIBUTES:
            with suppress(OSError):  # few have all; a driver without an answer says ENODATA
                found[name] = _text(part / name).decode(errors="replace").strip()
        yield found


def _text(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES)


def _said(words: list[str], timeout_s: float) -> bytes:
    """Return what a command prints. Raises: OSError; DecodeError if it fails."""
    try:
        done = subprocess.run(words, capture_output=True, timeout=timeout_s, check=False)  # noqa: S603  fixed words
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[:200]
        raise DecodeError(f"{words[0]} failed: {said or done.returncode}")
    return done.stdout
