"""What the agent asks of the world: a bus, a line, a buffer's store. Adapters are built in app.py.

The line of the agent: read → decode → normalise → validate → buffer → publish. Drivers read and
deliver frames; the pipeline makes readings of them; the buffer keeps them; the uplink publishes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from contract.errors import RejectedError
from contract.intervals import IntervalSet
from contract.readings import Reading
from device_profiles.core import hj212
from device_profiles.core.values import Value
from edge.core.clock_trust import Doubt
from edge.core.modbus import Request


class Answers(msgspec.Struct, frozen=True, gc=False):
    """One poll of one device.

    answers:     the data bytes of each request of the device's poll plan, in its order; None for
                 one that was not answered.
    observed_ms: UTC milliseconds, midway between the first request and the last answer.
    """

    device: str
    observed_ms: int
    answers: tuple[bytes | None, ...]


class Message(msgspec.Struct, frozen=True, gc=False):
    """What a device that speaks for itself published, as it came, and when (UTC milliseconds).

    number: its broker's, 0 if it has none. again: the broker says that it may have come before.
    """

    bus: str
    arrived_ms: int
    topic: str
    payload: bytes
    number: int = 0
    again: bool = False


class Silence(msgspec.Struct, frozen=True, gc=False):
    """A device has stopped answering; told once, not for every poll that fails thereafter."""

    device: str
    at_ms: int


class Report(msgspec.Struct, frozen=True):
    """What an HJ 212 station reported, checked and joined. own_ms: its DataTime, UTC ms."""

    bus: str
    device: str
    arrived_ms: int
    own_ms: int
    frame: hj212.Frame


class Said(msgspec.Struct, frozen=True, gc=False):
    """What a device said of itself that needs no decoding, and of when (UTC milliseconds).

    repeats: keys (edge.core.heard) of which none may be known, or it has been said before.
    remembered: its own keys, from now on.
    """

    device: str
    observed_ms: int
    values: tuple[Value, ...]
    repeats: tuple[bytes, ...] = ()
    remembered: tuple[bytes, ...] = ()


class SetAside(msgspec.Struct, frozen=True):
    """A message that its driver does not believe, and why."""

    message: Message
    why: str


Frame: TypeAlias = Answers | Message | Silence | Report | Said | SetAside
Committed: TypeAlias = Callable[[], None]


class Deliver(Protocol):
    """Takes what a driver has read."""

    def __call__(self, frame: Frame, committed: Committed | None = None, /) -> None:
        """Take a frame. committed: called, once, in the event loop, when its sender may forget it.

        That is when its readings are on disk, or what cannot be read is in quarantine, or nothing
        comes of it. It is never called if the process ends before: the sender sends it again.
        """
        ...


class Source(Protocol):
    """A bus with its devices: what drivers are."""

    async def run(self, deliver: Deliver) -> None:
        """Read for ever, delivering each frame as it comes; ends only by being cancelled.

        Never raises for what a line or a device does: it reconnects with backoff and tells the
        health figures. On cancellation it closes its connection before it returns.
        """
        ...


class Sink(Protocol):
    """Where readings go: in the agent, the buffer."""

    def put(
        self,
        readings: Sequence[Reading],
        *,
        urgent: bool,
        on_commit: Committed | None = None,
        heard: Sequence[bytes] = (),
    ) -> None:
        """Take readings; those of gas and covers are urgent.

        on_commit: called in the event loop's thread once they, and what was put before them, are on
        disk, for good; or the gap is, if they had to be given up. Also called for no readings.
        heard: keys of the messages that they came in, committed with them.
        """
        ...


class Shelf(Protocol):
    """Where messages go that cannot be understood: in the agent, the quarantine."""

    def put(self, message: Message, why: str) -> None:
        """Set a message aside."""
        ...


class Line(Protocol):
    """A Modbus line, whatever its wire: one exchange at a time."""

    async def open(self) -> bool:
        """Connect, unless connected; return whether it had to.

        Raises: Timeout, Disconnected.
        """
        ...

    async def ask(self, request: Request, timeout_s: float) -> bytes:
        """Send a request and return the data of exactly its answer, request.data_size bytes.

        After any error but Refused the line is closed: the next exchange needs open().

        Raises: Refused if the device answers with a Modbus exception.
                Timeout, Disconnected, Disturbed.
        """
        ...

    def close(self) -> None:
        """Drop the connection, if there is one."""
        ...


@runtime_checkable
class Askable(Protocol):
    """A bus whose devices can be asked out of turn, while it runs."""

    async def ask_now(self, device: str, requests: Sequence[Request]) -> tuple[bytes, ...]:
        """Make requests of one device, ahead of all polls: after the exchange that is under way.

        Nothing else is said on the line between them.

        Returns: the data of each answer.
        Raises:  Refused, Timeout, Disconnected, Disturbed; what follows is not asked then.
        """
        ...


class NotAllowed(RejectedError):
    """What was asked for is not on the profile's list, or not within its limits; nothing was sent.

    Also: no such device, or one that cannot be asked because it speaks for itself.
    """


class Written(msgspec.Struct, frozen=True):
    """What became of a write.

    asked, found: a number in `unit`, or a name where the profile lists names. found: what the
    device holds now; None if it could not be read back. why: empty if found is what was asked.
    """

    device: str
    point: str
    asked: float | str
    found: float | str | None
    unit: str
    at_ms: int
    why: str = ""


class OnDemand(Protocol):
    """Devices that can be asked out of turn, on any polled bus. Goes ahead of polls."""

    async def read(
        self, device: str, measurements: Sequence[str] | None = None
    ) -> Sequence[Reading]:
        """Read a device now: all that it measures, or these measurements only.

        What is read whole goes the line's way besides, as a poll does.

        Raises: NotAllowed naming what may be read.
                Timeout, Disconnected, Refused (all TransportError): the device or its line failed.
        """
        ...

    async def write(self, device: str, point: str, value: float | str) -> Written:
        """Write one of the profile's `writes`, within its limits, and read it back.

        value: in the write's unit; or a name, where the profile lists names.

        Raises: NotAllowed naming what may be written; nothing has been sent then.
                Timeout, Disconnected: it is not known whether the device took it.
                Refused: the device did not take it.
        """
        ...


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A batch on disk: its number, and its payload as it goes on the wire."""

    seq: int
    urgent: bool
    readings: int
    payload: bytes


