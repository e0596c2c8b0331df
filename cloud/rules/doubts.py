"""What is wrong with a rules file beyond the type of each key: missing, doubled, out of range.

Works on the file's plain data, so that it can speak also where another key has the wrong type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cloud.core.model import Severity
from cloud.rules.check_entries import IN_RANGE, YES_OR_NO
from cloud.rules.files import REQUIRED
from contract.quantities import QUANTITIES, Quantity, split_measurement
from contract.strict_yaml import Document
from contract.units import convert

_Plain = Mapping[str, object]

SEVERITIES = tuple(one.value for one in Severity)
IN_UNIT = (*IN_RANGE, "rate", "difference")
# What a rule need not say, by what it looks at: 1 or 0 has no unit; silence may be of anything.
NOT_NEEDED = {
    **dict.fromkeys(YES_OR_NO, ("limit", "unit", "direction")),
    **dict.fromkeys(
        ("no_data", "stuck", "out_of_range"), ("limit", "unit", "direction", "measurement")
    ),
    "expression": ("limit", "unit", "direction"),
}


def doubts(document: Document) -> list[str]:
    """Return the problems found, each with file, line and key."""
    data = document.data
    rules = data.get("rules") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(rules, list):
        return []  # the types are wrong, and that is said already
    if not rules:
        return [document.problem(("rules",), "there are none")]
    defaults = data.get("defaults")
    problems: list[str] = []
    first: dict[object, int] = {}
    for index, entry in enumerate(rules):
        if not isinstance(entry, dict):
            continue
        said = {**(defaults if isinstance(defaults, dict) else {}), **entry}
        where = ("rules", index)
        for key, what in _of_rule(said):
            at = (*where, key) if key in entry else where
            problems.append(document.problem(at, what if key in entry else f"{key}: {what}"))
        earlier = first.setdefault(said.get("id"), index)
        if earlier != index:
            line = document.lines["rules", earlier]
            problems.append(
                document.problem((*where, "id"), f"{said.get('id')!r} is on line {line} already")
            )
    return problems


def in_order(document: Document, problems: Iterable[str]) -> list[str]:
    """Return a file's problems in the order of its lines, each once."""

    def line(problem: str) -> int:
        number = problem.removeprefix(f"{document.name}:").partition(":")[0]
        return int(number) if number.isdigit() else 0

    return sorted(set(problems), key=lambda problem: (line(problem), problem))


def _of_rule(said: _Plain) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong)."""
    kind = _check_type(said)
    needless = NOT_NEEDED.get(kind, ())
    for key in REQUIRED:
        if said.get(key) is None and key not in needless:
            yield key, "is missing, here and in defaults"
    if said.get("limit") is None and "limit" not in needless:
        yield "limit", "is missing"
    if kind in IN_UNIT:
        yield from _unit_and_range(said, within=kind in IN_RANGE)
    yield from _levels(said)
    yield from _ways_to_begin(said)
    begins, ends = said.get("effective"), said.get("until")
    if isinstance(begins, str) and isinstance(ends, str) and ends <= begins:
        yield "until", f"{ends} is not after effective, {begins}"


def _check_type(said: _Plain) -> str:
    check = said.get("check")
    kind = check.get("type") if isinstance(check, dict) else None
    return kind if isinstance(kind, str) else "value"


def _levels(said: _Plain) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the order of the levels: each beyond and above the one before."""
    levels = said.get("levels")
    if not isinstance(levels, list) or not all(isinstance(one, dict) for one in levels):
        return
    sign = -1 if said.get("direction") == "below" else 1
    before = said
    for level in levels:
        limit, last = level.get("limit"), before.get("limit")
        if (
            isinstance(limit, int | float)
            and isinstance(last, int | float)
            and sign * limit <= sign * last
        ):
            yield "levels", f"limit {limit} is not beyond {last}, the one before it"
        worse, bad = str(level.get("severity")), str(before.get("severity"))
        known = worse in SEVERITIES and bad in SEVERITIES
        if known and SEVERITIES.index(worse) <= SEVERITIES.index(bad):
            yield "levels", f"severity {worse} is not above {bad}, the one before it"
        before = level


def _ways_to_begin(said: _Plain) -> Iterator[tuple[str, str]]:
    counted = said.get("n_of_m")
    if not isinstance(counted, dict):
        return
    if said.get("on_delay_s"):
        yield "n_of_m", "on_delay_s is said too; a rule has one of them"
    n, m = counted.get("n"), counted.get("m")
    if isinstance(n, int) and isinstance(m, int) and n > m:
        yield "n_of_m", f"n {n} is more than m {m}"


def _unit_and_range(said: _Plain, *, within: bool) -> Iterator[tuple[str, str]]:
    quantities = _quantities(said.get("measurement"))
    unit = said.get("unit")
    if not quantities or not isinstance(unit, str):
        return
    for quantity in quantities:
        if quantity.unit != quantities[0].unit:
            yield "measurement", f"{quantity.key} is in {quantity.unit}, not {quantities[0].unit}"
            return
        if unit not in quantity.units:
            yield "unit", f"{unit!r} is no unit of {quantity.key}; {_allowed(quantity)}"
            return
        limit = said.get("limit")
        if within and isinstance(limit, int | float) and not isinstance(limit, bool):
            value = convert(limit, unit, quantity.unit)
            if not quantity.low <= value <= quantity.high:
                yield (
                    "limit",
                    (
                        f"{limit} {unit} is outside what {quantity.key} can be: "
                        f"{quantity.low} to {quantity.high} {quantity.unit}"
                    ),
                )


def _quantities(measurement: object) -> list[Quantity]:
    """Return the known quantities of what `measurement` says; unknown ones are told elsewhere."""
    names = measurement if isinstance(measurement, list) else [measurement]
    keys = [split_measurement(name)[0] for name in names if isinstance(name, str)]
    return [QUANTITIES[key] for key in keys if key in QUANTITIES]


def _allowed(quantity: Quantity) -> str:
    return f"allowed: {', '.join(quantity.units)}"
