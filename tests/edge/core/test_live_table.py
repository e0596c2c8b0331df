"""The live table fits its terminal, whatever is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.quality import Quality
from contract.readings import Reading
from device_profiles.tables import width
from edge.core.live_table import Row, is_stale, say_age, say_value, table_lines, update_line

NOW = 1_790_000_000_000


def row(device: str = "noise-01", **parts: object) -> Row:
    made = Row(device, 1.0)
    for key, value in parts.items():
        setattr(made, key, value)
    return made


def read(name: str, value: float | None, quality: Quality = Quality.NORMAL) -> dict[str, Reading]:
    return {name: Reading("d", name, NOW - 400, value, quality)}


def test_a_line_a_measurement() -> None:
    rows = [
        row(readings=read("noise_la", 59.9), poll_s=0.006),
        row("gas-01", readings=read("gas_pressure", None, Quality.COMMUNICATION), failures=3,
            problem="no answer in 1.0 s"),
        row("new-01"),
    ]  # fmt: skip
    head, noise, gas, why, new = table_lines(rows, NOW, columns=80, lines=24)
    assert head.split() == ["DEVICE", "MEASUREMENT", "VALUE", "QUALITY", "AGE", "POLL"]
    assert noise.split() == [
        "noise-01",
        "noise_la",
        "59.9",
        "dB(A)",
        "normal",
        "0.4",
        "s",
        "6",
        "ms",
    ]
    assert "no value" in gas
    assert "no answer" in gas
    assert gas.endswith("3 lost")
    assert why.strip() == "no answer in 1.0 s"
    assert "nothing yet" in new


def test_what_does_not_fit_stands_side_by_side_and_then_is_cut_with_a_word() -> None:
    many = {f"noise_l{n}": Reading("d", f"noise_l{n}", NOW, 50.0) for n in (5, 10, 50, 90, 95)}
    rows = [row(f"noise-{n:02d}", readings=many) for n in range(5)]
    narrow = table_lines(rows, NOW, columns=80, lines=20, title="street")
    assert narrow[0] == "street"
    assert "noise_l5 50 dB(A)  noise_l10 50 dB(A)" in narrow[1]
    cut = table_lines(rows, NOW, columns=80, lines=6)
    assert len(cut) == 6
    assert "make the window taller" in cut[-1]


NAMES = st.sampled_from(["noise-01", "文化路噪声仪", "x" * 60])
VALUES = st.none() | st.floats(-1e9, 1e9)


@given(
    st.lists(
        st.tuples(NAMES, VALUES, st.sampled_from(list(Quality)), st.text(max_size=99)), max_size=12
    ),
    st.integers(20, 200),
    st.integers(2, 50),
)
def test_it_never_is_wider_or_longer_than_the_terminal(
    devices: list[tuple[str, float | None, Quality, str]], columns: int, lines: int
) -> None:
    rows = [
        row(f"{name}{n}", readings=read("noise_la", value, quality), problem=problem)
        for n, (name, value, quality, problem) in enumerate(devices)
    ]
    drawn = table_lines(rows, NOW, columns=columns, lines=lines, title="城" * 99)
    assert len(drawn) <= lines
    assert all(width(line) <= columns for line in drawn)


def test_colour_is_only_where_it_is_wanted() -> None:
    rows = [row(readings=read("noise_la", 599.0, Quality.OVER_RANGE))]
    plain = table_lines(rows, NOW, columns=80, lines=24)
    painted = table_lines(rows, NOW, columns=80, lines=24, color=True)
    assert not any("\x1b" in line for line in plain)
    assert any("\x1b[31m" in line for line in painted)


def test_stale_is_older_than_three_periods() -> None:
    made = row(readings=read("noise_la", 59.9))
    reading = made.readings["noise_la"]
    assert not is_stale(made, reading, NOW)
    assert is_stale(made, reading, NOW + 10_000)


@pytest.mark.parametrize(
    ("age_ms", "said"),
    [(400, "0.4 s"), (-5, "0.0 s"), (12_000, "12 s"), (180_000, "3 min"), (7_200_000, "2 h")],
)
def test_ages(age_ms: int, said: str) -> None:
    assert say_age(age_ms) == said


def test_values_and_updates() -> None:
    assert say_value(Reading("d", "wind_force", 0, 2.0)) == "2"
    assert say_value(Reading("d", "noise_la", 0, None, Quality.FAULT)) == "no value"
    line = update_line("noise-01", read("noise_la", 599.0, Quality.OVER_RANGE), 0.006)
    assert line == "noise-01: noise_la 599 dB(A) [over range]   6 ms"
    assert update_line("x", {}, None) == "x: nothing"
