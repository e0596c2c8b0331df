"""The benchmark runs, small; what it measures is for a quiet machine."""

from __future__ import annotations

import json

import pytest

from benchmarks.cases import main


def test_the_last_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "--cases", "200"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert set(json.loads(last)) == {
        "list_ms",
        "filter_ms",
        "due_queue_ms",
        "report_s",
        "pdf_s",
        "year_s",
        "assess_s",
    }
