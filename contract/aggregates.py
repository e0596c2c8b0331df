"""What the edge computes from faster samples, and what it is called. Known to both sides.

A computed measurement is its quantity with the period as its channel: noise_laeq.20min, pm10.1h.
The rate of valid data beside it is valid_rate.pm10_1h. Its time is that at which the period began.
"""

from __future__ import annotations

from contract.quantities import QUANTITIES, Averaging, split_measurement

PERIODS_MS: dict[str, int] = {"1min": 60_000, "20min": 1_200_000, "1h": 3_600_000}

# Of instantaneous levels: equivalent level, percentile levels, greatest level.
LEVEL = "noise_la"
OF_LEVELS = ("noise_laeq", "noise_l10", "noise_l50", "noise_l90", "noise_lmax")


def is_aggregable(measurement: str) -> bool:
    """Tell whether statistics of a measurement are computed: levels, and what has a plain mean."""
    key, _ = split_measurement(measurement)
    quantity = QUANTITIES.get(key)
    if quantity is None:
        return False
    return key == LEVEL or quantity.averaging is Averaging.ARITHMETIC


def computed_names(measurement: str, period: str) -> tuple[str, ...]:
    """Return what is computed of a measurement over a period, the rate of valid data last."""
    key, channel = split_measurement(measurement)
    where = f"{channel}_{period}" if channel else period
    quantities = OF_LEVELS if key == LEVEL else (key,)
    return (*(f"{each}.{where}" for each in quantities), f"valid_rate.{key}_{where}")


def period_ms_of(measurement: str) -> int | None:
    """Return how long the periods of a computed measurement are; None if it is not computed."""
    _, channel = split_measurement(measurement)
    return PERIODS_MS.get(channel.rpartition("_")[2])