class Held(msgspec.Struct, frozen=True):
    """What a store holds. published_*: ever committed. oldest_ms: None when nothing is held.

    next_seq: what the next batch will be numbered. bytes_per_s: committed lately, None if unknown.
    disk_full: whether the reserve had to be given up.
    """

    epoch: str
    published_readings: int
    published_batches: int
    held_batches: int
    held_readings: int
    held_bytes: int
    oldest_ms: int | None
    max_bytes: int
    next_seq: int = 1
    bytes_per_s: float | None = None
    disk_full: bool = False


class Loss(msgspec.Struct, frozen=True):
    """Readings that were given up before they reached the disk."""

    readings: int
    first_ms: int
    last_ms: int
    reason: str

    def joined(self, other: Loss) -> Loss:
        """Return both as one; the reason is the other's."""
        return Loss(
            self.readings + other.readings,
            min(self.first_ms, other.first_ms),
            max(self.last_ms, other.last_ms),
            other.reason,
        )


class TimeKeeper(Protocol):
    """Who knows whether the machine's wall clock is right."""

    boot: str

    def synchronised(self) -> bool:
        """Return whether it has been set by a source of time, and still follows it."""
        ...


class Store(Protocol):
    """Numbered batches that outlive the process. Used by one thread at a time."""

    epoch: str

    def commit(
        self,
        urgent: Sequence[Reading],
        normal: Sequence[Reading],
        now_ms: int,
        loss: Loss | None,
        heard: Sequence[bytes] = (),
        doubt: Doubt | None = None,
        *,
        hold: bool = False,
    ) -> list[Stored]:
        """Put readings on disk as numbered batches of at most 1,000, and drop what is acknowledged.

        Everything happens in one transaction, or nothing does; with it, the keys of the messages
        heard are remembered, as many as edge.core.heard.REMEMBERED. Beyond its bounds it gives up
        readings, the oldest first, never those just committed, and commits gap records that name
        them; a batch that loses only a part tells so itself. Likewise for a loss.

        Args:    doubt: on what the readings' times rest, if that is not a clock that is right.
                 hold: keep them until settle() knows better; else they are flagged, and go.
        Returns: the new batches that may go, in order of their numbers, gap records included.
        Raises:  StorageError; the readings are still the caller's.
        """
        ...

    def settle(self, boot: str, offset_ms: int | None) -> bool:
        """Give some of the batches that are held for their times' sake their last ones.

        Args:    boot: this one. offset_ms: of its wall clock to the monotonic one, if that is
                 known; None lets all of them go with their guesses, flagged.
        Returns: whether any may go now that could not before. Call it again until none.
        Raises:  StorageError.
        """
        ...

    def salvage(self) -> bool:
        """Move some more batches over from a file that was damaged, or a copy, if there is one.

        Returns: whether there were any; call it again until there are none. Raises: StorageError.
        """
        ...

    def known_ms(self) -> int:
        """Return a time that is past, the newest there is on disk; 0 if there is none.

        Raises: StorageError.
        """
        ...

    def acknowledge(self, numbers: IntervalSet) -> None:
        """Remember that the cloud has these; they are deleted by the next commit."""
        ...

    def waiting(self, excluded: Container[int], limit: int) -> list[Stored]:
        """Return batches not acknowledged, not excluded and not held back, the oldest first.

        A gap record stands where the first number is that it names.
        Raises: StorageError.
        """
        ...

    def latest_urgent(self, limit: int) -> list[Stored]:
        """Return the last urgent ones of the batches that waiting() has, in their order.

        Raises: StorageError.
        """
        ...

    def heard(self) -> list[bytes]:
        """Return the keys of messages that were committed, oldest first. Raises: StorageError."""
        ...

    def figures(self) -> Held:
        """Return what is held. Raises: StorageError."""
        ...

    def close(self) -> None:
        """Write what is left and close. Raises: StorageError."""
        ...
