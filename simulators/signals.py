"""What the simulated street is like: a signal per quantity, and excursions over it. Pure, seeded.

A value depends on the seed, the device, the quantity and the time alone: nothing is remembered, so
the same second has the same value whoever asks, and however often.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from zoneinfo import ZoneInfo

from contract.quantities import QUANTITIES, split_measurement

_HOUR_S = 3600.0
_MEALS_H = (7.0, 12.0, 18.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a quantity behaves, in its canonical unit.

    base:         its usual value, in the day.
    night:        added from 22 to 6 o'clock, with an hour's slope on either side.
    daily:        amplitude of a cosine over the day that is highest at peak_h.
    meals:        added at the three meals (gas is drawn, its pressure sags).
    wind:         added in full wind, subtracted in a calm.
    drift, sway, jitter: amplitudes of what changes over ~10 min, ~20 s, and from second to second.
    low, high:    the value stays between.
    """

    base: float
    night: float = 0.0
    daily: float = 0.0
    peak_h: float = 15.0
    meals: float = 0.0
    wind: float = 0.0
    drift: float = 0.0
    sway: float = 0.0
    jitter: float = 0.0
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursion:
    """A window in which measurements leave their usual values and come back.

    peaks: measurement -> the value held in the window, in its canonical unit.
    start_s, end_s: seconds since the timeline began; repeated every `every_s` if that is set.
    ramp_s: how long leaving and coming back take; both lie inside the window.
    """

    peaks: Mapping[str, float]
    start_s: float
    end_s: float
    ramp_s: float = 1.0
    every_s: float | None = None

    def share(self, at_s: float) -> float:
        """Return how far out it is at a time: 0 outside the window, 1 at its peak."""
        if self.every_s and at_s >= 0:
            at_s %= self.every_s
        if not self.start_s <= at_s <= self.end_s:
            return 0.0
        if self.ramp_s <= 0:
            return 1.0
        return min(1.0, (at_s - self.start_s) / self.ramp_s, (self.end_s - at_s) / self.ramp_s)


def _noise(base: float) -> Shape:
    return Shape(base=base, night=-10.0, drift=1.0, sway=1.2, jitter=0.5, low=28.0, high=135.0)


def _dust(base: float) -> Shape:
    part = base / 60.0
    return Shape(base=base, wind=12 * part, drift=8 * part, sway=4 * part, jitter=2 * part, low=1.0)


