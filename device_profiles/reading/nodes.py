"""YAML text into the schema's types, strictly, by the types' own description (msgspec.inspect).

Works on YAML's nodes, not on loaded data: so a key told twice is seen, and every line is known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec.inspect as types
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from device_profiles.reading.report import Report, join, nearest

MAX_DEPTH = 20
MAX_NODES = 20_000

INT, FLOAT = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
BOOL, NULL = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"

Number = TypeVar("Number", int, float)


class Bad:
    """Stands for what could not be read; the reason is in the report."""


BAD = Bad()


def compose(text: str, report: Report) -> MappingNode | None:
    """Read YAML text as far as its nodes; None, and a problem noted, if it is no mapping."""
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        report.lines[""] = 1 if mark is None else mark.line + 1
        report.add("", f"not YAML: {error.problem}")
        return None
    except (YAMLError, RecursionError) as error:
        report.add("", f"not YAML: {str(error).splitlines()[0]}")
        return None
    if not isinstance(node, MappingNode):
        report.add("", "not a mapping; a profile begins with e.g. `kind: water`")
        return None
    return node


class NodeReader:
    """Reads nodes as a type says; what is wrong goes into the report and is left out."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._left = MAX_NODES

    def fields(self, node: MappingNode, kind: types.StructType, path: str) -> dict[str, object]:
        """Read the keys of a mapping as a struct's fields; return the good ones by name."""
        known = {field.encode_name: field for field in kind.fields}
        good: dict[str, object] = {}
        for key, value in self._entries(node, path):
            if key not in known:
                self._report.add(join(path, key), f"unknown key{nearest(key, known)}")
                continue
            read = self.read(value, known[key].type, join(path, key))
            if read is not BAD:
                good[known[key].name] = read
        for key, field in known.items():
            if field.required and not self._report.has(join(path, key)):
                self._report.add(path, f"key {key} is missing{_meaning(field)}")
        return good

    def read(self, node: Node, kind: types.Type, path: str) -> object:
        """Read a node as a type; BAD if it is none."""
        self._left -= 1
        if self._left < 0 or path.count(".") + path.count("[") > MAX_DEPTH:
            if self._left == -1:
                self._report.add(path, "too much, or nested too deeply")
            return BAD
        while isinstance(kind, types.Metadata):
            kind = kind.type
        reader = self._readers.get(type(kind))
        assert reader is not None, kind  # the schema uses no other types; a test reads them all
        return reader(self, node, kind, path)

    def _entries(self, node: MappingNode, path: str) -> list[tuple[str, Node]]:
        entries: dict[str, Node] = {}
        for key_node, value in node.value:
            key = scalar(key_node) or "?"
            at, line = join(path, key), key_node.start_mark.line + 1
            if key in entries:
                before = self._report.lines[at]
                self._report.lines[at] = line
                self._report.add(at, f"told twice; first in line {before}")
            else:
                entries[key] = value
            self._report.lines[at] = line
        self._report.keys[path] = tuple(entries)
        return list(entries.items())

    def _struct(self, node: Node, kind: types.StructType, path: str) -> object:
        if not isinstance(node, MappingNode):
            return self._bad(path, f"expected keys and values: {_keys(kind)}")
        good = self.fields(node, kind, path)
        if any(field.required and field.name not in good for field in kind.fields):
            return BAD
        return kind.cls(**good)

    def _dict(self, node: Node, kind: types.DictType, path: str) -> object:
        if not isinstance(node, MappingNode):
            return self._bad(path, "expected keys and values")
        good: dict[object, object] = {}
        for key, value in self._entries(node, path):
            name = self._key(key, kind.key_type, join(path, key))
            read = self.read(value, kind.value_type, join(path, key))
            if read is not BAD and name is not BAD:
                good[name] = read
        if not node.value and kind.min_length:
            return self._bad(path, "expected at least one entry")
        return good

    def _key(self, key: str, kind: types.Type, path: str) -> object:
        if isinstance(kind, types.IntType):
            number = whole_number(key)
            return self._bad(path, "expected a whole number as key") if number is None else number
        return key

    def _list(self, node: Node, kind: types.VarTupleType, path: str) -> object:
        if not isinstance(node, SequenceNode):
            return self._bad(path, "expected a list: [a, b] or lines beginning with -")
        read = self._items(node, lambda _: kind.item_type, path)
        low, high = kind.min_length or 0, kind.max_length or math.inf
        if not low <= len(node.value) <= high:
            return self._bad(path, f"{len(node.value)} entries; allowed are {low} to {high}")
        return tuple(item for item in read if item is not BAD)

    def _tuple(self, node: Node, kind: types.TupleType, path: str) -> object:
        want = len(kind.item_types)
        if not isinstance(node, SequenceNode) or len(node.value) != want:
            return self._bad(path, f"expected a list of {want}, e.g. [0, 20]")
        read = self._items(node, lambda index: kind.item_types[index], path)
        return BAD if any(item is BAD for item in read) else tuple(read)

    def _items(
        self, node: SequenceNode, kind_at: Callable[[int], types.Type], path: str
    ) -> list[object]:
        read: list[object] = []
        for index, item in enumerate(node.value):
            at = f"{path}[{index}]"
            self._report.lines[at] = item.start_mark.line + 1
            read.append(self.read(item, kind_at(index), at))
        return read

    def _union(self, node: Node, kind: types.UnionType, path: str) -> object:
        """Read null, else a mapping as the type that is one, else as the one that is none."""
        options = [option for option in kind.types if not isinstance(option, types.NoneType)]
        if is_null(node) and len(options) < len(kind.types):
            return None
        if len(options) > 1:
            nested = isinstance(node, MappingNode)
            options = [o for o in options if isinstance(o, types.StructType) == nested]
        return self.read(node, options[0], path)

    def _literal(self, node: Node, kind: types.LiteralType, path: str) -> object:
        text = scalar(node)
        for value in kind.values:
            same = whole_number(text or "") == value if isinstance(value, int) else text == value
            if same:
                return value
        words = [str(value) for value in kind.values]
        return self._bad(path, f"{_shown(node)} is not allowed{nearest(text or '', words)}")

    def _enum(self, node: Node, kind: types.EnumType, path: str) -> object:
        text = scalar(node)
        words = {str(member.value): member for member in kind.cls}
        if text in words:
            return words[text]
        return self._bad(path, f"{_shown(node)} is not allowed{nearest(text or '', words)}")

    def _int(self, node: Node, kind: types.IntType, path: str) -> object:
        number = whole_number(scalar(node) or "") if node.tag == INT else None
        if number is None:
            return self._bad(path, f"{_shown(node)} is no whole number; write e.g. 12 or 0x0C")
        return self._within(number, kind, path)

    def _float(self, node: Node, kind: types.FloatType, path: str) -> object:
        number = decimal_number(scalar(node) or "") if node.tag in (INT, FLOAT) else None
        if number is None:
            return self._bad(path, f"{_shown(node)} is no number; write e.g. 0.1")
        return self._within(number, kind, path)

    def _within(
        self, number: Number, kind: types.IntType | types.FloatType, path: str
    ) -> Number | Bad:
        bounds: list[tuple[float | None, str, Callable[[float, float], bool]]] = [
            (kind.ge, "at least", float.__ge__),
            (kind.gt, "more than", float.__gt__),
            (kind.le, "at most", float.__le__),
            (kind.lt, "less than", float.__lt__),
        ]
        said = [f"{words} {bound}" for bound, words, _ in bounds if bound is not None]
        for bound, _, holds in bounds:
            if bound is not None and not holds(float(number), float(bound)):
                self._report.add(path, f"{number} is not allowed; allowed: {' and '.join(said)}")
                return BAD
        return number

    def _bool(self, node: Node, _kind: types.BoolType, path: str) -> object:
        if node.tag != BOOL:
            return self._bad(path, f"{_shown(node)} is not allowed; allowed: true, false")
        return str(node.value).lower() == "true"

    def _str(self, node: Node, kind: types.StrType, path: str) -> object:
        text = scalar(node)
        if text is None or is_null(node):
            return self._bad(path, f"{_shown(node)} is no text")
        if len(text.strip()) < (kind.min_length or 0):
            return self._bad(path, "must not be empty")
        if kind.pattern and not re.search(kind.pattern, text):
            return self._bad(path, f"{text[:40]!r} does not match {kind.pattern}")
        return text

    def _bad(self, path: str, what: str) -> Bad:
        self._report.add(path, what)
        return BAD

    _readers: Mapping[type[types.Type], Callable[..., object]] = {
        types.StructType: _struct,
        types.DictType: _dict,
        types.VarTupleType: _list,
        types.TupleType: _tuple,
        types.UnionType: _union,
        types.LiteralType: _literal,
        types.EnumType: _enum,
        types.IntType: _int,
        types.FloatType: _float,
        types.BoolType: _bool,
        types.StrType: _str,
    }


def scalar(node: Node) -> str | None:
    """Return a scalar's text as it is written, without quotes; None for lists and mappings."""
    return str(node.value) if isinstance(node, ScalarNode) else None


def is_null(node: Node) -> bool:
    """Whether a node is null, or nothing at all."""
    return isinstance(node, ScalarNode) and node.tag == NULL


def whole_number(text: str) -> int | None:
    """Read 12, -3 or 0x1F4; None for anything else."""
    if re.fullmatch(r"[+-]?0x[0-9A-Fa-f]{1,16}", text):
        return int(text, 16)
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,19}", text) else None


def decimal_number(text: str) -> float | None:
    """Read what whole_number reads, and decimals; None for anything else, and for infinities."""
    whole = whole_number(text)
    if whole is not None:
        return float(whole)
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _shown(node: Node) -> str:
    text = scalar(node)
    if text is None:
        return "a list" if isinstance(node, SequenceNode) else "a mapping"
    return repr(text[:40])


def _keys(kind: types.StructType) -> str:
    return ", ".join(field.encode_name for field in kind.fields)


def _meaning(field: types.Field) -> str:
    if isinstance(field.type, types.Metadata):
        return f": {(field.type.extra_json_schema or {}).get('description', '')}"
    return ""
