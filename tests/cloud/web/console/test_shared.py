from __future__ import annotations

import asyncio

from cloud.web.console.shared import MOST, Renderings, Shared


async def test_what_many_look_at_is_read_once() -> None:
    shared, loads = Shared(), []

    def load() -> int:
        loads.append(1)
        return len(loads)

    found = await asyncio.gather(*(shared.get("chart", 1, load) for _ in range(20)))
    assert found == [1] * 20
    assert await shared.get("chart", 2, load) == 2
    assert await shared.get("chart", 2, load) == 2
    assert len(loads) == 2


async def test_a_failure_is_not_remembered() -> None:
    shared = Shared()

    def fail() -> int:
        raise OSError

    for _ in range(2):
        try:
            await shared.get("chart", 1, fail)
        except OSError:
            continue
        raise AssertionError("it was remembered")
    assert await shared.get("chart", 1, lambda: 7) == 7


async def test_memory_is_bounded() -> None:
    shared, loads = Shared(), []
    for number in range(MOST + 1):
        await shared.get(number, 1, lambda: loads.append(1))
    await shared.get(0, 1, lambda: loads.append(1))  # was forgotten
    await shared.get(MOST, 1, lambda: loads.append(1))  # was not
    assert len(loads) == MOST + 2


def test_html_is_drawn_once_a_moment() -> None:
    renderings, drawn = Renderings(), []

    def draw() -> str:
        drawn.append(1)
        return str(len(drawn))

    assert [renderings.get(1, "tile", draw) for _ in range(3)] == ["1", "1", "1"]
    assert renderings.get(1, "other", draw) == "2"
    assert renderings.get(2, "tile", draw) == "3"
