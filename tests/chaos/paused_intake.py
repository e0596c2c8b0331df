"""An intake of its own process that stops in the middle of a pass over history, to be killed there.

Run as: python -m tests.chaos.paused_intake URL WHERE. It says where it is, and then does nothing
more. The broker that it is told of is not there; what it has to do is in the database.
"""

from __future__ import annotations

import sys
import threading
from itertools import count
from typing import Any

from cloud import hindsight
from cloud.config import Broker, Intake
from cloud.core.rules import RuleSet
from cloud.hindsight import Hindsight
from cloud.intake import MqttIntake
from cloud.pipeline import Line
from cloud.reconciling import Reconciliation
from cloud.state.database import Database
from contract.clock import ManualClock
from tests.cloud.core.rule_kit import T0_MS, make_rule
from tests.cloud.history_kit import ZONE

RULES = (
    make_rule(on_delay_s=20.0, off_delay_s=20.0, deadband=2.0),
    make_rule(id="peak", limit=80.0),
)
NOWHERE = Broker(host="127.0.0.1", port=1, tls=False)
TURNS = 1  # of reading, before it stops


def stop_at(where: str) -> None:
    """Have it stop while it reads, or while what it found is being written."""
    feed, settle, turn, turns = Hindsight._feed, Reconciliation.settle, Hindsight.turn, count(1)

    def paused_feed(self: Hindsight, study: hindsight._Study, until_ms: int) -> None:
        feed(self, study, until_ms)
        if where == "reading" and next(turns) == TURNS:
            _pause(where)

    def paused_settle(self: Reconciliation, *args: Any) -> None:
        settle(self, *args)
        if where == "writing":
            _pause(where)

    def told_turn(self: Hindsight, *args: Any) -> bool:
        ended: bool = turn(self, *args)
        if ended and not self._waiting:
            _pause("done")
        return ended

    for owner, name, instead in (
        (Hindsight, "_feed", paused_feed),
        (Reconciliation, "settle", paused_settle),
        (Hindsight, "turn", told_turn),
    ):
        setattr(owner, name, instead)


def _pause(where: str) -> None:
    sys.stdout.write(f"{where}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    hindsight.QUIET_S = 0.0
    hindsight.READINGS_A_TURN = 150
    stop_at(sys.argv[2])
    database = Database(sys.argv[1])
    rules = RuleSet(rules=RULES, fingerprint="test")
    clock = ManualClock(T0_MS + 700_000)
    intake = MqttIntake(
        NOWHERE, Intake(), lambda: Line(database, rules, ZONE, clock), client_id="intake-00"
    )
    intake.run(threading.Event())
