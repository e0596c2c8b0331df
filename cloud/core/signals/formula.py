"""Formulas over one device's measurements: text to a tree. Strict, small, and never Python's eval.

formula    = conjunction { "or" conjunction }
conjunction = negation { "and" negation }
negation   = "not" negation | comparison
comparison = sum [ ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) sum ]
sum        = product { ( "+" | "-" ) product }
product    = sign { ( "*" | "/" ) sign }
sign       = "-" sign | atom
atom       = number | measurement | function "(" formula { "," formula } ")" | "(" formula ")"

A measurement is a quantity's key with or without a channel: pm10, gas_pressure.inlet. One whose
channel has a hyphen is quoted: 'noise_la.north-east'. A truth (of a comparison) is no number, and
a number no truth: cover_open > 0, not cover_open.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, NoReturn

from contract.errors import RuleError
from contract.quantities import QUANTITIES, split_measurement

LONGEST = 1_000
DEEPEST = 30
MOST_JOINED = 100
MOST_INPUTS = 8
# Least and greatest number of arguments; None: any number.
FUNCTIONS: dict[str, tuple[int, int | None]] = {"min": (2, None), "max": (2, None), "abs": (1, 1)}
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[a-z0-9_]+)?(?![\w.]))"
    r"|'(?P<quoted>[^']*)'"
    r"|(?P<sign><=|>=|==|!=|[-+*/()<>,]))"
)
_MEASUREMENT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_-]{1,32})?")
_WORDS = ("and", "or", "not")
_END: Final = "end"


@dataclass(frozen=True, slots=True)
class Number:
    """A figure, in the canonical unit of what it meets."""

    value: float


@dataclass(frozen=True, slots=True)
class Input:
    """A measurement of the device; place: in Formula.inputs."""

    place: int


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator or a function, and what it is applied to."""

    operator: str
    operands: tuple[Node, ...]


