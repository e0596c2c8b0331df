"""Statistics beside the readings that they are computed from: a Sink in front of the buffer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from contract.clock import Clock
from contract.readings import Reading
from edge.config import EdgeConfig
from edge.core.aggregates import Aggregates, Series, Wanted
from edge.health import Health
from edge.ports import Committed, Sink

log = logging.getLogger(__name__)

LOOK_S = 1.0


class Aggregating:
    """Hands readings on, and beside them what is computed when a period is over."""

    def __init__(self, sink: Sink, config: EdgeConfig, *, clock: Clock, health: Health) -> None:
        self._sink, self._clock, self._health = sink, clock, health
        self._aggregates = Aggregates({}, late_ms=0, least_percent=0)
        self.know(config)

    def know(self, config: EdgeConfig) -> None:
        """Compute what this configuration wants from now on; periods that are open are kept."""
        options = config.aggregates
        if options is None:
            self._aggregates.want({})
            return
        self._aggregates.late_ms = round(options.late_s * 1000)
        self._aggregates.least_percent = options.least_percent
        self._aggregates.want(wanted(config))

    def put(
        self,
        readings: Sequence[Reading],
        *,
        urgent: bool,
        on_commit: Committed | None = None,
        heard: Sequence[bytes] = (),
    ) -> None:
        """Hand readings on, and count them in."""
        self._sink.put(readings, urgent=urgent, on_commit=on_commit, heard=heard)
        self._aggregates.add(readings, self._clock.now_ms())
        self._health.late_samples = self._aggregates.late

    async def run(self) -> None:
        """Close periods that are over, for ever.

        What is open when the agent ends is not told: the rest of the period is, by the next one,
        with the rate that is left.
        """
        while True:
            computed = self._aggregates.close(self._clock.now_ms())
            if computed:
                self._sink.put(computed, urgent=False)
            await asyncio.sleep(LOOK_S)


def wanted(config: EdgeConfig) -> dict[Series, Wanted]:
    """Return what the profiles of the devices say is to be computed."""
    return {
        (device.id, measurement): Wanted(periods=periods, every_s=device.period_s)
        for device in config.devices
        for measurement, periods in device.profile.aggregates.items()
    }
