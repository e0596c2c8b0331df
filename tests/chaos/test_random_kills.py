"""kill -9 at random moments of edge, broker, intake and sealer: lost 0, doubled 0, proven.

GRIDWARDEN_KILLS=100 makes it the long proof; a failure names its seed, for GRIDWARDEN_SEED.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.processes import demo, gridwarden, last_json, processes_with, wait_for

KILLS = int(os.environ.get("GRIDWARDEN_KILLS", "6"))
SEED = int(os.environ.get("GRIDWARDEN_SEED", str(random.SystemRandom().randrange(2**32))))
VICTIMS = {"edge": ("edge", "run"), "broker": ("nats-server",), "intake": ("intake",)}

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300 + 20 * KILLS)]


def test_kills_at_random_lose_and_double_nothing(tmp_path: Path) -> None:
    """The sealer lives in intake, and seals every half second here: most kills meet it at work."""
    chance = random.Random(SEED)
    data = tmp_path / "data"
    with demo(data) as running:
        wait_for(lambda: running.published() >= 50, "the first readings", within_s=100)
        config = data / "cloud.yaml"
        config.write_text(config.read_text().replace("every_s: 15", "every_s: 0.5"))
        for number in range(KILLS):
            name = "intake" if number == 0 else chance.choice(list(VICTIMS))
            words = VICTIMS[name]
            wait_for(lambda words=words: processes_with(str(data), *words), f"{name} to run")  # type: ignore[misc]
            # The moment is what is random here; nothing is waited for.
            time.sleep(chance.uniform(0.0, 4.0))
            found = processes_with(str(data), *words)
            for pid in found:
                os.kill(pid, signal.SIGKILL)
        (devices,) = processes_with(str(data), "simulate", "demo")
        os.kill(devices, signal.SIGSTOP)
        prove = ("prove", data / "served.jsonl", "--cloud", config, "--json", "--wait-s", "90")
        done = gridwarden(*prove, timeout=200)
        figures = last_json(done.stdout)
        assert done.returncode == 0, f"seed {SEED}: {figures}\n{done.stderr}"
        assert (figures["lost"], figures["doubled"]) == (0, 0)
        assert figures["stored"] > 50
