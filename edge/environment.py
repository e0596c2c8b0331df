"""Settings from the environment, which stand in for keys of the file.

GRIDWARDEN_EDGE_BROKER__HOST is `broker.host`: the prefix, then the key in capitals with two
underscores for each dot. With _FILE behind it, the value is what that file holds.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args, get_origin

from pydantic import BaseModel

from contract.errors import ConfigError
from contract.strict_yaml import Document, Where, suggest

PREFIX = "GRIDWARDEN_EDGE_"
MAX_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A variable, the key that it stands in for, and its value."""

    variable: str
    where: Where
    value: str


def overlaid(
    document: Document, environment: Mapping[str, str], model: type[BaseModel]
) -> Document:
    """Return the document with what the environment says in place of its own.

    Raises: ConfigError with every variable that is no key, or whose file cannot be read.
    """
    overrides: list[Override] = []
    problems: list[str] = []
    for variable in sorted(environment):
        if variable.startswith(PREFIX):
            try:
                overrides.append(_override(variable, environment[variable], model))
            except ConfigError as error:
                problems += error.problems
    problems += _said_twice(overrides)
    if problems:
        raise ConfigError(*problems)
    return _with(document, overrides)


def _override(variable: str, value: str, model: type[BaseModel]) -> Override:
    keys = tuple(variable.removeprefix(PREFIX).lower().split("__"))
    allowed = {".".join(where): where for where in _scalars(model)}
    spelt = ".".join(keys)
    if spelt in allowed:
        return Override(variable=variable, where=allowed[spelt], value=value)
    if (bare := spelt.removesuffix("_file")) != spelt and bare in allowed:
        return Override(variable=variable, where=allowed[bare], value=_content(variable, value))
    raise ConfigError(f"{variable}: no key {spelt!r}; {suggest(spelt, list(allowed))}")


def _scalars(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """Yield the keys that one word can set: of the file, and of its sections."""
    for name, field in model.model_fields.items():
        kinds = get_args(field.annotation) or (field.annotation,)
        sections = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        for section in sections:
            yield from ((name, *inner) for inner in _scalars(section))
        if not sections and get_origin(field.annotation) not in (tuple, dict):
            yield (name,)


def _content(variable: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{variable}: {path} has more than {MAX_BYTES} bytes")
        return content.decode().strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"{variable}: {path!r} cannot be read: {error}") from error


def _said_twice(overrides: list[Override]) -> Iterator[str]:
    first: dict[Where, str] = {}
    for override in overrides:
        other = first.setdefault(override.where, override.variable)
        if other != override.variable:
            yield f"{override.variable}: {other} says the same key; keep one of them"


def _with(document: Document, overrides: list[Override]) -> Document:
    data = copy.deepcopy(document.data) if isinstance(document.data, dict) else {}
    origins: dict[Where, str] = {}
    for override in overrides:
        *sections, key = override.where
        inside = data
        for section in sections:
            if not isinstance(inside.get(section), dict):
                inside[section] = {}
            inside = inside[section]
        inside[key] = override.value
        origins[override.where] = override.variable
    return Document(name=document.name, data=data, lines=document.lines, origins=origins)
