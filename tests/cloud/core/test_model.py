from __future__ import annotations

from cloud.core.model import Role, Severity


def test_severities_rise() -> None:
    assert Severity.CRITICAL.at_least(Severity.HIGH)
    assert Severity.LOW.at_least(Severity.LOW)
    assert not Severity.LOW.at_least(Severity.MEDIUM)


def test_a_role_includes_those_below_it() -> None:
    assert Role.ADMIN.includes(Role.VIEWER)
    assert Role.OPERATOR.includes(Role.OPERATOR)
    assert not Role.OPERATOR.includes(Role.MANAGER)
