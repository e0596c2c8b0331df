"""The house's own rules: what is public in core/ is documented and tested, and so are the ports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORES = sorted(ROOT.glob("*/core"))
PORTS = sorted(ROOT.glob("*/ports.py"))
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))


def public_functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield what others may call: module-level functions, and methods of public classes."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    yield f"{node.name}.{inner.name}", inner


FUNCTIONS = [
    pytest.param(path, name, node, id=f"{path.relative_to(ROOT)}:{name}")
    for core in CORES
    for path in sorted(core.rglob("*.py"))
    for name, node in public_functions(path)
]
PORT_FUNCTIONS = [
    pytest.param(path, name, node, id=f"{path.relative_to(ROOT)}:{name}")
    for path in PORTS
    for name, node in public_functions(path)
]


def test_there_are_cores_and_ports() -> None:
    assert {core.parent.name for core in CORES} >= {"edge", "cloud", "device_profiles"}
    assert {path.parent.name for path in PORTS} >= {"edge", "cloud"}


@pytest.mark.parametrize(("path", "name", "node"), FUNCTIONS)
def test_every_public_function_of_core_is_named_in_a_test(
    path: Path, name: str, node: ast.FunctionDef
) -> None:
    assert re.search(rf"\b{node.name}\b", TESTS), f"no test speaks of {name} in {path}"


@pytest.mark.parametrize(("path", "name", "node"), FUNCTIONS + PORT_FUNCTIONS)
def test_every_public_function_of_core_and_ports_has_a_docstring(
    path: Path, name: str, node: ast.FunctionDef
) -> None:
    assert ast.get_docstring(node), f"{name} in {path} has none"


IMPURE = {
    "socket",
    "os",
    "time",
    "logging",
    "random",
    "subprocess",
    "asyncio",
    "threading",
    "sqlite3",
}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=str(path.relative_to(ROOT)))
        for core in CORES
        for path in sorted(core.rglob("*.py"))
    ],
)
def test_core_is_pure(path: Path) -> None:
    """No sockets, files, clock, environment or logging."""
    text = path.read_text(encoding="utf-8")
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & IMPURE
    assert not re.search(r"\bopen\(|\.now\(|\.today\(|utcnow", text)
