"""What a file is, by its content, whatever its name or its sender says."""

from __future__ import annotations

import struct
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

HEAD_BYTES = 64 << 10
TAIL_BYTES = 1 << 10
LONGEST_NAME = 120
MOST_PIXELS = 100_000_000  # above that a small file fills the memory of whoever shows it
_UNKNOWN = ("", "application/octet-stream", "binary/octet-stream")


class FileType(StrEnum):
    """What may be added to a case."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    PDF = "application/pdf"


PHOTOS = (FileType.JPEG, FileType.PNG)
# The first is the one that a file gets.
ENDINGS: dict[FileType, tuple[str, ...]] = {
    FileType.JPEG: ("jpg", "jpeg"),
    FileType.PNG: ("png",),
    FileType.PDF: ("pdf",),
}
_CLAIMS = {"image/jpg": FileType.JPEG, "image/pjpeg": FileType.JPEG, "image/x-png": FileType.PNG}


class FileError(ValueError):
    """A file that is not taken, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The size of a picture in pixels."""

    width: int
    height: int


def recognise(head: bytes, tail: bytes) -> FileType:
    """Return what a file is.

    Args:   head: its first HEAD_BYTES. tail: its last TAIL_BYTES.
    Raises: FileError if it is nothing that is taken, or is cut off, or too large a picture.
    """
    if head.startswith(b"\xff\xd8\xff"):
        if b"\xff\xd9" not in tail:
            raise FileError("the file is a JPEG that is cut off")
        found = FileType.JPEG
    elif head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        if b"IEND" not in tail:
            raise FileError("the file is a PNG that is cut off")
        found = FileType.PNG
    elif head.startswith(b"%PDF-"):
        if b"%%EOF" not in tail:
            raise FileError("the file is a PDF that is cut off")
        found = FileType.PDF
    else:
        allowed = ", ".join(each.name for each in FileType)
        raise FileError(f"by its content the file is none of what is taken: {allowed}")
    size = picture(found, head)
    if size is not None and size.width * size.height > MOST_PIXELS:
        raise FileError(f"a picture of {size.width} x {size.height} pixels is too large")
    return found


def check_claim(found: FileType, media_type: str, name: str) -> None:
    """Hold what a file is against what it was said to be.

    Raises: FileError, saying both, if its name or its media type says something else.
    """
    claim = media_type.partition(";")[0].strip().lower()
    if claim not in _UNKNOWN and _CLAIMS.get(claim, claim) != found:
        raise FileError(f"the file is said to be {claim[:80]}, but its content is {found.value}")
    stem, dot, ending = name.rpartition(".")
    if stem and dot and ending.lower() not in ENDINGS[found]:
        raise FileError(f"the name ends in .{ending[:20]}, but the content is {found.value}")


def tidy_name(name: str, found: FileType) -> str:
    """Return a file's name without folders and without what is no letter, digit or plain mark."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    kept = "".join(each if each.isalnum() or each in "-_.() " else "_" for each in last)
    stem = kept.rpartition(".")[0] if "." in kept.strip(". ") else kept
    ending = ENDINGS[found][0]
    stem = stem.strip(". ")[: LONGEST_NAME - len(ending) - 1].rstrip(". ")
    return f"{stem or 'file'}.{ending}"


def picture(found: FileType, head: bytes) -> Picture | None:
    """Return the size of a picture, as its first bytes say; None where they do not."""
    if found is FileType.PNG and len(head) >= 24:
        width, height = struct.unpack(">II", head[16:24])
        return Picture(width=width, height=height)
    return _jpeg(head) if found is FileType.JPEG else None


def _jpeg(head: bytes) -> Picture | None:
    """Walk the segments to the frame header (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker, length = head[at + 1], int.from_bytes(head[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return Picture(width=width, height=height)
        if length < 2:
            return None
        at += 2 + length
    return None
