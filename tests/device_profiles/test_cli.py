"""The commands as a technician runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contract.quantities import Kind
from gridwarden import main


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["profile", *words])
    code = ended.value.code
    assert isinstance(code, int)
    return code


def last_line(text: str) -> dict[str, object]:
    found = json.loads(text.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_list_shows_every_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--json") == 0
    out = capsys.readouterr().out
    assert "noise/rs485-sound" in out
    assert "井盖倾角传感器" in out
    profiles = last_line(out)["profiles"]
    assert isinstance(profiles, list)
    assert len(profiles) >= 26


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("water/yosemitech-y504", ["FC3 0x2604 float32 DCBA", "9600 8N1, unit 1", "0 to 25"]),
        ("manhole/milesight-em310-tilt", ["chirpstack-v4 or ttn-v3", "tilt_from_axes of angle_x"]),
        ("noise/hj212-noise-station", ["ST=23", "CN=2051 Leq-Data"]),
    ],
)
def test_show_tells_where_each_measurement_is(
    name: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("show", name, "--json") == 0
    out = capsys.readouterr().out
    for word in words:
        assert word in out
    assert last_line(out)["name"] == name


def test_an_unknown_profile_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("show", "water/yosemitek-y504") == 2
    assert "did you mean water/yosemitech-y504?" in capsys.readouterr().err


def test_all_vectors_of_the_catalog_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("test", "--json") == 0
    out = capsys.readouterr().out
    figures = last_line(out)
    assert list(figures) == ["profiles", "by_kind", "vectors", "proven", "failed"]
    assert figures["failed"] == 0
    by_kind = figures["by_kind"]
    assert isinstance(by_kind, dict)
    assert set(by_kind) == set(Kind)
    assert sum(by_kind.values()) == figures["profiles"]
    assert f"{figures['proven']} profiles proven by an outside source" in out


def test_a_vector_that_comes_out_wrong_fails(
    tmp_path: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "d1.yaml"
    path.write_text(texts["modbus"].replace("18.5", "18.6"), encoding="utf-8")
    assert run("test", str(path), "--json") == 1
    out = capsys.readouterr().out
    assert f"{path}: vector 1: water_temperature: decoded 18.5 Cel, expected 18.6" in out
    assert last_line(out) | {"by_kind": 0} == {
        "profiles": 1, "by_kind": 0, "vectors": 1, "proven": 0, "failed": 1,
    }  # fmt: skip


def test_synthetic_vectors_are_counted_apart(
    tmp_path: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "d1.yaml"
    path.write_text(texts["modbus"].replace("the manual, page 3", "synthetic"), encoding="utf-8")
    assert run("test", str(path), "--json") == 0
    assert last_line(capsys.readouterr().out)["proven"] == 0


def test_no_profile_found_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("device_profiles.loader.CATALOG", tmp_path)
    assert run("test", "--json") == 1
    assert last_line(capsys.readouterr().out)["profiles"] == 0


def test_check_says_what_is_fine_and_all_that_is_not(
    tmp_path: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    fine, wrong = tmp_path / "fine.yaml", tmp_path / "wrong.yaml"
    fine.write_text(texts["modbus"], encoding="utf-8")
    wrong.write_text(
        texts["modbus"].replace("scale", "scal").replace("mg/L", "V"), encoding="utf-8"
    )
    assert run("check", str(fine)) == 0
    assert run("check", str(fine), str(wrong), str(tmp_path / "none.yaml")) == 2
    captured = capsys.readouterr()
    assert f"{fine}: fine; 2 measurements, 1 vectors" in captured.out
    errors = captured.err.splitlines()
    assert len(errors) == 3
    assert f"{wrong}:9: modbus.measurements.water_do.unit: V is voltage" in captured.err
    assert "scal: unknown key; did you mean scale?" in captured.err
    assert "none.yaml: No such file" in captured.err


def test_users_own_folder_is_listed_and_tested(
    tmp_path: Path, texts: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "water").mkdir()
    (tmp_path / "water" / "acme-d1.yaml").write_text(texts["modbus"], encoding="utf-8")
    assert run("test", "water/acme-d1", "--profiles", str(tmp_path)) == 0
    assert run("list", "--profiles", str(tmp_path)) == 0
    assert "water/acme-d1" in capsys.readouterr().out


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("protocol", ["modbus", "mqtt", "hj212"])
def test_a_new_profile_lacks_only_what_is_to_be_filled_in(
    kind: Kind, protocol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("new", str(kind), "acme-n1", "--protocol", protocol, "--folder", str(tmp_path))
    if protocol == "hj212" and kind in (Kind.GAS, Kind.MANHOLE):
        assert run(*words) == 2
        assert f"HJ 212 has no factors for {kind}" in capsys.readouterr().err
        return
    assert run(*words) == 0
    path = tmp_path / kind / "acme-n1.yaml"
    assert run("check", str(path)) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 6
    assert all("must not be empty" in error for error in errors)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('""', '"filled in"'), encoding="utf-8")
    assert run("check", str(path)) == 0
    assert run("test", str(path)) == 0
    assert run(*words) == 2
    assert "is there already; it is left as it is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("noise", "Acme N1"), "write e.g. acme-n200"),
        (("noise", "../n1"), "write e.g. acme-n200"),
        (("noise", "n1", "--protocol", "modbs"), "did you mean modbus?"),
    ],
)
def test_new_refuses_what_would_be_no_name(
    words: tuple[str, ...], error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("new", *words, "--folder", str(tmp_path)) == 2
    assert error in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
