"""Scenario files: the demo's says what the demo needs, and mistakes are named by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.errors import ConfigError
from contract.quantities import Kind
from device_profiles.loader import load_profile
from simulators.scenarios import DEMO, load_scenario

GOOD = """\
buses:
  one: {framing: tcp}
devices:
  - id: noise-01
    profile: noise/rs485-sound
    bus: one
"""


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "street.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    return [problem.removeprefix(str(path)) for problem in caught.value.problems]


def test_the_demo_has_two_devices_of_each_kind_on_shared_buses() -> None:
    demo = load_scenario(DEMO)
    kinds = [load_profile(device.profile).kind for device in demo.devices]
    assert {kind: kinds.count(kind) for kind in Kind} == dict.fromkeys(Kind, 2)
    assert [device.id for device in demo.devices] == [
        f"{kind}-{number:02d}" for kind in Kind for number in (1, 2)
    ]
    by_bus = [device.bus for device in demo.devices if device.bus]
    assert len(by_bus) == 8
    assert len(set(by_bus)) == 5
    assert {device.bus for device in demo.devices if device.id == "dust-02"} == {"dtu-dust"}
    assert demo.buses["dtu-dust"].framing == "rtu"


def test_in_the_demo_each_kind_leaves_its_limit_in_time_and_comes_back() -> None:
    demo = load_scenario(DEMO)
    for device in demo.devices:
        first = device.excursions[0]
        assert first.from_s <= 30
        assert first.to_s <= (22 if device.id.startswith(("gas", "manhole")) else 34)
        assert all(window.to_s - window.from_s >= 10 for window in device.excursions)
        measured = set(load_profile(device.profile).measurement_names())
        assert all(set(window.peaks) <= measured for window in device.excursions)
    starts = [device.excursions[0].from_s for device in demo.devices]
    assert len(set(starts)) >= 6


def test_a_demo_place_is_in_chengdu_and_says_that_it_is_made_up() -> None:
    for device in load_scenario(DEMO).devices:
        assert device.place is not None
        assert 30.5 < device.place.latitude < 30.8
        assert 103.9 < device.place.longitude < 104.2
        assert "模拟" in device.place.address
        assert "模拟" in device.name
        assert device.asset.startswith("SIM-")


def test_a_good_scenario(tmp_path: Path) -> None:
    path = tmp_path / "street.yaml"
    path.write_text(GOOD)
    assert load_scenario(path).devices[0].unit_id == 1


def test_an_unknown_key_is_named_with_the_nearest_right_one(tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD + "    unitid: 2\n")
    assert found == [":7: devices[0].unitid: unknown key; did you mean unit_id?"]


def test_what_is_there_twice_or_not_at_all_is_named(tmp_path: Path) -> None:
    again = "  - {id: noise-01, profile: noise/rs485-sound, bus: one, unit_id: 1}\n"
    nowhere = "  - {id: noise-02, profile: noise/rs485-sound, bus: two}\n"
    neither = "  - {id: noise-03, profile: noise/rs485-sound}\n"
    taken = "  - {id: noise-04, profile: noise/rs485-sound, bus: one}\n"
    found = problems(tmp_path, GOOD + again + nowhere + neither + taken)
    assert found == [
        ":7: devices[1].id: 'noise-01' is there twice",
        ":8: devices[2].bus: there is no bus 'two'; allowed: one",
        ":9: devices[3]: 'noise-03' needs either a bus or an address",
        ":10: devices[4].unit_id: 1 is taken on 'one' by 'noise-01'",
    ]
