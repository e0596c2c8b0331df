"""The figures of a simulated city's month against those of a plain computation of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import openpyxl
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner, Result

from cloud import app as build
from cloud.assessment import assess, between, month, trails
from cloud.cases import sealing
from cloud.cases.cli import app
from cloud.cases.formulas import load_formulas, load_versions
from cloud.cases.report_files import write_pdf, write_xlsx
from cloud.config import load
from cloud.core.assessment import By, Count, Form, Formulas, Group, tallies
from cloud.core.assessment_counts import PART_OF
from cloud.core.assessment_text import change
from cloud.errors import InvalidError
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from contract.errors import ConfigError
from tests.cloud.cases.case_kit import DAY_MS, SHANGHAI
from tests.cloud.cases.simulated_city import simulate

OCTOBER = month("2026-10", SHANGHAI)
BY_STEPS, BY_DUES = sorted(load_versions(), key=lambda each: each.effective)
BOTH = (BY_STEPS, BY_DUES)
SEEDS = (7, 8, 11)
# What leaves a case as overdue as it was.
KEEPS = (
    *("overdue", "due soon", "dispatch", "return", "attach", "sensor normal"),
    *("sensor abnormal", "singled out", "absorb", "split"),
)
TRAIL = """
SELECT e.id, e."case", e.at_ms, e.step, e.to_state, e.unit, e.due_ms, e.about, c.category, c.source,
       e.handle_due_ms, e.verify_due_ms, e.close_due_ms
