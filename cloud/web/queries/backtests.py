"""Begins backtests for people, and shows what came of them."""

from __future__ import annotations

from dataclasses import asdict

from cloud.backtest import Advice, Span, Tested, backtest, stretch
from cloud.core.backtest import EXAMPLES
from cloud.core.backtest_figures import Example, Figures
from cloud.core.rules import Rule, RuleSet
from cloud.state.registry import Registry
from cloud.web import backtest_models as models
from cloud.web.backtests import AT_ONCE, Tell, changed_rules, span_of
from cloud.web.queries.devices import names_of
from cloud.web.services import Services


def begin(services: Services, asked: models.AskedBacktest, by: str) -> models.Backtest:
    """Begin a backtest. Raises: InvalidError, NotFoundError, ConflictError, StorageError."""
    current = services.in_force
    changed = changed_rules(current, asked)
    span = span_of(services.database, asked, services.clock.now_ms(), EXAMPLES)
    names = [one.rule for one in asked.changes]

    def work(span: Span, changed: RuleSet, tell: Tell) -> models.BacktestResult:
        found = backtest(
            services.database,
            services.series_store,
            services.timezone,
            services.policy,
            current,
            changed,
            span,
            tell,
            AT_ONCE,
        )
        return _result(services, found, current, changed, names)

    return services.backtests.start(asked, by, span, changed, work)


def _result(
    services: Services, found: Tested, current: RuleSet, changed: RuleSet, names: list[str]
) -> models.BacktestResult:
    compared = found.compared
    outcomes = (compared.current, compared.changed)
    examples = [one for side in outcomes for name in names for one in side.rules[name].examples]
    with services.database.read() as connection:
        devices = names_of(connection, {one.device for one in examples})
        registry = Registry.load(connection)
    numbers = {(one.device.id, one.measurement): one.id for one in registry.all_series()}

    def shown(one: Example) -> models.BacktestExample:
        number = numbers[one.device, one.measurement]
        about = stretch(services.series_store, number, one, compared.until_ms)
        return models.BacktestExample(
            device=one.device,
            device_name=devices.get(one.device) or one.device,
            measurement=one.measurement,
            began_ms=one.began_ms,
            ended_ms=one.ended_ms,
            value=one.value,
            at_ms=list(about.at_ms),
            readings=list(about.value),
        )

    def side(rule: Rule, figures: Figures) -> models.BacktestSide:
        return models.BacktestSide(
            limit=rule.limit,
            deadband=rule.deadband,
            on_delay_s=rule.on_delay_s,
            off_delay_s=rule.off_delay_s,
            figures=_figures(figures),
            examples=[shown(one) for one in figures.examples],
        )

    return models.BacktestResult(
        readings=compared.readings,
        current=_figures(compared.current.total),
        changed=_figures(compared.changed.total),
        rules=[
            models.BacktestRule(
                rule=name,
                title=current.by_id[name].title_zh,
                title_en=current.by_id[name].title_en,
                unit=current.by_id[name].unit,
                current=side(current.by_id[name], compared.current.rules[name]),
                changed=side(changed.by_id[name], compared.changed.rules[name]),
            )
            for name in names
        ],
        advice=[_advice(one) for one in found.advice if one.rule in names],
    )


def _figures(figures: Figures) -> models.BacktestFigures:
    told = asdict(figures)
    del told["examples"]
    return models.BacktestFigures(**told)


def _advice(one: Advice) -> models.BacktestAdvice:
    suggested = one.suggested
    return models.BacktestAdvice(
        rule=one.rule,
        measurement=one.measurement,
        unit=one.unit,
        deadband=suggested.deadband,
        on_delay_s=suggested.on_delay_s,
        readings=suggested.readings,
        exceedances=suggested.exceedances,
        short=suggested.short,
        removed=suggested.removed,
    )
