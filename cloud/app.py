"""The only place of the cloud that builds adapters: what `gridwarden cloud` runs."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud import rule_sets
from cloud.cases import CASE_SYSTEMS, others, outbox, timers
from cloud.cases.file_store import FileStore
from cloud.cases.forgetting import Forgetting
from cloud.cases.formulas import load_versions
from cloud.cases.mapping import load_mapping
from cloud.cases.release import release
from cloud.cases.settings import ExchangeSettings
from cloud.commander import Commander
from cloud.config import CloudConfig
from cloud.core.assessment import figure_keys, in_force
from cloud.core.gate import GatePolicy
from cloud.core.retention import RawRetention
from cloud.intake import MqttIntake
from cloud.notify.reloading import Reloads, Telling
from cloud.pipeline import Line
from cloud.ports import OpenedStore, SeriesStore
from cloud.rules.loader import RuleSet
from cloud.rules.source import RuleSource
from cloud.rules.warnings import warnings
from cloud.series import Site, open_store
from cloud.series.importing import Imported, Importer, Part
from cloud.series.keeper import Keeper, Timing
from cloud.series.rollups import Retention
from cloud.series.sealer import Keep, Sealer
from cloud.state.database import Database
from cloud.state.lock import exclusive
from cloud.state.migrate import migrate, require_current
from cloud.web.server import serve
from cloud.web.services import Services
from contract.clock import Clock, SystemClock
from contract.errors import ConfigError, StorageError

log = logging.getLogger("gridwarden")

OUTBOX_EVERY_S = 0.2
OUTBOX_ROWS = 200


def open_database(config: CloudConfig) -> Database:
    """Open the state database that init made.

    Raises: StorageError if it is not there: opening would make an empty one, which nobody asked
    for, and which a restore refuses to replace; ConfigError if its folder cannot be used.
    """
    state = config.data / "state.sqlite"
    if not config.database and not state.exists():
        raise StorageError(f"{state} is not there; run: gridwarden cloud init CONFIG")
    return _open(config)


def _open(config: CloudConfig) -> Database:
    _make_folder(config.data)
    return Database(config.database_url)


def initialise(config: CloudConfig) -> Database:
    """Make the data folder and bring the state database to this version's schema."""
    database = _open(config)
    migrate(database)
    return database


def opened_store(config: CloudConfig, database: Database) -> OpenedStore:
    days = config.series.rollups
    site = Site(
        database=database,
        data=config.data,
        clock=SystemClock(),
        influxdb=config.series.influxdb,
        retention=raw_retention(config),
    )
    keep = Retention(minute=days.minute_days, hour=days.hour_days, day=days.day_days)
    return open_store(config.series.store, site, config.zone, keep)


def raw_retention(config: CloudConfig) -> RawRetention:
    """Return for how long readings are kept."""
    told = config.series.retention
    return RawRetention(
        days=told.raw_days,
        quantities={name: days.raw_days for name, days in told.quantities.items()},
    )


def store(config: CloudConfig, database: Database) -> SeriesStore:
    """Open the reading side of the series store."""
    return opened_store(config, database).series


FILES = "files"  # the folder, in that of the data


def file_store(config: CloudConfig) -> FileStore:
    """Open the folder of the files of cases."""
    return FileStore(config.data / FILES, config.cases.files.bounds)


def rule_source(config: CloudConfig) -> RuleSource:
    """Return where the rules are from."""
    return RuleSource(
        presets=tuple(config.rules.presets),
        files=tuple(config.rules.files),
        overrides=config.rules.overrides,
        calendar=config.rules.calendar,
    )


def rules(config: CloudConfig) -> RuleSet:
    """Load the rules as the files say them. Raises: RuleError with every problem."""
    return rule_source(config).load(datetime.now(UTC).astimezone(config.zone).date())


def rules_in_force(config: CloudConfig, connection: sa.Connection) -> RuleSet:
    """Return what intake evaluates with; before its first start, what the files say."""
    current = rule_sets.current(connection)
    return rule_sets.rules_of(connection, current.number) if current else rules(config)


def check(config: CloudConfig) -> list[str]:
    """Read every file that a configuration names; return what there is to know.

    Raises: ConfigError with what is wrong in them.
    """
    today = datetime.now(UTC).astimezone(config.zone).date()
    rule_set = rules(config)
    cells = len(config.case_policy.cells)
    versions = load_versions(config.cases.formulas)
    for one in config.case_systems.values():
        if isinstance(one, ExchangeSettings):
            load_mapping(one.mapping, figure_keys(versions))
    now = in_force(versions, today)
    return [
        *warnings(rule_set.rules, today),
        f"{len(rule_set.rules)} rules, {cells} cells of the area grid, "
        f"{len(config.case_systems)} other case systems",
        f"formulas of the assessment: {', '.join(str(each.effective) for each in versions)}; "
        f"in force: version {now.version if now else 'none'}",
    ]


