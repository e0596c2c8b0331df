"""Rules from files: strict, every problem at once, in canonical units, with a version each.

A rule's version is its file's and a hash of all that the rule says, so that it never lies.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cloud.core import signals
from cloud.core.calendar import NO_HOLIDAYS, DayKind, Holidays, Times
from cloud.core.checks import VALUE, Expression, Value
from cloud.core.narrowing import settled
from cloud.core.rule_changes import digest
from cloud.core.rules import Counted, Direction, Level, Rule, RuleSet, Schedule
from cloud.core.schedule import parse_clock
from cloud.core.signals.formula import parse
from cloud.rules.check_entries import YES_OR_NO
from cloud.rules.doubts import doubts, in_order
from cloud.rules.files import NOfM, RuleDefaults, RuleEntry, RulesFile, TimesEntry
from cloud.rules.overrides import overridden
from contract.errors import RuleError
from contract.quantities import quantity_of
from contract.strict_yaml import Document, check, read, suggest
from contract.units import conversion

__all__ = ["PRESETS", "RuleSet", "load_changes", "load_file", "load_rules", "preset_names"]

PRESETS = Path(__file__).parent / "presets"
HALF = 0.5  # between no and yes
CALENDAR_DAYS = {DayKind.WORKDAY, DayKind.DAY_OFF, DayKind.HOLIDAY}
KEPT_AFTER_END = timedelta(days=400)  # readings come late, but not by more than a year


def load_rules(
    presets: Sequence[str],
    files: Sequence[Path],
    overrides: Mapping[str, Mapping[str, float]],
    on: date,
    holidays: Holidays = NO_HOLIDAYS,
) -> RuleSet:
    """Load presets by name and files of one's own, and change their numbers where asked.

    Args:    overrides: by rule id or pattern ("noise-*"): limit, deadband, on_delay_s, off_delay_s,
             in the rule's canonical unit; later ones win. on: today; what ended long before it is
             left out, what begins later is not. holidays: what rules' days mean by a holiday.
    Raises:  RuleError with every problem.
    """
    problems = [_unknown_preset(name) for name in presets if name not in preset_names()]
    paths = [PRESETS / f"{name}.yaml" for name in presets if name in preset_names()]
    rules: list[Rule] = []
    places: dict[str, Path] = {}
    for path in [*paths, *files]:
        try:
            found = load_file(path, holidays)
        except RuleError as error:
            problems += error.problems
            continue
        for rule in found:
            if rule.id in places:
                problems.append(f"{path}: rule {rule.id!r} is in {places[rule.id]} too")
            places[rule.id] = path
            rules.append(rule)
    rules, unfit = overridden(rules, overrides)
    unfit += _not_evaluated(rules)
    if problems or unfit:
        raise RuleError(*problems, *unfit)
    kept = tuple(
        settled(
            [
                _versioned(rule)
                for rule in sorted(rules, key=lambda rule: rule.id)
                if rule.until is None or rule.until + KEPT_AFTER_END > on
            ],
            on,
        )
    )
    return RuleSet(rules=kept, fingerprint=digest(kept))


def load_file(path: Path, holidays: Holidays = NO_HOLIDAYS) -> list[Rule]:
    """Load one file's rules; their version is still the file's.

    Raises: RuleError with every problem of the file, in its order.
    """
    return _loaded(read(path, RuleError), holidays)


def load_changes(document: Document, holidays: Holidays = NO_HOLIDAYS) -> list[Rule]:
    """Load a document's rules, with their versions, to be laid over others.

    Raises: RuleError with every problem.
    """
    rules = _loaded(document, holidays)
    if problems := _not_evaluated(rules):
        raise RuleError(*(f"{document.name}: {problem}" for problem in problems))
    return [_versioned(rule) for rule in rules]


def _loaded(document: Document, holidays: Holidays) -> list[Rule]:
    try:
        file = check(document, RulesFile, RuleError)
    except RuleError as error:
        raise RuleError(*in_order(document, [*error.problems, *doubts(document)])) from None
    if problems := doubts(document):
        raise RuleError(*in_order(document, problems))
    return [_rule(file, entry, holidays) for entry in file.rules]


def preset_names() -> list[str]:
    """Return the presets that are shipped."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def unevaluated(rules: Sequence[Rule], known: Collection[type]) -> list[str]:
    """Return a problem for each rule whose check the engine does not know: it would be silent."""
    return [
        f"rule {rule.id!r}: check: this version does not evaluate {rule.check.__class__.__name__}"
        for rule in rules
        if type(rule.check) not in known
    ]


