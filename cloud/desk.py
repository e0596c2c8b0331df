"""What comes in beside gateways' batches: what devices say of themselves, and what has waited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.core.admit import Admission, sort_out
from cloud.core.model import Series
from cloud.core.waiting import ITSELF, Standing
from cloud.gatehouse import Gatehouse, Released
from cloud.state import ledger
from cloud.voices import Heard, Voices
from cloud.work import Message, Said, Work
from contract import codec, messages
from contract.clock import iso_utc
from contract.codec import Rejected
from contract.errors import DecodeError
from contract.messages import Birth
from contract.readings import Reading

Number = Callable[[Work, str, Sequence[Reading]], NDArray[np.int32]]
Commit = Callable[[Work, str, Sequence[Reading]], None]


class Desk:
    """Works on the Line's transaction, with the Line's own way to number and commit readings."""

    def __init__(
        self, gatehouse: Gatehouse, voices: Voices, number: Number, commit: Commit
    ) -> None:
        self._gatehouse = gatehouse
        self._voices = voices
        self._number = number
        self._commit = commit

    def born(self, work: Work, gateway: str, message: Message) -> None:
        """Take a birth; what waited for it is stored. Raises: DecodeError."""
        birth = messages.decode(message.payload, Birth)
        if birth.gateway != gateway:
            raise DecodeError(f"birth says it is {birth.gateway!r}, but came from {gateway!r}")
        self._let_in(work, *self._gatehouse.born(work.connection, birth, work.now_ms))

    def settle(self, work: Work) -> None:
        """Do what people have decided about devices that wait."""
        self._let_in(work, *self._gatehouse.settle(work.connection, work.now_ms))

    def set_aside(self, work: Work, sender: str, message: Message, admission: Admission) -> None:
        """Keep what waits for its device's adoption; count and sample what was rejected."""
        if admission.waiting:
            work.counts["readings_waiting"] += len(admission.waiting)
            work.counts["readings_dropped"] += self._gatehouse.keep(
                work.connection, sender, admission.waiting, work.now_ms
            )
        _reject(work, message, admission.rejected)

    def spoken(self, work: Work, device: str, message: Message) -> None:
        """Take what a device says of itself; hear() stores it. Raises: DecodeError."""
        readings, rejected = codec.decode_senml(message.payload, work.now_ms, device)

        def standing_of(spoken_of: str, measurement: str) -> Standing | str:
            if spoken_of != device:
                return self._gatehouse.impostor(device, spoken_of)
            return self._gatehouse.standing(ITSELF, device, measurement)

        admission = sort_out(readings, rejected, standing_of)
        work.said.append(Said(readings=admission.readings, message=message))
        self.set_aside(work, ITSELF, message, admission)

    def hear(self, work: Work) -> None:
        """Store what devices said of themselves in this transaction and had not said before."""
        readings = [reading for said in work.said for reading in said.readings]
        if not readings:
            return
        numbers = self._number(work, ITSELF, readings).tolist()
        pairs = list(zip(numbers, readings, strict=True))
        heard = iter(self._voices.hear(pairs, work.fresh, work.now_ms))
        new: list[Reading] = []
        for said in work.said:
            found = [(reading, next(heard)) for reading in said.readings]
            new += [reading for reading, each in found if each.new]
            again = sum(not each.new and each.conflict is None for _, each in found)
            work.counts["readings_duplicate"] += again
            _reject(work, said.message, _conflicts(found))
        self._commit(work, ITSELF, new)

    def _let_in(
        self, work: Work, changed: list[Series], released: list[Released], dropped: int
    ) -> None:
        work.bound += changed
        work.counts["readings_dropped"] += dropped
        for each in released:
            readings = [
                reading
                for reading in each.readings
                if self._gatehouse.standing(each.sender, each.device, reading.measurement)
                is Standing.STORED
            ]
            work.counts["readings_adopted"] += len(readings)
            work.counts["readings_rejected"] += len(each.readings) - len(readings)
            if each.sender == ITSELF:
                work.said.append(Said(readings=readings))
            else:
                self._commit(work, each.sender, readings)


def _conflicts(found: Iterable[tuple[Reading, Heard]]) -> list[Rejected]:
    """Say which readings contradict what is stored of the same moment."""
    return [
        Rejected(
            index,
            f"{reading.device}:{reading.measurement}",
            f"value {reading.value}, but {heard.conflict}"
            f" is stored for {iso_utc(reading.observed_ms)}",
        )
        for index, (reading, heard) in enumerate(found)
        if heard.conflict is not None
    ]


def _reject(work: Work, message: Message | None, rejected: Sequence[Rejected]) -> None:
    work.counts["readings_rejected"] += len(rejected)
    if message:
        ledger.quarantine_records(
            work.connection, message.topic, message.payload, rejected, work.now_ms
        )
