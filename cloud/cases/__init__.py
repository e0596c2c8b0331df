"""The case systems that alerts are turned into work in."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

from cloud.cases.ledger import Ledger
from cloud.ports import CaseSystem

# By the name that the configuration says; each is made for the time zone of the installation.
CASE_SYSTEMS: dict[str, Callable[[ZoneInfo], CaseSystem]] = {
    "ledger": Ledger,
}
