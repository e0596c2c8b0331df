"""HJ 212's frames out of a stream of bytes that may also hold noise and halves of frames.

    framer = Framer()
    for piece in framer.receive(data): ...

A frame's text holds neither # nor line ends, so that the next ## or CR LF ends one that is broken,
and nothing good that follows is lost with it.
Source: HJ 212-2017 §6.3.1.
"""

from __future__ import annotations

import re

import msgspec

from device_profiles.core.hj212 import MAX_SEGMENT, crc

HEAD_SIZE, CHECK_SIZE = 6, 4
END = b"\r\n"
MAX_FRAME = HEAD_SIZE + MAX_SEGMENT + CHECK_SIZE + len(END)
# A head, or what may become one with the next bytes.
_HEAD = re.compile(rb"##[0-9]{4}|##[0-9]{0,3}\Z|#\Z")
_CHECK = re.compile(rb"[0-9A-Fa-f]{4}")


class Piece(msgspec.Struct, frozen=True):
    """What was cut out of the stream. why: what is wrong with it; empty for a sound frame.

    segment: the data segment, of a sound frame. head: whether it began as frames do.
    """

    data: bytes
    segment: bytes = b""
    why: str = ""
    head: bool = True


class Framer:
    """One stream. It never holds more than a frame's length between two calls."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[Piece]:
        """Take what came; return what is complete, in order, noise too.

        Returns: sound frames have length and check right, and nothing else is known of them.
        """
        self._buffer += data
        pieces: list[Piece] = []
        while (found := self._next()) is not None:
            if found.data.strip(END):
                pieces.append(found)
        return pieces

    def _next(self) -> Piece | None:
        """Cut off what stands first; None if more bytes are needed to tell."""
        if not self._buffer:
            return None
        head = _HEAD.search(self._buffer)
        start = len(self._buffer) if head is None else head.start()
        if start:
            return Piece(self._cut(start), why="bytes between frames", head=False)
        if len(self._buffer) < HEAD_SIZE:
            return None
        length = int(self._buffer[2:HEAD_SIZE])
        return self._frame(length) if length <= MAX_SEGMENT else self._too_long(length)

    def _frame(self, length: int) -> Piece | None:
        end = HEAD_SIZE + length + CHECK_SIZE
        broken_at = self._broken_at()
        if broken_at is not None and broken_at < end:
            found = broken_at - HEAD_SIZE - CHECK_SIZE
            return Piece(self._cut(broken_at), why=f"ends early: {length} bytes said, {found} came")
        if len(self._buffer) < end:
            return None
        segment = bytes(self._buffer[HEAD_SIZE : HEAD_SIZE + length])
        check = bytes(self._buffer[HEAD_SIZE + length : end])
        if _CHECK.fullmatch(check) and int(check, 16) == crc(segment):
            return Piece(self._cut(end), segment=segment)
        told = check.decode("ascii", "backslashreplace")
        end = broken_at or self._before_head(end)
        return Piece(self._cut(end), why=f"check {told}, computed {crc(segment):04X}")

    def _too_long(self, length: int) -> Piece | None:
        end = self._broken_at()
        if end is None:
            if len(self._buffer) < MAX_FRAME:
                return None
            end = self._before_head(MAX_FRAME)
        return Piece(self._cut(end), why=f"{length} bytes said; the most allowed is {MAX_SEGMENT}")

    def _broken_at(self) -> int | None:
        """Return where the first frame ends whatever its head says: at a line end or a new head."""
        within = MAX_FRAME + HEAD_SIZE
        line_end = self._buffer.find(END, 2, within)
        head = self._buffer.find(b"##", 2, within)
        ends = [end for end in (line_end, head) if end >= 0]
        return min(ends, default=None)

    def _before_head(self, end: int) -> int:
        """Return an end that leaves alone what may be the first half of the next head."""
        return end - (self._buffer[end - 1 : end] == b"#")

    def _cut(self, end: int) -> bytes:
        data = bytes(self._buffer[:end])
        del self._buffer[:end]
        return data
