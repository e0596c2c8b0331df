"""Begins backtests for people, and shows what came of them."""

from __future__ import annotations

from dataclasses import asdict

from cloud.backtest import Advice, Span, Tested, backtest, stretch
from cloud.core.backtest import EXAMPLES
from cloud.core.backtest_figures import Comparison, Example, Figures
from cloud.core.rule_changes import changes, laid_over
from cloud.core.rules import Rule, RuleSet
from cloud.errors import InvalidError
from cloud.standing_rules import local_date
from cloud.state.registry import Registry
from cloud.web import backtest_models as models
from cloud.web.backtests import AT_ONCE, Tell, changed_rules, span_of
from cloud.web.queries import rules
from cloud.web.queries.devices import names_of
from cloud.web.rule_models import as_text
from cloud.web.services import Services

MOST_RULES = 20  # shown one by one


def begin(services: Services, asked: models.AskedBacktest, by: str) -> models.Backtest:
    """Begin a backtest. Raises: InvalidError, NotFoundError, ConflictError, StorageError."""
    current = services.in_force
    changed = _changed(services, current, asked)
    span = span_of(services.database, asked, services.clock.now_ms(), EXAMPLES)
    names = [one.rule for one in changes(current.by_id, changed.by_id)]

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


def _changed(services: Services, current: RuleSet, asked: models.AskedBacktest) -> RuleSet:
    """Return the rules with the numbers, or with the file laid over them."""
    if not asked.rules:
        return changed_rules(current, asked)
    over = rules.read(services, as_text(asked.rules))
    on = local_date(services.clock.now_ms(), services.timezone)
    changed = laid_over(current.rules, over, on)
    if not changes(current.by_id, changed.by_id):
        raise InvalidError("it changes nothing: the rules say all of this already")
    return changed


def _result(
    services: Services, found: Tested, current: RuleSet, changed: RuleSet, names: list[str]
) -> models.BacktestResult:
    compared = found.compared
    outcomes = (compared.current, compared.changed)
    names = sorted(names, key=lambda name: -_alerts(compared, name))[:MOST_RULES]
    figures = [side.rules[name] for side in outcomes for name in names if name in side.rules]
    examples = [one for each in figures for one in each.examples]
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

    def side(rule: Rule | None, figures: Figures | None) -> models.BacktestSide | None:
        if rule is None or figures is None:
            return None
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
                title=rule.title_zh,
                title_en=rule.title_en,
                unit=rule.unit,
                current=side(current.by_id.get(name), compared.current.rules.get(name)),
                changed=side(changed.by_id.get(name), compared.changed.rules.get(name)),
            )
            for name in names
            for rule in [changed.by_id.get(name) or current.by_id[name]]
        ],
        advice=[_advice(one) for one in found.advice if one.rule in names],
    )


def _alerts(compared: Comparison, name: str) -> int:
    sides = (compared.current.rules.get(name), compared.changed.rules.get(name))
    return sum(one.alerts for one in sides if one)


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
