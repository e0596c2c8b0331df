"""A small city in a real state database: ten devices, two hours of readings, alerts and cases.

Written through the services that write in earnest; only the readings are made up.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from cloud import alerts
from cloud.cases import ledger
from cloud.core.columns import Columns
from cloud.core.gate import GatePolicy, decide
from cloud.core.model import ConditionBegan, ConditionEnded, Device, Role, Severity
from cloud.core.rules import Direction, Mark, Rule, RuleSet, Schedule
from cloud.series import hot
from cloud.state import schema
from cloud.state.database import Database
from cloud.state.registry import Registry, told_state
from cloud.web import accounts
from contract.messages import Birth, DeviceBirth, Place, State
from contract.quality import Quality
from contract.readings import Reading

ZONE = ZoneInfo("Asia/Shanghai")
PASSWORD = "correct horse battery"
GATEWAY = "demo-cabinet"
HISTORY_S = 7_200
STEP_S = 5


def _rule(
    key: str,
    zh: str,
    en: str,
    kind: str,
    measurement: str,
    limit: float,
    unit: str,
    severity: Severity,
    category: str,
    source: str,
    direction: Direction = Direction.ABOVE,
    schedule: Schedule = Schedule.ALWAYS,
    select: Mapping[str, tuple[str, ...]] | None = None,
) -> Rule:
    return Rule(
        id=key,
        version="1",
        title_zh=zh,
        title_en=en,
        kinds=(kind,),
        measurements=(measurement,),
        select=select or {},
        schedule=schedule,
        direction=direction,
        limit=limit,
        unit=unit,
        severity=severity,
        category=category,
        source=source,
        mark=Mark.SECONDARY,
        effective=date(2020, 1, 1),
    )


_CLASS_2 = {"area_class": ("2",)}
_GB3096, _GB3838 = "GB 3096-2008 表1 2类", "GB 3838-2002 表1 Ⅴ类"
_LOW, _MEDIUM, _HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
RULES = RuleSet(
    rules=(
        _rule(
            "noise.class2.day", "2类区昼间噪声超标", "Class 2 noise by day",
            "noise", "noise_laeq", 60.0, "dB(A)", _MEDIUM, "05-08", _GB3096,
            schedule=Schedule.DAY, select=_CLASS_2,
        ),
        _rule(
            "noise.class2.night", "2类区夜间噪声超标", "Class 2 noise at night",
            "noise", "noise_laeq", 50.0, "dB(A)", _HIGH, "05-08", _GB3096,
            schedule=Schedule.NIGHT, select=_CLASS_2,
        ),
        _rule(
            "dust.tsp.earthwork", "土方阶段扬尘超标", "Dust during earthwork",
            "dust", "tsp", 600.0, "ug/m3", _MEDIUM, "03-02", "DB51/2682-2020 表1",
        ),
        _rule(
            "water.do.low", "溶解氧低于Ⅴ类", "Oxygen below class V",
            "water", "water_do", 2.0, "mg/L", _MEDIUM, "01-05", _GB3838, Direction.BELOW,
        ),
        _rule(
            "gas.low", "燃气供气压力过低", "Gas pressure too low",
            "gas", "gas_pressure", 1.5, "kPa", Severity.CRITICAL, "04-03", "GB 50028-2006",
            Direction.BELOW,
        ),
        _rule(
            "gas.high", "燃气供气压力过高", "Gas pressure too high",
            "gas", "gas_pressure", 3.0, "kPa", _HIGH, "04-03", "GB 50028-2006",
        ),
        _rule(
            "manhole.tilt", "井盖倾斜", "Cover tilted",
            "manhole", "tilt", 10.0, "deg", _HIGH, "04-04", "厂家默认",
        ),
    ),
    fingerprint="0" * 64,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A device that is made up: its birth, and for each measurement (level, swing, grain)."""

    birth: DeviceBirth
    signals: Mapping[str, tuple[float, float, float]]
    flags: Mapping[str, Quality] = field(default_factory=dict)


