from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cloud.calendar_files import (
    SHIPPED,
    calendar_paths,
    load_calendar,
    load_calendars,
    shipped_calendars,
)
from cloud.core.calendar import is_workday
from contract.errors import ConfigError

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def example() -> str:
    page = PAGE.read_text(encoding="utf-8")
    (found,) = [block for block in page.split("```yaml\n")[1:] if block.startswith("calendar:")]
    return found.split("```")[0]


def write(folder: Path, text: str) -> Path:
    path = folder / "calendar.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_documentations_example(tmp_path: Path) -> None:
    found = load_calendar(write(tmp_path, example()))
    assert found.days == (date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3))
    assert found.made_up == (date(2026, 1, 4),)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("last: 2026-01-03", "last: 2025-12-31", ":5: holidays[0]: 2026-01-01 to 2025-12-31"),
        ("[2026-01-04]", "[2026-01-02]", ":6: made_up: 2026-01-02 is a holiday above"),
        ("mark: P", "marc: P", ":3: marc: unknown key; did you mean mark?"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = example()
    assert old in text
    with pytest.raises(ConfigError) as caught:
        load_calendar(write(tmp_path, text.replace(old, new)))
    assert any(words in problem for problem in caught.value.problems), caught.value.problems


@pytest.mark.parametrize("name", shipped_calendars())
def test_a_shipped_calendar_is_of_its_year_and_makes_up_on_weekends(name: str) -> None:
    found = load_calendar(SHIPPED / f"{name}.yaml")
    year = int(name.removeprefix("china-"))
    assert {day.year for day in (*found.days, *found.made_up)} == {year}
    assert all(day.weekday() >= 5 for day in found.made_up)


@pytest.mark.parametrize(("name", "days", "worked"), [("china-2025", 28, 5), ("china-2026", 33, 6)])
def test_the_state_councils_arrangements(name: str, days: int, worked: int) -> None:
    """How many days off the notices give, added up by hand."""
    found = load_calendar(SHIPPED / f"{name}.yaml")
    assert (len(found.days), len(found.made_up)) == (days, worked)


def test_several_calendars_are_one(tmp_path: Path) -> None:
    own = write(tmp_path, example())
    paths = calendar_paths([Path("china-2025"), own], tmp_path)
    assert paths == (SHIPPED / "china-2025.yaml", own)
    found = load_calendars(paths)
    assert not is_workday(found, date(2025, 10, 8))
    assert is_workday(found, date(2026, 1, 4))
    odd = tmp_path / "odd.yaml"
    odd.write_text("calendar: x\nsource: x\nmark: P\nmade_up: [2026-01-01]\n", "utf-8")
    with pytest.raises(ConfigError, match="2026-01-01 is a holiday in one"):
        load_calendars([own, odd])
    assert load_calendars([]).days == ()
