"""kill -9 of a real courier process between its call and its mark, against a real HTTP server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud.cases import deliveries, ledger
from cloud.core.case_steps import Step
from cloud.core.model import Role
from cloud.state import schema
from cloud.state.database import Database
from contract.clock import SystemClock
from tests.cloud.cases.told_cases import open_case
from tests.suites.misbehaving import Call, Reply, Server
from tests.suites.other_sides import City, Sink

SECRET = "a secret of thirty-two characters"
ROOT = Path(__file__).parents[3]
SIDES: dict[str, Callable[[], City | Sink]] = {
    "webhook": lambda: Sink(SECRET),
    "open311": lambda: City(SystemClock(), echoes=True),
}


class Killing:
    """Serves another side. Once a call that writes is taken there, its caller is killed."""

    def __init__(self, side: City | Sink, at: set[int]) -> None:
        self.side = side
        self.caller = 0
        self.kills = 0
        self._at = at  # which of the calls that write
        self._written = 0

    def __call__(self, call: Call) -> Reply:
        reply = self.side(call)
        if call.method == "POST":
            self._written += 1
            if self._written in self._at:
                os.kill(self.caller, signal.SIGKILL)
                self.kills += 1
        return reply


def run(database: Database, kind: str, server: Server, killing: Killing) -> int:
    """Run a courier until it is done, or killed; return how it ended."""
    command = [sys.executable, "-m", "tests.cloud.cases.courier_process"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, database.url, kind, server.url, SECRET], cwd=ROOT, env=environment
    ) as process:
        killing.caller = process.pid
        return process.wait(60)


@pytest.mark.parametrize(("kind", "at"), [("webhook", {2}), ("open311", {1, 3})])
def test_exactly_once_whatever_is_killed(database: Database, kind: str, at: set[int]) -> None:
    now_ms = SystemClock().now_ms()
    with database.write() as connection:
        deliveries.feed(connection, "other", now_ms)  # from here on it is told
    cases = [open_case(database, number, now_ms) for number in (1, 2)]
    for step in (Step.DISPATCH, Step.HANDLE):
        with database.write() as connection:
            ledger.step(
                connection,
                cases[0],
                step,
                "ming",
                Role.ADMIN,
                _version(connection, cases[0]),
                "done",
                now_ms,
            )
    killing = Killing(SIDES[kind](), at)
    server = Server(killing)
    try:
        ended = [run(database, kind, server, killing) for _ in range(len(at) + 1)]
    finally:
        server.stop()
    assert ended == [-signal.SIGKILL] * len(at) + [0]
    found: dict[str, list[str]] = defaultdict(list)
    for case, step_name in killing.side.has():
        found[case].append(step_name)
    assert found == {cases[0]: ["open", "dispatch", "handle"], cases[1]: ["open"]}


def _version(connection: sa.Connection, case: str) -> int:
    table = schema.cases
    return connection.scalar(sa.select(table.c.version).where(table.c.id == case)) or 0
