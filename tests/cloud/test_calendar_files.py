from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from cloud.calendar_files import load_calendar
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
