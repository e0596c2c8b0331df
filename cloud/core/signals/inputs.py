"""What each kind of check reads, how long a gap in it is, and how far back it must look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cloud.core.checks import Difference, Expression, NoData, Rate, Stuck, Value, Window
from cloud.core.model import Series
from cloud.core.register import Register
from cloud.core.rules import Rule
from cloud.core.signals.grids import SLIDING_PANES

GAP_PERIODS = 3  # windows missed that make a gap, as with readings
ENDLESS_MS = 1 << 60


def anchors(rule: Rule, names: Sequence[str], mine: Mapping[str, int]) -> list[int]:
    """Return the slots of one device that a rule's alerts are of.

    Args: names: the measurements it watches there. mine: the device's slots by measurement.
    """
    found = [mine[name] for name in names]
    check = rule.check
    if isinstance(check, Expression):
        return found[:1] if all(name in mine for name in rule.measurements) else []
    whole = isinstance(check, NoData) and check.whole_device
    return found[:1] if whole else found


def inputs(
    rule: Rule,
    anchor: int,
    mine: Mapping[str, int],
    register: Register,
    references: Iterable[str] = (),
) -> list[int]:
    """Return the slots that a signal is made of, the anchor first; of a difference, then the rest.

    None at all where what it is to be compared with is not there.
    Args: mine: the device's slots by measurement. references: whom a difference is to, devices.
    """
    check = rule.check
    if isinstance(check, Expression):
        return [mine[name] for name in rule.measurements]
    if isinstance(check, NoData) and check.whole_device:
        return [anchor, *(slot for slot in mine.values() if slot != anchor)]
    if isinstance(check, Difference):
        others = list(_others(references, register.series[anchor], register))
        return [anchor, *others] if others else []
    return [anchor]


def _others(references: Iterable[str], anchor: Series, register: Register) -> Iterator[int]:
    for device in references:
        if device != anchor.device.id:
            slots = register.slots_of(device)
            yield from (s for s in slots if register.series[s].measurement == anchor.measurement)


def gap_ms(rule: Rule, reading_gap_ms: int) -> int:
    """Return how long what a check yields may be silent before that fulfils no duration."""
    check = rule.check
    if isinstance(check, NoData):
        return ENDLESS_MS
    if isinstance(check, Difference) or (isinstance(check, Window) and check.aligned):
        return max(reading_gap_ms, round(GAP_PERIODS * check.over_s * 1000))
    if isinstance(check, Window):
        return reading_gap_ms + round(GAP_PERIODS * check.over_s * 1000 / SLIDING_PANES)
    return reading_gap_ms


def look_back_ms(rule: Rule, reading_gap_ms: int) -> int:
    """Return how far back readings say what a check yields now."""
    check = rule.check
    back_s = 0.0
    if isinstance(check, Window | Difference | Rate):
        back_s = 2 * check.over_s
    elif isinstance(check, Stuck):
        back_s = check.for_s
    elif isinstance(check, Expression):
        back_s = check.max_age_s
    elif isinstance(check, NoData):
        back_s = check.at_least_s + check.periods * reading_gap_ms / 1000
    counted = reading_gap_ms * rule.counted.of if rule.counted else 0
    return round(back_s * 1000) + counted


def is_timed(rule: Rule) -> bool:
    """Whether time alone can make something of a check: a reading can then come too late for it."""
    check = rule.check
    return isinstance(check, NoData | Difference | Expression) or (
        isinstance(check, Window) and check.aligned
    )


def is_plain(rule: Rule) -> bool:
    """Whether a rule looks at the readings themselves."""
    return isinstance(rule.check, Value)
