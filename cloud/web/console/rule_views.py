"""What the pages of rules show."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from cloud.core.rules import Direction
from cloud.errors import InvalidFileError
from cloud.web import rule_models as models
from cloud.web.pages import render
from cloud.web.wording import NOTHING, Wording
from contract.quantities import Kind

KINDS = tuple(kind.value for kind in Kind)
SIGNS = {Direction.ABOVE: ">", Direction.BELOW: "<"}
YES_OR_NO = frozenset({"no_data", "stuck", "out_of_range", "state"})


def heading(book: models.RuleBook, kind: str, w: Wording) -> str:
    """Draw the page's name, the kinds to choose from, and which set is in force."""
    return render("rule_heading.html", w=w, book=book, kind=kind, kinds=KINDS)


def in_force(book: models.RuleBook, w: Wording) -> str:
    """Draw the rules in force."""
    rows = [(rule, limits(rule, w), when(rule, w), _delays(rule, w)) for rule in book.rules]
    return render("rule_table.html", w=w, rows=rows, current=book.current)


def upcoming(book: models.RuleBook, w: Wording, *, may: bool) -> str:
    """Draw the sets that wait. may: this person may withdraw them."""
    last = book.upcoming[-1].number if book.upcoming else 0
    rows = [(one, changes(one.changes, w)) for one in book.upcoming]
    return render("rule_upcoming.html", w=w, rows=rows, may=may, last=last)


def history(sets: Sequence[models.RuleSetView], w: Wording) -> str:
    """Draw the sets that were, each with what it changed."""
    rows = [(one, changes(one.changes, w)) for one in sets]
    return render("rule_history.html", w=w, rows=rows)


def changes(found: Sequence[models.RuleChanged], w: Wording) -> str:
    """Draw what becomes of rules."""
    rows = [
        (one, [(_field(f.field, w), _word(f.before, w), _word(f.after, w)) for f in one.fields])
        for one in found
    ]
    return render("rule_changes.html", w=w, rows=rows)


def plan(planned: models.PlannedChange, w: Wording, *, soon: bool) -> str:
    """Draw what a change would do."""
    told = changes(planned.changes, w)
    return render("rule_plan.html", w=w, plan=planned, soon=soon, changes=told)


def refusal(error: InvalidFileError, w: Wording) -> str:
    """Draw all that is wrong with a file."""
    return render("rule_refusal.html", w=w, problems=error.problems)


def version(found: models.RuleVersion, w: Wording) -> str:
    """Draw a rule as it was."""
    rule = found.rule
    facts = [
        (w("rules.rule"), rule.id),
        (w("rules.version"), rule.version),
        (w("rules.kind"), w("list.comma").join(_kinds(rule, w)) or w("rules.every_kind")),
        (w("rules.measurement"), w("list.comma").join(map(w.measurement, rule.measurements))),
        (w("rules.check"), w(f"rules.check.{rule.check}")),
        (w("rules.limit"), limits(rule, w)),
        (w("rules.deadband"), f"{rule.deadband:g} {w.unit(rule.unit)}".strip()),
        (w("rules.delays"), _delays(rule, w)),
        (w("rules.schedule"), when(rule, w)),
        (w("rules.category"), w.category(rule.category) if rule.category else NOTHING),
        (w("rules.source"), w.pick(rule.source_zh or rule.source, rule.source)),
        (w("rules.mark"), w(f"rules.mark.{rule.mark.value}")),
        (w("rules.effective"), _dates(rule, w)),
    ]
    return render("rule_version.html", w=w, found=found, facts=facts)


def limits(rule: models.RuleView, w: Wording) -> str:
    """Say when it is trouble: > 60 / 70 dB(A)."""
    if rule.check in YES_OR_NO:
        return w(f"rules.check.{rule.check}")
    numbers = " / ".join(f"{level.limit:g}" for level in rule.levels)
    return f"{SIGNS[rule.direction]} {numbers} {w.unit(rule.unit)}".strip()


def when(rule: models.RuleView, w: Wording) -> str:
    """Say in which hours and on which days."""
    words = [w(f"rules.schedule.{rule.schedule.value}"), rule.hours]
    return " ".join(word for word in words if word)


def _kinds(rule: models.RuleView, w: Wording) -> list[str]:
    return [w(f"kind.{kind}") for kind in rule.kinds]


def _delays(rule: models.RuleView, w: Wording) -> str:
    return f"{w.seconds(rule.on_delay_s)} / {w.seconds(rule.off_delay_s)}"


def _dates(rule: models.RuleView, w: Wording) -> str:
    until = w("rules.until", day=rule.until) if rule.until else ""
    return w("rules.from", day=rule.effective) + until


def _field(name: str, w: Wording) -> str:
    known = {
        "limit": "rules.limit",
        "deadband": "rules.deadband",
        "on_delay_s": "backtest.on_delay_s",
        "off_delay_s": "backtest.off_delay_s",
        "severity": "alert.severity",
        "schedule": "rules.schedule",
        "source": "rules.source",
        "mark": "rules.mark",
        "category": "rules.category",
        "check": "rules.check",
    }
    return w(known[name]) if name in known else name


def _word(value: JsonValue, w: Wording) -> str:
    if value in (None, "", [], {}):
        return NOTHING
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}"
    if isinstance(value, list):
        return w("list.comma").join(_word(each, w) for each in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_word(each, w)}" for key, each in value.items())
    return str(value)
