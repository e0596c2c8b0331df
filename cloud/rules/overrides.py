"""An installation's own numbers over those of the presets, said to be so wherever they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from cloud.core.checks import Value, Window
from cloud.core.rules import Mark, Rule
from contract.quantities import quantity_of
from contract.strict_yaml import suggest

NUMBERS = ("limit", "deadband", "on_delay_s", "off_delay_s")


def overridden(
    rules: Sequence[Rule], overrides: Mapping[str, Mapping[str, float]]
) -> tuple[list[Rule], list[str]]:
    """Return the rules with numbers changed by id or pattern, and what was wrong with the changes.

    Numbers are in the rule's canonical unit. Where several patterns fit a rule, the last wins.
    """
    problems = [
        problem
        for pattern, numbers in overrides.items()
        for problem in _problems(pattern, numbers, rules)
    ]
    if problems:
        return list(rules), problems
    return [_changed(rule, overrides) for rule in rules], []


def _problems(pattern: str, numbers: Mapping[str, float], rules: Sequence[Rule]) -> list[str]:
    at = f"rules.overrides.{pattern}"
    ids = [rule.id for rule in rules]
    matched = [rule for rule in rules if fnmatchcase(rule.id, pattern)]
    near = [f"did you mean {close}?" for close in get_close_matches(pattern, ids, n=1)]
    advice = near[0] if near else "gridwarden rules list shows those there are"
    problems = [] if matched else [f"{at}: fits no rule; {advice}"]
    for key, value in numbers.items():
        if key not in NUMBERS:
            problems.append(f"{at}.{key}: unknown key; {suggest(key, NUMBERS)}")
        elif key == "limit":
            problems += [
                f"{at}.limit: {value} is outside what {rule.id} can watch: "
                f"{quantity.low} to {quantity.high} {quantity.unit}"
                for rule in matched
                if rule.measurements
                and isinstance(rule.check, Value | Window)
                and not (quantity := quantity_of(rule.measurements[0])).low
                <= value
                <= quantity.high
            ]
        elif not value >= 0:
            problems.append(f"{at}.{key}: {value} is below zero")
    return problems


def _changed(rule: Rule, overrides: Mapping[str, Mapping[str, float]]) -> Rule:
    changes: dict[str, float] = {}
    for pattern, numbers in overrides.items():
        if fnmatchcase(rule.id, pattern):
            changes |= numbers
    if "limit" in changes:
        rule = replace(
            rule,
            limit=changes["limit"],
            source=f"this installation's configuration; before: {rule.limit:g} {rule.unit}, "
            f"{rule.source} [{rule.mark.value}]",
            source_zh=f"本单位的配置；原为{rule.limit:g} {rule.unit}，{rule.provenance_zh}",
            mark=Mark.CONFIGURED,
        )
    timing = {key: value for key, value in changes.items() if key != "limit"}
    if timing:
        rule = replace(
            rule,
            deadband=timing.get("deadband", rule.deadband),
            on_delay_s=timing.get("on_delay_s", rule.on_delay_s),
            off_delay_s=timing.get("off_delay_s", rule.off_delay_s),
            timing_source="this installation's configuration",
            timing_source_zh="本单位的配置",
            timing_mark=Mark.CONFIGURED,
        )
    return rule
