from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from cloud.core.columns import Columns
from cloud.web.api.export import AT_ONCE, Exports
from cloud.web.problems import Problem
from cloud.web.queries.series import gaps
from cloud.web.services import Services
from contract.clock import iso_utc
from contract.errors import StorageError
from contract.quality import Quality
from contract.readings import Reading
from tests.cloud.web.conftest import NOW_MS
from tests.cloud.web.seed import City

HOUR_MS = 3_600_000
STATISTICS = "/api/v1/devices/noise-01/statistics"


async def ask(client: httpx.AsyncClient, address: str, **params: object) -> dict[str, object]:
    named = {key.rstrip("_"): str(value) for key, value in params.items()}
    answer = await client.get(address, params=named)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_a_step_without_readings_is_a_gap_and_says_so(
    guest: httpx.AsyncClient, city: City
) -> None:
    from_ms = NOW_MS // 60_000 * 60_000 - 48 * HOUR_MS
    flagged = Quality.CALIBRATION
    city.write(
        [
            Reading("noise-01", "noise_laeq", from_ms, 50.0),
            Reading("noise-01", "noise_laeq", from_ms + 600_000, 90.0, flagged),
        ],
        NOW_MS,
    )
    found = await ask(
        guest,
        "/api/v1/devices/noise-01/series",
        measurement="noise_laeq",
        from_=iso_utc(from_ms),
        to=iso_utc(from_ms + 1_200_000),
        step_s=60,
    )
    assert found["at_ms"] == [from_ms, from_ms + 600_000]
    assert found["value"] == [50.0, None]
    assert (found["readings"], found["excluded"], found["quality"]) == ([1, 0], [0, 1], ["", "C"])
    assert found["gaps"] == [
        {"from_at": iso_utc(from_ms + 60_000), "to_at": iso_utc(from_ms + 600_000)},
        {"from_at": iso_utc(from_ms + 660_000), "to_at": iso_utc(from_ms + 1_200_000)},
    ]


async def test_points_choose_a_round_step(guest: httpx.AsyncClient) -> None:
    found = await ask(
        guest,
        "/api/v1/devices/noise-01/series",
        measurement="noise_laeq",
        from_=iso_utc(NOW_MS - HOUR_MS),
        to=iso_utc(NOW_MS),
        points=100,
    )
    assert found["step_s"] == 60
    at_ms = found["at_ms"]
    assert isinstance(at_ms, list)
    assert len(at_ms) == 61
    assert at_ms[0] == (NOW_MS - HOUR_MS) // 60_000 * 60_000
    rates = found["valid_rate"]
    assert isinstance(rates, list)
    assert 0 < rates[5] <= 1


async def test_points_and_a_step_are_one_too_many(guest: httpx.AsyncClient) -> None:
    address = "/api/v1/devices/noise-01/series?measurement=noise_laeq&points=9&step_s=1"
    assert (await guest.get(address)).json()["type"].endswith("bad-range")


async def test_statistics_of_noise(guest: httpx.AsyncClient) -> None:
    found = await ask(guest, STATISTICS, measurement="noise_laeq", limit=56)
    figures = found["figures"]
    assert isinstance(figures, list)
    names = [figure["name"] for figure in figures]
    assert names == [
        *("LAeq", "Lmax", "Lmin", "L5", "L10", "L50", "L90", "L95"),
        *("Ld", "Ln", "Ldn"),
    ]
    by_name = {figure["name"]: figure for figure in figures}
    assert by_name["L90"]["value"] < by_name["L50"]["value"] < by_name["L10"]["value"]
    assert by_name["LAeq"]["readings"] == found["readings"]
    assert by_name["Ld"]["readings"] + by_name["Ln"]["readings"] == found["readings"]
    exceedance = found["exceedance"]
    assert isinstance(exceedance, dict)
    assert 0 < exceedance["minutes"] < 120
    assert found["from_at"] == iso_utc(NOW_MS - 24 * HOUR_MS)


async def test_statistics_of_what_is_all_flagged(guest: httpx.AsyncClient) -> None:
    found = await ask(guest, "/api/v1/devices/water-02/statistics", measurement="water_nh3n")
    assert (found["readings"], found["quality"]) == (0, "C")
    assert isinstance(found["excluded"], int)
    assert found["excluded"] > 0


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"measurement": "tsp"}, 404, "it has: noise_laeq"),
        (
            {"measurement": "noise_laeq", "from": iso_utc(NOW_MS), "to": iso_utc(NOW_MS)},
            400,
            "must lie before",
        ),
        ({"measurement": "noise_laeq", "limit": "nan"}, 422, "finite"),
    ],
)
async def test_statistics_that_cannot_be_told(
    guest: httpx.AsyncClient, params: dict[str, str], status: int, words: str
) -> None:
    answer = await guest.get(STATISTICS, params=params)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True)


async def test_there_is_no_such_device(guest: httpx.AsyncClient) -> None:
    answer = await guest.get("/api/v1/devices/x/statistics?measurement=tsp")
    assert answer.json()["detail"] == "there is no device 'x'"


@pytest.mark.parametrize(
    ("at_ms", "step_ms", "period_s", "expected"),
    [
        ([0, 60_000], 60_000, 1.0, []),
        ([0], 60_000, 1.0, [(60_000, 120_000)]),
        ([], 60_000, 1.0, [(0, 120_000)]),
        ([0, 115_000], 0, 60.0, []),
        ([0], 0, 1.0, [(0, 120_000)]),
        ([0], 10_000, 60.0, []),  # slower than the step
    ],
)
def test_gaps(
    at_ms: list[int], step_ms: int, period_s: float, expected: list[tuple[int, int]]
) -> None:
    found = gaps(at_ms, step_ms, 0, 120_000, period_s)
    assert [(each.from_ms, each.to_ms) for each in found] == expected


EXPORT = "/api/v1/export"


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
async def test_an_export_is_a_file(guest: httpx.AsyncClient, form: str) -> None:
    answer = await guest.get(EXPORT, params={"device": "noise-01", "format": form})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="noise-01_20260920T1413Z_20260921T1413Z.{form}"'
    )
    assert len(answer.content) > 10_000
    if form == "csv":
        lines = answer.text.splitlines()
        assert lines[0] == '"device","measurement","unit","observed_at","value","quality"'
        assert len(lines) == 3 * 1_440 + 1


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"device": "x"}, 404, "device 'x'"),
        ({"format": "xlsx"}, 422, "csv"),
        ({"from": iso_utc(NOW_MS), "to": iso_utc(NOW_MS - 1)}, 400, "must lie before"),
    ],
)
async def test_an_export_that_cannot_be(
    guest: httpx.AsyncClient, params: dict[str, str], status: int, words: str
) -> None:
    answer = await guest.get(EXPORT, params=params)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True)


async def test_exports_leave_room_for_others(app: FastAPI, guest: httpx.AsyncClient) -> None:
    exports = Exports()
    for _ in range(AT_ONCE):
        exports.begin()
    with pytest.raises(Problem, match="are running"):
        exports.begin()
    exports.end()
    exports.begin()
    for _ in range(AT_ONCE + 2):  # each gives its place back
        assert (await guest.get(EXPORT, params={"device": "gas-01"})).status_code == 200
        assert (await guest.get(EXPORT, params={"device": "x"})).status_code == 404


async def test_an_export_that_fails_at_once_is_a_problem(
    guest: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Iterator[Columns]:
        raise StorageError("no disk")

    monkeypatch.setattr(services.series_store, "read", broken)
    answer = await guest.get(EXPORT)
    assert (answer.status_code, answer.json()["type"].split(":")[-1]) == (503, "storage")
