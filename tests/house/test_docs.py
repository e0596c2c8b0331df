"""Documentation is tested: what it names is there, and its commands are ones that run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from contract import strict_yaml
from gridwarden import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
FENCES = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINKS = re.compile(r"\]\(([^)#:]+)\)")
NAMED = re.compile(r"`gridwarden ([a-z][a-z -]*[a-z])")


def each_page(found: list[tuple[Path, str]]) -> list[object]:
    return [pytest.param(page, what, id=f"{page.name}: {what[:60]}") for page, what in found]


OTHERS = ("sudo", "apt-get", "pip", ".venv/bin/pip", "cp", "cat", "curl", "mbpoll", "kill")
COMMAND_LINES = [
    (page, line.strip())
    for page in PAGES
    for language, block in FENCES.findall(page.read_text(encoding="utf-8"))
    if language == "sh"
    for line in block.splitlines()
    if line.strip() and not line.lstrip().startswith("#")
]


@pytest.mark.parametrize(
    ("page", "link"),
    each_page([(p, link) for p in PAGES for link in LINKS.findall(p.read_text(encoding="utf-8"))]),
)
def test_every_link_leads_somewhere(page: Path, link: str) -> None:
    assert (page.parent / link).exists()


@pytest.mark.parametrize(
    ("page", "block"),
    each_page(
        [
            (page, block)
            for page in PAGES
            for language, block in FENCES.findall(page.read_text(encoding="utf-8"))
            if language == "yaml"
        ]
    ),
)
def test_every_yaml_example_is_yaml(page: Path, block: str) -> None:
    strict_yaml.parse(block, page.name)


@pytest.mark.parametrize(("page", "line"), each_page(COMMAND_LINES))
def test_every_command_is_one_that_exists(page: Path, line: str) -> None:
    """Scripts are there; gridwarden's words and options are known. tests/e2e runs the long ones."""
    words = line.split()
    if words[0] in (
        "sudo",
        "apt-get",
        "pip",
        ".venv/bin/pip",
        "cp",
        "cat",
        "curl",
        "mbpoll",
        "kill",
    ):
        return
    if words[0].startswith("scripts/"):
        assert (ROOT / words[0]).exists()
        return
    if words[0] == ".venv/bin/python" or words[0] == "python":
        assert (ROOT / words[1]).exists() or words[1] == "-m"
        return
    assert words[0] in (".venv/bin/gridwarden", "gridwarden"), f"what is {words[0]}?"
    known_command(words[1:])


@pytest.mark.parametrize(
    ("page", "words"),
    each_page(
        [(p, found) for p in PAGES for found in NAMED.findall(p.read_text(encoding="utf-8"))]
    ),
)
def test_every_command_in_the_text_is_known(page: Path, words: str) -> None:
    known_command(words.split())


def known_command(words: list[str]) -> None:
    """Ask the command itself: its help must know the subcommand and every option."""
    assert words[0] in COMMANDS, f"gridwarden has no command {words[0]!r}"
    path: list[str] = []
    for word in words[1:]:
        if not re.fullmatch(r"[a-z][a-z-]*", word) or (word in ("demo",) and path):
            break
        path.append(word)
    shown = help_of(words[0], *path)
    while shown is None and path:
        path.pop()
        shown = help_of(words[0], *path)
    assert shown is not None
    for option in (word.split("=")[0] for word in words if word.startswith("--")):
        assert option in shown, f"{' '.join(words)}: no option {option}"


def help_of(*words: str) -> str | None:
    done = subprocess.run(
        [sys.executable, "-m", "gridwarden", *words, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "200", "TERM": "dumb", "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
    )
    return done.stdout if done.returncode == 0 else None


@pytest.mark.parametrize("side", ["cloud", "edge"])
def test_the_map_names_every_module_and_folder_and_no_others(side: str) -> None:
    page = (ROOT / "docs" / f"{side}.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([^`]+)` \|", page.partition("## Where things are")[2], re.MULTILINE)
    modules = {path.name for path in (ROOT / side).glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in (ROOT / side).glob("*/__init__.py")}
    assert sorted(named) == sorted(modules | folders)


def test_decisions_are_numbered_one_by_one() -> None:
    """And each is found under its number, which its title repeats."""
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in decisions]
    assert numbers == [f"{n:04}" for n in range(1, len(decisions) + 1)]
    for path in decisions:
        assert path.read_text(encoding="utf-8").startswith(f"# {path.name[:4]} ")
