"""What a formula comes to, for many moments at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.core.signals.formula import Apply, Formula, Input, Node, Number

Values = NDArray[np.float64]


def _truth(values: Values) -> NDArray[np.bool_]:
    truth: NDArray[np.bool_] = values != 0
    return truth


# A truth is 1 or 0; what has no value (NaN) stays so, whatever it is joined or compared with.
_OPERATORS: Mapping[str, Callable[..., Values]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "negate": np.negative,
    "abs": np.abs,
    "min": lambda *parts: np.minimum.reduce(np.broadcast_arrays(*parts)),
    "max": lambda *parts: np.maximum.reduce(np.broadcast_arrays(*parts)),
    "<": lambda a, b: _known(a < b, a, b),
    "<=": lambda a, b: _known(a <= b, a, b),
    ">": lambda a, b: _known(a > b, a, b),
    ">=": lambda a, b: _known(a >= b, a, b),
    "==": lambda a, b: _known(a == b, a, b),
    "!=": lambda a, b: _known(a != b, a, b),
    "and": lambda a, b: _known(_truth(a) & _truth(b), a, b),
    "or": lambda a, b: _known(_truth(a) | _truth(b), a, b),
    "not": lambda a: _known(~_truth(a), a),
}


def compute(formula: Formula, inputs: Sequence[Values]) -> Values:
    """Return what a formula comes to at n moments.

    Args:    inputs: of each of formula.inputs its values, shape (n,), NaN where it has none.
    Returns: shape (n,); a truth as 1 or 0; NaN where an input has no value, or where the result
             is none: a division by zero, or beyond all numbers.
    """
    with np.errstate(all="ignore"):
        found = np.broadcast_to(_value(formula.root, inputs), inputs[0].shape)
    known = np.isfinite(found)
    for values in inputs:
        known = known & np.isfinite(values)
    return np.where(known, found, np.nan)


def _value(node: Node, inputs: Sequence[Values]) -> Values:
    match node:
        case Number():
            return np.float64(node.value) * np.ones(1)
        case Input():
            return inputs[node.place]
        case Apply():
            return _OPERATORS[node.operator](*(_value(part, inputs) for part in node.operands))


def _known(truth: NDArray[np.bool_], *of: Values) -> Values:
    missing = np.zeros(1, np.bool_)
    for values in of:
        missing = missing | ~np.isfinite(values)
    return np.where(missing, np.nan, truth)
