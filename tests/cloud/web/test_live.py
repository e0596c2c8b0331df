from __future__ import annotations

import asyncio
import json

import sqlalchemy as sa

from cloud import alerts
from cloud.state import schema
from cloud.state.database import Database
from cloud.web import accounts
from cloud.web.live import RING, Live
from cloud.web.services import Services
from contract.clock import ManualClock
from contract.readings import Reading
from tests.cloud.web.conftest import NOW_MS, token_of
from tests.cloud.web.seed import City


async def test_a_snapshot_holds_what_is_true(services: Services) -> None:
    snapshot = await Live(services).refresh()
    assert len(snapshot.sensors) == 10
    assert len(snapshot.latest) == 30
    assert [alert.device for alert in snapshot.alerts][:2] == ["manhole-01", "noise-01"]
    assert snapshot.alert_counts["UNACK", "medium"] == 2
    assert snapshot.case_counts == {"opened": 3, "dispatched": 1, "handled": 1}
    assert snapshot.gateways[0].completeness.missing == 0


async def test_parts_that_stand_still_are_not_read_again(
    services: Services, city: City, clock: ManualClock
) -> None:
    live = Live(services)
    before = await live.refresh()
    city.write([Reading("noise-01", "noise_la", NOW_MS + 1_000, 61.0)], NOW_MS)
    clock.advance_ms(1_000)
    after = await live.refresh()
    number = city.series("noise-01", "noise_la")
    assert after.latest[number].value == 61.0
    assert after.alerts is before.alerts
    assert after.cases is before.cases
    assert after.sensors is before.sensors


async def test_now_and_then_everything_is_read_whatever_the_marks_say(
    services: Services, database: Database, clock: ManualClock
) -> None:
    live = Live(services)
    await live.refresh()
    with database.write() as connection:
        connection.execute(sa.update(schema.devices).values(name="renamed"))
    assert (await live.refresh()).sensors["gas-01"].name == "青羊调压箱压力计"
    clock.advance_ms(30_000)
    assert (await live.refresh()).sensors["gas-01"].name == "renamed"


async def test_a_recent_snapshot_is_good_enough(services: Services, clock: ManualClock) -> None:
    live = Live(services)
    first = await live.refresh()
    clock.advance_ms(900)
    assert await live.refresh(within_s=1.0) is first
    clock.advance_ms(100)
    assert await live.refresh(within_s=1.0) is not first


async def test_news_are_what_changed(services: Services, city: City, database: Database) -> None:
    live = Live(services)
    before = await live.refresh()
    assert live.last == 0
    city.alert("gas.high", "gas-02", NOW_MS, 3.4)
    returned = next(alert for alert in before.alerts if alert.state == "RTNUN")
    with database.write() as connection:
        alerts.acknowledge(connection, returned.id, "op", NOW_MS)
    city.write([Reading("noise-01", "noise_la", NOW_MS + 1_000, 61.0)], NOW_MS)
    await live.refresh()
    news = await live.news_after(0, 1.0)
    assert news is not None
    told = [(each.event, json.loads(each.data)) for each in news]
    assert [event for event, _ in told] == ["alert", "alert", "case", "values"]
    assert (told[0][1]["id"], told[0][1]["state"]) == (returned.id, "NORM")
    assert (told[1][1]["device"], told[1][1]["state"]) == ("gas-02", "UNACK")
    assert told[2][1]["device"] == "gas-02"
    assert told[3][1][0]["device"] == "noise-01"
    assert [value["value"] for value in told[3][1][0]["latest"]] == [61.0]


async def test_waiting_for_news_ends_in_time_or_with_news(services: Services, city: City) -> None:
    live = Live(services)
    await live.refresh()
    assert await live.news_after(0, 0.01) == []
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(live.news_after(0, 60.0))
        city.write([Reading("noise-01", "noise_la", NOW_MS + 1_000, 61.0)], NOW_MS)
        await live.refresh()
    news = waiting.result()
    assert news is not None
    assert [each.event for each in news] == ["values"]


async def test_forgotten_news_are_told_as_such(services: Services, city: City) -> None:
    live = Live(services)
    await live.refresh()
    for each in range(3):
        city.write([Reading("noise-01", "noise_la", NOW_MS + 1 + each, 61.0)], NOW_MS)
        await live.refresh()
    assert await live.news_after(-1, 0.01) is None  # of another process
    assert await live.news_after(7, 0.01) is None  # of a future nobody knows
    assert len(await live.news_after(1, 0.01) or []) == 2
    assert RING > 1_000


async def test_a_database_that_fails_leaves_the_old_snapshot(
    services: Services, database: Database
) -> None:
    live = Live(services)
    before = await live.refresh()
    with database.write() as connection:
        connection.execute(sa.text("DROP TABLE sessions"))
    assert await live.refresh() is before


async def test_sessions_that_end_are_noticed(services: Services, database: Database) -> None:
    live = Live(services)
    token = token_of(services, "op")
    session = accounts.token_hash(token)
    with live.watching(session):
        assert not (await live.refresh()).has_ended(session)
        with database.write() as connection:
            accounts.end_session(connection, token)
        assert (await live.refresh()).has_ended(session)
    assert not (await live.refresh()).has_ended(session)  # nobody asks


async def test_the_poller_is_idle_while_nobody_looks(services: Services) -> None:
    live = Live(services)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(live.run())
        await asyncio.sleep(0)
        assert live.snapshot.at_ms == 0
        with live.watching("somebody"):
            assert live.watchers == 1
            while live.snapshot.at_ms == 0:
                await live.news_after(0, 0.05)
        assert live.watchers == 0
        await live.close()
