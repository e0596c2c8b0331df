from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud.cases import file_store, files, sealing, tasks
from cloud.cases.file_store import FileBounds, FileStore, Received
from cloud.cases.files import CaseFile
from cloud.core.case_roles import Actor, CaseRole
from cloud.core.case_steps import State, Step
from cloud.core.file_types import FileType
from cloud.core.gate import GatePolicy, PhotoRule
from cloud.errors import ConflictError, ForbiddenError, InvalidError, NoRoomError, NotFoundError
from cloud.series import backup
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.alert_kit import fill
from tests.cloud.cases.case_kit import (
    ANYBODY,
    CREW,
    DESK,
    NOW_MS,
    arise,
    close,
    do,
    look,
    person,
    trail,
)
from tests.cloud.cases.pictures import JPEG, PDF, PNG

MINUTE_MS = 60_000


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files", FileBounds(largest_bytes=2_000, keep_free_bytes=0))


@pytest.fixture
def case(database: Database) -> str:
    fill(database)
    found = arise(database, 0)
    do(database, found, Step.DISPATCH, DESK)
    return found


def receive(store: FileStore, data: bytes) -> Received:
    with store.receiving() as incoming:
        for at in range(0, len(data), 100):
            incoming.write(data[at : at + 100])
        received = incoming.received()
        incoming.keep()
    return received


def add(
    database: Database,
    store: FileStore,
    case: str,
    data: bytes = JPEG,
    *,
    actor: Actor = ANYBODY,
    name: str = "a",
    claim: str = "",
    bounds: FileBounds | None = None,
    at_ms: int = NOW_MS + MINUTE_MS,
) -> CaseFile:
    received = receive(store, data)
    with database.write() as connection:
        limits = bounds or store.bounds
        return files.add_file(connection, case, actor, name, claim, received, limits, at_ms)


def test_a_file_is_kept_by_its_digest_and_sealed(
    database: Database, store: FileStore, case: str
) -> None:
    photo = add(database, store, case, name="../现场.jpeg", claim="image/jpeg")
    paper = add(database, store, case, PDF, name="report.pdf")
    assert (photo.name, photo.type, photo.size) == ("现场.jpg", FileType.JPEG, len(JPEG))
    assert photo.is_photo
    assert not paper.is_photo
    assert store.path(photo.sha256).read_bytes() == JPEG
    assert trail(database, case)[-2:] == ["file", "file"]
    assert look(database, case).trail[-1].note == "report.pdf"
    with database.read() as connection:
        assert files.files_of(connection, case) == [photo, paper]
        assert files.damaged(store, [photo, paper]) == []
        assert sealing.verify(connection, case).broken is None
    with database.write() as connection:
        connection.execute(sa.update(schema.case_files).values(sha256="0" * 64))
        broken = sealing.verify(connection, case).broken
        assert broken is not None
        assert "file 1 is not as it was sealed" in broken.why


def test_nothing_is_left_of_what_is_refused(store: FileStore) -> None:
    for data, words in ((b"x" * 2_001, "larger than 0 MB"), (b"GIF89a", "none of what is taken")):
        with pytest.raises(InvalidError, match=words):
            receive(store, data)
    folder = store.path("00").parents[1]
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_the_same_content_is_kept_once(store: FileStore) -> None:
    first, again = receive(store, PNG), receive(store, PNG)
    assert first == again
    assert store.whole(first.sha256)
    store.path(first.sha256).write_bytes(b"changed")
    assert not store.whole(first.sha256)
    receive(store, PNG)  # whoever has it heals it
    assert store.whole(first.sha256)


