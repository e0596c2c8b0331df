"""Right profiles load settled; each kind of mistake is told with file, line and key."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.errors import ProfileError
from device_profiles.loader import catalog, load_profile, parse_profile, read_profile
from device_profiles.schema import Profile

Build = Callable[..., Profile]


def problems_of(text: str, path: Path = Path("x.yaml")) -> tuple[str, ...]:
    with pytest.raises(ProfileError) as caught:
        parse_profile(text, path)
    return caught.value.problems


def line_of(text: str, part: str) -> int:
    return next(at for at, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_right_profile_is_named_after_its_kind_and_file(build: Build) -> None:
    profile = build("modbus")
    assert (profile.name, profile.path, profile.protocol) == ("water/x", "x.yaml", "modbus")
    assert profile.measurement_names() == ("water_do", "water_temperature")
    assert profile.modbus is not None
    assert set(profile.modbus.points()) == {"error", "water_do", "water_temperature"}


def test_ranges_are_canonical_and_the_quantitys_own_by_default(build: Build) -> None:
    profile = build("modbus", ("unit: mg/L, range: [0, 20]", "unit: ug/L, range: [0, 20000]"))
    assert profile.ranges() == {"water_do": (0, 20), "water_temperature": (-5, 60)}
    assert build("mqtt").ranges()["tilt"] == (0, 180)


def test_function_and_order_come_from_the_block_unless_told(build: Build) -> None:
    profile = build(
        "modbus",
        ("  measurements:\n", "  function: 4\n  order: CDAB\n  measurements:\n"),
        ("0x0012, type: int16", "0x0012, type: int16, function: 3, order: BA"),
    )
    assert profile.modbus is not None
    points = profile.modbus.points()
    assert (points["water_do"].function, points["water_do"].order) == (4, "CDAB")
    assert (points["error"].function, points["error"].order) == (4, "CDAB")
    assert (points["water_temperature"].function, points["water_temperature"].order) == (3, "BA")


def test_addresses_counted_from_one_become_those_on_the_wire(build: Build) -> None:
    profile = build(
        "modbus",
        (
            "  measurements:\n",
            "  registers_count_from: 1\n"
            "  requests: {holes: [[100, 101]], start: [{function: 3, address: 50}]}\n"
            "  writes: {zero: {address: 33, values: {now: 1}}}\n"
            "  measurements:\n",
        ),
    )
    modbus = profile.modbus
    assert modbus is not None
    assert modbus.measurements["water_do"].address == 0x0F
    assert modbus.inputs["error"].address == 0x12
    assert modbus.requests.holes == ((99, 100),)
    assert modbus.requests.start[0].address == 49
    assert modbus.writes["zero"].address == 32


def test_signals_of_a_network_server_are_measurements_too(build: Build) -> None:
    profile = build(
        "mqtt",
        ("envelopes: [none]\n  topic: covers/{device}/up\n  time: at", "envelopes: [ttn-v3]"),
    )
    assert profile.signals() == ("signal_rssi", "signal_snr")
    assert profile.measurement_names()[-3:] == ("signal_rssi", "signal_snr", "tilt")
    assert profile.ranges()["signal_rssi"] == (-160, 10)


def test_what_must_be_installed_is_what_has_no_default(build: Build) -> None:
    assert build("mqtt").installed_needed() == ("angle_x",)
    with_default = build("mqtt", ("of: [angle_x]}", "of: [angle_x], installed: {angle_x: 0}}"))
    assert with_default.installed_needed() == ()


def test_a_number_may_stand_where_text_is_meant(build: Build) -> None:
    assert build("modbus", ("model: D1", "model: 504")).model == "504"


MISTAKES = [
    # (what, protocol, old, new, the problem's path and words)
    ("unknown key", "modbus", "scale: 0.1", "scal: 0.1", "scal: unknown key; did you mean scale?"),
    ("unknown top key", "modbus", "model: D1", "model: D1\nmodle: D2", "modle: unknown key; did"),
    ("missing key", "modbus", "maker: Acme\n", "", "key maker is missing"),
    ("empty text", "modbus", "maker: Acme", 'maker: " "', "maker: must not be empty"),
    ("no text", "modbus", "maker: Acme", "maker:", "maker: '' is no text"),
    ("told twice", "modbus", "    water_temperature:", "    water_do:", "water_do: told twice"),
    ("kind", "modbus", "kind: water", "kind: watre", "'watre' is not allowed; did you mean water?"),
    ("quantity", "modbus", "water_do:", "water_d0:", "unknown quantity 'water_d0'; did you mean"),
    ("channel", "modbus", "water_do: {", "water_do.In Let: {", "channel 'In Let'"),
    ("unit missing", "modbus", "unit: mg/L, ", "", "key unit is missing; water_do is sent in"),
    ("unit unknown", "modbus", "mg/L", "mg/l", "unknown unit 'mg/l'; did you mean mg/L?"),
    ("unit misfit", "modbus", "mg/L", "kPa", "kPa is pressure, but water_do is mass concentration"),
    ("scale 0", "modbus", "scale: 0.1", "scale: 0", "scale: must not be 0"),
    ("scale text", "modbus", "scale: 0.1", "scale: small", "'small' is no number; write e.g. 0.1"),
    ("scale infinite", "modbus", "scale: 0.1", "scale: .inf", "'.inf' is no number"),
    ("range down", "modbus", "[0, 20]", "[20, 0]", "range: [20.0, 0.0] does not go up"),
    ("range wide", "modbus", "[0, 20]", "[0, 99]", "0 to 99 mg/L is more than water_do can be"),
    ("range one", "modbus", "[0, 20]", "[20]", "range: expected a list of 2"),
    ("address text", "modbus", "0x0012", "here", "address: 'here' is no whole number"),
    ("address big", "modbus", "0x0012", "70000", "70000 is not allowed; allowed: at least 0 and"),
    ("address float", "modbus", "0x0012", "1.5", "'1.5' is no whole number"),
    ("past the end", "modbus", "0x0010", "0xFFFF", "ends at 0x10000; the last register is 0xffff"),
    ("past the cap", "modbus", "  status:", "  requests: {max_registers: 1}\n  status:",
     "takes 2 registers; requests.max_registers is 1"),
    ("overlap", "modbus", "0x0012", "0x0011", "water_temperature: overlaps modbus.measurements.wa"),
    ("hole", "modbus", "  status:", "  requests: {holes: [[0x12, 0x12]]}\n  status:",
     "0x0012 lies in requests.holes"),
    ("hole down", "modbus", "  status:", "  requests: {holes: [[9, 8]]}\n  status:",
     "holes[0]: write [first, last] address"),
    ("type", "modbus", "type: int16", "type: int17", "'int17' is not allowed; did you mean int16?"),
    ("order", "modbus", "type: int16", "type: int16, order: EFGHABCD",
     "order EFGHABCD does not fit a value of 16 bits"),
    ("bit of register", "modbus", "type: int16", "type: bit", "bit does not go with function 3"),
    ("word of coil", "modbus", "type: int16", "type: int16, function: 1",
     "int16 does not go with function 1"),
    ("bits of int", "modbus", "type: int16", "type: int16, bits: [0, 3]",
     "bits are cut out of uint types only"),
    ("bits past", "modbus", "type: int16", "type: uint16, bits: [3, 16]",
     "uint16 has bits 0 to 15, lowest first"),
    ("length", "modbus", "type: int16", "type: int16, length: 2", "length: only for strings"),
    ("no length", "modbus", "type: int16", "type: string", "a string needs length, in registers"),
    ("sentinel range", "modbus", "scale: 0.1", "scale: 0.1, sentinels: [{raw: 0xFFFF}]",
     "65535 cannot be in int16; allowed: -32768 to 32767"),
    ("sentinel normal", "modbus", "scale: 0.1", "sentinels: [{raw: 1, quality: normal}]",
     "no value is never normal"),
    ("enum range", "modbus", "scale: 0.1", "enum: {40000: 1}", "40000: cannot be in int16"),
    ("enum of float", "modbus", "type: float32", "type: float32, enum: {1: 1}",
     "a float32 has no whole numbers to list"),
    ("enum key", "modbus", "scale: 0.1", "enum: {a: 1}", "expected a whole number as key"),
    ("unit from none", "modbus", "unit: mg/L", "unit_from: eror", "no input 'eror'; did you mean"),
    ("unit from bare", "modbus", "unit: mg/L", "unit_from: error", "input error has no units"),
    ("unit twice", "modbus", "unit: mg/L", "unit: mg/L, unit_from: error", "either unit or unit_f"),
    ("unit of register", "modbus", "{address: 0x0013}", "{address: 0x0013, units: {0: kPa}}",
     ""),
    ("input name", "modbus", "error:", "Error:", "an input's name is of a-z, 0-9 and _"),
    ("input unused", "modbus", "    error:", "    spare: {address: 0x20}\n    error:",
     "no measurement and no status follows it"),
    ("status input", "modbus", "input: error", "input: eror", "input: no input 'eror'; did you"),
    ("status nothing", "modbus", "values: {0: normal}, otherwise: fault", "values: {}",
     "sets nothing; it needs values, bits or otherwise"),
    ("status bit", "modbus", "values: {0: normal}", "bits: {16: fault}", "uint16 has bits 0 to 15"),
    ("status word", "modbus", "otherwise: fault", "otherwise: broken", "'broken' is not allowed"),
    ("status whom", "modbus", "otherwise: fault", "otherwise: fault, measurements: [water_od]",
     "no measurement 'water_od'; did you mean water_do?"),
    ("count from", "modbus", "  status:", "  registers_count_from: 2\n  status:",
     "'2' is not allowed; allowed: 0, 1"),
    ("register 0", "modbus", "  inputs:\n    error: {address: 0x0013}",
     "  registers_count_from: 1\n  inputs:\n    error: {address: 0}",
     "address: 0, but registers_count_from is 1"),
    ("bool", "modbus", "  status:", "  requests: {one_field_each: maybe}\n  status:",
     "'maybe' is not allowed; allowed: true, false"),
    ("start", "modbus", "  status:", "  requests: {start: [{function: 6, address: 1}]}\n  status:",
     "functions 5 and 6 need a value"),
    ("no block", "modbus", "modbus:", "modbuss:", "exactly one of modbus, mqtt, hj212"),
    ("two blocks", "modbus", "vectors:", "hj212:\n  system: '23'\n  measurements:\n"
     "    noise_la: {factor: LA, unit: dB(A)}\nvectors:", "must be there, not 2"),
    ("no vectors", "modbus", "vectors:\n", "vectors: []\nsome:\n", "0 entries; allowed are 1 to"),
    ("list", "modbus", "range: [0, 20]", "sentinels: 5", "expected a list: [a, b]"),
    ("mapping", "modbus", "title: {zh: 探头, en: probe}", "title: probe", "expected keys and val"),
    ("mapping dict", "modbus", "    error: {address: 0x0013}", "    error: 5", "keys and values"),
    ("expect", "modbus", "water_do: 8.125", "water_od: 8.125", "no such measurement; did you mean"),
    ("expect unit", "modbus", "water_do: 8.125", "water_do: {value: 8, unit: V}", "V is voltage"),
    ("expect none", "modbus", "water_do: 8.125", "water_do: {value: null}", "no value is never no"),
    ("expect mark", "modbus", "water_do: 8.125", "water_do: {value: 8, quality: Z}",
     "unknown quality 'Z'"),
    ("frame hex", "modbus", "frame: 01 03 08", "frame: 01 03 0", "not bytes in hex"),
    ("no request", "modbus", "  - request: 01 03 00 10 00 04 45 CC\n    frame:", "  - frame:",
     "key request is missing"),
    ("topic of modbus", "modbus", "    source: the manual, page 3",
     "    source: x\n    topic: a/b", "topic: not for Modbus"),
    ("installed", "modbus", "    source: the manual, page 3",
     "    source: x\n    installed: {water_do: 1}", "no derived measurement needs it"),
    ("write limits", "modbus", "  status:", "  writes: {id: {address: 1}}\n  status:",
     "needs limits: low and high, or values"),
    ("write both", "modbus", "  status:",
     "  writes: {id: {address: 1, low: 1, high: 2, values: {a: 1}}}\n  status:",
     "either values, or low and high"),
    ("write order", "modbus", "  status:",
     "  writes: {id: {address: 1, low: 3, high: 2}}\n  status:", "2 is below low"),
    ("write size", "modbus", "  status:",
     "  writes: {id: {address: 1, low: 0, high: 70000}}\n  status:", "cannot be in uint16"),
    ("write value", "modbus", "  status:",
     "  writes: {id: {address: 1, values: {all: 70000}}}\n  status:", "70000 cannot be in uint16"),
    ("write two", "modbus", "  status:",
     "  writes: {id: {address: 1, type: uint32, low: 0, high: 9}}\n  status:",
     "6 writes one register; use 16"),
    ("write coil", "modbus", "  status:",
     "  writes: {id: {address: 1, function: 5, low: 0, high: 1}}\n  status:",
     "uint16 does not go with function 5"),
    ("write half", "modbus", "  status:",
     "  writes: {id: {address: 1, type: uint8_low, low: 0, high: 1}}\n  status:",
     "uint8_low cannot be written"),
    ("write scale", "modbus", "  status:",
     "  writes: {id: {address: 1, scale: 0, low: 0, high: 1}}\n  status:", "scale: must not be 0"),
    ("write name", "modbus", "  status:",
     "  writes: {Id: {address: 1, low: 0, high: 1}}\n  status:", "a write's name is of"),
    ("jmespath", "mqtt", "path: battery", "path: 'battery['", "'battery[' is no JMESPath"),
    ("no topic", "mqtt", "  topic: covers/{device}/up\n", "", "key topic is missing"),
    ("half a level", "mqtt", "covers/{device}/up", "covers/c-{device}/up", "one whole level of"),
    ("no device", "mqtt", "covers/{device}/up", "covers/+/up", "no device id: put {device}"),
    ("hash", "mqtt", "covers/{device}/up", "c/#/{device}/up", "# may only be the last level"),
    ("envelope", "mqtt", "[none]", "[chirpstack]", "did you mean chirpstack-v4?"),
    ("envelope keys", "mqtt", "[none]", "[ttn-v3]", "topic: comes with the envelope"),
    ("envelope twice", "mqtt", "[none]", "[none, none]", "an envelope is told twice"),
    ("payload status", "mqtt", "measurements: [angle_x]}", "measurements: [angle_z]}",
     "no measurement 'angle_z'; did you mean angle_x?"),
    ("derived of", "mqtt", "of: [angle_x]", "of: [angle_z]", "no measurement 'angle_z'; did you"),
    ("derived count", "mqtt", "of: [angle_x]", "of: [angle_x, angle_x]", "takes 1 measurements"),
    ("derived dimension", "mqtt", "of: [angle_x]", "of: [battery]",
     "battery is number, but tilt is angle"),
    ("derived measured", "mqtt", "  tilt: {how", "  angle_x: {how", "is measured already"),
    ("derived installed", "mqtt", "of: [angle_x]}", "of: [angle_x], installed: {angle_y: 1}}",
     "not in of; did you mean angle_x?"),
    ("derived range", "mqtt", "of: [angle_x]}", "of: [angle_x], range: [0, 200]}",
     "0 to 200 deg is more than tilt can be"),
    ("aggregate of", "mqtt", "vectors:", "aggregates: {angle_z: [1min]}\nvectors:",
     "no measurement; did you mean angle_x?"),
    ("aggregate how", "mqtt", "vectors:", "aggregates: {cover_open: [1min]}\nvectors:",
     "no statistics of it are computed; of noise_la, and"),
    ("aggregate given", "hj212", "vectors:", "aggregates: {noise_la: [20min]}\nvectors:",
     "the device gives noise_laeq itself"),
    ("aggregate twice", "modbus", "vectors:", "aggregates: {water_do: [1h, 1h]}\nvectors:",
     "1h is there already"),
    ("aggregate period", "modbus", "vectors:", "aggregates: {water_do: [2h]}\nvectors:",
     "'2h' is not allowed; allowed: 1h"),
    ("time", "mqtt", "    time: 2026-11-22T08:00:00Z", "    time: 2026-11-22T08:00:00",
     "has no UTC offset"),
    ("request of mqtt", "mqtt", "    topic: covers/a1/up", "    request: 01 03",
     "request and also are for Modbus only"),
    ("factor", "hj212", "factor: LA", "factor: L-A", "does not match"),
    ("factor twice", "hj212", 'factor: Leq, command: "2051", suffix: Data', "factor: LA",
     "LA-Rtd of CN 2011 is noise_la already"),
    ("command", "hj212", '"2051"', '"2052"', "'2052' is not allowed; did you mean 2051?"),
    ("station unit", "hj212", "    source: the standard, table C.25",
     "    source: x\n    units: {noise_la: kPa}", "kPa is pressure, but noise_la is sound level"),
    ("units of modbus", "modbus", "    source: the manual, page 3",
     "    source: x\n    units: {water_do: mg/L}", "only HJ 212 stations have units of their own"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "old", "new", "words"), [pytest.param(*case[1:], id=case[0]) for case in MISTAKES]
)
def test_each_mistake_is_told_with_file_line_and_key(
    texts: dict[str, str], protocol: str, old: str, new: str, words: str
) -> None:
    assert old in texts[protocol]
    text = texts[protocol].replace(old, new, 1)
    if not words:  # a neighbour that must be no mistake
        parse_profile(text, Path("x.yaml"))
        return
    found = problems_of(text)
    told = [problem for problem in found if words in problem]
    assert told, found
    assert told[0].startswith("x.yaml:")
    line = int(told[0].split(":")[1])
    assert 1 <= line <= text.count("\n")


def test_the_line_is_that_of_the_key(texts: dict[str, str]) -> None:
    text = texts["modbus"].replace("scale: 0.1", "scal: 0.1")
    line = line_of(text, "scal:")
    (problem,) = problems_of(text)
    assert problem.startswith(f"x.yaml:{line}: modbus.measurements.water_temperature.scal: unknown")


def test_a_unit_register_that_misfits_is_told_where_it_is_listed(texts: dict[str, str]) -> None:
    text = (
        texts["modbus"]
        .replace("unit: mg/L, range: [0, 20]", "unit_from: error")
        .replace("error: {address: 0x0013}", "error: {address: 0x0013, units: {0: mg/L, 1: kPa}}")
    )
    (problem,) = problems_of(text)
    assert "modbus.inputs.error.units.1.unit: kPa is pressure" in problem


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order(texts: dict[str, str]) -> None:
    text = (
        texts["modbus"]
        .replace("model: D1", "modle: D1")
        .replace("mg/L", "kPa")
        .replace("0x0012", "0x0011")
        .replace("water_do: 8.125", "water_od: 8.125")
    )
    found = problems_of(text)
    assert len(found) == 5
    lines = [int(problem.split(":")[1]) for problem in found]
    assert lines == sorted(lines)


def test_a_broken_measurement_does_not_make_others_wrong(texts: dict[str, str]) -> None:
    text = texts["modbus"].replace("address: 0x0010, ", "")
    (problem,) = problems_of(text)
    assert "modbus.measurements.water_do: key address is missing" in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: [", "x.yaml:1: not YAML"),
        ("- a\n- b\n", "x.yaml:1: not a mapping"),
        ("", "x.yaml:1: not a mapping"),
        ("kind: \x00", "not YAML"),
        ("a: &a [*a]\n", "unknown key"),
    ],
)
def test_what_is_no_profile_at_all(text: str, words: str) -> None:
    assert any(words in problem for problem in problems_of(text))


def test_no_depth_and_no_size_of_aliases_hurts() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 8)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
    )
    assert problems_of(bomb + "vectors: *g\n")
    assert problems_of("vectors: " + "[" * 300 + "]" * 300)


def test_bits_and_halves_of_one_register_do_not_overlap(build: Build) -> None:
    build(
        "modbus",
        (
            "    error: {address: 0x0013}",
            "    error: {address: 0x0013, type: uint16, bits: [0, 3]}\n"
            "    flag: {address: 0x0013, type: uint16, bits: [4, 15]}\n"
            "    low: {address: 0x0014, type: uint8_low}\n"
            "    high: {address: 0x0014, type: uint8_high}",
        ),
        (
            "  status:\n",
            "  status:\n    - {input: flag, bits: {1: calibration}}\n"
            "    - {input: low, bits: {1: fault}}\n    - {input: high, bits: {1: fault}}\n",
        ),
    )


def test_bits_that_cross_do_overlap(texts: dict[str, str]) -> None:
    text = (
        texts["modbus"]
        .replace("{address: 0x0013}", "{address: 0x0013, bits: [0, 4]}")
        .replace("  status:\n", "  status:\n    - {input: flag, bits: {1: fault}}\n")
        .replace("  inputs:\n", "  inputs:\n    flag: {address: 0x0013, bits: [4, 15]}\n")
    )
    (problem,) = problems_of(text)
    assert "modbus.inputs.error: overlaps modbus.inputs.flag" in problem


def test_the_same_address_in_another_table_does_not_overlap(build: Build) -> None:
    build("modbus", ("0x0012, type: int16", "0x0010, type: int16, function: 4"))


def test_a_file_in_the_wrong_folder_is_refused(texts: dict[str, str]) -> None:
    (problem,) = problems_of(texts["modbus"], Path("profiles/gas/acme-d1.yaml"))
    assert "kind: water in the folder gas; move the file to water/" in problem


def test_users_profiles_stand_beside_the_catalog_and_win(
    tmp_path: Path, texts: dict[str, str]
) -> None:
    (tmp_path / "water").mkdir()
    (tmp_path / "water" / "acme-d1.yaml").write_text(texts["modbus"], encoding="utf-8")
    (tmp_path / "water" / "yosemitech-y504.yaml").write_text(texts["modbus"], encoding="utf-8")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.yaml").write_text("", encoding="utf-8")
    known = catalog(extra=tmp_path)
    assert "noise/rs485-sound" in known
    assert "other/x" not in known
    assert load_profile("water/acme-d1", extra=tmp_path).maker == "Acme"
    assert load_profile("water/yosemitech-y504", extra=tmp_path).maker == "Acme"
    assert load_profile("water/yosemitech-y504").maker == "Yosemitech"
    assert list(known) == sorted(known)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ProfileError, match="did you mean noise/rs485-sound"):
        load_profile("noise/rs485-sond")


def test_a_file_may_be_given_by_path(tmp_path: Path, texts: dict[str, str]) -> None:
    path = tmp_path / "acme-d1.yaml"
    path.write_text(texts["modbus"], encoding="utf-8")
    assert load_profile(path).name == "water/acme-d1"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"none\.yaml: No such file"):
        read_profile(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"maker: \xff")
    with pytest.raises(ProfileError, match="not UTF-8"):
        read_profile(tmp_path / "latin.yaml")
    with (tmp_path / "huge.yaml").open("wb") as file:
        os.truncate(file.fileno(), 1 << 20)
    with pytest.raises(ProfileError, match="larger than"):
        read_profile(tmp_path / "huge.yaml")
