from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from cloud.core.topology import OWN_MEASUREMENTS
from cloud.web.wording import Wording
from contract.clock import parse_iso

ZH = Wording(language="zh", zone=ZoneInfo("Asia/Shanghai"))
EN = Wording(language="en", zone=ZoneInfo("Asia/Shanghai"))
MORNING_MS = parse_iso("2026-11-22T00:30:00Z")  # 08:30 in Shanghai


@pytest.mark.parametrize(
    ("value", "measurement", "unit", "words"),
    [
        (56.04, "noise_laeq", "dB(A)", "56.0\u202fdB(A)"),
        (712.4, "tsp", "ug/m3", "712\u202fµg/m³"),
        (7.126, "water_ph", "pH", "7.13"),
        (-3.25, "air_temperature", "Cel", "\u22123.2\u202f°C"),
        (-0.01, "air_temperature", "Cel", "0.0\u202f°C"),
        (0.0, "tsp", "ug/m3", "0\u202fµg/m³"),  # zero is not missing
        (None, "tsp", "ug/m3", "—\u202fµg/m³"),
        (27.5, "tilt", "deg", "27.5°"),
        (87.0, "battery", "%", "87%"),
        (1.0, "cover_open", "1", "开启"),
        (0.0, "cover_open", "1", "关闭"),
        (3.0, "wind_force", "1", "3"),
        (5.5, "water_flow", "m3/h", "5.5\u202fm³/h"),
    ],
)
def test_values_with_their_units(
    value: float | None, measurement: str, unit: str, words: str
) -> None:
    assert ZH.value(value, measurement, unit) == words


def test_names_in_both_languages_with_channel() -> None:
    assert ZH.measurement("gas_pressure.inlet") == "燃气压力 inlet"
    assert EN.measurement("gas_pressure") == "gas pressure"
    assert EN.measurement("something_new") == "something_new"
    assert ZH.pick("", "English") == "English"


def test_every_flag_of_a_quality_is_said() -> None:
    assert ZH.quality("") == ""
    assert ZH.quality("Tu") == "超量程、时钟未校准"
    assert EN.quality("M") == "maintenance"


def test_times_are_local_with_the_date_on_other_days() -> None:
    assert ZH.time(MORNING_MS, MORNING_MS + 3_600_000) == "08:30:00"
    assert ZH.time(MORNING_MS, MORNING_MS + 86_400_000) == "11-22 08:30"
    assert ZH.time(MORNING_MS, MORNING_MS + 400 * 86_400_000) == "2026-11-22 08:30"
    assert ZH.time(parse_iso("2026-11-21T16:00:00Z"), MORNING_MS) == "00:00:00"  # already today
    assert ZH.moment(MORNING_MS) == "2026-11-22 08:30:00"


@pytest.mark.parametrize(
    ("for_ms", "words"),
    [
        (-5_000, "0 s"),
        (59_000, "59 s"),
        (60_000, "1 min"),
        (89 * 60_000, "89 min"),
        (90 * 60_000, "1 h"),
        (47 * 3_600_000, "47 h"),
        (48 * 3_600_000, "2 d"),
    ],
)
def test_durations(for_ms: int, words: str) -> None:
    assert EN.duration(for_ms) == words


def test_coarse_durations_do_not_tick() -> None:
    assert EN.duration(59_000, coarse=True) == "under 1 min"
    assert EN.duration(60_000, coarse=True) == "1 min"


def test_periods_and_categories() -> None:
    assert ZH.seconds(1.0) == "1 秒"
    assert ZH.seconds(0.5) == "0.5 秒"
    assert ZH.seconds(300.0) == "5 分钟"
    assert ZH.category("03-02") == "03-02 工地扬尘"
    assert EN.category("99-99") == "99-99"


def test_what_a_gateway_s_own_alerts_are_of_has_words() -> None:
    said = [f"{EN.measurement(own)}: {EN.value(0.0, own, '1')}" for own in OWN_MEASUREMENTS]
    assert said[:3] == [
        "Connection: offline",
        "Mains: no mains",
        "Mobile network: no network",
    ]
    assert ZH.measurement("mains") == "市电"
