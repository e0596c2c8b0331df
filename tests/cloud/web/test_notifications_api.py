from __future__ import annotations

from zoneinfo import ZoneInfo

import httpx
import sqlalchemy as sa

from cloud.core.rota import How
from cloud.core.telling import Way, What, Why
from cloud.notify import rows
from cloud.notify.messages import Words
from cloud.notify.policy import Person
from cloud.notify.rows import Fate, Telling
from cloud.state import schema
from cloud.state.database import Database
from cloud.web.console.notifications_page import told_table
from cloud.web.queries import notifications
from cloud.web.wording import Wording
from tests.cloud.web.conftest import NOW_MS

ADDRESS = "+8613800000000"


def tell(database: Database, number: int, fate: Fate = Fate.SENT, hold: str = "") -> int:
    way = Way(channel="sms", to=ADDRESS)
    telling = Telling(
        what=What.RAISED,
        event=f"{number}",
        alert="a" * 20,
        person=Person(id="li", name="李明", language="zh", ways=(way,)),
        way=way,
        severity="high",
        why=Why(how=How.WEEK, route="gas", rota="crew"),
        words=Words(subject=f"<b>告警 {number}</b>", body="secret body", short="s"),
        next_ms=NOW_MS,
        hold=hold,
        fate=fate,
    )
    with database.write() as connection:
        (made,) = rows.insert(connection, [telling], NOW_MS)
        attempt = {"channel": "sms", "at_ms": NOW_MS, "took_ms": 12, "error": "no route"}
        connection.execute(sa.insert(schema.notify_attempts).values(notification=made, **attempt))
        rows.enter_channels(connection, {"sms": "apprise"})
    return made


async def test_who_was_told_is_listed_without_addresses(
    guest: httpx.AsyncClient, database: Database
) -> None:
    made = [tell(database, number) for number in range(3)]
    tell(database, 3, Fate.WAITING, "quiet")
    found = await guest.get("/api/v1/notifications", params={"limit": 2, "state": "sent"})
    assert ADDRESS not in found.text
    assert "secret body" not in found.text
    page = found.json()
    assert [row["id"] for row in page["items"]] == made[:0:-1]
    assert page["items"][0]["why"] == {"how": "week", "route": "gas", "step": 1, "rota": "crew"}
    params = {"limit": 2, "state": "sent", "cursor": page["next"], "alert": "a" * 20}
    rest = (await guest.get("/api/v1/notifications", params=params)).json()
    assert ([row["id"] for row in rest["items"]], rest["next"]) == (made[:1], None)
    nobody = await guest.get("/api/v1/notifications", params={"person": "wang"})
    assert nobody.json()["items"] == []
    bad = await guest.get("/api/v1/notifications", params={"cursor": "x"})
    assert (bad.status_code, bad.json()["type"]) == (400, "urn:gridwarden:problem:bad-cursor")


async def test_attempts_and_dead_channels_are_told(
    guest: httpx.AsyncClient, database: Database
) -> None:
    made = tell(database, 1)
    attempts = (await guest.get(f"/api/v1/notifications/{made}/attempts")).json()
    assert [(row["took_s"], row["error"]) for row in attempts] == [(0.012, "no route")]
    with database.write() as connection:
        values = {"failures": 5, "dead_ms": NOW_MS, "error": "no route"}
        connection.execute(sa.update(schema.notify_channels).values(**values))
    (channel,) = (await guest.get("/api/v1/notifications/channels")).json()
    assert (channel["name"], channel["dead"], channel["failures"]) == ("sms", True, 5)


async def test_the_page_says_it_in_the_readers_language(database: Database) -> None:
    tell(database, 1)
    tell(database, 2, Fate.WAITING, "quiet")
    tell(database, 3, Fate.GIVEN_UP)
    with database.read() as connection:
        found = notifications.page(connection, limit=10).items
    zone = ZoneInfo("Asia/Shanghai")
    zh = told_table(found, NOW_MS, Wording(language="zh", zone=zone))
    en = told_table(found, NOW_MS, Wording(language="en", zone=zone), of_alert=True)
    assert "值班表 crew（路由 gas 第 1 步）" in zh
    assert "&lt;b&gt;" in zh  # names come from devices
    assert "免打扰至" in zh
    assert "on call by rota crew (step 1 of route gas)" in en
    assert "given up" in en
