"""The section `notify` changed while intake runs: taken, or refused whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud.config import load
from cloud.notify import log
from cloud.notify.reloading import Crew, Reloads, Telling
from cloud.state import schema
from cloud.state.database import Database
from contract.clock import SystemClock
from contract.errors import ConfigError

CONFIG = """
data: .
broker: {{host: h}}
{more}
notify:
  watch_every_s: {every}
  channels:
    {name}: {{kind: webhook, url: "http://127.0.0.1:9/", secret_file: hook.secret}}
  people: {{li: {{by: [{{channel: {way}}}]}}}}
  default: [li]
"""


def write(path: Path, name: str, *, way: str = "", every: float = 0.02, more: str = "") -> None:
    new = path.with_suffix(".new")
    new.write_text(CONFIG.format(name=name, way=way or name, every=every, more=more))
    new.replace(path)


def until(so: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if so():
            return
        time.sleep(0.01)
    raise AssertionError("it never comes")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    secret = tmp_path / "hook.secret"
    secret.write_text("s3cret")
    secret.chmod(0o600)
    write(tmp_path / "cloud.yaml", "first")
    return tmp_path / "cloud.yaml"


@contextmanager
def telling(path: Path, database: Database) -> Iterator[Reloads]:
    reloads, stop = Reloads(path), threading.Event()
    running = Telling(load(path), database, SystemClock(), reloads)
    thread = threading.Thread(target=running.run, args=[stop])
    thread.start()
    try:
        yield reloads
    finally:
        stop.set()
        thread.join()


def channels(database: Database) -> list[str]:
    with database.read() as connection:
        return [one.name for one in log.channels(connection)]


def audited(database: Database) -> list[tuple[str, str]]:
    table = schema.audit
    with database.read() as connection:
        rows = connection.execute(sa.select(table.c.action, table.c.note).order_by(table.c.id))
        return [(row.action, row.note) for row in rows]


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_a_changed_file_is_taken_and_a_bad_one_refused_whole(
    path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with telling(path, database):
        until(lambda: channels(database) == ["first"])
        write(path, "second", more="alerts: {lag_s: 5}")
        until(lambda: channels(database) == ["second"])
        until(lambda: "notify second" in threads())
        assert "notify first" not in threads()
        assert "alerts is as it was; a change of it takes a restart" in caplog.text
        write(path, "third", way="thrid")
        until(lambda: len(audited(database)) == 2)
        assert channels(database) == ["second"]
        assert "notify second" in threads()
        assert "unknown channel 'thrid'; did you mean third?" in caplog.text
        assert "those before run on" in caplog.text
    (taken, refused) = audited(database)
    assert taken[0] == "notify.reloaded"
    assert refused[0] == "notify.refused"
    assert "cloud.yaml:" in refused[1]
    assert not {name for name in threads() if name.startswith("notify")}


def test_asked_it_looks_also_where_it_does_not_watch(path: Path, database: Database) -> None:
    """A new secret changes nothing in the file."""
    write(path, "first", every=0)
    with telling(path, database) as reloads:
        (path.parent / "hook.secret").write_text("another")
        reloads.asked.set()
        until(lambda: len(audited(database)) == 1)
        write(path, "second", every=0)
        reloads.asked.set()
        until(lambda: channels(database) == ["second"])
        (path.parent / "hook.secret").unlink()
        reloads.asked.set()
        until(lambda: audited(database)[-1][0] == "notify.refused")
        assert channels(database) == ["second"]


def test_settings_that_cannot_be_at_the_start_are_refused(path: Path, database: Database) -> None:
    config = load(path)
    (path.parent / "hook.secret").chmod(0o644)
    with pytest.raises(ConfigError):
        Telling(config, database, SystemClock(), None)


def test_a_bug_in_one_thread_ends_them_all_and_is_raised() -> None:
    others = threading.Event()

    def tasks(stop: threading.Event) -> dict[str, Callable[[], None]]:
        def waits() -> None:
            stop.wait()
            others.set()

        def fails() -> None:
            raise KeyError("a bug")

        return {"waits": waits, "fails": fails}

    crew = Crew(tasks)
    assert others.wait(10)
    with pytest.raises(KeyError):
        crew.end()
    with pytest.raises(KeyError):
        crew.check()
