from __future__ import annotations

import pytest

from cloud.core.places import distance_m, kind_of


def test_a_degree_of_latitude_is_111_kilometres() -> None:
    assert distance_m((116.0, 39.0), (116.0, 40.0)) == pytest.approx(111_195, rel=1e-3)
    assert distance_m((116.0, 39.0), (116.0, 39.0)) == 0
    assert distance_m((179.999, 0.0), (-179.999, 0.0)) < 300


def test_which_sensor_can_confirm_a_matter() -> None:
    assert [kind_of(each) for each in ("05-08", "C01-02", "C01-11", "06-01")] == [
        "noise",
        "manhole",
        "gas",
        "",
    ]
