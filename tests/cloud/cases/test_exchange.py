"""Uploads to a platform: nothing lost, no name with two contents, receipts kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud import app as build
from cloud.cases import uploads
from cloud.cases.cli import app
from cloud.cases.formulas import load_versions
from cloud.cases.mapping import load_mapping
from cloud.cases.others import build as build_system
from cloud.cases.systems.exchange import Address, Drop, Exchanger, Folder
from cloud.cases.systems.http import Caller
from cloud.cases.uploads import State, Upload
from cloud.config import load
from cloud.core.assessment import Formulas, figure_keys
from cloud.errors import ConflictError
from cloud.state.database import Database
from contract.clock import ManualClock
from contract.errors import ConfigError
from tests.cloud.cases.told_cases import SHANGHAI, open_case
from tests.suites.misbehaving import Call, Fault, Reply, Server

T0_MS = 1_790_042_400_000
DAY_MS = 86_400_000
MAPPING = """
format: json
cases:
  fields: [{to: AJBH, from: id}, {to: AJZT, from: state}]
alerts:
  fields: [{to: BJBH, from: id}]
assessment:
  fields: [{to: YF, from: month}, {to: DW, from: unit}, {to: LAS, from: opened}]
"""

OWN = """
version: city-1
effective: 2026-09-01
figures:
  - key: opened_twice
    title: {zh: 立案比, en: Opened of opened}
    as: share
    numerator: [opened]
    denominator: [opened]
    source: here
    mark: GAP
"""


class Platform:
    """Takes files by name; the same name with other contents is its undoing."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def __call__(self, call: Call) -> Reply:
        name = call.path.removeprefix("/in/")
        assert call.headers["idempotency-key"] == name
        assert self.files.setdefault(name, call.body) == call.body
        return Reply(200, f'{{"receipt": "R-{len(self.files)}"}}'.encode())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(T0_MS)


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def server(platform: Platform) -> Iterator[Server]:
    opened = Server(platform)
    yield opened
    opened.stop()


def exchanger(
    database: Database,
    clock: ManualClock,
    drop: Drop,
    folder: Path,
    formulas: Sequence[Formulas] = (),
) -> Exchanger:
    path = folder / "province.yaml"
    path.write_text(MAPPING)
    made = Exchanger(
        "province",
        drop,
        load_mapping(path),
        database,
        clock,
        lambda: 0.5,
        SHANGHAI,
        formulas or load_versions(),
        every_ms=DAY_MS,
    )
    made.work()  # from here on
    return made


def listed(database: Database) -> list[Upload]:
    with database.read() as connection:
        return uploads.uploads(connection)[::-1]


@pytest.mark.parametrize(
    "fault",
    [None, Fault.DROPS, Fault.CUTS, Fault.FAILS_AFTER, Fault.IS_BUSY, Fault.FORGETS_THE_KEY],
)
def test_a_day_goes_up_once_and_its_receipts_are_kept(
    database: Database,
    clock: ManualClock,
    server: Server,
    platform: Platform,
    tmp_path: Path,
    fault: Fault | None,
) -> None:
    drop = Address(f"{server.url}/in", Caller(1.0), "t")
    work = exchanger(database, clock, drop, tmp_path)
    first = open_case(database, 1, clock.now_ms())
    work.work()
    assert platform.files == {}  # not yet time
    clock.advance_ms(DAY_MS)
    second = open_case(database, 2, clock.now_ms())
    clock.advance_ms(1)
    if fault is not None:
        server.faults.append(fault)
    for _ in range(6):
        work.work()
        clock.advance_ms(10_000)
    assert list(platform.files) == ["province-cases-000001.json", "province-alerts-000002.json"]
    told = json.loads(platform.files["province-cases-000001.json"])["records"]
    assert told == [{"AJBH": first, "AJZT": "opened"}, {"AJBH": second, "AJZT": "opened"}]
    found = listed(database)
    assert [each.state for each in found] == [State.RECEIVED] * 2
    assert all(each.receipt.startswith('{"receipt": "R-') for each in found)
    with database.write() as connection, pytest.raises(ConflictError):
        uploads.retry(connection, found[0].name, "li", 0)


def test_a_refused_file_holds_up_those_after_it(
    database: Database, clock: ManualClock, server: Server, platform: Platform, tmp_path: Path
) -> None:
    work = exchanger(database, clock, Address(f"{server.url}/in", Caller(1.0)), tmp_path)
    open_case(database, 1, clock.now_ms())
    clock.advance_ms(DAY_MS)
    server.faults.append(Fault.REFUSES)
    assert work.work().dead == 1
    clock.advance_ms(DAY_MS)
    work.work()
    assert platform.files == {}
    (dead, *_) = listed(database)
    assert "HTTP 400" in dead.error
    with database.write() as connection:
        uploads.retry(connection, dead.name, "li", clock.now_ms())
    while work.work().told:
        pass
    assert len(platform.files) == 2


