"""What is wrong with a rules file beyond the type of each key: missing, doubled, out of range.

Works on the file's plain data, so that it can speak also where another key has the wrong type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cloud.rules.files import REQUIRED
from contract.quantities import QUANTITIES, Quantity, split_measurement
from contract.strict_yaml import Document
from contract.units import convert

_Plain = Mapping[str, object]


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
    for key in REQUIRED:
        if said.get(key) is None:
            yield key, "is missing, here and in defaults"
    yield from _unit_and_range(said)
    begins, ends = said.get("effective"), said.get("until")
    if isinstance(begins, str) and isinstance(ends, str) and ends <= begins:
        yield "until", f"{ends} is not after effective, {begins}"


def _unit_and_range(said: _Plain) -> Iterator[tuple[str, str]]:
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
        if isinstance(limit, int | float) and not isinstance(limit, bool):
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
