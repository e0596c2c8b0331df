"""What a rule is, and which of a device's measurements it watches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cached_property

from cloud.core.calendar import Times
from cloud.core.checks import VALUE, Check, NoData
from cloud.core.model import Device, Severity


class Direction(StrEnum):
    """On which side of the limit the trouble is."""

    ABOVE = "above"
    BELOW = "below"


class Schedule(StrEnum):
    """The hours in which a rule is in force, local time (cloud/core/schedule.py)."""

    ALWAYS = "always"
    DAY = "day"
    NIGHT = "night"


class Mark(StrEnum):
    """How sure a figure is. Nothing below S may be called what a standard says."""

    PRIMARY = "P"  # read in a primary text, or in source code
    SECONDARY = "S"  # seen on a secondary page
    MEMORY_HIGH = "M-high"
    MEMORY_MEDIUM = "M-medium"
    MEMORY_LOW = "M-low"
    JUDGEMENT = "judgement"  # our own choice; no document says so
    CONFIGURED = "configured"  # this installation's choice, in its configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A limit and how much it matters to be beyond it."""

    limit: float
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Instead of an on-delay: beyond in `count` of the last `of` usable readings."""

    count: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to look at on the devices it selects, and when that is trouble.

    kinds:        of device; none means every kind.
    measurements: in order of preference; a device is watched by the first of them that it has.
                  None means each that it has; an expression's are all that it reads.
                  "noise_laeq" means every channel of the quantity, "gas_pressure.inlet" only one.
    select:       tag → values; "" stands for a device without the tag, "!x" for all but x. Empty:
                  every device of the kinds.
    limit, deadband: in `unit`, the quantity's canonical one. Beyond means strictly above or below;
                  back within means the limit less the deadband, or further.
    devices, sites: ids of devices, values of the tag `site`; none means all.
    times:        days and hours of one's own, besides the schedule.
    matter:       what it is about; of rules about one matter the narrowest wins. "": its id.
    beats:        ids of rules that this one wins over where both would watch a measurement.
    check:        what is looked at; limits count for what it yields (cloud/core/checks.py).
    higher:       further levels, each further beyond and more severe than the one before it; an
                  alert rises through them. The first level is `limit` and `severity`.
    counted:      in place of on_delay_s.
    realarm_s, reminder_s: 0 is never, None as the installation has it.
    effective, until: local dates; in force from the first, no longer on the second.
    category:     GB/T 30428, "03-02"; "" for what makes no case.
    source, mark: where the limit is from, and how sure that is; timing_*: the deadband and delays.
    source_zh, timing_source_zh: the sources in Chinese, where they are given.
    """

    id: str
    version: str
    title_zh: str
    title_en: str
    kinds: tuple[str, ...] = ()
    measurements: tuple[str, ...]
    select: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    schedule: Schedule = Schedule.ALWAYS
    times: Times | None = None
    matter: str = ""
    beats: tuple[str, ...] = ()
    check: Check = VALUE
    direction: Direction
    limit: float
    unit: str
    deadband: float = 0.0
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    severity: Severity
    higher: tuple[Level, ...] = ()
    counted: Counted | None = None
    realarm_s: float | None = None
    reminder_s: float | None = None
    category: str = ""
    source: str
    source_zh: str = ""
    mark: Mark
    timing_source: str = ""
    timing_source_zh: str = ""
    timing_mark: Mark = Mark.JUDGEMENT
    effective: date
    until: date | None = None

    @property
    def levels(self) -> tuple[Level, ...]:
        """All levels, the least severe first."""
        return (Level(limit=self.limit, severity=self.severity), *self.higher)

    @property
    def provenance(self) -> str:
        """The source and how sure it is, in one line, as an alert carries it."""
        return f"{self.source} [{self.mark.value}]"

    @property
    def provenance_zh(self) -> str:
        """The same in Chinese, where the rule says it; else as in `provenance`."""
        return f"{self.source_zh or self.source} [{self.mark.value}]"


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """The rules of an installation. fingerprint: SHA-256 in hex over all that they say."""

    rules: tuple[Rule, ...]
    fingerprint: str

    @cached_property
    def by_id(self) -> Mapping[str, Rule]:
        """The rules by their id."""
        return {rule.id: rule for rule in self.rules}


def looks_for_silence(rule: Rule) -> bool:
    """Whether a rule is about data that do not come: what a gateway that is away explains."""
    return isinstance(rule.check, NoData)


def selects(rule: Rule, device: Device) -> bool:
    """Whether a rule is about this device, whatever it measures."""
    if rule.kinds and device.kind not in rule.kinds:
        return False
    if rule.devices and device.id not in rule.devices:
        return False
    if rule.sites and device.tags.get("site", "") not in rule.sites:
        return False
    return all(fits(device.tags.get(tag, ""), values) for tag, values in rule.select.items())


def fits(value: str, values: Sequence[str]) -> bool:
    """Whether a tag's value is one of those allowed: "" is none, "!x" all but x."""
    if f"!{value}" in values:
        return False
    wanted = [one for one in values if not one.startswith("!")]
    return not wanted or value in wanted


def watched(rule: Rule, measurements: Iterable[str]) -> list[str]:
    """Return which of one device's measurements a rule watches: the most preferred it has.

    Channels of the same quantity are watched side by side. A rule that names none watches all; an
    expression's are its inputs, and it is its first one's.
    """
    present = list(measurements)
    if not rule.measurements:
        return present
    for wanted in rule.measurements:
        found = [name for name in present if name == wanted or name.startswith(f"{wanted}.")]
        if found:
            return found
    return []


def resolve(
    rules: Sequence[Rule], device: Device, measurements: Sequence[str]
) -> list[tuple[int, str]]:
    """Return (index of the rule, measurement) for everything to be watched on one device.

    Where several rules about one matter would watch a measurement, the narrowest do.
    """
    found = [
        (index, measurement)
        for index, rule in enumerate(rules)
        if selects(rule, device)
        for measurement in watched(rule, measurements)
    ]
    beaten = {(loser, measurement) for index, measurement in found for loser in rules[index].beats}
    if not beaten:
        return found
    return [pair for pair in found if (rules[pair[0]].id, pair[1]) not in beaten]
