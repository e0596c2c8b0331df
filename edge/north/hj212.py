"""Upload to a regulator's platform over HJ 212-2017, beside our own uplink (docs/hj212.md)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field

from contract.aggregates import LEVEL
from contract.clock import Clock
from contract.errors import Disconnected, StorageError
from contract.quantities import quantity_of
from contract.readings import Reading
from contract.secret_files import read_secret
from contract.strict_yaml import suggest
from edge.core.hj212_messages import FIELD
from edge.core.hj212_report import NOISE_FACTORS, Factor, Sample
from edge.core.hj212_upload import (
    Acknowledged,
    Disbelieved,
    Event,
    HistoryAsked,
    Identity,
    IntervalSet,
    NotTaken,
    UploadSession,
)
from edge.core.schedule import Backoff
from edge.devices import Device
from edge.health import Health
from edge.north.outbox import DamagedError, Figures, Outbox, Plan
from edge.options import Id, Port, Section
from edge.ports import Committed
from edge.set_aside import set_aside

log = logging.getLogger(__name__)
T = TypeVar("T")

COMMIT_S, LOOK_S, CONNECT_S, DRAIN_S = 1.0, 0.25, 20.0, 120.0
DAY_MS = 86_400_000
MOST_PENDING = 100_000
RECONNECTING = Backoff(first_s=1.0, most_s=60.0)
CHINA = "Asia/Shanghai"


class Hj212North(Section):
    """A platform, and what it is told. factors: measurement -> factor code, where not HJ 212's.

    minutes: of one 2051. kept_days: how long acknowledged reports are kept. max_bytes: of
    the file that they are kept in.
    """

    id: Id
    protocol: Literal["hj212"]
    host: Annotated[str, Field(min_length=1)]
    port: Port
    mn: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,24}$")]
    st: Annotated[str, Field(pattern=r"^[0-9]{2}$")]
    password_file: Path
    devices: Annotated[tuple[Id, ...], Field(min_length=1)]
    factors: dict[str, Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,12}$")]] = Field(
        default_factory=dict
    )
    real_time_s: Annotated[int, Field(ge=30, le=3_600)] = 60
    minutes: Literal[1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30] = 10
    kept_days: Annotated[float, Field(ge=1, le=366)] = 30.0
    max_bytes: Annotated[int, Field(ge=10_000_000)] = 200_000_000

    def problems(
        self, devices: Mapping[str, Device], names: Sequence[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield (key, what is wrong). devices: those that could be read. names: all there are."""
        for index, name in enumerate(self.devices):
            if name not in names:
                yield f"devices.{index}", f"unknown device {name!r}; {suggest(name, names)}"
        if not all(name in devices for name in self.devices):
            return  # what is wrong with them has been told
        measured = {m for name in self.devices for m in devices[name].measurements}
        for name in self.factors:
            if name not in measured:
                yield f"factors.{name}", f"no measurement; {suggest(name, sorted(measured))}"
        seen: dict[str, Factor] = {}
        for factor in self.all_factors(devices):
            other = seen.setdefault(factor.code, factor)
            if other is not factor:
                yield (
                    "factors",
                    f"{factor.code} is both {other.measurement} of {other.device} and"
                    f" {factor.measurement} of {factor.device}; give one another code",
                )
        if not seen:
            yield "devices", "none of their measurements has a factor code; give some in factors"

    def secret(self) -> str:
        """Return the PW. Raises: ConfigError."""
        return read_secret(self.password_file)

    def secret_problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the PW. Raises: ConfigError if the file cannot be used."""
        if not FIELD["PW"].fullmatch(self.secret()):
            yield "password_file", "holds no PW: at most 6 characters, none of ; , & = #"

    def all_factors(self, devices: Mapping[str, Device]) -> tuple[Factor, ...]:
        """Return what is reported; levels give Leq and percentiles unless a device gives them."""
        found = [
            Factor(code=code, device=name, measurement=m, every_s=devices[name].period_s)
            for name in self.devices
            for m in devices[name].measurements
            if (code := self.factors.get(m, quantity_of(m).hj212))
        ]
        given = {factor.code for factor in found}
        return tuple(
            Factor(
                code=factor.code,
                device=factor.device,
                measurement=factor.measurement,
                every_s=factor.every_s,
                levels=factor.measurement == LEVEL and given.isdisjoint(NOISE_FACTORS),
            )
            for factor in found
        )

    def open(
        self, buffer: Path, devices: Iterable[Device], clock: Clock, health: Health
    ) -> Hj212Upload:
        """Build the upload; its file stands beside the buffer's. Touches nothing yet."""
        known = {device.id: device for device in devices}
        plan = Plan(
            factors=self.all_factors(known),
            zone=ZoneInfo(CHINA),
            real_time_s=self.real_time_s,
            minutes=self.minutes,
            kept_ms=round(self.kept_days * DAY_MS),
            max_bytes=self.max_bytes,
        )
        path = buffer.with_name(f"{buffer.name}.north-{self.id}.sqlite")
        return Hj212Upload(self, path, plan, clock=clock, health=health)


