"""kill -9 of edge agent, broker and intake, once each: nothing lost, nothing doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.processes import demo, last_json, wait_for

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


def test_three_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with demo(data, "--for", "60", "--json") as running:
        for victim, readings in (
            (("edge", "run"), 150),
            (("nats-server",), 350),
            (("intake",), 550),
        ):
            wait_for(
                lambda wanted=readings: running.published() >= wanted,  # type: ignore[misc]
                f"{readings} readings before killing {victim}",
                within_s=100,
            )
            running.kill(*victim)
        out, err = running.process.communicate(timeout=250)
        figures = last_json(out)
        assert figures["stored"] == figures["published"] > 550, f"{err}\n{out}"
        assert figures["duplicates"] == 0
        assert running.left_behind() == {}
