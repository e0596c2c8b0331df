"""The case systems that alerts are turned into work in."""

from __future__ import annotations

from typing import Protocol
from zoneinfo import ZoneInfo

from cloud.cases.ledger import Ledger
from cloud.core.gate import GatePolicy
from cloud.ports import CaseSystem


class MakesCaseSystem(Protocol):
    """Makes one for the time zone of the installation, and for what its city set."""

    def __call__(self, zone: ZoneInfo, policy: GatePolicy = ...) -> CaseSystem: ...


# By the name that the configuration says.
CASE_SYSTEMS: dict[str, MakesCaseSystem] = {
    "ledger": Ledger,
}
