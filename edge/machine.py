"""What the agent takes of its machine: CPU, memory, open files, from /proc; Linux only."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class Machine:
    """Remembers when it was asked last: the CPU's share is that of the time since."""

    told_s: float | None = None
    told_cpu_s: float = 0.0

    def figures(self, now_s: float) -> dict[str, float]:
        """Return what is known of this process; now_s is monotonic."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = used.ru_utime + used.ru_stime
        figures: dict[str, float] = {}
        if self.told_s is not None and now_s > self.told_s:
            figures["cpu"] = round((cpu_s - self.told_cpu_s) / (now_s - self.told_s), 4)
        self.told_s, self.told_cpu_s = now_s, cpu_s
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            figures["rss_bytes"] = pages * PAGE_BYTES
            figures["open_files"] = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  one list
        except OSError:  # no /proc
            figures["rss_bytes"] = used.ru_maxrss * 1024
        return figures