def _made(
    key: str,
    name: str,
    address: str,
    owner: str,
    asset: str,
    at: tuple[float, float],
    signals: Mapping[str, tuple[float, float, float]],
    tags: dict[str, str] | None = None,
    flags: Mapping[str, Quality] | None = None,
) -> Made:
    kind = key.partition("-")[0]
    return Made(
        birth=DeviceBirth(
            id=key,
            kind=kind,
            profile=f"{kind}/generic",
            period_s=1.0,
            measurements=tuple(signals),
            name=name,
            asset=asset,
            owner=owner,
            place=Place(latitude=at[0], longitude=at[1], address=address),
            tags=tags or {},
        ),
        signals=signals,
        flags=flags or {},
    )


DEVICES = (
    _made("noise-01", "文化路商业街噪声仪", "文化路 118 号", "城市管理执法队", "ZS-2031",
          (30.66, 104.08),
          {"noise_laeq": (56, 3, 1.2), "noise_la": (55, 5, 3), "noise_lmax": (63, 4, 2)},
          {"area_class": "2"}),
    _made("noise-02", "滨河小区噪声仪", "滨河北路 9 号", "城市管理执法队", "ZS-2044",
          (30.67, 104.06),
          {"noise_laeq": (51, 3, 1.0), "noise_la": (50, 5, 3), "noise_lmax": (58, 4, 2)},
          {"area_class": "2"}),
    _made("dust-01", "城南安置房工地扬尘站", "南三环二段", "建设集团", "GD-0107", (30.61, 104.07),
          {"tsp": (340, 120, 18), "pm10": (150, 40, 7), "pm25": (61, 15, 3)},
          {"stage": "earthwork"}),
    _made("dust-02", "地铁 9 号线工地扬尘站", "科华路口", "轨道交通公司", "GD-0112",
          (30.63, 104.09),
          {"tsp": (210, 60, 12), "pm10": (98, 25, 5), "pm25": (44, 9, 2)}),
    _made("water-01", "沙河断面水质站", "沙河三桥", "排水管理所", "SZ-0012", (30.69, 104.11),
          {"water_ph": (7.4, 0.2, 0.02), "water_do": (3.1, 1.4, 0.05),
           "water_nh3n": (1.6, 0.5, 0.03), "water_temperature": (16.2, 0.6, 0.02)}),
    _made("water-02", "锦江支渠水质站", "锦江支渠 4 号闸", "排水管理所", "SZ-0019", (30.65, 104.12),
          {"water_ph": (7.1, 0.1, 0.02), "water_do": (5.9, 0.4, 0.05),
           "water_nh3n": (0.8, 0.1, 0.02), "water_temperature": (15.7, 0.4, 0.02)},
          flags={"water_nh3n": Quality.CALIBRATION}),
    _made("gas-01", "青羊调压箱压力计", "青羊大道 77 号", "燃气公司", "TY-0301", (30.67, 104.02),
          {"gas_pressure": (2.05, 0.25, 0.01), "gas_temperature": (17.1, 1, 0.05)}),
    _made("gas-02", "高新调压箱压力计", "天府一街", "燃气公司", "TY-0318", (30.55, 104.06),
          {"gas_pressure": (2.10, 0.15, 0.01), "gas_temperature": (18.0, 1, 0.05)}),
    _made("manhole-01", "文化路雨水井盖", "文化路 120 号旁", "市政设施养护所", "JG-11873",
          (30.661, 104.081),
          {"tilt": (1.2, 0.4, 0.2), "cover_open": (0, 0, 0), "battery": (87, 0, 0)},
          {"cover": "storm"}),
    _made("manhole-02", "滨河路污水井盖", "滨河北路 2 号", "市政设施养护所", "JG-11902",
          (30.671, 104.061),
          {"tilt": (0.8, 0.3, 0.2), "cover_open": (0, 0, 0), "battery": (34, 0, 0)},
          {"cover": "sewage"}),
)  # fmt: skip


