"""How long lists, the due queue and the monthly report take with 100,000 cases in SQLite.

python -m benchmarks.cases [--json] [--cases N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud.assessment import Period, assess, between, month
from cloud.cases.formulas import load_versions
from cloud.cases.lists import Wanted, page
from cloud.cases.report_files import write_pdf, write_xlsx
from cloud.core.case_steps import OPEN_STATES, State
from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate

CASES = 100_000
DAYS = 365
OPEN_SHARE = 20  # one in so many is still open
DAY_MS = 86_400_000
ZONE = ZoneInfo("Asia/Shanghai")
BEGINS_MS = 1_762_000_000_000
NOW_MS = BEGINS_MS + DAYS * DAY_MS
TIMES = 5
REPORTS = 3
Row = dict[str, object]
_WAY = (
    ("open", "opened", "opened"),
    ("dispatch", "opened", "dispatched"),
    ("handle", "dispatched", "handled"),
    ("verify", "handled", "verified"),
    ("close", "verified", "closed"),
)


def fill(database: Database, cases: int) -> None:
    """Write cases and their trails straight into the database."""
    with database.write() as connection:
        for begin in range(0, cases, 10_000):
            numbers = range(begin, min(cases, begin + 10_000))
            connection.execute(sa.insert(schema.cases), [_case(n, cases) for n in numbers])
            events = [line for n in numbers for line in _trail(n, cases)]
            connection.execute(sa.insert(schema.case_events), events)


def _is_open(number: int) -> bool:
    return number % OPEN_SHARE == 0


def _opened_ms(number: int, cases: int) -> int:
    return BEGINS_MS + number * DAYS * DAY_MS // cases


def _case(number: int, cases: int) -> Row:
    opened_ms = _opened_ms(number, cases)
    closed_ms = None if _is_open(number) else opened_ms + DAY_MS
    return {
        "id": f"20260101-{number:06d}",
        "asset": f"asset-{number}",
        "category": ("05-08", "03-02", "01-05", "04-03")[number % 4],
        "title": "夜间噪声超标",
        "title_en": "Noise at night",
        "kind": "noise",
        "severity": "medium",
        "state": (State.DISPATCHED if _is_open(number) else State.CLOSED).value,
        "unit": f"unit-{number % 12}",
        "cell": f"cell-{number % 60}",
        "opened_ms": opened_ms,
        "due_ms": opened_ms + DAY_MS,
        "handle_due_ms": opened_ms + DAY_MS,
        "close_due_ms": opened_ms + 3 * DAY_MS,
        "closed_ms": closed_ms,
        "version": 5,
    }


def _trail(number: int, cases: int) -> list[Row]:
    opened_ms = _opened_ms(number, cases)
    way = list(_WAY[:2]) if _is_open(number) else list(_WAY)
    lines = [(step, begins, ends, number_of) for number_of, (step, begins, ends) in enumerate(way)]
    if _is_open(number):
        lines.append(("overdue", "dispatched", "dispatched", 5))
    return [
        {
            "case": f"20260101-{number:06d}",
            "at_ms": opened_ms + place * DAY_MS // 4,
            "step": step,
            "from_state": begins,
            "to_state": ends,
            "by": "li",
            "note": "",
            "about": "satisfaction 4" if step == "close" else "",
            "unit": f"unit-{number % 12}",
            "due_ms": opened_ms + DAY_MS,
            "handle_due_ms": opened_ms + DAY_MS,
            "verify_due_ms": opened_ms + 2 * DAY_MS if place > 1 and not _is_open(number) else None,
            "close_due_ms": opened_ms + 3 * DAY_MS,
        }
        for step, begins, ends, place in lines
    ]


def measure(database: Database, folder: Path) -> dict[str, float]:
    """Return the figures: medians in milliseconds, the report in seconds."""

    def listed(wanted: Wanted) -> Callable[[], object]:
        def ask() -> object:
            with database.read() as connection:
                return page(connection, wanted, NOW_MS, limit=100)

        return ask

    rare = Wanted(unit="unit-7", category="04-03", cell="cell-7", states=(State.DISPATCHED,))
    due = Wanted(states=OPEN_STATES, by_due=True)
    late = Wanted(overdue=True, unit="unit-4", by_due=True)
    return {
        "list_ms": _ms(listed(Wanted())),
        "filter_ms": max(_ms(listed(rare)), _ms(listed(Wanted(unit="none")))),
        "due_queue_ms": max(_ms(listed(due)), _ms(listed(late))),
        **_reports(database, folder),
    }


def _reports(database: Database, folder: Path) -> dict[str, float]:
    """A month with what it is compared with, and a whole year, in which every case counts."""
    october, year = month("2026-10", ZONE), between(BEGINS_MS, NOW_MS, ZONE)
    found = {}

    def read(period: Period) -> None:
        with database.read() as connection:
            found[period.name] = assess(connection, period, load_versions())

    reading_s = _ms(lambda: read(october), REPORTS) / 1000
    xlsx_s = _ms(lambda: write_xlsx(found[october.name], folder / "r.xlsx"), REPORTS) / 1000
    return {
        "assess_s": reading_s,
        "report_s": reading_s + xlsx_s,
        "pdf_s": _ms(lambda: write_pdf(found[october.name], folder / "r.pdf"), REPORTS) / 1000,
        "year_s": _ms(lambda: read(year), 1) / 1000,
    }


def _ms(what: Callable[[], object], times: int = TIMES) -> float:
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        spent.append(1000 * (time.perf_counter() - began))
    return statistics.median(spent)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and with --json the figures on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--cases", type=int, default=CASES)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(sqlite_url(Path(folder) / "state.sqlite"))
        try:
            migrate(database)
            fill(database, asked.cases)
            found = measure(database, Path(folder))
        finally:
            database.close()
    print(f"{asked.cases} cases, medians of {TIMES}; a page of 100; reports of {REPORTS}")
    for key, figure in found.items():
        print(f"{key:<16}{figure:10.2f}")
    if asked.json:
        print(json.dumps({key: round(figure, 3) for key, figure in found.items()}))


if __name__ == "__main__":
    main()
