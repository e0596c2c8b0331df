"""The borders of the cloud. Each has one contract suite in tests/suites/, for all that fill it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cloud.core.case_message import Link, Message, Theirs, Told
from cloud.core.columns import Columns
from cloud.core.gate import Decision

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cloud.alert_rows import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest reading of a series. value is None for a reading that has none."""

    series: int
    observed_ms: int
    value: float | None
    quality: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesName:
    """What a series is called outside: its device and measurement."""

    device: str
    measurement: str


class SeriesStore(Protocol):
    """The reading side of where readings are kept: always cold ∪ hot, in one consistent view."""

    def range(self, series: Sequence[int], from_ms: int, to_ms: int) -> Columns:
        """Return the readings with from_ms <= observed_ms < to_ms, sorted by series and time.

        Raises: StorageError if the disk or the database failed.
        """
        ...

    def read(self, series: Sequence[int] | None, from_ms: int, to_ms: int) -> Iterator[Columns]:
        """Yield what range() returns, of all series for None, however much there is.

        UTC days come in order, each sorted by series and time; a part never spans two days, a day
        may come in several parts. Memory does not grow with what is read. Each day is one
        consistent view, taken when its first part is asked for.
        Raises: StorageError, also half way.
        """
        ...

    def stepped(self, series: int, from_ms: int, to_ms: int, step_ms: int) -> Stepped:
        """Return one point a step that has readings, averaged as the series' quantity averages.

        Unusable readings (contract.quality.UNUSABLE, or without value) are counted apart.
        Raises: StorageError; ValueError if step_ms < 1 or there would be over 20,000 points.
        """
        ...

    def latest(self, series: Sequence[int]) -> dict[int, Latest]:
        """Return the newest reading of each series that has any. Raises: StorageError."""
        ...

    def count(self) -> Count:
        """Count what is stored. Raises: StorageError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """Points of one series, in lists of equal length; from_ms is each step's start.

    readings counts the usable ones; mean, minimum and maximum are None where it is 0. excluded
    counts the others, and quality has every flag that any of a step's readings has.
    """

    from_ms: list[int]
    mean: list[float | None]
    minimum: list[float | None]
    maximum: list[float | None]
    readings: list[int]
    excluded: list[int]
    quality: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many readings are stored, and how many of them say a (series, observed_at) again."""

    stored: int
    duplicates: int
    hot: int
    cold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Committed blocks on their way to a cold store: all from first_block to last_block.

    columns are sorted by series and time, and hold at least one reading; names has every series
    that is in them.
    """

    columns: Columns
    names: Mapping[int, SeriesName]
    first_block: int
    last_block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What write() made durable, and what is to be done when its blocks are forgotten.

    commit runs in the transaction that moves the sealer's cursor past the blocks; from then on
    they are read from the cold store, and from nowhere else.
    """

    parts: int
    commit: Callable[[sa.Connection], None]


class ColdStore(Protocol):
    """The writing side of a series store. One thread of one process at a time uses it.

    The sealer (cloud/series/sealer.py) hands over blocks in order, never two of them at once. What
    was written and not committed may come again, in the same or in larger pieces, after a failure
    or a kill -9: the store must not hold a reading twice for that.
    """

    def recover(self) -> int:
        """Clear away what a crash left half done; return how much it was. Called at start.

        Raises: StorageError.
        """
        ...

    def write(self, sealing: Sealing) -> Written:
        """Make the readings durable, though not necessarily visible yet.

        Raises: StorageError; nothing of it is visible, and it will be called again.
        """
        ...

    def tidy(self) -> bool:
        """Do one bounded piece of upkeep (merging, retention); return whether more is due.

        Raises: StorageError; nothing is lost, and it will be called again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedStore:
    """Both sides of a series store."""

    series: SeriesStore
    cold: ColdStore


class CaseSystem(Protocol):
    """Where alerts become work. The outbox calls it (cloud/cases/outbox.py), once per message.

    The connection is the transaction that marks the message done: what is written through it and
    the mark stand or fall together. What is done elsewhere must bear being done again.
    """

    def raised(
        self, connection: sa.Connection, alert: Alert, decision: Decision, at_ms: int
    ) -> str:
        """Open a case for an alert, or attach it to the open one of its asset and category.

        Returns: the case's id. Raises: TransportError to be called again later; RejectedError if
        the system refused for good.
        """
        ...

    def returned(self, connection: sa.Connection, alert: str, at_ms: int) -> None:
        """Tell that an alert's sensor is back to normal. It never closes a case.

        Raises: as raised().
        """
        ...


class OtherCaseSystem(Protocol):
    """A case system that is not ours. The courier calls it (cloud/cases/courier.py).

    No transaction is open meanwhile. What it is told must be there once, however often it is told.
    """

    def tell(self, message: Message, link: Link, *, again: bool) -> Told:
        """Tell one step of a case. Steps of a case come in order, one at a time.

        again: an attempt went before whose outcome is not known; so look whether it is there.
        Raises: TransportError to be called again later; RejectedError if it refused for good.
        """
        ...

    def statuses(self, links: Sequence[Link]) -> list[Theirs]:
        """Return how cases stand there; those it says nothing of are left out.

        Raises: TransportError; RejectedError.
        """
        ...

    def listing(self, from_ms: int, to_ms: int) -> list[Theirs] | None:
        """Return what it has that came in between, ours or not; None if it cannot be asked.

        Raises: TransportError; RejectedError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message to one person by one way.

    key: the same at every repetition, so that the other side can know one. what, severity, alert,
    case, link: for those who take messages apart; "" where there is none.
    """

    key: str
    to: str
    language: str
    subject: str
    body: str
    short: str
    what: str
    severity: str = ""
    alert: str = ""
    case: str = ""
    link: str = ""


class NotifyChannel(Protocol):
    """A way to reach people. A courier calls it (cloud/notify/courier.py), one notice at a time."""

    def send(self, notice: Notice) -> None:
        """Hand a notice over for good; return only when the other side has taken it.

        Raises: TransportError if it may be tried again; RejectedError if it was refused for good.
        """
        ...


@runtime_checkable
class ProbedChannel(NotifyChannel, Protocol):
    """A channel that can be tried cheaply, without telling anybody anything."""

    def probe(self) -> None:
        """See whether it would take a notice. Raises: TransportError, RejectedError if not."""
        ...
