from __future__ import annotations

import sqlalchemy as sa

from cloud.state import schema
from cloud.state.database import Database
from cloud.state.registry import Registry, told_state
from contract.messages import Birth, DeviceBirth, Place, State
from contract.readings import Reading


def birth(*devices: DeviceBirth, gateway: str = "here") -> Birth:
    return Birth(gateway=gateway, agent_version="1", config_version="c", born_ms=5, devices=devices)


def device(name: str = "noise-1", **more: str) -> DeviceBirth:
    return DeviceBirth(
        id=name,
        kind="noise",
        profile="noise/rs485-sound",
        period_s=1,
        measurements=("noise_laeq",),
        name="文化路",
        place=Place(latitude=30.6, longitude=104.1),
        tags=more,
    )


def reading(name: str = "noise-1", measurement: str = "noise_laeq") -> Reading:
    return Reading(name, measurement, 1, 60.0)


def test_series_are_numbered_once_and_found_again(database: Database) -> None:
    with database.write() as connection:
        registry = Registry.load(connection)
        first, new = registry.number(
            connection, "here", [reading(), reading("noise-2"), reading()], 1
        )
    assert len(new) == 2
    assert first[0] == first[2] != first[1]
    with database.write() as connection:
        again, new = Registry.load(connection).number(connection, "here", [reading("noise-2")], 1)
    assert (list(again), new) == ([first[1]], [])


def test_many_new_series_are_a_few_statements(database: Database) -> None:
    """A batch of 99,000 names once took 33 s, a statement each."""
    statements: list[str] = []
    names = [reading(f"new-{n % 500}", f"noise_laeq.{n}") for n in range(3000)]
    with database.write() as connection:
        registry = Registry.load(connection)
        sa.event.listen(
            connection, "before_cursor_execute", lambda *args: statements.append(args[2])
        )
        numbers, new = registry.number(connection, "here", names + names[:5], 1)
        assert len(statements) <= 3
        assert len(new) == len(set(numbers.tolist())) == 3000
    with database.read() as connection:
        again = {(s.device.id, s.measurement): s.id for s in Registry.load(connection).all_series()}
    assert [again[r.device, r.measurement] for r in names] == numbers[:3000].tolist()


def test_an_unknown_device_is_written_down_and_is_nobodys(database: Database) -> None:
    with database.write() as connection:
        registry = Registry.load(connection)
        registry.number(connection, "here", [reading("new")], 1)
        assert connection.scalar(sa.select(schema.devices.c.id)) == "new"
    assert registry.owner_of("new") is None


def test_a_birth_tells_who_the_devices_are(database: Database) -> None:
    with database.write() as connection:
        registry = Registry.load(connection)
        registry.number(connection, "here", [reading()], 1)
        changed, refused = registry.born(connection, birth(device(area_class="2")), 1)
        assert (len(changed), refused) == (1, [])
        assert changed[0].device.tags == {"area_class": "2"}
        assert registry.born(connection, birth(device(area_class="2")), 1)[0] == []
        row = connection.execute(sa.select(schema.devices)).one()
        assert (row.kind, row.name, row.latitude) == ("noise", "文化路", 30.6)
    with database.read() as connection:
        again = Registry.load(connection)
    assert [series.device.tags for series in again.all_series()] == [{"area_class": "2"}]


def test_a_birth_cannot_take_another_gateways_device(database: Database) -> None:
    with database.write() as connection:
        registry = Registry.load(connection)
        registry.born(connection, birth(device()), 1)
        _, refused = registry.born(
            connection, birth(device(), device("noise-9"), gateway="thief"), 1
        )
        assert refused == ["noise-1"]
        assert registry.owner_of("noise-1") == "here"
        assert registry.owner_of("noise-9") == "thief"


def test_a_gateways_state_is_that_of_its_last_word(database: Database) -> None:
    with database.write() as connection:
        for online in (True, False):
            told_state(connection, "here", State(online=online, at_ms=1), 7)
        row = connection.execute(sa.select(schema.gateways)).one()
    assert (row.online, row.state_ms) == (False, 7)
