"""What rules look at besides the readings themselves: signals, made of readings in event time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from cloud.core.checks import (
    Difference,
    Expression,
    NoData,
    OutOfRange,
    Rate,
    StateIs,
    Stuck,
    Window,
)
from cloud.core.signals.differences import Differences
from cloud.core.signals.expressions import Expressions
from cloud.core.signals.port import Signals
from cloud.core.signals.rate import Rates
from cloud.core.signals.silence import Silences
from cloud.core.signals.states import ranges, states
from cloud.core.signals.stuck import Stucks
from cloud.core.signals.windows import Windows

# By the check that asks for them; each is made for the zone whose clock cuts windows. The check
# Value has none: it looks at the readings.
SIGNALS: dict[type[Any], Callable[[ZoneInfo], Signals]] = {
    Difference: Differences,
    Expression: lambda _: Expressions(),
    NoData: lambda _: Silences(),
    OutOfRange: lambda _: ranges(),
    Rate: lambda _: Rates(),
    StateIs: lambda _: states(),
    Stuck: lambda _: Stucks(),
    Window: Windows,
}
