"""The figures of a simulated city's month against those of a plain computation of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import openpyxl
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner, Result

from cloud import app as build
from cloud.assessment import assess, between, month
from cloud.cases.cli import app
from cloud.cases.formulas import load_formulas, load_versions
from cloud.cases.report_files import write_pdf, write_xlsx
from cloud.config import load
from cloud.core.assessment import By, Count, Group
from cloud.errors import InvalidError
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from contract.errors import ConfigError
from tests.cloud.cases.case_kit import SHANGHAI
from tests.cloud.cases.simulated_city import simulate

OCTOBER = month("2026-10", SHANGHAI)
TRAIL = """
SELECT e.id, e."case", e.at_ms, e.step, e.to_state, e.unit, e.due_ms, e.about, c.category
FROM case_events e JOIN cases c ON c.id = e."case" WHERE e.at_ms < :until_ms ORDER BY e.id
"""


@dataclass(frozen=True, slots=True)
class Row:
    id: int
    case: str
    at_ms: int
    step: str
    to_state: str
    unit: str
    due_ms: int | None
    about: str
    category: str


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path_factory.mktemp("city") / "state.sqlite"))
    migrate(database)
    simulate(database, cases=110, days=50, seed=7)
    yield database
    database.close()


def share(part: set[str], of: set[str]) -> float | None:
    return len(part) / len(of) if of else None


def plainly(
    database: Database, from_ms: int, until_ms: int
) -> Callable[[str, str], dict[str, float | None]]:
    """Return what computes the figures of the cases that have a value in a column of the trail."""
    with database.read() as connection:
        rows = [Row(*row) for row in connection.execute(sa.text(TRAIL), {"until_ms": until_ms})]
    last = {row.case: row for row in rows if row.step != "overdue"}
    new_due = {
        row.case: row.id
        for row in rows
        if row.step
        in ("accept", "reopen", "secure", "handle", "extend", "defer", "resume", "verify", "rework")
    }
    overdue = {row.case for row in rows if row.step == "overdue" and row.id > new_due[row.case]}

    def of(column: str, value: str) -> dict[str, float | None]:
        mine = {case for case, row in last.items() if not column or getattr(row, column) == value}
        now = [row for row in rows if row.at_ms >= from_ms and row.case in mine]

        def did(*steps: str) -> set[str]:
            return {row.case for row in now if row.step in steps}

        def in_time(step: str) -> set[str]:
            late = {r.case for r in now if r.step == step and r.due_ms and r.at_ms > r.due_ms}
            return did(step) - late

        def left(*states: str) -> set[str]:
            return {case for case in overdue & mine if last[case].to_state in states}

        to_handle = did("handle") | left("opened", "dispatched")
        to_close = did("close") | left("opened", "dispatched", "handled", "verified")
        first: dict[str, int] = {}
        for row in now:
            if row.step == "dispatch":
                first.setdefault(row.case, row.id)
        back = {r.case for r in now if r.step == "return" and first.get(r.case, r.id) < r.id}
        scores = {r.case: int(r.about.split()[1]) for r in now if r.step == "close" and r.about}
        return {
            "opened": len(did("accept")),
            "handled": share(did("handle"), to_handle),
            "handled_in_time": share(in_time("handle"), to_handle),
            "closed": share(did("close"), to_close),
            "closed_in_time": share(in_time("close"), to_close),
            "reworked": share(did("rework"), to_close | did("rework")),
            "extended": share(did("extend"), to_handle | did("extend")),
            "dispatched_right": share(set(first) - back, set(first)),
            "verified_in_time": share(in_time("verify"), did("verify") | left("handled")),
            "satisfaction": sum(scores.values()) / len(scores) if scores else None,
        }

    return of


def values(group: Group) -> dict[str, float | None]:
    return {key: figure.value for key, figure in group.figures.items()}


def test_the_figures_of_a_month_are_those_of_its_trail(city: Database) -> None:
    with city.read() as connection:
        found = assess(connection, OCTOBER, load_versions())
    plain = plainly(city, OCTOBER.from_ms, OCTOBER.until_ms)
    assert values(found.total) == pytest.approx(plain("", ""))
    assert found.before.total == pytest.approx(plainly(city, *OCTOBER.before)("", ""))
    assert found.year_ago.total is None
    assert all(0 < (value or 0) < 1 for key, value in plain("", "").items() if key[0] not in "os")
    for by, column in ((By.UNIT, "unit"), (By.CATEGORY, "category")):
        assert len(found.groups[by]) >= 3
        for group in found.groups[by]:
            if group.key:
                assert values(group) == pytest.approx(plain(column, group.key)), group.key


def test_every_figure_names_its_cases(city: Database) -> None:
    with city.read() as connection:
        found = assess(connection, OCTOBER, load_versions(), (By.SOURCE,))
    for group in (found.total, *found.groups[By.SOURCE]):
        for key, figure in group.figures.items():
            assert set(figure.cases) <= set(figure.of) or key == "opened"
            assert figure.denominator == len(figure.of)
            assert figure.numerator == len(figure.cases) or key == "satisfaction"
    parts = [set(group.counts[Count.CLOSED]) for group in found.groups[By.SOURCE]]
    assert sorted(set[str]().union(*parts)) == list(found.total.counts[Count.CLOSED])


def test_a_past_month_stays_as_it_was(city: Database) -> None:
    """What happens later changes nothing, and neither do later formulas."""
    later = load_versions()[0]
    with city.read() as connection:
        september = month("2026-09", SHANGHAI)
        found = assess(connection, september, load_versions(), (By.UNIT,))
        assert values(found.total) == pytest.approx(
            plainly(city, september.from_ms, september.until_ms)("", "")
        )
        newer = type(later)(version="2", effective=date(2026, 10, 1), figures=later.figures[:1])
        both = [later, newer]
        assert assess(connection, september, both, ()).formulas.version == "1"
        assert list(assess(connection, OCTOBER, both, ()).total.figures) == ["opened"]
        with pytest.raises(InvalidError, match="the first are of 2026-10-01"):
            assess(connection, september, [newer], ())


def test_any_period_is_like_a_month_of_the_same_times(city: Database) -> None:
    any_period = between(OCTOBER.from_ms, OCTOBER.until_ms, SHANGHAI)
    with city.read() as connection:
        assert (
            assess(connection, any_period, load_versions()).total
            == assess(connection, OCTOBER, load_versions()).total
        )
    with pytest.raises(InvalidError, match="must end after it begins"):
        between(OCTOBER.until_ms, OCTOBER.from_ms, SHANGHAI)
    with pytest.raises(InvalidError, match="write it as 2026-10"):
        month("October", SHANGHAI)


def test_formulas_are_strict(tmp_path: Path) -> None:
    path = tmp_path / "2026-01-01.yaml"
    path.write_text(
        'version: "1"\neffective: 2026-02-01\nfigures:\n'
        "  - key: good\n    title: {zh: 好, en: good}\n    as: share\n"
        "    numerator: [handeld]\n    source: ours\n    mark: M\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=r"2026-01-01.yaml:7: .*handled_in_time"):
        load_formulas(path)
    path.write_text(path.read_text(encoding="utf-8").replace("handeld", "handled"), "utf-8")
    with pytest.raises(ConfigError) as failure:
        load_formulas(path)
    assert ":2: effective: the file must be called 2026-02-01.yaml" in str(failure.value)
    assert "a share and a mean have one" in str(failure.value)
    with pytest.raises(ConfigError, match="is no folder"):
        load_versions(tmp_path / "none")


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, words)], catch_exceptions=False)


def test_the_report_is_written_in_chinese_with_charts(city: Database, tmp_path: Path) -> None:
    with city.read() as connection:
        found = assess(connection, OCTOBER, load_versions())
    write_xlsx(found, tmp_path / "report.xlsx")
    book = openpyxl.load_workbook(tmp_path / "report.xlsx")
    assert book.sheetnames == ["总体", "按责任单位", "按网格", "按类别", "按来源", "案件"]
    told = {row[0]: row[1] for row in book["总体"].iter_rows(min_row=4, values_only=True)}
    assert told["立案数"] == len(found.total.counts[Count.OPENED])
    assert set(told) == {formula.title.zh for formula in found.formulas.figures}
    assert [len(book[name]._charts) for name in book.sheetnames] == [0, 1, 1, 1, 1, 0]
    write_pdf(found, tmp_path / "report.pdf")
    written = (tmp_path / "report.pdf").read_bytes()
    assert written.startswith(b"%PDF")
    assert b"STSong-Light" in written


def test_the_command_tells_and_refuses(tmp_path: Path) -> None:
    config = tmp_path / "cloud.yaml"
    config.write_text("data: d\nbroker: {host: h}\n")
    build.initialise(load(config)).close()
    said = run(config, "--month", "2026-10", "--json", "--out", tmp_path / "r.pdf")
    told = json.loads(said.output.splitlines()[-1])
    assert told["total"]["figures"]["opened"]["value"] == 0
    assert (tmp_path / "r.pdf").exists()
    assert "Satisfaction" in run(config, "--since", "2026-10-01", "--until", "2026-10-08").output
    for words, why in (
        (("--month", "October"), "write it as 2026-10"),
        (("--month", "2026-10", "--out", "r.doc"), "ends in .xlsx or .pdf"),
        ((), "say either --month"),
        (("--since", "soon"), "write it as 2026-10-01"),
    ):
        with pytest.raises(ConfigError, match=why):
            run(config, *words)
