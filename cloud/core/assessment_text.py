"""The figures of an assessment as people read them, on paper and on screens."""

from __future__ import annotations

from cloud.core.assessment import Form, Formula
from cloud.core.case_steps import Label

NOTHING = "—"
SOURCES: dict[str, Label] = {
    "alert": Label(zh="传感器告警", en="Sensor alert"),
    "phone": Label(zh="电话", en="Phone"),
    "app": Label(zh="App", en="App"),
    "message": Label(zh="消息", en="Message"),
}


def spelt(formula: Formula, value: float | None, digits: int) -> str:
    """Return a figure's value. digits: of a share, in percent."""
    if value is None:
        return NOTHING
    match formula.form:
        case Form.COUNT:
            return f"{value:.0f}"
        case Form.SHARE:
            return f"{100 * value:.{digits}f} %"
        case Form.MEAN:
            return f"{value:.2f}"


def change(
    formula: Formula, now: float | None, then: float | None, points: str, digits: int
) -> str:
    """Return the change since another period: counts in percent, shares in percentage points.

    points: how points are said, of a number {n}.
    """
    if now is None or then is None:
        return NOTHING
    more = now - then
    match formula.form:
        case Form.COUNT:
            return f"{_signed(100 * more / then, 1)} %" if then else NOTHING
        case Form.SHARE:
            return points.format(n=_signed(100 * more, digits))
        case Form.MEAN:
            return _signed(more, 2)


def _signed(number: float, digits: int) -> str:
    """Nothing that rounds to zero went up or down."""
    text = f"{number:+.{digits}f}"
    return text if float(text) else text[1:]