Node = Number | Input | Apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A formula that can be computed.

    inputs: the measurements in it, in the order of their first mention; the first is the anchor.
    truth:  whether it says yes or no (1 or 0) rather than a figure.
    """

    text: str
    inputs: tuple[str, ...]
    root: Node
    truth: bool


def parse(text: str, names: Collection[str] | None = None) -> Formula:
    """Read a formula.

    Args:   names: measurements that may stand in it; None: those of every known quantity.
    Raises: RuleError with the place, what stands there, and what is allowed.
    """
    if len(text) > LONGEST:
        raise RuleError(f"expression of {len(text)} characters; allowed: {LONGEST}")
    return _Parser(text, names).formula()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # number, name, quoted, sign or end
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class _Part:
    node: Node
    truth: bool
    at: int


class _Parser:
    """Recursive descent; one method a line of the grammar."""

    def __init__(self, text: str, names: Collection[str] | None) -> None:
        self._text = text
        self._names = names
        self._tokens = list(self._split())
        self._next = 0
        self._depth = 0
        self._joined = 0
        self._inputs: dict[str, int] = {}

    def formula(self) -> Formula:
        part = self._either()
        if self._token.kind != _END:
            self._refuse(self._token, "expected an operator or the end")
        if not self._inputs:
            raise RuleError(f"expression {self._text!r}: it names no measurement")
        return Formula(
            text=self._text, inputs=tuple(self._inputs), root=part.node, truth=part.truth
        )

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _split(self) -> list[_Token]:
        tokens = []
        at = 0
        end = len(self._text.rstrip())
        while at < end:
            found = _TOKEN.match(self._text, at)
            if found is None or found.lastgroup is None:
                begin = at + len(self._text[at:]) - len(self._text[at:].lstrip())
                self._fail(begin, f"cannot read {self._text[begin : begin + 12]!r}")
            kind = found.lastgroup
            text, at = found[kind], found.end()
            tokens.append(_Token(kind, text, found.start(kind)))
        return [*tokens, _Token(_END, "", end)]

    def _take(self, *texts: str) -> _Token | None:
        token = self._token
        if token.kind in ("sign", "name") and token.text in texts:
            self._next += 1
            return token
        return None

    def _either(self) -> _Part:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(self._token.at, f"nested deeper than {DEEPEST}")
        part = self._chain(("or",), self._all_of, of_truths=True)
        self._depth -= 1
        return part

    def _all_of(self) -> _Part:
        return self._chain(("and",), self._negation, of_truths=True)

    def _negation(self) -> _Part:
        token = self._take("not")
        if token is None:
            return self._comparison()
        part = self._nested(self._negation)
        self._want(part, truth=True, of="not")
        return _Part(Apply("not", (part.node,)), True, token.at)

    def _comparison(self) -> _Part:
        left = self._sum()
        token = self._take(*COMPARISONS)
        if token is None:
            return left
        right = self._sum()
        for part in (left, right):
            self._want(part, truth=False, of=token.text)
        if self._token.text in COMPARISONS and self._token.kind == "sign":
            self._refuse(self._token, "comparisons do not chain; join two with and")
        return _Part(Apply(token.text, (left.node, right.node)), True, left.at)

    def _sum(self) -> _Part:
        return self._chain(("+", "-"), self._product, of_truths=False)

    def _product(self) -> _Part:
        return self._chain(("*", "/"), self._sign, of_truths=False)

    def _chain(
        self, operators: tuple[str, ...], operand: Callable[[], _Part], *, of_truths: bool
    ) -> _Part:
        left = operand()
        while token := self._take(*operators):
            self._joined += 1
            if self._joined > MOST_JOINED:  # each is a level of the tree
                self._fail(token.at, f"more than {MOST_JOINED} operators")
            right = operand()
            for part in (left, right):
                self._want(part, truth=of_truths, of=token.text)
            left = _Part(Apply(token.text, (left.node, right.node)), of_truths, left.at)
        return left

    def _sign(self) -> _Part:
        token = self._take("-")
        if token is None:
            return self._atom()
        part = self._nested(self._sign)
        self._want(part, truth=False, of="-")
        return _Part(Apply("negate", (part.node,)), False, token.at)

    def _nested(self, operand: Callable[[], _Part]) -> _Part:
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(self._token.at, f"nested deeper than {DEEPEST}")
        part = operand()
        self._depth -= 1
        return part

    def _atom(self) -> _Part:
        token = self._token
        if self._take("("):
            part = self._either()
            self._close()
            return part
        if token.kind == "number":
            self._next += 1
            value = float(token.text)
            if not math.isfinite(value):
                self._fail(token.at, f"{token.text[:20]} is beyond all numbers")
            return _Part(Number(value), False, token.at)
        if token.kind == "name" and token.text in FUNCTIONS:
            return self._call()
        if token.kind in (_END, "sign") or token.text in _WORDS:
            self._refuse(token, "expected a number, a measurement, min, max, abs, not, - or (")
        return self._measurement()

    def _call(self) -> _Part:
        name = self._token
        self._next += 1
        if not self._take("("):
            self._refuse(self._token, f"expected ( after {name.text}")
        operands = [self._either()]
        while self._take(","):
            operands.append(self._either())
        self._close()
        for part in operands:
            self._want(part, truth=False, of=name.text)
        least, most = FUNCTIONS[name.text]
        if len(operands) < least or (most is not None and len(operands) > most):
            wanted = f"{least}" if most == least else f"{least} or more"
            self._fail(name.at, f"{name.text} takes {wanted}, not {len(operands)}")
        return _Part(Apply(name.text, tuple(part.node for part in operands)), False, name.at)

    def _close(self) -> None:
        if not self._take(")"):
            self._refuse(self._token, "expected )")

    def _measurement(self) -> _Part:
        token = self._token
        self._next += 1
        known = self._names if self._names is not None else QUANTITIES
        name = token.text
        sought = name if self._names is not None else split_measurement(name)[0]
        if not _MEASUREMENT.fullmatch(name) or sought not in known:
            allowed = ", ".join(sorted(known)) or "none"
            self._fail(token.at, f"no measurement {name!r}; allowed: {allowed}")
        place = self._inputs.setdefault(name, len(self._inputs))
        if len(self._inputs) > MOST_INPUTS:
            self._fail(token.at, f"one measurement too many; allowed: {MOST_INPUTS}")
        return _Part(Input(place), False, token.at)

    def _want(self, part: _Part, *, truth: bool, of: str) -> None:
        if part.truth == truth:
            return
        if truth:
            self._fail(part.at, f"{of!r} joins comparisons; write e.g. cover_open > 0")
        self._fail(part.at, f"{of!r} needs numbers; this is true or false")

    def _refuse(self, token: _Token, wanted: str) -> NoReturn:
        found = "the end" if token.kind == _END else repr(token.text)
        self._fail(token.at, f"{wanted}, found {found}")

    def _fail(self, at: int, problem: str) -> NoReturn:
        raise RuleError(f"expression {self._text!r}, character {at + 1}: {problem}")
