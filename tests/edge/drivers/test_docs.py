"""docs/drivers.md has a section for every driver, with every key of its buses, and works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contract import strict_yaml
from contract.errors import ConfigError
from edge.config import load
from edge.drivers import DRIVERS

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "drivers.md").read_text(encoding="utf-8")
SECTIONS: dict[str, str] = dict(
    re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
)
OF_EVERY_BUS = {"id", "driver", "overload"}
ELSEWHERE = {"hj212": (DOCS / "hj212.md").read_text(encoding="utf-8")}


def keys_in(text: str) -> set[str]:
    """Return what stands in the first column of tables."""
    rows = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize("driver", DRIVERS)
def test_every_key_of_a_driver_is_documented(driver: str) -> None:
    told = keys_in(ELSEWHERE.get(driver, SECTIONS[driver]))
    assert set(DRIVERS[driver].model_fields) - OF_EVERY_BUS <= told


@pytest.mark.parametrize("driver", sorted(set(DRIVERS) - set(ELSEWHERE)))
def test_keys_that_must_be_there_are_in_bold(driver: str) -> None:
    bold = {
        key
        for row in re.findall(r"^\| (.*?) \|", SECTIONS[driver], re.MULTILINE)
        for key in re.findall(r"\*\*`(\w+)`\*\*", row)
    }
    needed = {name for name, field in DRIVERS[driver].model_fields.items() if field.is_required()}
    assert bold == needed - OF_EVERY_BUS


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_example_of_a_driver_is_a_good_configuration(driver: str, tmp_path: Path) -> None:
    """But for files that it names, which are not here."""
    (example,) = re.findall(r"^```yaml\n(.*?)^```", SECTIONS[driver], re.MULTILINE | re.DOTALL)
    assert driver in example
    path = tmp_path / "edge.yaml"
    head = "gateway: cabinet-12\nbroker: {host: mqtt.example.org}\n"
    path.write_text(head + example, encoding="utf-8")
    strict_yaml.read(path)
    try:
        load(path)
    except ConfigError as error:
        for problem in error.problems:
            assert "No such file" in problem


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_list_of_drivers_is_complete(driver: str) -> None:
    assert f"| [`{driver}`](#{driver}) |" in PAGE