def run_intake(config: CloudConfig, stop: threading.Event, reloads: Reloads | None = None) -> None:
    """Run intake, sealer and outbox until told to stop.

    reloads: where `notify` is read anew; None: nowhere.

    Raises: ConfigError before anything starts; whatever ended one of them, after all have ended.
    """
    rule_set = rules(config)
    for line in warnings(rule_set.rules, datetime.now(UTC).astimezone(config.zone).date()):
        log.warning("%s", line)
    policy = config.case_policy
    formulas = load_versions(config.cases.formulas)
    with _opened(config) as database, exclusive(config.data / "intake.lock", "intake"):
        clock = SystemClock()
        opened = opened_store(config, database)
        cold = opened.cold
        keep = Keep(for_ms=round(config.seal.keep_s * 1000), readings=config.seal.keep_readings)
        sealer = Sealer(database, cold, clock, keep)
        timing = Timing(
            every_s=config.seal.every_s,
            readings=config.seal.readings,
            warn_free_bytes=config.seal.warn_free_mb << 20,
        )
        keeper = Keeper(sealer, cold, timing, clock, config.data)
        strays = cold.recover()
        if strays:
            log.warning("removed %d pieces of the series store that a crash left", strays)
        intake = MqttIntake(
            config.broker,
            config.intake,
            lambda: Line(
                database,
                rule_set,
                config.zone,
                clock,
                config.bounds,
                opened.series.range,
                config.alerts.policy,
            ),
            client_id="intake-00",
        )
        telling = Telling(config, database, clock, reloads)
        commander = Commander(config.broker, config.commands.keys, database, clock)
        _together(
            stop,
            {
                "intake": lambda: intake.run(stop),
                "telling": lambda: telling.run(stop),
                "commands": lambda: commander.run(stop),
                "sealer": lambda: keeper.run(stop),
                **others.tasks(config.case_systems, database, clock, config.zone, formulas, stop),
                "outbox": lambda: _drain(
                    database, config.zone, policy, clock, stop, config.cases.delivered_days
                ),
            },
        )


def bring_in(config: CloudConfig, parts: Iterator[Part], tell: Callable[[int], None]) -> Imported:
    """Store the parts of a file, and seal them. tell: hears how many readings are done.

    Raises: ConfigError if intake is running; StorageError.
    """
    rule_set = rules(config)
    with _opened(config) as database, exclusive(config.data / "intake.lock", "intake"):
        clock = SystemClock()
        # What is committed and not evaluated yet must be, before imported blocks come after it.
        Line(database, rule_set, config.zone, clock, config.bounds).save()
        opened = opened_store(config, database)
        opened.cold.recover()
        sealer = Sealer(database, opened.cold, clock)
        importer = Importer(database, opened.series, clock.now_ms())
        total, done = Imported(), 0
        for part in parts:
            total = total.plus(importer.bring_in(part))
            done += len(part.columns)
            tell(done)
            if sealer.waiting() >= config.seal.readings:
                sealer.seal()
        while sealer.seal().readings:
            pass
        return total


def run_web(config: CloudConfig) -> None:
    """Serve the API and the console until SIGTERM or SIGINT.

    Raises: ConfigError before anything starts, e.g. if the port is in use.
    """
    rule_set = rules(config)
    policy = config.case_policy
    with _opened(config) as database:
        services = Services(
            database=database,
            series_store=store(config, database),
            files=file_store(config),
            rules=rule_set,
            source=rule_source(config),
            clock=SystemClock(),
            policy=policy,
            timezone=config.zone,
            alerts=config.alerts.policy,
            open311=config.open311,
            formulas=load_versions(config.cases.formulas),
            callback_secrets=others.callback_secrets(config.case_systems),
        )
        serve(services, config.web.host, config.web.port)


def run_as_one(config: CloudConfig, reloads: Reloads | None = None) -> None:
    """Run intake and web in one process, where SQLite is too old for two writers."""
    stop = threading.Event()
    intake = threading.Thread(target=run_intake, args=[config, stop, reloads], name="intake")
    intake.start()
    try:
        run_web(config)
    finally:
        stop.set()
        intake.join()


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def reload_on_hangup(path: Path) -> Reloads:
    """Return what SIGHUP has intake read anew."""
    reloads = Reloads(path)
    signal.signal(signal.SIGHUP, lambda *_: reloads.asked.set())
    return reloads


@contextmanager
def _opened(config: CloudConfig) -> Iterator[Database]:
    database = open_database(config)
    try:
        require_current(database)
        yield database
    finally:
        database.close()


def _together(stop: threading.Event, tasks: dict[str, Callable[[], None]]) -> None:
    """Run tasks in named threads; one that fails ends them all, and its error is raised."""
    errors: list[BaseException] = []

    def guarded(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:
            errors.append(error)
        finally:
            stop.set()

    threads = [
        threading.Thread(target=guarded, args=[task], name=name) for name, task in tasks.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _drain(
    database: Database,
    zone: ZoneInfo,
    gate: GatePolicy,
    clock: Clock,
    stop: threading.Event,
    delivered_days: float,
) -> None:
    forgetting = Forgetting(database, delivered_days)
    case_system = CASE_SYSTEMS["ledger"](zone, gate)
    while not stop.wait(OUTBOX_EVERY_S):
        try:
            outbox.drain(database, case_system, gate, clock.now_ms(), limit=OUTBOX_ROWS)
            release(database, case_system, gate, clock.now_ms())
            timers.tick(database, clock.now_ms(), gate)
            forgetting.step(clock.now_ms())
        except StorageError as error:
            log.error("outbox not drained, trying again: %s", error)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"data: {folder} cannot be made: {error.strerror}") from error