class Hj212Upload:
    """One platform: keeps what it is to be told, and tells it."""

    def __init__(
        self, options: Hj212North, path: Path, plan: Plan, *, clock: Clock, health: Health
    ) -> None:
        self._options, self._path, self._plan = options, path, plan
        self._clock, self._health = clock, health
        self._name = f"north {options.id}"
        self._codes = {(f.device, f.measurement): f.code for f in plan.factors}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._name)
        self._outbox: Outbox | None = None
        self._pending: list[tuple[str, Sample]] = []
        self._promised: list[Committed] = []
        self._lost = 0
        self._more = True

    def wants(self, readings: Sequence[Reading]) -> bool:
        """Whether any of these is for the platform."""
        return any((r.device, r.measurement) in self._codes for r in readings)

    def put(self, readings: Sequence[Reading], committed: Committed | None) -> None:
        """Take readings; committed: called when they are on disk."""
        for reading in readings:
            code = self._codes.get((reading.device, reading.measurement))
            if code is not None:
                sample = Sample(reading.observed_ms, reading.value, reading.quality)
                self._pending.append((code, sample))
        if committed is not None:
            self._promised.append(committed)
        surplus = len(self._pending) - MOST_PENDING
        if surplus > 0:  # the disk has failed for long
            del self._pending[:surplus]
            self._lost += surplus

    async def run(self) -> None:
        """Keep and tell until cancelled; what is pending then is for close()."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep(), name=f"{self._name} file")
            tasks.create_task(self._tell(), name=self._name)

    async def close(self) -> None:
        """Commit what is pending, and close the file."""
        await self._commit()
        with suppress(StorageError):
            await self._in_thread(Outbox.close)
        self._thread.shutdown()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            await self._commit()

    async def _commit(self) -> None:
        pending, self._pending = self._pending, []
        promised, self._promised = self._promised, []
        now_ms = self._clock.now_ms()
        try:
            made = await self._in_thread(lambda outbox: outbox.take(pending, now_ms))
            figures = await self._in_thread(Outbox.figures)
        except StorageError as error:
            self._pending, self._promised = pending + self._pending, promised + self._promised
            if self._health.set_problem(f"{self._name} file", str(error)):
                log.error("%s: %s cannot be written: %s", self._name, self._path, error)
            return
        self._health.clear_problem(f"{self._name} file")
        self._more = self._more or made > 0
        self._note(figures)
        for committed in promised:
            committed()

    def _note(self, figures: Figures) -> None:
        self._health.norths[self._options.id] = {
            "held": figures.held,
            "acknowledged": figures.acknowledged,
            "dropped": figures.dropped + self._lost,
        }

    async def _tell(self) -> None:
        failures = 0
        while True:
            try:
                async with asyncio.timeout(CONNECT_S):
                    reader, writer = await asyncio.open_connection(
                        self._options.host, self._options.port
                    )
            except (OSError, TimeoutError) as error:
                failures += 1
                self._tell_down(str(error) or "no connection in time")
            else:
                try:
                    failures = 0 if await self._talk(reader, writer) else failures + 1
                except (OSError, StorageError, TimeoutError, Disconnected) as error:
                    failures += 1
                    self._tell_down(str(error) or "it reads nothing")
                finally:
                    writer.transport.abort()
            pause_s = RECONNECTING.after(max(failures, 1))
            await asyncio.sleep(pause_s * random.uniform(0.75, 1.25))  # noqa: S311

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Use one connection until it ends; return whether anything was acknowledged over it."""
        log.info("%s: connected to %s:%d", self._name, self._options.host, self._options.port)
        session = UploadSession(
            identity=Identity(
                mn=self._options.mn, password=self._options.secret(), system=self._options.st
            ),
            zone=self._plan.zone,
            interval_s=await self._in_thread(lambda outbox: outbox.interval_s),
        )
        self._more, useful = True, False
        while True:
            await self._upload_next(session)
            writer.write(session.data_to_send())
            async with asyncio.timeout(DRAIN_S):
                await writer.drain()
            data = await _read(reader)
            if data == b"":
                self._tell_down("the platform has closed the connection")
                return useful
            now_ms = self._clock.now_ms()
            events = session.receive(data, now_ms) if data else []
            for event in [*events, *session.tick(now_ms)]:
                useful = useful or isinstance(event, Acknowledged)
                await self._handle(event, session)

    async def _upload_next(self, session: UploadSession) -> None:
        if session.waiting or not self._more:
            return
        reports = await self._in_thread(lambda outbox: outbox.waiting(1))
        self._more = bool(reports)
        for report in reports:
            session.upload(report, self._clock.now_ms())

    async def _handle(self, event: Event, session: UploadSession) -> None:
        match event:
            case Acknowledged(qn=qn):
                await self._in_thread(lambda outbox: outbox.acknowledge(qn))
                if self._health.clear_problem(self._name):
                    log.info("%s: the platform acknowledges again", self._name)
            case NotTaken(qn=qn, why=why):
                raise Disconnected(f"report {qn}: {why}")
            case IntervalSet(interval_s=interval_s):
                await self._in_thread(lambda outbox: outbox.set_interval(interval_s))
                log.info("%s: real-time data every %d s from now on", self._name, interval_s)
            case HistoryAsked(command=command, begin_ms=begin_ms, end_ms=end_ms):
                held = await self._in_thread(lambda o: o.history(command, begin_ms, end_ms))
                session.history(event, held)
            case Disbelieved(why=why):
                log.warning("%s: passed over what the platform sent: %s", self._name, why)

    def _tell_down(self, why: str) -> None:
        if self._health.set_problem(self._name, why):
            log.warning("%s: %s; trying again", self._name, why)

    async def _in_thread(self, job: Callable[[Outbox], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._with_outbox, job
        )

    def _with_outbox(self, job: Callable[[Outbox], T]) -> T:
        if self._outbox is None:
            self._outbox = Outbox(self._path, self._plan)
        try:
            return job(self._outbox)
        except DamagedError:
            with suppress(StorageError):
                self._outbox.close()
            self._outbox = None
            aside = set_aside(self._path)
            log.error("%s: a damaged file was set aside as %s", self._name, aside)
            raise


async def _read(reader: asyncio.StreamReader) -> bytes | None:
    """Return what has come; None if nothing comes for a moment."""
    try:
        async with asyncio.timeout(LOOK_S):
            return await reader.read(4_096)
    except TimeoutError:
        return None