def unread(rules: Sequence[Rule]) -> list[str]:
    """Return a problem for each expression that is none over its rule's measurements."""
    problems: list[str] = []
    for rule in rules:
        if isinstance(rule.check, Expression):
            try:
                parse(rule.check.text, rule.measurements)
            except RuleError as error:
                problems.append(f"rule {rule.id!r}: check: {error}")
    return problems


def _not_evaluated(rules: Sequence[Rule]) -> list[str]:
    known = {Value, *vars(signals).get("SIGNALS", {})}
    return [*unevaluated(rules, known), *unread(rules)]


def _unknown_preset(name: str) -> str:
    known = preset_names()
    near = suggest(name, known)
    there = f" There are: {', '.join(known)}" if near.startswith("did") else ""
    return f"rules.presets: unknown preset {name!r}; {near}{there}"


def _rule(file: RulesFile, entry: RuleEntry, holidays: Holidays) -> Rule:
    """Lay the rule over the defaults and convert it; doubts() has found nothing missing."""
    said = {
        name: value
        for source in (file.defaults, entry)
        for name in RuleDefaults.model_fields
        if name in source.model_fields_set and (value := getattr(source, name)) is not None
    }
    scale = _scale(said)
    return Rule(
        id=entry.id,
        version=file.version,
        title_zh=entry.title.zh,
        title_en=entry.title.en,
        kinds=tuple(kind.value for kind in said.get("kind", ())),
        measurements=said.get("measurement", ()),
        select=said.get("select", {}),
        devices=said.get("devices", ()),
        sites=said.get("sites", ()),
        matter=said.get("matter", ""),
        check=said["check"].built() if "check" in said else VALUE,
        schedule=said.get("schedule", Schedule.ALWAYS),
        times=_times(said.get("times"), holidays),
        direction=said.get("direction", Direction.ABOVE),
        limit=HALF if entry.limit is None else scale.limit(entry.limit),
        unit=scale.unit,
        deadband=said.get("deadband", 0.0) * abs(scale.factor),
        on_delay_s=said.get("on_delay_s", 0.0),
        off_delay_s=said.get("off_delay_s", 0.0),
        severity=said["severity"],
        higher=tuple(
            Level(limit=scale.limit(one.limit), severity=one.severity) for one in entry.levels
        ),
        counted=_counted(said.get("n_of_m")),
        realarm_s=said.get("realarm_s"),
        reminder_s=said.get("reminder_s"),
        category=said["category"],
        source=said["source"],
        source_zh=said.get("source_zh", ""),
        mark=said["mark"],
        timing_source=said["timing_source"],
        timing_source_zh=said.get("timing_source_zh", ""),
        timing_mark=said["timing_mark"],
        effective=said["effective"],
        until=said.get("until"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """How a file's figures become those of the rule's unit."""

    unit: str
    factor: float = 1.0
    offset: float = 0.0

    def limit(self, told: float) -> float:
        return told * self.factor + self.offset


def _scale(said: Mapping[str, Any]) -> _Scale:
    check_type = said["check"].type if "check" in said else "value"
    if check_type in YES_OR_NO:
        return _Scale(unit="1")
    if check_type == "expression":
        return _Scale(unit=said.get("unit", "1"))
    unit = quantity_of(said["measurement"][0]).unit
    factor, offset = conversion(said["unit"], unit)
    if check_type == "rate":
        return _Scale(unit=f"{unit}/s", factor=factor)
    return _Scale(unit=unit, factor=factor, offset=0.0 if check_type == "difference" else offset)


def _times(told: TimesEntry | None, holidays: Holidays) -> Times | None:
    if told is None:
        return None
    spans = [hours.split("-") for hours in told.hours]
    return Times(
        days=told.days,
        hours=tuple((parse_clock(begins), parse_clock(ends)) for begins, ends in spans),
        holidays=holidays if set(told.days) & CALENDAR_DAYS else NO_HOLIDAYS,
    )


def _counted(told: NOfM | None) -> Counted | None:
    return None if told is None else Counted(count=told.n, of=told.m)


def _versioned(rule: Rule) -> Rule:
    return replace(rule, version=f"{rule.version}-{digest(rule)[:8]}")
