"""What the web is made of: built once, in cloud/app.py, and handed to everything here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from zoneinfo import ZoneInfo

from cloud.cases.file_store import FileStore
from cloud.cases.formulas import load_versions
from cloud.cases.settings import Open311Service
from cloud.core.alert_policy import POLICY, AlertPolicy
from cloud.core.assessment import Formulas
from cloud.core.gate import GatePolicy
from cloud.core.rules import RuleSet
from cloud.core.schedule import DayHours
from cloud.ports import SeriesStore
from cloud.rules.source import RuleSource
from cloud.rules_in_force import RulesInForce
from cloud.state.database import Database
from cloud.web.backtests import Backtests
from contract.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What may be set about the web."""

    poll_s: float = 1.0  # how often the one poller looks for news
    heartbeat_s: float = 15.0  # a stream that has nothing to say says so this often
    max_streams: int = 200


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything the web needs; nothing here is global.

    rules: what the files say; in_force is what intake evaluates with. source: what reads rules.
    """

    database: Database
    series_store: SeriesStore
    files: FileStore
    rules: RuleSet
    clock: Clock
    timezone: ZoneInfo
    alerts: AlertPolicy = POLICY
    hours: DayHours = field(default_factory=DayHours)
    source: RuleSource = field(default_factory=RuleSource)
    policy: GatePolicy = field(default_factory=GatePolicy)
    formulas: Sequence[Formulas] = field(default_factory=load_versions)
    settings: Settings = field(default_factory=Settings)
    open311: Open311Service = field(default_factory=Open311Service)
    backtests: Backtests = field(default_factory=Backtests)
    callback_secrets: Mapping[str, str] = field(default_factory=dict)  # by case system

    @property
    def in_force(self) -> RuleSet:
        """The rules as they are now. Raises: StorageError."""
        return self._in_force.now()

    @cached_property
    def _in_force(self) -> RulesInForce:
        return RulesInForce(self.database, self.rules, self.clock)
