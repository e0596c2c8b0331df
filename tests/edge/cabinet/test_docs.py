"""docs/cabinet.md, walked through on a real pseudo-terminal: its files, its commands, its order."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from pathlib import Path

from edge.drivers import DRIVERS
from tests.edge.cabinet.kit import Done, finish, interrupted

TEXT = (Path(__file__).parents[3] / "docs" / "cabinet.md").read_text(encoding="utf-8")
COMMANDS: list[str] = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
FILES: list[str] = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def command(*words: str) -> str:
    """Return the page's only command that begins so."""
    (found,) = (line for line in COMMANDS if line.startswith(" ".join(("gridwarden", *words))))
    return found


async def begin(line: str, folder: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gridwarden", *shlex.split(line)[1:]),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(line: str, folder: Path) -> Done:
    return await finish(await begin(line, folder))


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


async def test_from_an_unknown_sensor_to_live_values(tmp_path: Path) -> None:
    edge_yaml, profile, device = FILES
    serving = await begin(command("simulate"), tmp_path)
    try:
        assert serving.stdout is not None
        line = (await asyncio.wait_for(serving.stdout.readline(), 30)).decode()
        port = re.search(r"/dev/pts/\d+", line)
        assert port
        put(tmp_path / "edge.yaml", edge_yaml.replace("/dev/ttyUSB0", port[0]))

        scanned = await run(command("edge", "scan"), tmp_path)
        assert scanned.code == 0, scanned.err
        assert "unit id 3 at 9600 baud: a device" in scanned.out
        assert "next: gridwarden edge probe edge.yaml line --unit 3" in scanned.out

        probed = await run(command("edge", "probe", "edge.yaml"), tmp_path)
        assert probed.code == 0, probed.err
        found = "noise_la: {address: 0x000E, type: uint16, unit: dB(A), scale: 0.1}"
        assert f"    {found}" in probed.out.splitlines()
        assert found in profile  # what the page writes down is what probe printed
        (vector,) = (each for each in probed.out.splitlines() if each.startswith("  - {request"))

        # The page's own profile, and the same with the vector of this very probe, are right.
        put(tmp_path / "profiles/noise/page.yaml", profile)
        own = re.sub(r"^  - \{request.*$", lambda _: vector, profile, flags=re.MULTILINE)
        put(tmp_path / "profiles/noise/acme-n1.yaml", own)
        tested = await run(
            "gridwarden profile test noise/acme-n1 noise/page --profiles profiles", tmp_path
        )
        assert tested.code == 0, tested.out + tested.err
        assert "2 vectors of 2 profiles, 0 failed; 0 profiles proven" in tested.out

        head = edge_yaml.replace("/dev/ttyUSB0", port[0])
        put(tmp_path / "edge.yaml", head + device)
        assert (await run(command("edge", "check"), tmp_path)).code == 0
        read = await run(command("edge", "read"), tmp_path)
        assert read.code == 0, read.out + read.err
        assert "1 of 1 values good" in read.out

        watching = await begin(command("edge", "watch"), tmp_path)
        assert watching.stdout is not None
        update = (await asyncio.wait_for(watching.stdout.readline(), 60)).decode()
        assert "noise-01: noise_la" in update
        assert (await interrupted(watching)).code == 0
    finally:
        serving.terminate()
        await serving.communicate()


async def test_words_that_somebody_else_read(tmp_path: Path) -> None:
    done = await run(command("edge", "probe", "--words"), tmp_path)
    assert done.code == 0
    assert "17.625 NTU" in done.out


def test_every_driver_is_said_to_be_shared_or_not() -> None:
    """And the page says of each what the code does."""
    shared, own = (
        re.search(rf"^\| (.*?) \| {what}", TEXT, re.MULTILINE)
        for what in ("served beside", "refused, exit code 2")
    )
    assert shared
    assert own
    for name, bus in DRIVERS.items():
        assert (f"`{name}`" in shared[1]) == bus.shared, name
        assert (f"`{name}`" in own[1]) == (not bus.shared), name
