"""Which limits a chart draws: those of the rules in force for a measurement of a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud.core.model import Device, Severity
from cloud.core.rules import RuleSet, resolve
from cloud.core.schedule import Era, in_force


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit, in the measurement's canonical unit."""

    title_zh: str
    title_en: str
    severity: Severity
    limit: float


def limits(
    rules: RuleSet, device: Device, measurements: Sequence[str], era: Era
) -> dict[str, list[Limit]]:
    """Return, by measurement, the limits in force in an era, least severe first."""
    order = list(Severity)
    found: dict[str, list[Limit]] = {}
    for index, measurement in resolve(rules.rules, device, measurements):
        rule = rules.rules[index]
        if in_force(rule, era):
            found.setdefault(measurement, []).append(
                Limit(
                    title_zh=rule.title_zh,
                    title_en=rule.title_en,
                    severity=rule.severity,
                    limit=rule.limit,
                )
            )
    return {
        measurement: sorted(lines, key=lambda line: order.index(line.severity))
        for measurement, lines in found.items()
    }
