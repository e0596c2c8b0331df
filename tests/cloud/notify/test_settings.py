"""The section `notify` of the YAML: strict, and every problem at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud.config import load
from cloud.core.model import Severity
from cloud.core.rota import Hours
from cloud.core.telling import Quiet, Way
from cloud.notify.settings import Notify
from contract.errors import ConfigError

HEAD = "data: d\nbroker: {host: h}\n"
GOOD = """notify:
  base_url: https://city.example/
  channels:
    mail: {kind: smtp, host: localhost, port: 25, security: none, from: gw@city.example}
    hook: {kind: webhook, url: "https://hook.example/in", secret_file: hook.secret}
  people:
    li: {name: 李明, by: [{channel: mail, to: li@city.example}, {channel: hook, least: high}]}
    wang: {language: en, by: [{channel: mail, to: wang@city.example}]}
  default: [li]
  rotas:
    gas:
      units: [燃气公司]
      week: [{days: [mon, sun], from: "20:00", to: "08:00", people: [wang]}]
      dates: [{date: 2026-10-01, people: [li]}]
      exchanges: [{from: 2026-11-23 18:00, to: 2026-11-24 08:00, people: [li]}]
  routes:
    - {name: gas, kinds: [gas], steps: [{tell: [unit]}, {after_s: 900, tell: [li, gas]}]}
  quiet: [{from: "22:00", to: "07:00", below: high, then: deliver}]
"""


def read(folder: Path, text: str) -> Notify:
    (folder / "hook.secret").write_text("s")
    path = folder / "cloud.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load(path).notify


def problems(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    return str(caught.value)


def test_what_is_written_is_what_is_meant(tmp_path: Path) -> None:
    policy = read(tmp_path, GOOD).policy
    assert policy.base_url == "https://city.example"
    assert policy.people["li"].ways == (
        Way(channel="mail", to="li@city.example"),
        Way(channel="hook", least=Severity.HIGH),
    )
    (shift,) = policy.rotas["gas"].week
    assert (shift.days, shift.hours) == (frozenset({0, 6}), Hours(from_min=1200, to_min=480))
    assert policy.rotas["gas"].exchanges[0].ends.isoformat() == "2026-11-24T08:00:00"
    assert policy.quiet == (
        Quiet(hours=Hours(from_min=1320, to_min=420), below=Severity.HIGH, digest=False),
    )
    assert policy.routes[0].steps[1].tell == ("li", "gas")


def test_nothing_is_needed(tmp_path: Path) -> None:
    assert read(tmp_path, "").channels == {}


def test_names_that_nobody_has_are_all_told_with_their_lines(tmp_path: Path) -> None:
    text = GOOD.replace("default: [li]", "default: [lii]")
    text = text.replace("people: [wang]", "people: [wong]").replace("[li, gas]", "[gaz]")
    told = problems(tmp_path, text)
    assert "cloud.yaml:11: notify.default[0]: unknown name 'lii'; did you mean li?" in told
    assert "notify.rotas.gas.week[0].people[0]: unknown name 'wong'; did you mean wang?" in told
    assert "notify.routes[0].steps[1].tell[0]: unknown name 'gaz'; did you mean gas?" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("security: none", "securty: none", "unknown key; did you mean security?"),
        ("host: localhost", "host: mail.example", "security: none is only for this machine"),
        ("port: 25", "port: 25, user: gw", "user and password_file go together"),
        ("from: gw@city.example", "from: gw", "'gw' is no mail address"),
        ("to: li@city.example", "to: '123'", "to: '123' is no mail address"),
        ("secret_file: hook.secret", "secret_file: none", "secret_file: no such file"),
        ("https://hook.example/in", "file:///etc/passwd", "url"),
        ("https://hook.example/in", "https://user@hook.example", "url"),
        ("channel: hook, least", "channel: hok, least", "did you mean hook?"),
        ("channel: hook, least", "channel: hook, to: x, least", "leave it out"),
        ("{channel: mail, to: wang@city.example}", "{channel: hook, least: high}", "Leave one"),
        ("  default: [li]\n", "", "who is told when nobody is on call"),
        ("    gas:\n", "    wang:\n", "wang is a person too"),
        ('from: "20:00"', 'from: "25:00"', "'25:00' is no time of day; write e.g. 08:30"),
        ("2026-11-23 18:00", "2026-11-23 18:00+08:00", "leave the offset out"),
        ("2026-11-23 18:00", "yesterday", "'yesterday' is no local time"),
        ("days: [mon, sun]", "days: [Monday]", "notify.rotas.gas.week[0].days[0]"),
        ("kind: smtp", "kind: smpt", "unknown kind 'smpt'; did you mean smtp?"),
        ("then: deliver", "then: deliver}, {from: 22:60, to: '1:00', below: low", "22:60"),
        ("  quiet:", "  flood: {begins: 5, ends: 6}\n  quiet:", "ends 6 is above begins 5"),
        ("  quiet:", "    - {name: gas, steps: [{tell: [li]}]}\n  quiet:", "two routes gas"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in GOOD
    assert told in problems(tmp_path, GOOD.replace(old, new, 1))


def test_a_unit_has_one_rota(tmp_path: Path) -> None:
    text = GOOD.replace("  routes:\n", "    gas-2: {units: [燃气公司]}\n  routes:\n")
    assert "燃气公司 has the rota gas already" in problems(tmp_path, text)