class City:
    """The made-up city: seeded once, then going on as long as it is told to."""

    def __init__(self, database: Database, numbers: dict[tuple[str, str], int]) -> None:
        self._database = database
        self._random = random.Random(7)
        self._numbers = numbers

    @classmethod
    def found(cls, database: Database, now_ms: int) -> City:
        """Let the gateway be born and say what it has."""
        with database.write() as connection:
            registry = Registry()
            began_ms = now_ms - HISTORY_S * 1000
            registry.born(connection, birth(now_ms), began_ms)
            _told(connection, now_ms)
            names = [(made.birth.id, name) for made in DEVICES for name in made.signals]
            first = [Reading(device, name, now_ms, 0.0) for device, name in names]
            numbers, _ = registry.number(connection, GATEWAY, first, now_ms)
        return cls(database, {name: int(each) for name, each in zip(names, numbers, strict=True)})

    @classmethod
    def of(cls, database: Database) -> City:
        """Take over a city that is there."""
        with database.read() as connection:
            rows = connection.execute(sa.select(schema.series)).all()
        return cls(database, {(row.device, row.measurement): row.id for row in rows})

    def series(self, device: str, measurement: str) -> int:
        """Return the number of a series."""
        return self._numbers[device, measurement]

    def history(self, now_ms: int) -> None:
        """Write two hours of readings, sealed in blocks of ten minutes."""
        start_ms = now_ms - HISTORY_S * 1000
        for begin_ms in range(start_ms, now_ms, 600_000):
            times = range(begin_ms, min(begin_ms + 600_000, now_ms), STEP_S * 1000)
            self.write([row for at_ms in times for row in self.readings(at_ms)], now_ms)

    def readings(self, at_ms: int, *, silent: tuple[str, ...] = ()) -> Iterator[Reading]:
        """Yield what every device says at a moment."""
        for made in DEVICES:
            for place, (measurement, signal) in enumerate(made.signals.items()):
                if made.birth.id not in silent:
                    yield Reading(
                        made.birth.id,
                        measurement,
                        at_ms - 40 * place,
                        self._value(made.birth.id, measurement, signal, at_ms),
                        made.flags.get(measurement, Quality.NORMAL),
                    )

    def write(self, readings: list[Reading], now_ms: int) -> None:
        """Commit readings as one block."""
        columns = Columns(
            series=np.array([self._numbers[r.device, r.measurement] for r in readings], np.int32),
            observed_ms=np.array([r.observed_ms for r in readings], np.int64),
            value=np.array([np.nan if r.value is None else r.value for r in readings], np.float64),
            quality=np.array([int(r.quality) for r in readings], np.uint16),
        )
        with self._database.write() as connection:
            hot.append(connection, columns, now_ms)

    def alert(
        self,
        rule_id: str,
        device: str,
        began_ms: int,
        value: float,
        *,
        returned_ms: int | None = None,
    ) -> str:
        """Raise an alert, and open its case as the gate decides; return the alert's id."""
        rule = RULES.by_id[rule_id]
        number = self._numbers[device, rule.measurements[0]]
        events: list[ConditionBegan | ConditionEnded] = [
            ConditionBegan(
                rule=rule_id,
                rule_version=rule.version,
                device=device,
                series=number,
                severity=rule.severity,
                began_ms=began_ms,
                due_ms=began_ms + 2_000,
                observed_ms=began_ms + 2_000,
                value=value,
                limit=rule.limit,
            )
        ]
        if returned_ms is not None:
            events.append(
                ConditionEnded(
                    rule=rule_id,
                    device=device,
                    series=number,
                    ended_ms=returned_ms,
                    observed_ms=returned_ms + 3_000,
                    value=rule.limit * 0.9,
                )
            )
        with self._database.write() as connection:
            key = alerts.apply(connection, events, RULES, began_ms + 2_200)[0].alert
            alert = alerts.get_alert(connection, key).alert
            known = next(made.birth for made in DEVICES if made.birth.id == device)
            decision = decide(
                alert.severity, alert.category, _for_gate(known), began_ms + 2_500, GatePolicy()
            )
            ledger.open_or_attach(connection, alert, decision, began_ms + 2_500, ZONE)
            if returned_ms is not None:
                ledger.sensor_normal(connection, key, returned_ms + 3_200)
        return key

    def _value(
        self, device: str, measurement: str, signal: tuple[float, float, float], at_ms: int
    ) -> float:
        level, swing, grain = signal
        phase = (hash_of(device) % 628) / 100
        wave = math.sin(at_ms / 1_100_000 + phase) + 0.4 * math.sin(at_ms / 97_000 + phase)
        value = level + swing * wave * 0.7 + grain * self._random.gauss(0, 1)
        return round(max(0.0, value), 2)