def test_the_month_that_ended_is_assessed(
    database: Database, clock: ManualClock, server: Server, platform: Platform, tmp_path: Path
) -> None:
    work = exchanger(database, clock, Address(f"{server.url}/in", Caller(1.0)), tmp_path)
    open_case(database, 1, clock.now_ms())
    for _ in range(10):
        clock.advance_ms(DAY_MS)
        while work.work().told:
            pass
    assessed = [body for name, body in platform.files.items() if "assessment" in name]
    assert [json.loads(body)["records"] for body in assessed] == [
        [{"YF": "2026-09", "DW": "街道办", "LAS": 1}]
    ]


def test_the_month_is_assessed_under_the_city_s_own_formulas(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    own = tmp_path / "formulas"
    own.mkdir()
    (own / "2026-09-01.yaml").write_text(OWN, encoding="utf-8")
    versions = load_versions(own)
    (tmp_path / "province.yaml").write_text(
        "format: csv\nassessment: {fields: [{to: KP, from: opened_twice_rate},"
        " {to: CZL, from: handled_rate}]}\n"
    )
    mapping = load_mapping(tmp_path / "province.yaml", figure_keys(versions))
    (tmp_path / "out").mkdir()
    work = Exchanger(
        "province",
        Folder(tmp_path / "out"),
        mapping,
        database,
        clock,
        lambda: 0.5,
        SHANGHAI,
        versions,
        every_ms=DAY_MS,
    )
    work.work()
    open_case(database, 1, clock.now_ms())
    for _ in range(10):
        clock.advance_ms(DAY_MS)
        work.work()
    (file,) = (tmp_path / "out").iterdir()
    assert file.read_bytes() == b"KP,CZL\r\n1.0,\r\n"  # no handled_rate in this version


def test_files_are_dropped_whole_and_receipted_later(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    drop, receipts = tmp_path / "out", tmp_path / "back"
    work = exchanger(database, clock, Folder(drop, receipts), tmp_path)
    open_case(database, 1, clock.now_ms())
    clock.advance_ms(DAY_MS)
    assert work.work().failed == 1  # the folder is not there
    drop.mkdir()
    receipts.mkdir()
    clock.advance_ms(10_000)
    while work.work().told:
        pass
    names = sorted(path.name for path in drop.iterdir())
    assert names == ["province-alerts-000002.json", "province-cases-000001.json"]
    assert work.poll() == 0
    (receipts / f"{names[0]}.ok").write_text("R-7\n")
    (receipts / f"{names[1]}.err").write_text("AJZT: no such code")
    assert work.poll() == 1
    cases, alerts = listed(database)
    assert (alerts.state, alerts.receipt) == (State.RECEIVED, "R-7")
    assert (cases.state, cases.error) == (State.DEAD, "AJZT: no such code")


def test_a_folder_without_receipts_is_received_as_it_lies_there(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    work = exchanger(database, clock, Folder(tmp_path), tmp_path)
    open_case(database, 1, clock.now_ms())
    clock.advance_ms(DAY_MS)
    while work.work().told:
        pass
    assert {each.state for each in listed(database)} == {State.RECEIVED}


# --- from the command line ---------------------------------------------------------------------

CONFIG = """
data: d
broker: {host: h}
case_systems:
  province:
    kind: exchange
    mapping: province.yaml
    folder: out
    every_h: 24
"""


def test_uploads_are_listed_and_sent_again(clock: ManualClock, tmp_path: Path) -> None:
    (tmp_path / "province.yaml").write_text(MAPPING)
    path = tmp_path / "cloud.yaml"
    path.write_text(CONFIG)
    config = load(path)
    database = build.initialise(config)
    work = exchanger(database, clock, Folder(tmp_path / "out", tmp_path), tmp_path)
    (tmp_path / "out").mkdir()
    open_case(database, 1, clock.now_ms())
    clock.advance_ms(DAY_MS)
    work.work()

    def run(*words: object) -> str:
        return CliRunner().invoke(app, ["uploads", *map(str, words)], catch_exceptions=False).output

    name = "province-cases-000001.json"
    assert f"{name:<40}sent" in run("list", path)
    items = json.loads(run("list", path, "--json"))["items"]
    assert {each["name"] for each in items} >= {name}
    assert run("retry", path, name) == f"{name} will be sent again\n"
    assert "cases, alerts, assessment as json" in run("check", tmp_path / "province.yaml")
    with pytest.raises(ConfigError, match="takes files, and is not asked"):
        build_system(config.case_systems["province"], clock)
    database.close()


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("    folder: out\n", "", "say either folder or url"),
        ("folder: out", "folder: out\n    url: http://x", "say either folder or url"),
        ("province.yaml", "none.yaml", "case_systems.province.mapping: no such file"),
    ],
)
def test_an_exchange_that_cannot_be(tmp_path: Path, wrong: str, right: str, words: str) -> None:
    (tmp_path / "province.yaml").write_text(MAPPING)
    path = tmp_path / "cloud.yaml"
    path.write_text(CONFIG.replace(wrong, right))
    with pytest.raises(ConfigError, match=words):
        load(path)
