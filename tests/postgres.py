"""Debian's PostgreSQL, started by hand in a folder of its own, on a free port, for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import sqlalchemy as sa

_numbers = count()


class Postgres:
    """A running server; url() makes an empty database."""

    def __init__(self, port: int) -> None:
        self._port = port

    def url(self, like: str = "") -> str:
        """Make a database, empty or a copy of the one at an address that nobody is connected to."""
        name = f"t{next(_numbers)}"
        template = f" TEMPLATE {like.rpartition('/')[2]}" if like else ""
        engine = sa.create_engine(self._url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}{template}")
        engine.dispose()
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/{name}"


def programs() -> Path | None:
    """Return the folder of the newest server there is; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


@contextmanager
def running(folder: Path) -> Iterator[Postgres]:
    """Run a server until the end of the block. The server refuses to be root: then as postgres."""
    data = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    as_other = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_other:
        shutil.chown(data, "postgres")
    port = _free_port()
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -k {data} -c fsync=off"
        " -c full_page_writes=off -c max_connections=60 -c shared_buffers=16MB"
    )
    control = [*as_other, str(folder / "pg_ctl"), "-D", str(data / "db"), "-w"]
    initdb = [*as_other, str(folder / "initdb"), "-D", str(data / "db"), "-U", "postgres"]
    _run([*initdb, "-A", "trust", "-E", "UTF8", "--no-sync"])
    _run([*control, "-l", str(data / "log"), "-o", options, "start"])
    try:
        yield Postgres(port)
    finally:
        _run([*control, "-m", "immediate", "stop"])
        shutil.rmtree(data, ignore_errors=True)


def _run(command: list[str]) -> None:
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
