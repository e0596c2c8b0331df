"""`gridwarden notify`, as people type it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from cloud import alerts
from cloud.config import load
from cloud.errors import InvalidError, NotFoundError
from cloud.notify import worker
from cloud.notify.cli import app
from cloud.notify.settings import Notify
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from contract.clock import SystemClock
from tests.cloud.alert_kit import RULES, began, fill
from tests.cloud.notify.servers import MailServer, wait_for
from tests.cloud.notify.town import ZONE

TEXT = """data: .
broker: {{host: h}}
notify:
  channels:
    mail: {{kind: smtp, host: localhost, port: {port}, security: none, from: gw@city.example}}
  people:
    li: {{name: 李明, by: [{{channel: mail, to: li@city.example}}]}}
  default: [li]
  routes: [{{name: all, kinds: [noise], steps: [{{tell: [unit]}}, {{after_s: 900, tell: [li]}}]}}]
  quiet: [{{from: "22:00", to: "07:00", below: high}}]
"""


@pytest.fixture
def server() -> Iterator[MailServer]:
    found = MailServer()
    found.start()
    yield found
    found.stop()


@pytest.fixture
def config(tmp_path: Path, server: MailServer) -> Path:
    path = tmp_path / "cloud.yaml"
    path.write_text(TEXT.format(port=server.port), encoding="utf-8")
    return path


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Database]:
    found = Database(sqlite_url(tmp_path / "state.sqlite"))
    migrate(found)
    fill(found)
    yield found
    found.close()


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_channel_can_be_tried(config: Path, server: MailServer) -> None:
    assert run("test", config, "mail") == "mail took it, for li@city.example\n"
    assert "测试通知" in str(server.mails[0]["Subject"])
    with pytest.raises(NotFoundError, match="did you mean mail"):
        run("test", config, "mial")
    with pytest.raises(InvalidError, match="allowed: zh, en"):
        run("test", config, "mail", "--language", "fr")


def test_it_says_who_would_be_told_and_why(config: Path, filled: Database) -> None:
    told = run(
        "who", config, "--device", "noise-1", "--severity", "low", "--at", "2026-11-23T23:00"
    )
    assert "unit 文化路街道办" in told
    assert "li: the responsible unit has no rota, so the default is told; by mail li@" in told
    assert "held until 2026-11-24 07:00, in a digest" in told
    assert "2026-11-23 23:15 (after 900 s, if nobody has acknowledged it)" in told
    assert "no route fits: nobody is told" in run("who", config, "--kind", "gas")
    with pytest.raises(NotFoundError, match="no device"):
        run("who", config, "--device", "none")
    with pytest.raises(InvalidError, match="is no time"):
        run("who", config, "--device", "noise-1", "--at", "soon")


def test_the_threads_tell_and_the_log_says_so(
    config: Path, filled: Database, server: MailServer
) -> None:
    """From an alert in the database to a mail in a box, by the threads that intake runs."""
    stop, clock = threading.Event(), SystemClock()
    settings = load(config).notify.model_copy(update={"quiet": ()})
    tasks = worker.tasks(settings, filled, ZONE, clock, stop)
    assert set(tasks) == {"notify", "notify mail"}
    threads = [threading.Thread(target=task, name=name) for name, task in tasks.items()]
    for thread in threads:
        thread.start()
    try:
        with filled.write() as connection:
            (change,) = alerts.apply(connection, [began(0)], RULES, clock.now_ms())
        wait_for(lambda: bool(server.mails))
        wait_for(lambda: ": sent" in run("log", config))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert "noise-1" in str(server.mails[0]["Subject"])
    shown = run("log", config, "--alert", change.alert)
    assert "li by mail li@city.example: sent" in shown
    assert "channel mail (smtp): works, 0 waiting" in shown
    found = msgspec.json.decode(run("log", config, "--json").splitlines()[-1])
    assert [row["person"] for row in found["items"]] == ["li"]
    assert "li: the responsible unit has no rota" in run("who", config, change.alert)


def test_without_channels_nothing_runs(filled: Database) -> None:
    assert worker.tasks(Notify(), filled, ZONE, SystemClock(), threading.Event()) == {}
