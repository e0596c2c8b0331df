"""Rules from files: strict, every problem at once, in canonical units, with a version each.

A rule's version is its file's and a hash of all that the rule says, so that it never lies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import msgspec

from cloud.core.rules import Rule, RuleSet, Schedule
from cloud.rules.doubts import doubts, in_order
from cloud.rules.files import RuleDefaults, RuleEntry, RulesFile
from cloud.rules.overrides import overridden
from contract.errors import RuleError
from contract.quantities import quantity_of
from contract.strict_yaml import check, read, suggest
from contract.units import conversion

__all__ = ["PRESETS", "RuleSet", "load_file", "load_rules", "preset_names"]

PRESETS = Path(__file__).parent / "presets"
KEPT_AFTER_END = timedelta(days=400)  # readings come late, but not by more than a year


def load_rules(
    presets: Sequence[str],
    files: Sequence[Path],
    overrides: Mapping[str, Mapping[str, float]],
    on: date,
) -> RuleSet:
    """Load presets by name and files of one's own, and change their numbers where asked.

    Args:    overrides: by rule id or pattern ("noise-*"): limit, deadband, on_delay_s, off_delay_s,
             in the rule's canonical unit; later ones win. on: today; what ended long before it is
             left out, what begins later is not.
    Raises:  RuleError with every problem.
    """
    problems = [_unknown_preset(name) for name in presets if name not in preset_names()]
    paths = [PRESETS / f"{name}.yaml" for name in presets if name in preset_names()]
    rules: list[Rule] = []
    places: dict[str, Path] = {}
    for path in [*paths, *files]:
        try:
            found = load_file(path)
        except RuleError as error:
            problems += error.problems
            continue
        for rule in found:
            if rule.id in places:
                problems.append(f"{path}: rule {rule.id!r} is in {places[rule.id]} too")
            places[rule.id] = path
            rules.append(rule)
    rules, unfit = overridden(rules, overrides)
    if problems or unfit:
        raise RuleError(*problems, *unfit)
    kept = tuple(
        _versioned(rule)
        for rule in sorted(rules, key=lambda rule: rule.id)
        if rule.until is None or rule.until + KEPT_AFTER_END > on
    )
    return RuleSet(rules=kept, fingerprint=_digest(kept))


def load_file(path: Path) -> list[Rule]:
    """Load one file's rules; their version is still the file's.

    Raises: RuleError with every problem of the file, in its order.
    """
    document = read(path, RuleError)
    try:
        file = check(document, RulesFile, RuleError)
    except RuleError as error:
        raise RuleError(*in_order(document, [*error.problems, *doubts(document)])) from None
    if problems := doubts(document):
        raise RuleError(*in_order(document, problems))
    return [_rule(file, entry) for entry in file.rules]


def preset_names() -> list[str]:
    """Return the presets that are shipped."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def _unknown_preset(name: str) -> str:
    known = preset_names()
    near = suggest(name, known)
    there = f" There are: {', '.join(known)}" if near.startswith("did") else ""
    return f"rules.presets: unknown preset {name!r}; {near}{there}"


def _rule(file: RulesFile, entry: RuleEntry) -> Rule:
    """Lay the rule over the defaults and convert it; doubts() has found nothing missing."""
    said = {
        name: value
        for source in (file.defaults, entry)
        for name in RuleDefaults.model_fields
        if name in source.model_fields_set and (value := getattr(source, name)) is not None
    }
    unit = quantity_of(said["measurement"][0]).unit
    factor, offset = conversion(said["unit"], unit)
    return Rule(
        id=entry.id,
        version=file.version,
        title_zh=entry.title.zh,
        title_en=entry.title.en,
        kinds=tuple(kind.value for kind in said.get("kind", ())),
        measurements=said["measurement"],
        select=said.get("select", {}),
        schedule=said.get("schedule", Schedule.ALWAYS),
        direction=said["direction"],
        limit=entry.limit * factor + offset,
        unit=unit,
        deadband=said.get("deadband", 0.0) * abs(factor),
        on_delay_s=said.get("on_delay_s", 0.0),
        off_delay_s=said.get("off_delay_s", 0.0),
        severity=said["severity"],
        category=said["category"],
        source=said["source"],
        mark=said["mark"],
        timing_source=said["timing_source"],
        timing_mark=said["timing_mark"],
        effective=said["effective"],
        until=said.get("until"),
    )


def _versioned(rule: Rule) -> Rule:
    return replace(rule, version=f"{rule.version}-{_digest(rule)[:8]}")


def _digest(what: Rule | Sequence[Rule]) -> str:
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()
