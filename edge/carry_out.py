"""Carries out what a genuine order asks for, by what the agent has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from contract.commands import (
    MAX_CHUNK,
    MAX_PARTS,
    MAX_RESENT,
    Configure,
    ConfigureDone,
    Diagnose,
    DiagnoseDone,
    Done,
    Read,
    ReadDone,
    Resend,
    ResendDone,
    Told,
    What,
    Write,
    WriteDone,
)
from contract.errors import ConfigError
from contract.intervals import IntervalSet
from contract.quality import to_letters
from contract.quantities import quantity_of
from contract.readings import Reading
from edge.buffer import Buffer
from edge.changes import Changes, Outcome
from edge.core.diagnosis import in_parts
from edge.ports import OnDemand
from edge.staged import Staged

MAX_NOTE = 1_000
MAX_NOTES = 200


class CarryOut:
    """Does one thing at a time for each caller.

    file: the agent's configuration. resend: have these batches go out again.
    diagnosis: how things are, as plain data, with so many lines of log.
    """

    def __init__(
        self,
        *,
        file: Path,
        on_demand: OnDemand,
        buffer: Buffer,
        changes: Changes,
        resend: Callable[[IntervalSet], None],
        diagnosis: Callable[[int], dict[str, object]],
    ) -> None:
        self._file, self._on_demand, self._buffer = file, on_demand, buffer
        self._changes, self._resend, self._diagnosis = changes, resend, diagnosis

    async def do(self, what: What) -> Sequence[Done]:
        """Do it, and return what is told of it, in parts.

        Raises: NotAllowed, ConfigError, ValueError if nothing was done.
                TransportError, StorageError if it went wrong on the way.
        """
        match what:
            case Read():
                return [await self._read(what)]
            case Write():
                return [await self._write(what)]
            case Resend():
                return [await self._send_again(what)]
            case Configure():
                return [await self._configure(what)]
            case Diagnose(log_lines=lines):
                return await self._diagnose(lines)

    async def _read(self, what: Read) -> ReadDone:
        readings = await self._on_demand.read(what.device, what.measurements or None)
        return ReadDone(readings=tuple(_told(reading) for reading in readings))

    async def _write(self, what: Write) -> WriteDone:
        written = await self._on_demand.write(what.device, what.point, what.value)
        return WriteDone(found=written.found, unit=written.unit, why=written.why[:MAX_NOTE])

    async def _send_again(self, what: Resend) -> ResendDone:
        first, last = max(1, what.first_seq), what.last_seq
        if not 0 <= last - first < MAX_RESENT:
            raise ValueError(f"{first} to {last} is not 1 to {MAX_RESENT} batches")
        here = self._buffer.epoch
        if what.epoch not in ("", here):
            return ResendDone(epoch=here, held=(), gone=((first, last),))
        held = IntervalSet()
        for batch in await self._buffer.waiting(_Outside(first, last), MAX_RESENT):
            held.add(batch.seq)
        self._resend(held)
        ends = IntervalSet([*held, (last + 1, last + 1)])
        return ResendDone(epoch=here, held=tuple(held), gone=tuple(ends.holes(first)))

    async def _configure(self, what: Configure) -> ConfigureDone:
        staged = await asyncio.to_thread(Staged, self._file, what.yaml)
        try:
            outcome = await self._changes.take(staged.path, keep=staged.keep)
        finally:
            staged.drop()
        if outcome.problems:
            raise NotKept(outcome)
        return _configured(outcome)

    async def _diagnose(self, lines: int) -> Sequence[DiagnoseDone]:
        told = self._diagnosis(lines)
        text = json.dumps(told, ensure_ascii=False, default=str)
        if len(text) > MAX_CHUNK * MAX_PARTS:
            told["log"] = ["(left out: too much)"]
            text = json.dumps(told, ensure_ascii=False, default=str)
        return [DiagnoseDone(chunk=chunk) for chunk in in_parts(text)]


class NotKept(ConfigError):
    """A configuration that does not run, and what does."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(*outcome.problems)
        self.done = _configured(outcome)


def _configured(outcome: Outcome) -> ConfigureDone:
    return ConfigureDone(
        version=outcome.version,
        problems=tuple(problem[:MAX_NOTE] for problem in outcome.problems[:MAX_NOTES]),
        doubts=tuple(doubt[:MAX_NOTE] for doubt in outcome.doubts[:MAX_NOTES]),
    )


def _told(reading: Reading) -> Told:
    return Told(
        measurement=reading.measurement,
        value=reading.value,
        unit=quantity_of(reading.measurement).unit,
        quality=to_letters(reading.quality) or "N",
        observed_ms=reading.observed_ms,
    )


class _Outside:
    """All numbers but those of a stretch."""

    def __init__(self, first: int, last: int) -> None:
        self._first, self._last = first, last

    def __contains__(self, number: object) -> bool:
        return not (isinstance(number, int) and self._first <= number <= self._last)
