"""`gridwarden cases list`, `show`, `step` and `evidence`, on the made-up city."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image
from typer.testing import CliRunner, Result

from cloud import app as build
from cloud.cases import files
from cloud.cases.cli import app
from cloud.cases.file_store import FileStore
from cloud.config import load
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from cloud.web.accounts import create_account, set_case_roles
from contract.clock import SystemClock
from contract.errors import ConfigError
from tests.cloud.cases.case_kit import ANYBODY
from tests.cloud.cases.pictures import PDF, PNG
from tests.cloud.web.seed import fill


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state database that the tests copy: six cases, with their readings."""
    path = tmp_path_factory.mktemp("town") / "state.sqlite"
    database = Database(sqlite_url(path))
    migrate(database)
    fill(database, SystemClock().now_ms())
    database.close()
    return path


@pytest.fixture
def config(town: Path, tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    shutil.copy(town, tmp_path / "d" / "state.sqlite")
    path = tmp_path / "cloud.yaml"
    path.write_text("data: d\nbroker: {host: h}\n")
    return path


@pytest.fixture
def case(config: Path) -> str:
    return next(each["id"] for each in listed(config) if each["device"] == "gas-01")


def run(word: str, config: Path, *words: object) -> Result:
    found = CliRunner().invoke(app, [word, str(config), *map(str, words)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def listed(config: Path, *words: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run("list", config, *words, "--json").stdout)["items"]
    return found


def opened(config: Path) -> tuple[Database, FileStore]:
    return build.open_database(load(config)), build.file_store(load(config))


def add(config: Path, case: str, data: bytes, name: str) -> str:
    database, store = opened(config)
    with store.receiving() as incoming:
        incoming.write(data)
        received = incoming.received()
        incoming.keep()
    with database.write() as connection:
        files.add_file(connection, case, ANYBODY, name, "", received, store.bounds, 1)
    database.close()
    return received.sha256


def photo() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (400, 300), (90, 120, 160)).save(made, "JPEG")
    return made.getvalue()


def test_list_has_filters(config: Path) -> None:
    def devices(*words: str) -> set[str]:
        return {each["device"] for each in listed(config, *words)}

    assert len(devices()) == 5
    assert devices("--all") == devices() | {"dust-02"}
    assert devices("--state", "handled") == {"gas-01"}
    assert devices("--category", "04-03") == {"gas-01"}
    assert devices("--unit", "燃气公司") == {"gas-01"}
    assert devices("--overdue") == set()
    assert len(listed(config, "--due", "--limit", "2")) == 2
    shown = run("list", config, "--limit", "2").stdout
    assert "燃气供气压力过低" not in shown or "handled" in shown
    assert "2 cases (! is overdue); there may be more" in shown


def test_show_has_the_trail_and_the_chain(config: Path, case: str) -> None:
    add(config, case, PDF, "维修.pdf")
    shown = run("show", config, case).stdout
    for words in ("已处置 handled", "派遣 dispatch", "file 1: 维修.pdf", "chain: 8 entries hold"):
        assert words in shown
    found = json.loads(run("show", config, case, "--json").stdout)
    assert found["case"]["device"] == "gas-01"
    assert found["chain"]["broken"] is None
    with pytest.raises(NotFoundError, match="there is no case"):
        run("show", config, "20000101-000001")


def test_a_step_is_taken_as_an_account(config: Path, case: str) -> None:
    with pytest.raises(InvalidError, match="no such account; add one with"):
        run("step", config, case, "verify", "--as", "nobody")
    with pytest.raises(InvalidError, match="'verify' needs a note"):
        run("step", config, case, "verify", "--as", "op")
    told = run("step", config, case, "verify", "--as", "op", "--note", "现场已恢复").stdout
    assert "is 已核查 verified; op may take next: close, rework" in told
    with pytest.raises(ConflictError, match="possible: close, rework"):
        run("step", config, case, "dispatch", "--as", "op")
    closed = run("step", config, case, "close", "--as", "op", "--satisfaction", "5", "--json")
    assert json.loads(closed.stdout)["state"] == "closed"


def test_a_handling_unit_moves_no_other_ones_case(config: Path, case: str) -> None:
    database, _ = opened(config)
    with database.write() as connection:
        create_account(connection, "crew", "long enough for this", "operator", now_ms=1)
        set_case_roles(connection, "crew", "handler", "水务公司", now_ms=1)
    database.close()
    with pytest.raises(NotFoundError, match="of 水务公司"):
        run("step", config, case, "handle", "--as", "crew", "--note", "x")


def test_evidence_is_a_pdf(config: Path, case: str, tmp_path: Path) -> None:
    add(config, case, photo(), "现场.jpg")
    add(config, case, PNG, "细节.png")
    out = tmp_path / "case.pdf"
    told = run("evidence", config, case, "--out", out)
    assert told.exit_code == 0
    assert "entries hold" in told.stdout
    assert "files: 2, damaged: none" in told.stdout
    data = out.read_bytes()
    assert data.startswith(b"%PDF-")
    assert b"STSong-Light" in data
    assert data.count(b"/Subtype /Image") == 2
    assert [path.name for path in tmp_path.glob(".*partial")] == []
    found = json.loads(run("evidence", config, case, "--json").stdout)
    assert found["holds"] is True
    (chart,) = found["charts"]
    assert (chart["measurement"], chart["unit"], chart["limit"]) == ("gas_pressure", "kPa", 1.5)
    assert len(chart["values"]) > 10
    assert found["devices"][0]["profile"] == "gas/generic"


def test_evidence_of_what_was_forged_ends_with_1(config: Path, case: str, tmp_path: Path) -> None:
    digest = add(config, case, photo(), "现场.jpg")
    database, store = opened(config)
    store.path(digest).write_bytes(b"another")
    out = tmp_path / "case.pdf"
    told = run("evidence", config, case, "--out", out)
    assert told.exit_code == 1
    assert "damaged: 现场.jpg" in told.stdout
    assert out.read_bytes().count(b"/Subtype /Image") == 0
    with database.write() as connection:
        connection.execute(sa.update(schema.cases).values(title="另一件事"))
    database.close()
    told = run("evidence", config, case)
    assert told.exit_code == 1
    assert "chain: BROKEN at entry 1: case" in told.stdout
    assert json.loads(run("evidence", config, case, "--json").stdout)["holds"] is False


def test_a_picture_that_nobody_can_show_is_no_obstacle(
    config: Path, case: str, tmp_path: Path
) -> None:
    add(config, case, b"\xff\xd8\xff\xe0 not really a picture \xff\xd9", "现场.jpg")
    assert run("evidence", config, case, "--out", tmp_path / "case.pdf").exit_code == 0


def test_without_reportlab_it_says_what_to_install(
    config: Path, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "reportlab.platypus", None)
    monkeypatch.delitem(sys.modules, "cloud.cases.evidence_pdf", raising=False)
    import cloud.cases

    monkeypatch.delattr(cloud.cases, "evidence_pdf", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'gridwarden\[report\]'"):
        run("evidence", config, case, "--out", tmp_path / "case.pdf")
    assert run("evidence", config, case).exit_code == 0  # verifying takes none of it
