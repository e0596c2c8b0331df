from __future__ import annotations

from cloud.core.case_message import Link


def test_a_case_is_known_by_its_number_or_its_token() -> None:
    assert not Link(case="c").is_known
    assert Link(case="c", remote="7").is_known
    assert Link(case="c", token="t7").is_known
