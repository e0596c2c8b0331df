"""The log is bounded: so many lines a minute, so many bytes in files."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from contract.clock import ManualClock
from contract.errors import ConfigError
from edge import logs
from edge.log_tail import LogTail
from edge.options import LogOptions


def test_beyond_the_rate_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "agent.log"
    limit = logs.set_up(LogOptions(file=file, lines_per_minute=10), "info", clock)
    for number in range(25):
        logging.getLogger("edge").warning("line %d", number)
    clock.advance_ms(60_000)
    logging.getLogger("edge").warning("%d devices answer again", 3)
    lines = file.read_text().splitlines()
    assert len(lines) == 11
    assert lines[-1].endswith("(15 lines were left out before this) 3 devices answer again")
    assert limit.suppressed == 15


def test_a_quiet_minute_says_nothing_extra(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "agent.log"
    logs.set_up(LogOptions(file=file), "info", clock)
    logging.getLogger("edge").info("one")
    clock.advance_ms(61_000)
    logging.getLogger("edge").info("two")
    assert [line.split(" ", 2)[2] for line in file.read_text().splitlines()] == ["one", "two"]


def test_files_are_bounded(tmp_path: Path) -> None:
    options = LogOptions(
        file=tmp_path / "agent.log", max_bytes=10_000, old_files=2, lines_per_minute=100_000
    )
    logs.set_up(options, "info", ManualClock())
    for number in range(2_000):
        logging.getLogger("edge").info("a line of some length, number %d", number)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["agent.log", "agent.log.1", "agent.log.2"]
    assert sum(file.stat().st_size for file in files) <= 30_000


def test_a_full_disk_costs_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logs.BoundedFile("/dev/full", maxBytes=0)
    for number in range(3):
        handler.handle(logging.makeLogRecord({"msg": f"line {number}"}))
    assert handler.lost == 3
    assert capsys.readouterr().err == ""
    with pytest.raises(OSError, match="space"):
        handler.close()  # what is still in Python's own buffer


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log\.file: .*absent.*cannot be written"):
        logs.set_up(LogOptions(file=tmp_path / "absent" / "a.log"), "info", ManualClock())


def test_pymodbus_is_kept_quiet(tmp_path: Path) -> None:
    logs.set_up(LogOptions(file=tmp_path / "a.log"), "debug", ManualClock())
    assert not logging.getLogger("pymodbus").isEnabledFor(logging.ERROR)


def test_what_a_sender_says_begins_no_line_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "agent.log"
    logs.set_up(LogOptions(file=file), "info", ManualClock())
    tail = LogTail()
    with tail.listening():
        said = "t\n2026-01-01T00:00:00Z INFO all is well\r\x1b[2J\x85\u2028声"
        logging.getLogger("edge").warning("%s was set aside", said)
    (line,) = file.read_text(encoding="utf-8").splitlines()
    assert "t\\x0a2026-01-01T00:00:00Z INFO all is well\\x0d\\x1b[2J\\x85\\u2028声 was set" in line
    assert tail.last(5) == [line]
