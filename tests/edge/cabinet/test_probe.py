"""`edge probe`: what unknown registers are, as lines for a profile that then read rightly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from device_profiles.loader import load_profile
from simulators.modbus_frames import Framing
from tests.edge.cabinet.kit import Done, Part, bus_of, edge, interrupted, start, tcp, write_config
from tests.edge.kit import ScriptedPeer, eventually, free_port


def candidates(done: Done) -> list[dict[str, Any]]:
    """Return the guesses, the best first."""
    rows = done.told["candidates"]
    assert isinstance(rows, list)
    return rows


async def probe(folder: Path, part: Part, *words: object, framing: Framing = Framing.TCP) -> Done:
    driver = "modbus_tcp" if framing is Framing.TCP else "modbus_rtu_over_tcp"
    async with bus_of(part, framing=framing) as port:
        config = write_config(folder, [tcp(port, driver, timeout_s=0.3)])
        unit = ("--unit", part.unit_id, "--every-s", "0.05", "--json")
        return await edge("probe", config, "line", *unit, *words)


@pytest.mark.parametrize(
    ("profile", "measurement", "start"),
    [
        ("noise/rs485-sound", "noise_la", 0),
        ("noise/gemho-noise", "noise_la", 0x0E),
        ("water/yosemitech-y504", "water_do", 0x2600),
        ("water/yosemitech-y504", "water_temperature", 0x2600),
        ("gas/fuxin-gas-meter", "gas_temperature", 0x0A),
        ("gas/pressure-transmitter-b", "gas_pressure", 0x03),
        ("water/seeed-s-ph-01", "water_ph", 0),
    ],
)
async def test_the_best_guesses_are_what_the_catalogue_says(
    profile: str, measurement: str, start: int, tmp_path: Path
) -> None:
    modbus = load_profile(profile).modbus
    assert modbus is not None
    part = modbus.measurements[measurement]
    done = await probe(
        tmp_path, Part(profile=profile, unit_id=4), "--start", start, "--quantity", measurement
    )
    assert done.code == 0, done.out + done.err
    right = [
        place
        for place, guess in enumerate(candidates(done))
        if (guess["address"], guess["type"]) == (part.address, part.type)
        and (guess["order"] in (part.order, part.order[:2]) or guess["order"] == "AB")
    ]
    assert right
    assert right[0] < 5


async def test_a_known_model_is_recognised(tmp_path: Path) -> None:
    done = await probe(
        tmp_path, Part(profile="dust/cwt-uwd-sws"), "--start", "0x1F0", "--kind", "dust"
    )
    assert "dust/cwt-uwd-sws" in done.told["known"]  # type: ignore[operator]
    assert "known model that fits: dust/cwt-uwd-sws" in done.out


async def test_what_is_not_there_is_found_out_piece_by_piece(tmp_path: Path) -> None:
    done = await probe(
        tmp_path, Part(profile="dust/cwt-uwd-sws"), "--start", "0x1F0", "--kind", "dust"
    )
    assert done.told["not_there"] == [[0x1F0, 0x1F3], [0x202, 0x20F]]
    assert "not there: 0x01F0 to 0x01F3" in done.out


async def test_a_manuals_number_tells_which_way_it_counts(tmp_path: Path) -> None:
    """The sound sensor's register is 0 on the wire; a manual in 40001 style calls it 40001."""
    done = await probe(
        tmp_path,
        Part(profile="noise/rs485-sound"),
        *("--manual", "40001", "--quantity", "noise_la", "--count", "2"),
    )
    assert done.code == 0
    assert candidates(done)[0]["yaml"].startswith("noise_la: {address: 0x0001")
    assert "the manual counts from 1: registers_count_from: 1, address: 1" in done.out


async def test_off_by_one_is_spoken_of_without_a_manual(tmp_path: Path) -> None:
    done = await probe(tmp_path, Part(profile="noise/gemho-noise"), "--quantity", "noise_la")
    assert "a manual that calls 0x000E 15 (or 40015) counts from 1" in " ".join(done.out.split())


