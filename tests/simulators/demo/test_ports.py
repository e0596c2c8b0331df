"""Reserved ports: nobody else gets them, the server they are for does."""

from __future__ import annotations

import socket

from simulators.demo.ports import HOST, ReservedPorts


def listen(port: int) -> socket.socket:
    return socket.create_server((HOST, port))  # sets SO_REUSEADDR, as servers do


def test_a_server_may_listen_on_a_reserved_port_again_and_again() -> None:
    with ReservedPorts() as reserved:
        port = reserved.take()
        for _ in range(2):
            with listen(port), socket.create_connection((HOST, port), timeout=5):
                pass


def test_who_asks_for_any_port_does_not_get_a_reserved_one() -> None:
    with ReservedPorts() as reserved:
        ports = {reserved.take() for _ in range(50)}
        assert len(ports) == 50
        held = [listen(0) for _ in range(200)]
        assert ports.isdisjoint({one.getsockname()[1] for one in held})
        for one in held:
            one.close()
