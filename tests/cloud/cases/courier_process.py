"""A courier in a process of its own, to be killed: python -m … DATABASE KIND URL SECRET."""

from __future__ import annotations

import sys
from threading import Event

from cloud.cases import deliveries
from cloud.cases.courier import Courier
from cloud.cases.deliveries import State
from cloud.cases.systems.http import Caller
from cloud.cases.systems.open311 import Open311, Server
from cloud.cases.systems.webhook import Webhook
from cloud.ports import OtherCaseSystem
from cloud.state.database import Database
from contract.clock import SystemClock

CLAIM_MS = 300


def system_of(kind: str, url: str, secret: str) -> OtherCaseSystem:
    clock = SystemClock()
    if kind == "webhook":
        return Webhook(f"{url}/hook", secret, "urn:test", Caller(5.0), clock)
    server = Server(
        url=f"{url}/v2", api_key=secret, services={"*": "x"}, updates=True, settle_s=0.1
    )
    return Open311(server, Caller(5.0), clock)


def main(address: str, kind: str, url: str, secret: str) -> None:
    database = Database(address)
    system = system_of(kind, url, secret)
    courier = Courier(
        "other", system, database, SystemClock(), lambda: 0.0, claim_ms=CLAIM_MS, poll_ms=10**9
    )
    pause = Event()
    while True:
        courier.work()
        with database.read() as connection:
            counts = deliveries.counts(connection)
        if not counts.get(("other", State.WAITING)):
            return
        pause.wait(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