async def test_over_a_line_that_is_silent_where_nothing_is(tmp_path: Path) -> None:
    part = Part(profile="noise/rs485-sound", unit_id=2)
    done = await probe(tmp_path, part, "--quantity", "noise_la", "--count", 1, framing=Framing.RTU)
    assert done.code == 0
    assert candidates(done)[0]["scale"] == 0.1


async def test_nobody_answers_and_what_to_check_is_said(tmp_path: Path) -> None:
    async with bus_of(Part(profile="noise/rs485-sound"), framing=Framing.RTU) as port:
        config = write_config(tmp_path, [tcp(port, "modbus_rtu_over_tcp")])
        words = ("--unit", 9, "--count", 2, "--timeout-s", 0.05, "--json")
        done = await edge("probe", config, "line", *words)
    assert done.code == 1
    assert "no answer" in str(done.told["problem"])
    assert "asked was 9" in str(done.told["check"])
    assert candidates(done) == []


async def test_no_connection_is_no_trace(tmp_path: Path) -> None:
    config = write_config(tmp_path, [tcp(free_port())])
    done = await edge("probe", config, "line", "--unit", 1)
    assert done.code == 1
    assert "no connection" in done.out
    assert "host and port" in done.out


async def test_ctrl_c_ends_it_with_what_was_read(tmp_path: Path) -> None:
    """The second read is never answered; when it is asked, the first is over."""
    peer = ScriptedPeer(
        lambda unit, at: 599,
        lambda request, right: [(0.0, right)] if len(peer.requests) == 1 else [],
    )
    await peer.start()
    try:
        config = write_config(tmp_path, [tcp(peer.port)])
        words = ("--unit", 1, "--count", 1, "--quantity", "noise_la", "--every-s", 0, "--json")
        process = await start("probe", config, "line", *words, "--timeout-s", 60)
        await eventually(lambda: len(peer.requests) == 2)
        done = await interrupted(process)
    finally:
        await peer.stop()
    assert done.code == 130
    assert done.told["interrupted"] is True
    assert candidates(done)[0]["values"] == [59.9]


async def test_words_without_any_hardware() -> None:
    """Y511's manual §2.2.4; and the same answer as a whole frame."""
    words = await edge("probe", "--words", "0000 8D41", "--quantity", "water_turbidity", "--json")
    assert words.code == 0
    assert candidates(words)[0]["order"] == "DCBA"
    assert candidates(words)[0]["values"] == [17.625]
    frame = await edge(
        "probe", "--words", "01 03 02 02 57 F8 DA", "--quantity", "noise_la", "--json"
    )
    assert candidates(frame)[0]["values"] == pytest.approx([59.9])


async def test_what_another_instrument_shows_settles_it() -> None:
    words = ("probe", "--words", "1770", "--quantity", "pm10", "--json")  # 6000
    for shown, scale in ((600, 0.1), (60, 0.01), (6, 0.001)):
        done = await edge(*words, "--shows", shown)
        assert candidates(done)[0]["scale"] == scale


async def test_several_reads_given_in_words() -> None:
    done = await edge(
        *("probe", "--words", "0257", "--words", "0259", "--words", "025C"),
        *("--quantity", "noise_la", "--json"),
    )
    assert candidates(done)[0]["confidence"] == "strong"
    assert done.told["moved"] == [0]


async def test_nothing_plausible_is_told() -> None:
    done = await edge("probe", "--words", "0000 0000", "--quantity", "noise_la")
    assert done.code == 1
    assert "nothing here can be noise_la" in done.out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "probe needs CONFIG, BUS and --unit, or --words"),
        (("--words", "025"), "--words: '025' has 3 hex digits"),
        (("--words", "0257", "--quantity", "noise_laq"), "did you mean noise_laeq?"),
        (("--words", "0257", "--kind", "noise", "--shows", "60"), "--shows: say of what"),
        (("--words", "0257", "--quantity", "noise_la", "--shows", "999"), "is from 0 to 160"),
        (("--words", "0257", "--manual", "70000"), "--manual 70000: is no register's number"),
        (("--start", "-1", "--words", "0257"), "--start: '-1' is no register"),
    ],
)
async def test_mistakes_are_refused(words: tuple[str, ...], why: str) -> None:
    done = await edge("probe", *words)
    assert done.code == 2
    assert why in done.err
