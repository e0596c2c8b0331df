"""Numbers, units and times as people read them, in one language and one time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cloud.core import case_steps
from cloud.core.assessment import score_of
from cloud.core.gate import CATEGORIES
from cloud.core.topology import MAINS, NETWORK, ONLINE, OWN_MEASUREMENTS, WORKING
from cloud.web.texts import text
from contract.quantities import QUANTITIES, split_measurement

NOTHING = "—"

# Where the canonical symbol is not what people read. Source: SI brochure for µ, ³ and °.
SYMBOLS = {
    "1": "",
    "pH": "",
    "ug/m3": "µg/m³",
    "ng/m3": "ng/m³",
    "mg/m3": "mg/m³",
    "ug/L": "µg/L",
    "uS/cm": "µS/cm",
    "Cel": "°C",
    "deg": "°",
    "m3/h": "m³/h",
    "m3": "m³",
}

# Digits behind the point that mean something for such a sensor.
DECIMALS = {
    "1": 0,
    "%": 0,
    "ug/m3": 0,
    "pH": 2,
    "mg/L": 2,
    "kPa": 2,
    "mV": 0,
    "uS/cm": 0,
    "lx": 0,
    "V": 2,
    "dBm": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How things are said to one reader."""

    language: str
    zone: ZoneInfo

    def __call__(self, key: str, **values: object) -> str:
        return text(key, self.language, **values)

    def pick(self, zh: str, en: str) -> str:
        """Return the one in the reader's language, or the other if it is missing."""
        return (zh or en) if self.language == "zh" else (en or zh)

    def measurement(self, name: str) -> str:
        """Return what a measurement is called, with its channel."""
        if name in OWN_MEASUREMENTS:
            return self(f"own.{name}")
        key, channel = split_measurement(name)
        quantity = QUANTITIES.get(key)
        words = self.pick(quantity.zh, quantity.en) if quantity else key
        return f"{words} {channel}" if channel else words

    def number(self, value: float | None, unit: str) -> str:
        """Return a value without its unit."""
        if value is None:
            return NOTHING
        words = f"{value:.{DECIMALS.get(unit, 1)}f}"
        return words.removeprefix("-") if float(words) == 0 else words.replace("-", "\u2212")

    def value(self, value: float | None, measurement: str, unit: str) -> str:
        """Return a value with its unit; states in words."""
        if measurement == ONLINE and value is not None:
            return self("online" if value >= 0.5 else "offline")
        if measurement in (MAINS, NETWORK) and value is not None:
            return self(f"{measurement}.{int(value >= 0.5)}")
        if measurement == WORKING and value is not None:
            return self("working" if value >= 0.5 else "not_working")
        if measurement.startswith("cover_open") and value is not None:
            return self(f"open.{int(value >= 0.5)}")
        symbol = self.unit(unit)
        space = "" if symbol in ("", "°", "%") else "\u202f"
        return f"{self.number(value, unit)}{space}{symbol}"

    def unit(self, unit: str) -> str:
        """Return a unit as people write it."""
        return SYMBOLS.get(unit, unit)

    def quality(self, letters: str) -> str:
        """Return a quality in words; "" for normal."""
        return self("list.comma").join(self(f"quality.{letter}") for letter in letters)

    def case_state(self, state: str) -> str:
        label = case_steps.STATES[case_steps.State(state)]
        return self.pick(label.zh, label.en)

    def case_step(self, step: str) -> str:
        score = score_of(step)
        if score is not None:
            return self.pick(f"满意度 {score}", f"satisfaction {score}")
        label = case_steps.STEPS[case_steps.Step(step)].label
        return self.pick(label.zh, label.en)

    def category(self, code: str) -> str:
        """Return a case's category with its name."""
        label = CATEGORIES.get(code)
        return f"{code} {self.pick(label.zh, label.en)}" if label else code

    def time(self, at_ms: int, now_ms: int) -> str:
        """Return a local time: the clock's today, with the date on other days."""
        at, now = self.local(at_ms), self.local(now_ms)
        if at.date() == now.date():
            return f"{at:%H:%M:%S}"
        return f"{at:%m-%d %H:%M}" if at.year == now.year else f"{at:%Y-%m-%d %H:%M}"

    def moment(self, at_ms: int) -> str:
        """Return a local date and time."""
        return f"{self.local(at_ms):%Y-%m-%d %H:%M:%S}"

    def local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)

    def duration(self, for_ms: int, *, coarse: bool = False) -> str:
        """Return a length of time in its largest unit; coarse leaves the seconds out."""
        seconds = max(0, round(for_ms / 1000))
        if coarse and seconds < 60:
            return self("time.under_a_minute")
        for key, size, most in (("s", 1, 60), ("min", 60, 5_400), ("h", 3_600, 172_800)):
            if seconds < most:
                return self(f"time.{key}", n=seconds // size)
        return self("time.d", n=seconds // 86_400)

    def seconds(self, seconds: float) -> str:
        """Return a period as it was set: 0.5 s, 1 s, 5 min."""
        if seconds >= 60 and seconds % 60 == 0:
            return self("time.min", n=round(seconds / 60))
        return self("time.s", n=f"{seconds:g}")

    def age(self, at_ms: int, now_ms: int) -> str:
        """Return how long ago something was."""
        return self("ago", age=self.duration(now_ms - at_ms))