FROM case_events e JOIN cases c ON c.id = e."case" WHERE e.at_ms < :until_ms ORDER BY e.id
"""
COLUMNS = {By.UNIT: "unit", By.CATEGORY: "category", By.SOURCE: "source"}
Found = dict[str, float | None]


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
    source: str
    handle_due_ms: int | None
    verify_due_ms: int | None
    close_due_ms: int | None


@pytest.fixture(scope="module", params=SEEDS)
def city(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path_factory.mktemp("city") / "state.sqlite"))
    migrate(database)
    simulate(database, cases=38, days=42, seed=request.param)
    yield database
    database.close()


# --- the figures once more, plainly, from the rows of the trail --------------------------------


def read(database: Database, until_ms: int) -> list[Row]:
    with database.read() as connection:
        return [Row(*row) for row in connection.execute(sa.text(TRAIL), {"until_ms": until_ms})]


def share(part: set[str], of: set[str]) -> float | None:
    return len(part) / len(of) if of else None


def plainly(
    database: Database, from_ms: int, until_ms: int, version: Formulas = BY_STEPS
) -> Callable[[str, str], Found]:
    """Return what computes the figures of the cases that have a value in a column of the trail."""
    rows = read(database, until_ms)
    last = {row.case: row for row in rows if row.step != "overdue"}

    def of(column: str, value: str) -> Found:
        mine = {case for case, row in last.items() if not column or getattr(row, column) == value}
        theirs = [row for row in rows if row.case in mine]
        now = [row for row in theirs if row.at_ms >= from_ms]
        common = _in_common(now)
        if version is BY_STEPS:
            return common | _by_steps(theirs, now, last)
        return common | _by_dues(theirs, from_ms, until_ms)

    return of


def _did(rows: Sequence[Row], *steps: str) -> set[str]:
    return {row.case for row in rows if row.step in steps}


def _in_common(now: Sequence[Row]) -> Found:
    first: dict[str, int] = {}
    for row in now:
        if row.step == "dispatch":
            first.setdefault(row.case, row.id)
    back = {r.case for r in now if r.step == "return" and first.get(r.case, r.id) < r.id}
    scores = {r.case: int(r.about.split()[1]) for r in now if r.step == "close" and r.about}
    return {
        "opened": len(_did(now, "open", "accept", "reopen")),
        "dispatched_right": share(set(first) - back, set(first)),
        "satisfaction": sum(scores.values()) / len(scores) if scores else None,
    }


def _by_steps(rows: Sequence[Row], now: Sequence[Row], last: dict[str, Row]) -> Found:
    settled = {row.case: row.id for row in rows if row.step not in KEEPS}
    overdue = {row.case for row in rows if row.step == "overdue" and row.id > settled[row.case]}

    def in_time(step: str) -> set[str]:
        late = {r.case for r in now if r.step == step and r.due_ms and r.at_ms > r.due_ms}
        return _did(now, step) - late

    def left(*states: str) -> set[str]:
        return {case for case in overdue if last[case].to_state in states}

    to_handle = _did(now, "handle") | left("opened", "dispatched")
    to_close = _did(now, "close") | left("opened", "dispatched", "handled", "verified")
    again = _did(now, "rework", "relapse")
    return {
        "handled": share(_did(now, "handle"), to_handle),
        "handled_in_time": share(in_time("handle"), to_handle),
        "closed": share(_did(now, "close"), to_close),
        "closed_in_time": share(in_time("close"), to_close),
        "reworked": share(again, to_close | again),
        "extended": share(_did(now, "extend"), to_handle | _did(now, "extend")),
        "verified_in_time": share(in_time("verify"), _did(now, "verify") | left("handled")),
    }


@dataclass(frozen=True, slots=True)
class Came:
    """A due time that came: the lines of its case up to then, and those after."""

    case: str
    before: Sequence[Row]
    after: Sequence[Row]


def _that_came(rows: Sequence[Row], column: str, from_ms: int, until_ms: int) -> Iterator[Came]:
    """Hold every line against the next: did its due time come between the two?"""
    trails: dict[str, list[Row]] = {}
    for row in rows:
        trails.setdefault(row.case, []).append(row)
    for case, lines in trails.items():
        ends = [*(line.at_ms for line in lines[1:]), until_ms]
        known = None
        for number, (line, ends_ms) in enumerate(zip(lines, ends, strict=True), 1):
            due_ms = getattr(line, column)
            comes_ms = due_ms
            if due_ms is not None and due_ms != known and due_ms < line.at_ms:
                comes_ms = line.at_ms  # it was past already
            comes = due_ms is not None and (
                line.at_ms <= comes_ms < ends_ms or (comes_ms == line.at_ms and due_ms < comes_ms)
            )
            if due_ms != known or comes:
                known = due_ms
            if comes and from_ms <= comes_ms < until_ms:
                yield Came(case, lines[:number], lines[number:])


def _by_dues(rows: Sequence[Row], from_ms: int, until_ms: int) -> Found:
    def due(column: str, *states: str) -> list[Came]:
        found = _that_came(rows, column, from_ms, until_ms)
        return [each for each in found if each.before[-1].to_state in states]

    def cases(found: Sequence[Came]) -> set[str]:
        return {each.case for each in found}

    def since(each: Came, *steps: str) -> Sequence[Row]:
        """The lines from the last of these steps on."""
        begins = max((n for n, row in enumerate(each.before) if row.step in steps), default=0)
        return each.before[begins:]

    def in_time(found: Sequence[Came], *states: str) -> set[str]:
        late = [each for each in found if each.before[-1].to_state not in states]
        return cases(found) - cases(late)

    def done(found: Sequence[Came], step: str, *states: str) -> set[str]:
        final = {each.case: each for each in found}.values()
        return {
            each.case
            for each in final
            if each.before[-1].to_state in states or _did(each.after, step)
        }

    handled = ("handled", "verified", "closed")
    handle = due("handle_due_ms", "opened", "dispatched", *handled)
    verify = due("verify_due_ms", *handled)
    close = due("close_due_ms", "opened", "dispatched", *handled)
    anew = ("open", "accept", "reopen")
    longer = [e for e in handle if _did(since(e, *anew, "relapse", "rework"), "extend")]
    again = [each for each in close if _did(since(each, *anew), "rework", "relapse")]
    now = [row for row in rows if row.at_ms >= from_ms]
    return {
        "recurring": len(_did(now, "singled out")),
        "handled": share(done(handle, "handle", *handled), cases(handle)),
        "handled_in_time": share(in_time(handle, *handled), cases(handle)),
        "closed": share(done(close, "close", "closed"), cases(close)),
        "closed_in_time": share(in_time(close, "closed"), cases(close)),
        "reworked": share(cases(again), cases(close)),
        "extended": share(cases(longer), cases(handle)),
        "verified_in_time": share(in_time(verify, "verified", "closed"), cases(verify)),
    }


def values(group: Group) -> Found:
    return {key: figure.value for key, figure in group.figures.items()}


def under(version: Formulas) -> list[Formulas]:
    """The versions, if this one had been in force for ever."""
    return [replace(version, effective=date(2020, 1, 1))]


# --- the two held against each other ------------------------------------------------------------


def test_the_city_has_everything_that_can_happen(city: Database) -> None:
    steps = {row.step for row in read(city, OCTOBER.until_ms)}
    assert steps >= {"open", "accept", "reopen", "relapse", "rework", "return", "defer", "resume"}
    assert steps >= {"extend", "merge", "singled out", "sensor normal", "overdue", "absorb"}
    with city.read() as connection:
        cases = connection.scalars(sa.text("SELECT id FROM cases")).all()
        assert {sealing.verify(connection, case).broken for case in cases} == {None}


@pytest.mark.parametrize("version", BOTH, ids=["by steps", "by dues"])
def test_the_figures_of_a_month_are_those_of_its_trail(city: Database, version: Formulas) -> None:
    with city.read() as connection:
        found = assess(connection, OCTOBER, under(version))
    plain = plainly(city, OCTOBER.from_ms, OCTOBER.until_ms, version)
    assert values(found.total) == pytest.approx(plain("", ""))
    before = plainly(city, *OCTOBER.before, version)
    assert found.before.total == pytest.approx(before("", ""))
    assert found.year_ago.total is None
    shares = [each.key for each in version.figures if each.form is Form.SHARE]
    assert all(0 <= (plain("", "")[key] or 0) <= 1 for key in shares)
    for by, column in COLUMNS.items():
        assert len(found.groups[by]) >= 3
        for group in found.groups[by]:
            if group.key:
                assert values(group) == pytest.approx(plain(column, group.key)), group.key
                then = found.before.groups[by].get(group.key)
                assert then is None or then == pytest.approx(before(column, group.key))


@pytest.mark.parametrize("version", BOTH, ids=["by steps", "by dues"])
def test_every_figure_opens_exactly_its_cases(city: Database, version: Formulas) -> None:
    with city.read() as connection:
        found = assess(connection, OCTOBER, under(version), comparing=False)
    for by in By:
        for formula in version.figures:
            whole = found.total.figures[formula.key]
            parts = [group.figures[formula.key] for group in found.groups[by]]
            assert sorted(case for part in parts for case in part.cases) == list(whole.cases)
            assert sorted(case for part in parts for case in part.of) == list(whole.of)
            assert sum(part.numerator for part in parts) == whole.numerator
            assert sum(part.denominator for part in parts) == whole.denominator
            for each in (whole, *parts):
                assert each.denominator == len(each.of)
                assert each.numerator == len(each.cases) or formula.form is Form.MEAN
                assert set(each.cases) <= set(each.of) or formula.form is Form.COUNT
    counts = found.total.counts
    for part, wholes in PART_OF.items():
        for one in wholes:
            assert set(counts[part]) <= set(counts[one])


def test_each_due_time_counts_on_one_day(city: Database) -> None:
    days = range(OCTOBER.from_ms, OCTOBER.until_ms, DAY_MS)
    with city.read() as connection:
        month_s = list(trails(connection, OCTOBER.from_ms, OCTOBER.until_ms))
        of_month = tallies(month_s, OCTOBER.from_ms, OCTOBER.until_ms)
        by_day = [tallies(trails(connection, day, day + DAY_MS), day, day + DAY_MS) for day in days]
    for count in (Count.DUE_HANDLING, Count.DUE_VERIFYING, Count.DUE_CLOSING):
        each_day = [each.case for day in by_day for each in day if count in each.counts]
        assert set(each_day) == {each.case for each in of_month if count in each.counts}
    assert month_s


def test_what_is_due_later_is_not_due_yet(city: Database) -> None:
    now_ms = OCTOBER.from_ms + 10 * DAY_MS
    tenth = between(OCTOBER.from_ms, now_ms, SHANGHAI)
    with city.read() as connection:
        today = assess(connection, OCTOBER, under(BY_DUES), (By.UNIT,), now_ms=now_ms)
        whole_days = assess(connection, tenth, under(BY_DUES), (By.UNIT,))
        ahead = assess(connection, month("2027-01", SHANGHAI), under(BY_DUES), now_ms=now_ms)
    assert (today.total, today.groups) == (whole_days.total, whole_days.groups)
    assert not any(ahead.total.counts.values())


def test_a_past_month_stays_as_it_was(city: Database) -> None:
    """What happens later changes nothing, and neither do later formulas."""
    later = BY_STEPS
    with city.read() as connection:
        september = month("2026-09", SHANGHAI)
        found = assess(connection, september, load_versions(), (By.UNIT,))
        assert found.formulas == BY_STEPS
        december = assess(connection, month("2026-12", SHANGHAI), load_versions())
        assert december.formulas == BY_DUES
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


def test_a_unit_renamed_or_merged_keeps_its_cases(city: Database) -> None:
    old, merged, new = "市政养护", "燃气公司", "市政与燃气"
    names = replace(BY_DUES, effective=date(2020, 1, 1), units={old: new, merged: new})
    with city.read() as connection:
        found = assess(connection, OCTOBER, under(BY_DUES), (By.UNIT,))
        now = assess(connection, OCTOBER, [names], (By.UNIT,))
        theirs = assess(connection, OCTOBER, [names], (By.UNIT,), unit=old)
    units = {group.key: group for group in found.groups[By.UNIT]}
    after = {group.key: group for group in now.groups[By.UNIT]}
    assert set(after) == {new, *units} - {old, merged}
    for count in Count:
        both = {*units[old].counts[count], *units[merged].counts[count]}
        assert set(after[new].counts[count]) == both
    assert now.before.value("opened", By.UNIT, new) == sum(
        found.before.value("opened", By.UNIT, unit) or 0 for unit in (old, merged)
    )
    assert (theirs.total.figures, now.total) == (after[new].figures, found.total)


def test_a_first_month_and_an_empty_one_are_compared_with_nothing(city: Database) -> None:
    with city.read() as connection:
        first = assess(connection, month("2026-09", SHANGHAI), under(BY_DUES))
        none = assess(connection, month("2025-03", SHANGHAI), under(BY_DUES))
        after = assess(connection, month("2027-09", SHANGHAI), under(BY_DUES))
    for formula in BY_DUES.figures:
        for compared in (first.before, first.year_ago, none.before, none.year_ago):
            told = compared.value(formula.key)
            assert told is None
            assert change(formula, first.total.value(formula.key), told, "{n}", 1) == "—"
        assert after.year_ago.value(formula.key) == first.total.value(formula.key)
    assert {each.value for each in none.total.figures.values()} == {0, None}


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
    path.write_text(
        'version: "1"\neffective: 2026-01-01\nunits: {甲: 乙, 乙: 丙}\nfigures:\n'
        "  - key: good\n    title: {zh: 好, en: good}\n    as: share\n    numerator: [reworked]\n"
        "    denominator: [to_close]\n    source: ours\n    mark: M\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as failure:
        load_formulas(path)
    assert ":3: units.甲: '乙' was renamed itself" in str(failure.value)
    assert ":8: figures[0].numerator: reworked may hold cases that" in str(failure.value)
    assert "allowed: a denominator with one of reworked" in str(failure.value)
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