def test_what_a_killed_process_left_is_swept(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = store.path("00").parents[1] / file_store.INCOMING / "tmp-left"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    receive(store, PNG)
    assert left.exists()
    monkeypatch.setattr(file_store, "STALE_S", -1.0)
    receive(store, JPEG)
    assert not left.exists()


def test_a_file_that_lies_is_refused_and_nothing_is_half_done(
    database: Database, store: FileStore, case: str
) -> None:
    before = look(database, case)
    with pytest.raises(InvalidError, match="said to be image/png, but its content is image/jpeg"):
        add(database, store, case, claim="image/png")
    with pytest.raises(InvalidError, match=r"the name ends in \.pdf"):
        add(database, store, case, name="a.pdf")
    assert look(database, case) == before


def test_files_are_bounded(database: Database, store: FileStore, case: str) -> None:
    add(database, store, case)
    with pytest.raises(ConflictError, match="has this very file already"):
        add(database, store, case)
    with pytest.raises(ConflictError, match=r"cases\.files\.case_mb"):
        add(database, store, case, PNG, bounds=FileBounds(case_bytes=len(JPEG)))
    with pytest.raises(NoRoomError, match=r"cases\.files\.total_mb"):
        add(database, store, case, PNG, bounds=FileBounds(total_bytes=len(JPEG)))
    full = FileStore(store.path("00").parents[1], FileBounds(keep_free_bytes=1 << 60))
    with pytest.raises(NoRoomError, match=r"cases\.files\.keep_free_mb"):
        full.check_room(1)


def test_who_may_add_and_see_files(database: Database, store: FileStore, case: str) -> None:
    added = add(database, store, case, actor=CREW)
    police = person("police", CaseRole.HANDLER, unit="公安")
    with pytest.raises(NotFoundError, match="of 公安"):
        add(database, store, case, PNG, actor=police)
    with pytest.raises(ForbiddenError, match="takes the case role"):
        add(database, store, case, PNG, actor=person("nobody"))
    with database.write() as connection:
        version = look(database, case).case.version
        tasks.invite(connection, case, "公安", "封路", None, DESK, version, NOW_MS)
    add(database, store, case, PNG, actor=police)  # who helps shows it
    with database.read() as connection:
        assert files.get_file(connection, case, added.id, police) == added
        stranger = person("x", CaseRole.HANDLER, unit="水务")
        for number, actor in ((99, ANYBODY), (added.id, stranger)):
            with pytest.raises(NotFoundError, match="has no file"):
                files.get_file(connection, case, number, actor)


def test_a_case_that_is_over_takes_no_files(database: Database, store: FileStore) -> None:
    fill(database)
    case = arise(database, 0)
    close(database, case)
    with pytest.raises(ConflictError, match="'file' is not possible for a case that is closed"):
        add(database, store, case)


def test_a_city_may_want_a_photo(database: Database, store: FileStore, case: str) -> None:
    category = look(database, case).case.category
    policy = GatePolicy(photos=(PhotoRule(step=Step.HANDLE, category=category[:2]),))
    words = r"'handle' needs a photo .* \(cases\.photos: step handle, category 0"

    def handle(at_ms: int = NOW_MS + MINUTE_MS) -> State:
        return do(database, case, Step.HANDLE, CREW, at_ms, policy=policy).state

    with pytest.raises(InvalidError, match=words):
        handle()
    add(database, store, case, PDF)
    with pytest.raises(InvalidError, match=words):  # a paper is no photo
        handle()
    add(database, store, case, JPEG)
    assert handle() is State.HANDLED
    do(database, case, Step.REWORK, at_ms=NOW_MS + 5 * MINUTE_MS)
    with pytest.raises(InvalidError, match=words):  # that one showed what was not good enough
        handle()
    add(database, store, case, PNG, at_ms=NOW_MS + 6 * MINUTE_MS)
    assert handle() is State.HANDLED


def test_a_rule_for_photos_fits_a_category_and_what_is_below() -> None:
    rule = PhotoRule(step=Step.HANDLE, category="03")
    assert rule.fits(Step.HANDLE, "03-01")
    assert not rule.fits(Step.HANDLE, "04-01")
    assert not rule.fits(Step.VERIFY, "03-01")
    assert PhotoRule(step=Step.VERIFY).fits(Step.VERIFY, "03-01")


def test_a_backup_has_the_files(
    database: Database, store: FileStore, case: str, tmp_path: Path
) -> None:
    if database.engine.dialect.name != "sqlite":
        return
    photo = add(database, store, case)
    done = backup.backup(database, tmp_path, tmp_path / "backup")
    assert done.files == 1
    backup.restore(tmp_path / "backup", tmp_path / "restored")
    assert FileStore(tmp_path / "restored" / "files").whole(photo.sha256)
