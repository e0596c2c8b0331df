"""Requests, right answers, and what becomes of them, for hypothesis."""

from __future__ import annotations

import random
from typing import NamedTuple

from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from edge.core.modbus import MAX_COUNT, WRITES, Framing, Request


class Exchange(NamedTuple):
    """A request, the data of its right answer, and that answer as it comes over the wire."""

    request: Request
    framing: Framing
    transaction_id: int
    data: bytes
    answer: bytes


def wrap(body: bytes, framing: Framing, transaction_id: int = 0) -> bytes:
    """Frame an answer as a device does, with pymodbus' CRC, not ours."""
    if framing is Framing.TCP:
        return transaction_id.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def sound(frame: bytes) -> bool:
    """Tell whether an RTU frame has the right CRC."""
    return FramerRTU.compute_CRC(frame[:-2]).to_bytes(2, "big") == frame[-2:]


def right_body(request: Request, data: bytes) -> bytes:
    """Return unit id and PDU of the right answer."""
    if request.function in WRITES:
        return bytes([request.unit_id]) + request.pdu[:5]
    return bytes([request.unit_id, request.function, len(data)]) + data


@st.composite
def requests(draw: st.DrawFn) -> Request:
    function = draw(st.sampled_from(sorted(MAX_COUNT)))
    count = draw(st.integers(1, MAX_COUNT[function]))
    size = {15: (count + 7) // 8, 16: 2 * count}.get(function, 0)
    return Request(
        unit_id=draw(st.integers(1, 247)),
        function=function,
        address=draw(st.integers(0, 0x10000 - count)),
        count=count,
        value=draw(st.integers(0, 0xFFFF)) if function in WRITES and not size else None,
        data=draw(st.binary(min_size=size, max_size=size)),
    )


@st.composite
def exchanges(draw: st.DrawFn, framing: Framing | None = None) -> Exchange:
    request = draw(requests())
    framing = framing or draw(st.sampled_from(list(Framing)))
    transaction_id = draw(st.integers(1, 0xFFFF)) if framing is Framing.TCP else 0
    data = draw(st.binary(min_size=request.data_size, max_size=request.data_size))
    answer = wrap(right_body(request, data), framing, transaction_id)
    return Exchange(request, framing, transaction_id, data, answer)


def mutate(answer: bytes, chance: random.Random) -> bytes:
    """Change, remove, insert, swap, cut or double bytes, one to four times."""
    spoiled = bytearray(answer)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(max(1, len(spoiled)))
        match chance.choice(["change", "remove", "insert", "swap", "cut", "double"]):
            case "change" if spoiled:
                spoiled[at] ^= chance.randint(1, 255)
            case "remove":
                del spoiled[at : at + chance.randint(1, 4)]
            case "insert":
                spoiled[at:at] = chance.randbytes(chance.randint(1, 6))
            case "swap":
                spoiled[at : at + 2] = spoiled[at : at + 2][::-1]
            case "cut":
                del spoiled[at:]
            case _:
                spoiled += spoiled[at:]
    return bytes(spoiled)
