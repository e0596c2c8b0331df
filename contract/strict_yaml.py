"""Strict YAML for people: every problem at once, with file, line, key, and the nearest right key.

    document = read(path)
    config = check(document, MyModel)      # a pydantic model with extra="forbid"

Problems read `edge.yaml:12: devices[0].perod_s: unknown key; did you mean period_s?`
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydantic
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from contract.errors import ConfigError

Where = tuple[str | int, ...]
M = typing.TypeVar("M", bound=pydantic.BaseModel)

MAX_BYTES = 4 << 20
MAX_VALUES = 200_000


class _TooManyError(Exception):
    """Ends a document that unfolds without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's plain data, and the line (from 1) where each key or item of it stands.

    origins: what did not come from the file, and where from.
    """

    name: str
    data: object
    lines: Mapping[Where, int]
    origins: Mapping[Where, str] = field(default_factory=dict)

    def problem(self, where: Where, what: str) -> str:
        """Say what is wrong where: `file:line: key: what`."""
        for end in range(len(where), 0, -1):
            if where[:end] in self.origins:
                return f"{self.origins[where[:end]]}: {spell(where)}: {what}"
        line = next(
            (
                self.lines[where[:end]]
                for end in range(len(where), -1, -1)
                if where[:end] in self.lines
            ),
            1,
        )
        key = spell(where)
        return f"{self.name}:{line}: {key}: {what}" if key else f"{self.name}:{line}: {what}"


def read(path: Path, error: type[ConfigError] = ConfigError) -> Document:
    """Read a YAML 1.2 file.

    Raises: `error` if the file cannot be read, is too large, or is no YAML; keys may stand once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as failure:
        raise error(f"{path}: cannot be read: {failure.strerror}") from failure
    except UnicodeDecodeError as failure:
        raise error(f"{path}: is not UTF-8 text: {failure}") from failure
    return parse(text, str(path), error)


def parse(text: str, name: str, error: type[ConfigError] = ConfigError) -> Document:
    """Read YAML text that came from `name`. Raises: as read()."""
    if len(text) > MAX_BYTES:
        raise error(f"{name}: {len(text)} characters; the most allowed is {MAX_BYTES}")
    try:
        loaded = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        line = mark.line + 1 if mark else 1
        what = (failure.problem or "not YAML").splitlines()[0]
        raise error(f"{name}:{line}: {what}") from failure
    except (YAMLError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as failure:
        what = str(failure).splitlines()[0] if str(failure) else type(failure).__name__
        raise error(f"{name}: not YAML: {what}") from failure
    lines: dict[Where, int] = {(): 1}
    try:
        return Document(name=name, data=_plain(loaded, (), lines), lines=lines)
    except _TooManyError:
        raise error(
            f"{name}: more than {MAX_VALUES} values; do aliases repeat each other?"
        ) from None


def check(document: Document, model: type[M], error: type[ConfigError] = ConfigError) -> M:
    """Read the document as the model. Raises: `error` with every problem, in the file's order."""
    try:
        return model.model_validate(document.data)
    except pydantic.ValidationError as failure:
        problems = sorted(
            {_problem(document, model, detail) for detail in failure.errors()}, key=_line_first
        )
        raise error(*problems) from None


def suggest(wrong: str, right: Sequence[str]) -> str:
    """Name the nearest right word, or all of them if none is near."""
    near = difflib.get_close_matches(wrong, right, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"allowed: {', '.join(sorted(right))}" if right else ""


def spell(where: Where) -> str:
    """Write a place as people do: devices[0].period_s."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _plain(node: object, where: Where, lines: dict[Where, int]) -> object:
    """Turn ruamel's nodes into dict, list and scalars, noting the lines."""
    if len(lines) > MAX_VALUES:  # aliases of aliases are few nodes, and billions of values
        raise _TooManyError
    if isinstance(node, CommentedMap):
        plain = {}
        for key, value in node.items():
            inside = (*where, str(key))
            lines[inside] = _line(node, key) or lines[where]
            plain[str(key)] = _plain(value, inside, lines)
        return plain
    if isinstance(node, CommentedSeq):
        items = []
        for index, value in enumerate(node):
            lines[(*where, index)] = node.lc.item(index)[0] + 1
            items.append(_plain(value, (*where, index), lines))
        return items
    if isinstance(node, bool) or node is None:
        return node
    for scalar in (int, float, str):
        if isinstance(node, scalar):
            return scalar(node)
    return str(node)


def _line(node: CommentedMap, key: object) -> int | None:
    """Return the line of a key; None for one that was merged in with <<."""
    try:
        return int(node.lc.key(key)[0]) + 1
    except (KeyError, TypeError):
        return None


def _problem(document: Document, model: type, detail: typing.Any) -> str:
    where: Where = _known_part(document, detail["loc"])
    match detail["type"]:
        case "extra_forbidden":
            keys = _keys_at(model, detail["loc"][:-1])
            return document.problem(where, f"unknown key; {suggest(str(where[-1]), keys)}")
        case "missing":
            return document.problem(where[: len(where)], f"{detail['loc'][-1]} is missing")
        case "union_tag_invalid":
            key, tag = detail["ctx"]["discriminator"].strip("'"), detail["ctx"]["tag"]
            right = detail["ctx"]["expected_tags"].replace("'", "").split(", ")
            return document.problem((*where, key), f"unknown {key} {tag!r}; {suggest(tag, right)}")
        case "union_tag_not_found":
            key = detail["ctx"]["discriminator"].strip("'")
            return document.problem(where, f"{key} is missing")
        case "value_error":
            return document.problem(where, str(detail["ctx"]["error"]))
        case _:
            seen = detail["input"]
            what = detail["msg"][0].lower() + detail["msg"][1:]
            shown = f"; found {seen!r}" if isinstance(seen, str | int | float | bool) else ""
            return document.problem(where, what + shown)


def _known_part(document: Document, loc: Where) -> Where:
    """Drop from pydantic's place what is not in the file: a union's tag, a missing key."""
    known: Where = ()
    for part in loc:
        if (*known, part) in document.lines or (*known, part) in document.origins:
            known = (*known, part)
    return known


def _keys_at(model: object, loc: Where) -> list[str]:
    """Return the keys that the model at this place has."""
    candidates = [model]
    for part in loc:
        candidates = [inner for outer in candidates for inner in _step(outer, part)]
    return [key for found in candidates for key in _own_keys(found)]


def _own_keys(model: object) -> list[str]:
    keys = []
    for found in _models(model):
        keys += [field.alias or name for name, field in found.model_fields.items()]
    return keys


def _step(annotation: object, part: str | int) -> Iterator[object]:
    for model in _models(annotation):
        for name, known in model.model_fields.items():
            if part in (name, known.alias):
                yield known.annotation
        if part not in model.model_fields:
            yield model  # a union's tag: stay
    for argument in _flat(annotation):
        if typing.get_origin(argument) in (
            list,
            tuple,
            dict,
            Mapping,
            Sequence,
            types.MappingProxyType,
        ):
            yield typing.get_args(argument)[-1 if typing.get_origin(argument) is not tuple else 0]


def _models(annotation: object) -> Iterator[type[pydantic.BaseModel]]:
    for argument in _flat(annotation):
        if isinstance(argument, type) and issubclass(argument, pydantic.BaseModel):
            yield argument


def _flat(annotation: object) -> Iterator[object]:
    """Look through Annotated and unions."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _flat(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for argument in typing.get_args(annotation):
            yield from _flat(argument)
    else:
        yield annotation


def _line_first(problem: str) -> tuple[int, str]:
    parts = problem.split(":", 2)
    return (int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0, problem)