SHAPES: dict[str, Shape] = {
    "noise_la": _noise(53.0),
    "noise_laeq": _noise(53.0),
    "noise_lmax": _noise(56.0),
    "noise_lmin": _noise(47.0),
    "noise_l5": _noise(56.0),
    "noise_l10": _noise(55.0),
    "noise_l50": _noise(52.0),
    "noise_l90": _noise(48.0),
    "noise_l95": _noise(47.5),
    "noise_ld": _noise(54.0),
    "noise_ln": _noise(54.0),
    "noise_ldn": _noise(55.0),
    "tsp": _dust(100.0),
    "pm10": _dust(60.0),
    "pm25": _dust(33.0),
    "pm1": _dust(21.0),
    "air_temperature": Shape(base=18.0, daily=4.0, drift=0.3, jitter=0.05),
    "air_humidity": Shape(base=72.0, daily=-10.0, drift=2.0, jitter=0.3, low=5.0, high=100.0),
    "air_pressure": Shape(base=95.8, daily=-0.2, peak_h=16.0, drift=0.05, jitter=0.01),
    "wind_speed": Shape(base=1.6, wind=1.2, sway=0.4, jitter=0.2, low=0.0),
    "wind_direction": Shape(
        base=45.0, wind=30.0, drift=30.0, sway=10.0, jitter=4.0, low=0, high=359
    ),
    "wind_force": Shape(base=1.6, wind=0.9, sway=0.3, low=0.0, high=12.0),
    "rainfall": Shape(base=0.0),
    "illuminance": Shape(base=9000.0, night=-8950.0, drift=900.0, sway=80.0, low=0.0),
    "water_ph": Shape(base=7.4, daily=0.2, drift=0.05, jitter=0.01),
    "water_do": Shape(base=7.0, daily=0.8, drift=0.15, sway=0.05, jitter=0.02, low=0.05),
    "water_do_saturation": Shape(base=76.0, daily=9.0, drift=1.6, sway=0.5, jitter=0.2, low=0.5),
    "water_temperature": Shape(base=17.5, daily=1.0, peak_h=16.0, drift=0.1, jitter=0.02),
    "water_conductivity": Shape(base=480.0, drift=15.0, jitter=1.0),
    "water_turbidity": Shape(base=18.0, drift=3.0, sway=1.0, jitter=0.3, low=0.1),
    "water_orp": Shape(base=210.0, daily=15.0, drift=10.0, jitter=1.0),
    "water_transparency": Shape(base=60.0, drift=5.0, jitter=0.5),
    "water_cod": Shape(base=14.0, drift=1.5, jitter=0.2),
    "water_codmn": Shape(base=3.6, drift=0.4, jitter=0.05),
    "water_nh3n": Shape(base=0.4, drift=0.06, jitter=0.01),
    "water_tp": Shape(base=0.08, drift=0.01, jitter=0.002),
    "water_tn": Shape(base=1.1, drift=0.1, jitter=0.02),
    "water_chlorine": Shape(base=0.5, drift=0.04, jitter=0.01),
    "water_pressure": Shape(base=280.0, meals=-25.0, drift=4.0, jitter=1.0),
    "water_flow": Shape(base=120.0, night=-60.0, meals=50.0, drift=6.0, jitter=2.0, low=0.0),
    "water_depth": Shape(base=6.0, drift=0.8, jitter=0.1, low=0.0),
    "water_distance": Shape(base=180.0, drift=2.0, jitter=0.3, low=0.0),
    "gas_pressure": Shape(base=2.0, meals=-0.15, drift=0.05, sway=0.03, jitter=0.01, low=0.0),
    "gas_lel": Shape(base=0.6, drift=0.3, jitter=0.1, low=0.0, high=100.0),
    "gas_temperature": Shape(base=16.0, daily=3.0, drift=0.2, jitter=0.05),
    "gas_flow": Shape(base=35.0, night=-22.0, meals=60.0, drift=3.0, jitter=1.0, low=0.0),
    "gas_volume": Shape(base=128_400.0),
    "tilt": Shape(base=0.4, sway=0.15, jitter=0.1, low=0.0, high=180.0),
    "angle_x": Shape(base=0.0, jitter=0.2),
    "angle_y": Shape(base=0.0, jitter=0.2),
    "angle_z": Shape(base=90.0, jitter=0.2, high=90.0),
    "cover_open": Shape(base=0.0),
    "device_temperature": Shape(base=24.0, daily=5.0, drift=0.5, jitter=0.1),
    "valid_rate": Shape(base=98.0),
    "battery": Shape(base=96.0),
    "battery_voltage": Shape(base=3.6, jitter=0.01),
    "signal_rssi": Shape(base=-88.0, drift=4.0, sway=3.0, jitter=1.0),
    "signal_snr": Shape(base=8.0, drift=1.5, jitter=1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """One device's surroundings: where its values come from.

    bases: measurement -> its usual value, where that differs from the quantity's own.
    """

    device: str
    seed: int = 0
    timezone: str = "Asia/Shanghai"
    bases: Mapping[str, float] | None = None
    excursions: Sequence[Excursion] = ()

    def value(self, measurement: str, at_ms: int, since_start_s: float) -> float:
        """Return a measurement's value in its canonical unit.

        Args: at_ms: UTC milliseconds. since_start_s: seconds since the excursions' timeline began.
        """
        usual = self._usual(measurement, at_ms)
        for excursion in self.excursions:
            share = excursion.share(since_start_s)
            if share and measurement in excursion.peaks:
                peak = excursion.peaks[measurement]
                flutter = 1.0 + 0.01 * self._noise(measurement + "/peak", at_ms / 1000, 1.0)
                usual += share * (peak * flutter - usual)
        return usual

    def _usual(self, measurement: str, at_ms: int) -> float:
        key, _ = split_measurement(measurement)
        shape = SHAPES[key]
        base = (self.bases or {}).get(measurement, shape.base)
        at_s = at_ms / 1000
        hour = self._local_hour(at_ms)
        value = (
            base
            + shape.night * nightness(hour)
            + shape.daily * math.cos((hour - shape.peak_h) / 24 * math.tau)
            + shape.meals * sum(_bump(hour, meal) for meal in _MEALS_H)
            + shape.wind * self._noise("wind", at_s, 40.0)
            + shape.drift * self._noise(measurement, at_s, 600.0)
            + shape.sway * self._noise(measurement, at_s, 20.0)
            + shape.jitter * self._noise(measurement, at_s, 1.0)
        )
        quantity = QUANTITIES[key]
        return min(max(value, shape.low, quantity.low), shape.high, quantity.high)

    def _local_hour(self, at_ms: int) -> float:
        local = datetime.fromtimestamp(at_ms / 1000, ZoneInfo(self.timezone))
        return local.hour + local.minute / 60 + local.second / _HOUR_S

    def _noise(self, what: str, at_s: float, period_s: float) -> float:
        """Return smooth noise in [-1, 1]: random at every period, eased in between."""
        step = math.floor(at_s / period_s)
        part = at_s / period_s - step
        ease = part * part * (3 - 2 * part)
        name = f"{self.seed}/{self.device}/{what}/{period_s}"
        return _dice(name, step) * (1 - ease) + _dice(name, step + 1) * ease


def nightness(hour: float) -> float:
    """Return 1 from 22 to 6 o'clock, 0 from 7 to 21, and the slopes between."""
    if hour < 12:
        return min(max(7.0 - hour, 0.0), 1.0)
    return min(max(hour - 21.0, 0.0), 1.0)


def _bump(hour: float, at_h: float) -> float:
    return math.exp(-(((hour - at_h) / 0.7) ** 2))


def _dice(name: str, step: int) -> float:
    """Return a number in [-1, 1] that the name and the step decide."""
    digest = blake2b(f"{name}/{step}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) / 0x7FFFFFFF - 1.0
