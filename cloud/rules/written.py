"""A rule as a file of rules would say it: what people read, copy, change and apply."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import msgspec
from ruamel.yaml import YAML

from cloud.core.checks import NoData, OutOfRange, Rate, StateIs, Stuck, Value
from cloud.core.rules import Rule, Schedule

NAME = "rules"
YES_OR_NO = (NoData, Stuck, OutOfRange, StateIs)


def as_yaml(rules: Sequence[Rule]) -> str:
    """Return a file of these rules, in their canonical units; read again it says the same."""
    first = rules[0]
    file = {
        "preset": NAME,
        "version": first.version.rpartition("-")[0] or first.version,
        "title": {"zh": first.title_zh, "en": first.title_en},
        "rules": [_entry(rule) for rule in rules],
    }
    writer = YAML()
    writer.default_flow_style = False
    writer.width = 100
    writer.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    writer.dump(file, out)
    return out.getvalue()


def _entry(rule: Rule) -> dict[str, Any]:
    """Return the keys that the rule says, those that say nothing left out."""
    said: dict[str, Any] = {
        "id": rule.id,
        "title": {"zh": rule.title_zh, "en": rule.title_en},
        "kind": list(rule.kinds),
        "measurement": list(rule.measurements),
        "select": {tag: list(values) for tag, values in rule.select.items()},
        "devices": list(rule.devices),
        "sites": list(rule.sites),
        "matter": rule.matter,
        "check": _check(rule),
        "schedule": "" if rule.schedule is Schedule.ALWAYS else rule.schedule.value,
        "times": _times(rule),
        **_limits(rule),
        "severity": rule.severity.value,
        "n_of_m": {"n": rule.counted.count, "m": rule.counted.of} if rule.counted else {},
        "on_delay_s": rule.on_delay_s,
        "off_delay_s": rule.off_delay_s,
        "realarm_s": rule.realarm_s,
        "reminder_s": rule.reminder_s,
        "source": rule.source,
        "source_zh": rule.source_zh,
        "mark": rule.mark.value,
        "timing_source": rule.timing_source or "not said",
        "timing_source_zh": rule.timing_source_zh,
        "timing_mark": rule.timing_mark.value,
        "effective": rule.effective,
        "until": rule.until,
    }
    kept = {key: _plain(value) for key, value in said.items() if value not in ("", [], {}, None)}
    if rule.counted:
        kept.pop("on_delay_s")
    return {**kept, "category": rule.category}


def _limits(rule: Rule) -> dict[str, Any]:
    if isinstance(rule.check, YES_OR_NO):
        return {}
    return {
        "direction": rule.direction.value,
        "limit": rule.limit,
        "unit": rule.unit.removesuffix("/s") if isinstance(rule.check, Rate) else rule.unit,
        "deadband": rule.deadband,
        "levels": [
            {"limit": _plain(level.limit), "severity": level.severity.value}
            for level in rule.higher
        ],
    }


def _check(rule: Rule) -> dict[str, Any]:
    if isinstance(rule.check, Value):
        return {}
    told: dict[str, Any] = msgspec.to_builtins(rule.check)
    defaults = {each.name: each.default for each in msgspec.structs.fields(rule.check)}
    return {
        key: [_plain(each) for each in value] if isinstance(value, list | tuple) else _plain(value)
        for key, value in told.items()
        if key == "type" or value != defaults[key]
    }


def _times(rule: Rule) -> dict[str, Any]:
    if rule.times is None:
        return {}
    hours = [f"{begins:%H:%M}-{ends:%H:%M}" for begins, ends in rule.times.hours]
    told = {"days": [day.value for day in rule.times.days], "hours": hours}
    return {key: value for key, value in told.items() if value}


def _plain(value: object) -> object:
    """Let a whole number be written as one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
