"""Whether a part of the demo is ready: real conditions, asked from outside. Each returns a bool."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

import msgspec

from simulators.demo.ports import HOST

_ANSWER_S = 2.0


class _Connection(msgspec.Struct):
    authorized_user: str = ""
    subscriptions: int = 0


class _Connections(msgspec.Struct):
    connections: list[_Connection] = []


def port_open(port: int) -> bool:
    """Tell whether somebody listens."""
    try:
        with socket.create_connection((HOST, port), timeout=_ANSWER_S):
            return True
    except OSError:
        return False


def http_ok(port: int, path: str) -> bool:
    """Tell whether a GET is answered with 200."""
    return _get(port, path) is not None


def subscribed(monitor_port: int, user: str) -> bool:
    """Tell whether a user is connected to nats-server and has subscribed to something."""
    answer = _get(monitor_port, "/connz?auth=true&limit=1024")
    if answer is None:
        return False
    connections = msgspec.json.decode(answer, type=_Connections).connections
    return any(one.authorized_user == user and one.subscriptions for one in connections)


def has_content(path: Path) -> bool:
    """Tell whether a file is there and not empty."""
    return path.exists() and path.stat().st_size > 0


def polled(ledger: Path) -> bool:
    """Tell whether somebody has read a device that waits to be asked (others speak unasked)."""
    return has_content(ledger) and f'"to":"{HOST}:'.encode() in ledger.read_bytes()


def _get(port: int, path: str) -> bytes | None:
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    else:
        return body if answer.status == http.client.OK else None
    finally:
        connection.close()
