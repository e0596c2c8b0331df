"""Which of the rules about one matter wins: the narrowest, and what is said of those that lose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from cloud.core.model import Device
from cloud.core.rules import Rule, Schedule, selects, watched

Narrowness = tuple[int, int, int, int]


class Standing(StrEnum):
    """What became of a rule on a measurement."""

    APPLIES = "applies"
    BEATEN = "beaten"  # a narrower rule about the same matter applies
    NOT_SELECTED = "not_selected"  # it is not about this device
    OTHER_MEASUREMENT = "other_measurement"  # one that it prefers is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Why a rule applies to a measurement of a device, or does not.

    by: rules that win over it. key: what does not fit, e.g. "select.area_class"; seen: the
    device's own; wanted: what the rule asks for.
    """

    rule: Rule
    measurement: str
    standing: Standing
    by: tuple[str, ...] = ()
    key: str = ""
    seen: str = ""
    wanted: tuple[str, ...] = ()


def narrowness(rule: Rule) -> Narrowness:
    """Return how narrow a selection is: devices, then sites, then tags asked for, then kinds.

    What a rule leaves out ("" and "!x") makes it no narrower: it is for what is left over.
    """
    tags = sum(any(v and not v.startswith("!") for v in values) for values in rule.select.values())
    return bool(rule.devices), bool(rule.sites), tags, bool(rule.kinds)


def settled(rules: Sequence[Rule], on: date) -> list[Rule]:
    """Return the rules with `beats` filled in, as it is on a date.

    A rule competes with those of its matter, and with the one whose id its matter is. It wins only
    over one whose time it covers: never with a narrower schedule, not before it is effective, and
    not if it ends before the other.
    """
    matters: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        for matter in {rule.matter or rule.id, rule.id}:
            matters[matter].append(rule)
    beats = {
        one.id: tuple(
            sorted(other.id for other in matters[one.matter or one.id] if _wins(one, other, on))
        )
        for one in rules
    }
    return [replace(rule, beats=beats[rule.id]) for rule in rules]


def explain(rules: Sequence[Rule], device: Device, measurements: Sequence[str]) -> list[Verdict]:
    """Say of every rule that could watch one of a device's measurements what became of it."""
    found = [(rule, name) for rule in rules for name in measurements if _names(rule, name)]
    chosen = {
        (rule.id, name)
        for rule in rules
        if selects(rule, device)
        for name in watched(rule, measurements)
    }
    by: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for rule in rules:
        for name in measurements:
            if (rule.id, name) in chosen:
                for loser in rule.beats:
                    by[loser, name].append(rule.id)
    return sorted(
        (_verdict(rule, name, device, chosen, by[rule.id, name]) for rule, name in found),
        key=lambda one: (one.measurement, list(Standing).index(one.standing), one.rule.id),
    )


def _wins(one: Rule, other: Rule, on: date) -> bool:
    if one is other or narrowness(one) <= narrowness(other):
        return False
    schedule = one.schedule in (Schedule.ALWAYS, other.schedule)
    times = one.times is None or one.times == other.times
    begins = one.effective <= max(on, other.effective)
    ends = one.until is None or (other.until is not None and other.until <= one.until)
    return schedule and times and begins and ends


def _names(rule: Rule, measurement: str) -> bool:
    return not rule.measurements or any(
        measurement == name or measurement.startswith(f"{name}.") for name in rule.measurements
    )


def _verdict(
    rule: Rule, name: str, device: Device, chosen: set[tuple[str, str]], by: list[str]
) -> Verdict:
    if (rule.id, name) in chosen:
        standing = Standing.BEATEN if by else Standing.APPLIES
        return Verdict(rule=rule, measurement=name, standing=standing, by=tuple(by))
    if selects(rule, device):
        return Verdict(
            rule=rule,
            measurement=name,
            standing=Standing.OTHER_MEASUREMENT,
            key="measurement",
            seen=name,
            wanted=rule.measurements,
        )
    key, seen, wanted = _misfit(rule, device)
    return Verdict(
        rule=rule,
        measurement=name,
        standing=Standing.NOT_SELECTED,
        key=key,
        seen=seen,
        wanted=wanted,
    )


def _misfit(rule: Rule, device: Device) -> tuple[str, str, tuple[str, ...]]:
    """Return the first thing of a selection that does not fit: key, seen, wanted."""
    if rule.kinds and device.kind not in rule.kinds:
        return "kind", device.kind, rule.kinds
    if rule.devices and device.id not in rule.devices:
        return "devices", device.id, rule.devices
    site = device.tags.get("site", "")
    if rule.sites and site not in rule.sites:
        return "sites", site, rule.sites
    for tag, values in rule.select.items():
        if not selects(replace(rule, select={tag: values}), device):
            return f"select.{tag}", device.tags.get(tag, ""), tuple(values)
    return "", "", ()
