"""Devices' own times."""

from __future__ import annotations

import pytest

from device_profiles.core.times import china_ms, read_time
from device_profiles.schema import TimeFormat

EIGHT = 1795334400000  # 2026-11-22T08:00:00Z


@pytest.mark.parametrize(
    ("told", "form"),
    [
        ("2026-11-22T08:00:00Z", "iso8601"),
        ("2026-11-22T16:00:00+08:00", "iso8601"),
        ("2026-11-22T08:00:00.000000000+00:00", "iso8601"),
        (1795334400, "unix_s"),
        (1795334400.0, "unix_s"),
        ("1795334400", "unix_s"),
        (1795334400000, "unix_ms"),
        ("20261122160000", "china"),
        ("2026-11-22 16:00:00", "china"),
    ],
)
def test_the_same_moment_in_every_form(told: object, form: TimeFormat) -> None:
    assert read_time(told, form) == EIGHT


def test_nanoseconds_are_cut_to_milliseconds() -> None:
    assert read_time("2026-11-22T08:00:00.123456789Z", "iso8601") == EIGHT + 123


@pytest.mark.parametrize(
    ("told", "form"),
    [
        (None, "iso8601"),
        (5, "iso8601"),
        ("2026-11-22T08:00:00", "iso8601"),
        ("soon", "unix_s"),
        (True, "unix_s"),
        (float("inf"), "unix_s"),
        (-5, "unix_ms"),
        (1e30, "unix_ms"),
        ("2026112216", "china"),
        ("٢٠٢٦١١٢٢١٦٠٠٠٠", "china"),
        (20261122160000, "china"),
    ],
)
def test_what_is_no_time_is_none(told: object, form: TimeFormat) -> None:
    assert read_time(told, form) is None


def test_hj212_may_tell_milliseconds() -> None:
    assert china_ms("20261122160000250") == EIGHT + 250
