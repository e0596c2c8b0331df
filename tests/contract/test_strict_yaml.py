from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from contract import strict_yaml
from contract.errors import ConfigError


class Device(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    period_s: float = Field(default=1, gt=0)


class Cabinet(BaseModel):
    model_config = ConfigDict(extra="forbid")
    gateway: str
    devices: list[Device] = []
    tags: dict[str, str] = {}


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        strict_yaml.check(strict_yaml.parse(text, "edge.yaml"), Cabinet)
    return caught.value.problems


def test_good_yaml_is_read() -> None:
    document = strict_yaml.parse("gateway: 'a'\ndevices:\n  - {id: x}\n", "edge.yaml")
    assert strict_yaml.check(document, Cabinet).devices[0].id == "x"


def test_every_problem_is_told_at_once_with_its_line_and_key() -> None:
    found = problems("gatewy: a\ndevices:\n  - id: x\n    perod_s: 2\n  - {id: y, period_s: -1}\n")
    assert found == (
        "edge.yaml:1: gateway is missing",
        "edge.yaml:1: gatewy: unknown key; did you mean gateway?",
        "edge.yaml:4: devices[0].perod_s: unknown key; did you mean period_s?",
        "edge.yaml:5: devices[1].period_s: input should be greater than 0; found -1",
    )


def test_an_unknown_key_that_is_near_nothing_lists_those_allowed() -> None:
    assert "allowed: devices, gateway, tags" in problems("gateway: a\nxyz: 1\n")[0]


def test_a_key_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"edge\.yaml:2"):
        strict_yaml.parse("a: 1\na: 2\n", "edge.yaml")


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\t- x"])
def test_broken_yaml_names_its_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"edge\.yaml:\d+: "):
        strict_yaml.parse(text, "edge.yaml")


def test_yes_and_no_stay_words() -> None:
    assert strict_yaml.parse("a: no\n", "x").data == {"a": "no"}


def test_an_empty_or_flat_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    document = strict_yaml.read(tmp_path / "empty.yaml")
    with pytest.raises(ConfigError, match=r"empty\.yaml:1: "):
        strict_yaml.check(document, Cabinet)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        strict_yaml.read(tmp_path / "none.yaml")


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        strict_yaml.read(tmp_path / "x.yaml")


def test_a_merged_mapping_is_read() -> None:
    text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n"
    assert strict_yaml.parse(text, "x").data == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}


def test_aliases_that_unfold_without_end_are_refused() -> None:
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="do aliases repeat"):
        strict_yaml.parse("\n".join(lines), "bomb.yaml")


@pytest.mark.parametrize(
    "text", ["a: !!python/object:os.system x", "a: !!python/name:os.system", "? [1, 2]\n: 3"]
)
def test_odd_yaml_is_read_or_refused_and_never_a_trace(text: str) -> None:
    try:
        strict_yaml.parse(text, "x")
    except ConfigError:
        return
