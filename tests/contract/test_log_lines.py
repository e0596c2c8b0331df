"""Log lines stay lines."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.log_lines import LineFormatter, one_line


@given(st.text())
def test_whatever_is_told_stays_one_line(text: str) -> None:
    assert len(one_line(f"a{text}").splitlines()) == 1


@pytest.mark.parametrize("text", ["", "声级 62.5 dB(A)", "µg/m³ – “ok”", "back\\slash"])
def test_ordinary_words_stay_as_they_are(text: str) -> None:
    assert one_line(text) == text


def test_the_end_of_a_line_is_spelt_out() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "%s said", ("a\nb",), None)
    assert LineFormatter("%(levelname)s %(message)s").format(record) == "INFO a\\x0ab said"
