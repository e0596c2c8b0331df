"""An InfluxDB over HTTP: writes by influxdb-client or the older /write, InfluxQL by /query.

Foreign errors are translated here: whatever the server or the network does is a StorageError.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

import msgspec
import urllib3
from influxdb_client import InfluxDBClient, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from cloud.config import InfluxSettings
from contract.errors import StorageError
from contract.secret_files import read_secret

CHUNK_ROWS = 10_000
TOLD = 300  # characters of what a server says

Cell = float | int | str | None


class Rows(msgspec.Struct, frozen=True):
    """Some of the rows of one series of an answer."""

    name: str = ""
    tags: dict[str, str] = {}
    columns: tuple[str, ...] = ()
    values: list[list[Cell]] = []


class _Result(msgspec.Struct, frozen=True):
    series: list[Rows] = []
    error: str = ""


class _Answer(msgspec.Struct, frozen=True):
    results: list[_Result] = []
    error: str = ""


class Server:
    """One database (bucket) of one server. Several threads may query, one writes."""

    def __init__(self, settings: InfluxSettings) -> None:
        self._settings = settings
        self._token = read_secret(settings.token_file) if settings.token_file else ""
        if settings.user and settings.password_file:
            self._token = f"{settings.user}:{read_secret(settings.password_file)}"
        timeout = urllib3.Timeout(connect=5, read=settings.timeout_s)
        self._http = urllib3.PoolManager(timeout=timeout, retries=False)
        self._client = InfluxDBClient(
            url=settings.url,
            token=self._token or None,
            org=settings.org,
            timeout=round(settings.timeout_s * 1000),
            enable_gzip=True,
            retries=False,
        )
        # The batching one never raises: what it could not write would be lost in silence.
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, lines: Sequence[str]) -> None:
        """Write points, times in milliseconds. Raises: StorageError; any of them may be there."""
        if self._settings.write_api == "v1":
            self._write_v1(lines)
            return
        try:
            self._writer.write(
                bucket=self._settings.database,
                record="\n".join(lines).encode(),
                write_precision=WritePrecision.MS,
            )
        except (ApiException, HTTPError) as error:
            what = error.body if isinstance(error, ApiException) and error.body else error
            raise self._failure("write", str(what)) from error

    def query(self, statement: str) -> Iterator[Rows]:
        """Yield an InfluxQL statement's rows as they come, times in milliseconds.

        Raises: StorageError, also half way.
        """
        fields = {
            "db": self._settings.database,
            "q": statement,
            "epoch": "ms",
            "chunked": "true",
            "chunk_size": str(CHUNK_ROWS),
        }
        try:
            answer = self._ask("/query", fields)
            answer.auto_close = False  # else it is closed under the reader at its end
            with io.BufferedReader(answer) as lines:
                for line in lines:
                    yield from self._rows(line)
        except (HTTPError, OSError, msgspec.DecodeError) as error:
            raise self._failure("query", str(error)) from error

    def close(self) -> None:
        """Close connections."""
        self._client.close()
        self._http.clear()

    def _write_v1(self, lines: Sequence[str]) -> None:
        path = "/write?" + urlencode({"db": self._settings.database, "precision": "ms"})
        body = "\n".join(lines).encode()
        for attempt in ("write", "again"):
            try:
                answer = self._http.request(
                    "POST", self._settings.url + path, body=body, headers=self._headers()
                )
            except HTTPError as error:
                raise self._failure("write", str(error)) from error
            if answer.status == 404 and attempt == "write":
                self._create()
                continue
            if answer.status >= 300:
                raise self._failure("write", answer.data.decode(errors="replace"))
            return

    def _create(self) -> None:
        for _ in self.query(f'CREATE DATABASE "{self._settings.database}"'):
            pass

    def _rows(self, line: bytes) -> Iterator[Rows]:
        answer = msgspec.json.decode(line, type=_Answer)
        for result in answer.results:
            error = answer.error or result.error
            if error and "database not found" not in error:
                raise self._failure("query", error)
            yield from result.series

    def _ask(self, path: str, fields: dict[str, str]) -> urllib3.HTTPResponse:
        answer = self._http.request(
            "POST",
            self._settings.url + path,
            body=urlencode(fields),
            headers={**self._headers(), "Content-Type": "application/x-www-form-urlencoded"},
            preload_content=False,
        )
        if answer.status >= 300 and answer.status != 404:
            what = answer.read(TOLD * 4).decode(errors="replace")
            answer.release_conn()
            raise self._failure("query", what)
        assert isinstance(answer, urllib3.HTTPResponse)  # what a pool gives
        return answer

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self._token}"} if self._token else {}

    def _failure(self, what: str, why: str) -> StorageError:
        where = self._settings.url
        return StorageError(f"InfluxDB at {where} failed a {what}: {why.strip()[:TOLD]}")
