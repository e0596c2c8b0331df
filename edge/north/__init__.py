"""Others that readings go to, beside our own cloud. A new one is one file and one line here."""

from __future__ import annotations

from edge.north.hj212 import Hj212North

NORTHS: dict[str, type[Hj212North]] = {"hj212": Hj212North}