def fill(database: Database, now_ms: int) -> City:
    """Make the city with its history, alerts in every state, and cases at every step."""
    city = City.found(database, now_ms)
    minute = 60_000
    with database.write() as connection:
        for name, role in (("admin", Role.ADMIN), ("op", Role.OPERATOR), ("guest", Role.VIEWER)):
            accounts.create_account(connection, name, PASSWORD, role, now_ms=now_ms)
    city.history(now_ms)
    noise = "noise.class2.day"
    city.alert(noise, "noise-01", now_ms - 9 * minute, 66.4)
    dust = city.alert("dust.tsp.earthwork", "dust-01", now_ms - 34 * minute, 712.0)
    city.alert("water.do.low", "water-01", now_ms - 71 * minute, 1.62)
    city.alert("gas.low", "gas-01", now_ms - 22 * minute, 1.21, returned_ms=now_ms - 14 * minute)
    city.alert("manhole.tilt", "manhole-01", now_ms - 3 * minute, 27.5)
    old = city.alert(
        "dust.tsp.earthwork", "dust-02", now_ms - 110 * minute, 655.0,
        returned_ms=now_ms - 95 * minute,
    )  # fmt: skip
    with database.write() as connection:
        alerts.acknowledge(connection, dust, "op", now_ms - 31 * minute)
        alerts.acknowledge(connection, old, "op", now_ms - 93 * minute)
    _walk(database, "gas-01", now_ms - 12 * minute, "dispatch", "handle")
    _walk(database, "water-01", now_ms - 66 * minute, "dispatch")
    _walk(database, "dust-02", now_ms - 90 * minute, "dispatch", "handle", "verify", "close")
    return city


NOTES = {
    "dispatch": "请尽快到场处置",
    "handle": "已到场检查并处置，现场情况正常",
    "verify": "现场核查属实，数据已恢复",
    "close": "",
}


def _walk(database: Database, device: str, from_ms: int, *steps: str) -> None:
    """Take a device's case some steps on, five minutes apart."""
    for place, step in enumerate(steps):
        with database.write() as connection:
            case = ledger.list_cases(connection, device=device).cases[0]
            at_ms = from_ms + place * 300_000
            ledger.step(
                connection, case.id, step, "op", Role.OPERATOR, case.version, NOTES[step], at_ms
            )


def birth(now_ms: int) -> Birth:
    """Return the gateway's birth."""
    return Birth(
        gateway=GATEWAY,
        agent_version="0.1.0",
        config_version="3f2a",
        born_ms=now_ms - HISTORY_S * 1000,
        devices=tuple(made.birth for made in DEVICES),
    )


def _told(connection: sa.Connection, now_ms: int) -> None:
    """Let the gateway be online, with one buffer of batches."""
    state = State(online=True, at_ms=now_ms, health={"buffer_bytes": 18_432.0})
    told_state(connection, GATEWAY, state, now_ms)
    connection.execute(
        schema.epochs.insert().values(
            gateway=GATEWAY, epoch="5f0c2a91", readings=201_600,
            first_ms=now_ms - HISTORY_S * 1000, last_ms=now_ms,
        )
    )  # fmt: skip
    connection.execute(
        schema.epoch_intervals.insert().values(
            gateway=GATEWAY, epoch="5f0c2a91", first_seq=1, last_seq=7200
        )
    )


def _for_gate(known: DeviceBirth) -> Device:
    return Device(
        id=known.id, kind=known.kind, asset=known.asset, owner=known.owner, tags=known.tags
    )


def hash_of(word: str) -> int:
    """Return the same number for the same word in every run."""
    return sum(ord(letter) * 31**place for place, letter in enumerate(word))
