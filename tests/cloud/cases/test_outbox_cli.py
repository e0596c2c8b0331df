from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cloud import app as build
from cloud.cases.cli import app
from cloud.cases.courier import Courier
from cloud.cases.others import OTHER_CASE_SYSTEMS, callback_secrets
from cloud.cases.others import build as build_system
from cloud.cases.settings import CaseSystemSettings
from cloud.config import CloudConfig, load
from cloud.errors import NotFoundError
from contract.clock import ManualClock
from contract.errors import ConfigError
from tests.suites.misbehaving import Server
from tests.suites.other_case_system import Bench
from tests.suites.other_sides import City

CONFIG = """
data: d
broker: {host: h}
case_systems:
  city:
    kind: open311
    url: URL/v2
    api_key_file: key
    services: {"*": other}
  grid:
    kind: webhook
    url: URL/hook
    secret_file: secret
"""


def written(folder: Path, url: str = "http://127.0.0.1:9") -> Path:
    for name in ("key", "secret"):
        (folder / name).write_text(f"the {name}")
        (folder / name).chmod(0o600)
    path = folder / "cloud.yaml"
    path.write_text(CONFIG.replace("URL", url))
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["outbox", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = ManualClock()
    city = City(clock)
    city.refused.add("other")
    server = Server(city)
    config = load(written(tmp_path, server.url))
    database = build.initialise(config)
    system = build_system(config.case_systems["city"], clock)
    courier = Courier("city", system, database, clock, lambda: 0.5)
    courier.work()
    yield Bench(database, clock, server, city, system, "other", courier)
    database.close()
    server.stop()


def test_listing_retrying_and_giving_up(bench: Bench, tmp_path: Path) -> None:
    case = bench.open_case(1)
    bench.courier.work()
    config = tmp_path / "cloud.yaml"
    listed = run("list", config).output
    assert "city                dead              1" in listed
    assert case in listed
    assert "service_code not found" in listed
    (item,) = json.loads(run("list", config, "--json").output)["items"]
    assert (item["case"], item["state"], item["message"]["step"]) == (case, "dead", "open")
    assert "will be told 'open'" in run("retry", config, item["id"]).output
    bench.courier.work()
    given = run("give-up", config, item["id"], "--reason", "their category is gone").output
    assert given == f"city is not told 'open' of case {case}\n"
    with pytest.raises(NotFoundError, match="no delivery 99"):
        run("retry", config, 99)


def test_reconciling(bench: Bench, tmp_path: Path) -> None:
    config = tmp_path / "cloud.yaml"
    bench.side.refused.clear()
    found = run("reconcile", config, "city", "--json")
    assert found.exit_code == 0
    assert json.loads(found.output) == {"cases": 0, "asked": True, "differences": []}
    with pytest.raises(ConfigError, match="no 'town'; allowed: city, grid"):
        run("reconcile", config, "town")


# --- the configuration -------------------------------------------------------------------------


def test_every_kind_of_the_configuration_is_one_that_can_be_built(tmp_path: Path) -> None:
    config: CloudConfig = load(written(tmp_path))
    assert {one.kind for one in config.case_systems.values()} == set(OTHER_CASE_SYSTEMS)
    settings: list[CaseSystemSettings] = list(config.case_systems.values())
    assert all(build_system(each, ManualClock()) for each in settings)
    assert callback_secrets(config.case_systems) == {"grid": "the secret"}


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("kind: webhook", "kind: webhok", "unknown kind 'webhok'; did you mean webhook?"),
        ("api_key_file", "api_key_fil", "case_systems.city.api_key_fil: unknown key; did you mean"),
        ('services: {"*": other}', "services: {}", "at least 1 item"),
        ("secret_file: secret", "secret_file: none", "case_systems.grid.secret_file: no such file"),
        ("url: URL/hook", "url: ftp://x", "case_systems.grid.url"),
        ("  grid:", "  Grid!:", "case_systems"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, wrong: str, right: str, words: str) -> None:
    path = written(tmp_path)
    path.write_text(CONFIG.replace(wrong, right).replace("URL", "http://127.0.0.1:9"))
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert words in str(caught.value)


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    config = load(written(tmp_path))
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        callback_secrets(config.case_systems)


def test_keys_are_made_listed_and_removed(tmp_path: Path) -> None:
    config = written(tmp_path)
    build.initialise(load(config)).close()

    def keys(*words: object) -> str:
        return CliRunner().invoke(app, ["keys", *map(str, words)], catch_exceptions=False).output

    assert len(keys("add", config, "city-app").strip()) == 32
    assert keys("list", config) == "city-app\n"
    assert keys("remove", config, "city-app") == "city-app files nothing more\n"
    assert keys("list", config) == ""


@pytest.mark.parametrize("page", ["exchange.md", "open311.md"])
def test_the_pages_own_examples_are_ones_that_load(tmp_path: Path, page: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8")
    examples = re.findall(r"^```yaml\n((?:case_systems|open311):.*?)^```", text, re.M | re.S)
    assert examples
    for name in ("city.key", "grid.secret", "city-ca.pem", "grid-ca.pem", "province.yaml"):
        (tmp_path / name).write_text("x")
    path = tmp_path / "cloud.yaml"
    path.write_text("data: d\nbroker: {host: h}\n" + "".join(examples))
    config = load(path)
    assert config.case_systems or config.open311.enabled
