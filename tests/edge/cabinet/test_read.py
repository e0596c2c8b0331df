"""`edge read`: right values from wire to unit; what went wrong in words; never a trace."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from edge import lock
from simulators.modbus_frames import Framing
from tests.edge.cabinet.kit import (
    Done,
    Part,
    bus_of,
    device,
    edge,
    interrupted,
    start,
    tcp,
    write_config,
)
from tests.edge.drivers.fronts import Dtu, SerialPair
from tests.edge.kit import Mosquitto, ScriptedPeer, eventually, free_port, mosquitto

NOISE = "noise/rs485-sound"
COVER = "manhole/milesight-em310-tilt"


def rows(done: Done, key: str) -> list[dict[str, Any]]:
    """Return a list of the JSON object."""
    found = done.told[key]
    assert isinstance(found, list)
    return found


async def test_from_words_to_value(tmp_path: Path) -> None:
    async with bus_of(Part(profile="gas/pressure-transmitter-a")) as port:
        config = write_config(tmp_path, [tcp(port)], [device("gas/pressure-transmitter-a")])
        done = await edge("read", config, "it", "--json")
    assert done.code == 0
    (value,) = rows(done, "values")
    raw = int(value["came"], 16)
    assert value["raw"] == raw
    assert (value["device_unit"], value["unit"], value["quality"]) == ("kPa", "kPa", "")
    assert value["value"] == pytest.approx(raw / 1000)
    assert value["in_range"] is True
    (request,) = rows(done, "requests")
    assert list(request["words"])[:2] == ["0001", "0003"]  # kPa, three decimals
    assert request["took_ms"] > 0
    assert f"→ {raw} → " in done.out
    assert "normal, within -100 to 10000" in done.out
    assert "1 of 1 values good" in done.out


async def test_nobody_answers_and_what_to_check_is_said(tmp_path: Path) -> None:
    async with bus_of(Part(profile=NOISE), framing=Framing.RTU) as port:
        line = tcp(port, "modbus_rtu_over_tcp", timeout_s=0.2)
        config = write_config(tmp_path, [line], [device(NOISE, 9)])
        done = await edge("read", config, "it", "--json")
    assert done.code == 1
    assert done.told["problem"] == "no answer in 0.2 s"
    said = str(done.told["check"])
    assert "asked was 9, the maker ships it as 1" in said
    assert "4800 8N1" in said
    assert "A and B" in said
    assert "no value" in done.out


async def test_no_connection_is_no_trace(tmp_path: Path) -> None:
    config = write_config(tmp_path, [tcp(free_port())], [device(NOISE)])
    done = await edge("read", config, "it")
    assert done.code == 1
    assert "no connection to 127.0.0.1" in done.out
    assert "host and port" in done.out


async def test_the_wrong_model_is_refused_by_the_device(tmp_path: Path) -> None:
    async with bus_of(Part(profile=NOISE)) as port:
        config = write_config(tmp_path, [tcp(port)], [device("noise/gemho-noise")])
        done = await edge("read", config, "it")
    assert done.code == 1
    assert "exception 2 (illegal data address)" in done.out
    assert "registers_count_from: 1" in done.out


async def test_a_wrong_byte_order_is_told_with_the_right_one(tmp_path: Path) -> None:
    """The device sends 17.625 little-endian; the profile's author guessed Modbus' own order."""
    own = tmp_path / "profiles" / "water"
    own.mkdir(parents=True)
    (own / "guess.yaml").write_text(
        "kind: water\nmaker: nobody\nmodel: guess\ntitle: {zh: 猜, en: guess}\nsource: synthetic\n"
        "modbus:\n  measurements:\n"
        "    water_turbidity: {address: 0x2602, type: float32, unit: NTU}\n"
        "vectors:\n  - request: 01 03 26 02 00 02 6F 43\n    frame: 01 03 04 41 8D 00 00 6E 20\n"
        "    expect: {water_turbidity: 17.625}\n    source: synthetic\n",
        encoding="utf-8",
    )
    words = {0x2602: 0x0000, 0x2603: 0x8D41}
    peer = ScriptedPeer(lambda unit, at: words[at], lambda request, right: [(0.0, right)])
    await peer.start()
    try:
        config = write_config(tmp_path, [tcp(peer.port)], [device("water/guess")])
        config.write_text(f"profiles: profiles\n{config.read_text('utf-8')}", encoding="utf-8")
        done = await edge("read", config, "it", "--json")
    finally:
        await peer.stop()
    assert "is not usual" in done.out
    assert "{address: 0x2602, type: float32, order: DCBA, unit: NTU}" in done.out
    assert "17.625 NTU" in str(done.told["strange"])


async def test_a_value_out_of_range_is_shown_and_fails(tmp_path: Path) -> None:
    peer = ScriptedPeer(lambda unit, at: 5_990, lambda request, right: [(0.0, right)])
    await peer.start()
    try:
        config = write_config(tmp_path, [tcp(peer.port)], [device(NOISE)])
        done = await edge("read", config, "it", "--json")
    finally:
        await peer.stop()
    assert done.code == 1
    assert "599 dB(A)" in done.out
    assert "over range, NOT within 25 to 135" in done.out
    assert "edge probe" in done.out  # what would be right is not sure enough to be told
    assert "--quantity noise_la" in done.out


async def test_beside_a_running_agent(tmp_path: Path) -> None:
    """Modbus TCP is shared, and that is said; a line with one master is not taken from it."""
    async with (
        bus_of(Part(profile=NOISE)) as port,
        bus_of(Part(profile=NOISE), framing=Framing.RTU) as rtu_port,
    ):
        other = f"id: rtu, driver: modbus_rtu_over_tcp, host: 127.0.0.1, port: {rtu_port}"
        config = write_config(
            tmp_path,
            [tcp(port), other],
            [device(NOISE), f"id: framed, profile: {NOISE}, bus: rtu, unit_id: 1"],
        )
        buffer = tmp_path / "buffer.sqlite"
        with lock.held(buffer):
            assert lock.holder(buffer) is not None
            shared = await edge("read", config, "it", "--json")
            refused = await edge("read", config, "framed")
            forced = await edge("read", config, "framed", "--anyway")
        assert lock.holder(buffer) is None
        alone = await edge("read", config, "framed")
    assert shared.code == 0
    assert "reads bus line as well: both are served" in shared.out
    assert refused.code == 2
    assert "bus rtu (modbus_rtu_over_tcp) is in use by the agent" in refused.err
    assert "stop the agent first" in refused.err
    assert forced.code == 0
    assert "answers may collide" in forced.out
    assert alone.code == 0
    assert "the agent" not in alone.out


async def test_a_serial_line_of_socat(tmp_path: Path) -> None:
    pair = SerialPair(tmp_path)
    await pair.start()
    serving = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gridwarden", "simulate", "device", NOISE),
        *("--serial", str(pair.theirs), "--unit-id", "5"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert serving.stdout is not None
        await asyncio.wait_for(serving.stdout.readline(), 30)
        bus = f"id: line, driver: modbus_rtu, port: {pair.ours}, baud: 9600, timeout_s: 0.3"
        config = write_config(tmp_path, [bus], [device(NOISE, 5), device(NOISE, 6, "dead")])
        good = await edge("read", config, "it", "--json")
        dead = await edge("read", config, "dead")
        with lock.held(tmp_path / "buffer.sqlite"):
            refused = await edge("read", config, "it")
    finally:
        serving.terminate()
        await serving.wait()
        await pair.stop()
    assert good.code == 0
    assert good.told["driver"] == "modbus_rtu"
    assert dead.code == 1
    assert "the bus is at 9600; the maker ships it at 4800 8N1" in dead.out
    assert refused.code == 2
    assert "bus line (modbus_rtu) is in use by the agent" in refused.err


async def test_a_dtu_that_dials_in_is_waited_for(tmp_path: Path) -> None:
    """Nothing is listening until the command runs: the DTU dials again until somebody does."""
    port = free_port()
    dtu = Dtu(port, b"DTU-0001")
    listen = f"listen: {{host: 127.0.0.1, port: {port}}}, registration: DTU-0001, baud: 9600"
    bus = f"id: line, driver: modbus_dial_in, {listen}, timeout_s: 0.3"
    config = write_config(tmp_path, [bus], [device(NOISE)])
    async with bus_of(Part(profile=NOISE), framing=Framing.RTU) as peer_port:
        await dtu.start(peer_port)
        try:
            read = await edge("read", config, "it", "--json")
            scanned = await edge("scan", config, "line", "--units", "1-2", "--timeout-s", "0.2")
        finally:
            await dtu.stop()
    assert read.code == 0, read.out + read.err
    assert read.told["driver"] == "modbus_dial_in"
    assert scanned.code == 0, scanned.out + scanned.err
    assert "unit id 1: answers" in scanned.out


async def test_an_unknown_device_is_named_with_the_nearest(tmp_path: Path) -> None:
    config = write_config(tmp_path, [tcp(1)], [device(NOISE, name="noise-01")])
    done = await edge("read", config, "noise-02")
    assert done.code == 2
    assert "no device 'noise-02'; did you mean noise-01?" in done.err


@pytest.fixture
async def lora(tmp_path: Path) -> object:
    async with mosquitto(tmp_path) as broker:
        yield broker


def covers(folder: Path, port: int) -> Path:
    bus = f"id: lora, driver: mqtt, host: 127.0.0.1, port: {port}, tls: false"
    ids = ("24e124713c100001", "24e124713c1000ff")
    return write_config(
        folder,
        [bus],
        [f'id: c{n}, profile: {COVER}, bus: lora, address: "{at}"' for n, at in enumerate(ids)],
    )


async def test_the_next_message_of_a_device_that_reports_itself(
    lora: Mosquitto, tmp_path: Path
) -> None:
    publishing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gridwarden", "simulate", "device", COVER),
        *("--mqtt-port", str(lora.port), "--period", "0.2"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        config = covers(tmp_path, lora.port)
        done = await edge("read", config, "c0", "--wait-s", "30", "--json")
        other = await edge("read", config, "c1", "--wait-s", "2", "--json")
    finally:
        publishing.terminate()
        await publishing.wait()
    assert done.code == 0
    values = {each["measurement"]: each for each in rows(done, "values")}
    payload = json.loads(str(done.told["payload"]))
    assert values["angle_z"]["raw"] == payload["object"]["angle_z"]
    assert values["angle_z"]["place"] == "object.angle_z"
    assert values["tilt"]["value"] < 5
    assert other.code == 1
    assert "others spoke" in other.out
    assert "24e124713c100001" in other.out


async def test_a_broker_that_is_not_there_is_told_when_the_wait_is_over(tmp_path: Path) -> None:
    config = covers(tmp_path, free_port())
    done = await edge("read", config, "c0", "--wait-s", "1")
    assert done.code == 1
    assert "nothing came from c0 in 1 s; bus lora" in done.out


async def test_ctrl_c_ends_a_poll(tmp_path: Path) -> None:
    peer = ScriptedPeer(lambda unit, at: 0, lambda request, right: [])
    await peer.start()
    try:
        config = write_config(tmp_path, [tcp(peer.port, timeout_s=60)], [device(NOISE)])
        process = await start("read", config, "it")
        await eventually(lambda: bool(peer.requests))
        done = await interrupted(process)
    finally:
        await peer.stop()
    assert done.code == 130


async def test_ctrl_c_ends_a_wait(tmp_path: Path) -> None:
    port = free_port()
    process = await start("read", station(tmp_path, port), "it", "--wait-s", "600")
    (await _dial(port)).close()  # it listens: so it waits
    done = await interrupted(process)
    assert done.code == 130


def station(folder: Path, port: int) -> Path:
    """Write a configuration with one HJ 212 station."""
    return write_config(
        folder,
        [f"id: line, driver: hj212, listen: {{host: 127.0.0.1, port: {port}}}"],
        [
            "id: it, profile: noise/hj212-noise-station, bus: line,"
            ' address: "010000A8900016F000169DC0", password: "123456"'
        ],
    )


async def test_a_report_of_an_hj212_station(tmp_path: Path) -> None:
    """The noise frame of HJ 212-2017 Annex C; its time is of 2016, so the clock is not believed."""
    port = free_port()
    process = await start("read", station(tmp_path, port), "it", "--wait-s", "30", "--json")
    writer = await _dial(port)
    writer.write(
        b"##0122QN=20160801085857223;ST=23;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;"
        b"CP=&&DataTime=20160801085857;LA-Rtd=50.1&&0880\r\n"
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    writer.close()
    told = json.loads(out.decode().splitlines()[-1])
    assert told["values"][0]["came"] == "50.1"
    assert told["values"][0]["value"] == 50.1
    assert told["values"][0]["quality_words"] == "clock unsure"
    assert "it is not kept here" in out.decode()
    assert b"Traceback" not in err


async def _dial(port: int) -> asyncio.StreamWriter:
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return writer
    raise AssertionError("nobody listens")


async def test_a_port_to_listen_on_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = await edge("read", station(tmp_path, port), "it", "--wait-s", "1")
    assert done.code == 2
    assert str(port) in done.err
