from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.file_types import (
    LONGEST_NAME,
    FileError,
    FileType,
    Picture,
    check_claim,
    picture,
    recognise,
    tidy_name,
)
from tests.cloud.cases.pictures import JPEG, PDF, PNG


@pytest.mark.parametrize(
    ("data", "found"), [(JPEG, FileType.JPEG), (PNG, FileType.PNG), (PDF, FileType.PDF)]
)
def test_the_content_says_what_a_file_is(data: bytes, found: FileType) -> None:
    assert recognise(data, data[-1024:]) is found
    with pytest.raises(FileError, match="cut off"):
        recognise(data[:-8], data[:-8])


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"<html>", b"PK\x03\x04", b"MZ", b"\0\0\0\x18ftypheic", b"\xff\xd8"]
)
def test_all_else_is_refused(data: bytes) -> None:
    with pytest.raises(FileError, match="none of what is taken: JPEG, PNG, PDF"):
        recognise(data, data)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_bytes_make_it_stumble(data: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"):
        with suppress(FileError):
            recognise(start + data, data + b"\xff\xd9IEND")


def test_pictures_say_how_large_they_are() -> None:
    assert picture(FileType.PNG, PNG) == Picture(width=2, height=2)
    assert picture(FileType.JPEG, JPEG) == Picture(width=4, height=3)
    assert picture(FileType.PDF, PDF) is None
    huge = PNG[:16] + struct.pack(">II", 60_000, 60_000) + PNG[24:]
    with pytest.raises(FileError, match="60000 x 60000 pixels is too large"):
        recognise(huge, huge)


@pytest.mark.parametrize(
    ("claim", "name"),
    [("image/jpeg", "a.jpg"), ("image/jpg; q=1", "a.JPEG"), ("", "a"), ("", ".jpg")],
)
def test_a_claim_that_fits(claim: str, name: str) -> None:
    check_claim(FileType.JPEG, claim, name)


@pytest.mark.parametrize(
    ("claim", "name", "words"),
    [
        ("image/png", "a.jpg", "said to be image/png, but its content is image/jpeg"),
        ("text/html", "", "said to be text/html"),
        ("image/jpeg", "a.png", "the name ends in .png, but the content is image/jpeg"),
        ("", "run.exe", "the name ends in .exe"),
    ],
)
def test_a_file_that_lies_is_refused(claim: str, name: str, words: str) -> None:
    with pytest.raises(FileError, match=words):
        check_claim(FileType.JPEG, claim, name)


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        ("现场 1.jpg", "现场 1.jpg"),
        ("../../etc/passwd", "passwd.jpg"),
        ("C:\\pictures\\a.jpeg", "a.jpg"),
        ("", "file.jpg"),
        ("..", "file.jpg"),
        ('a"b\r\nSet-Cookie: x.jpg', "a_b__Set-Cookie_ x.jpg"),
        ("<b>.jpg", "_b_.jpg"),
    ],
)
def test_names_are_made_tidy(name: str, tidy: str) -> None:
    assert tidy_name(name, FileType.JPEG) == tidy


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_name_leaves_its_folder(name: str) -> None:
    tidy = tidy_name(name, FileType.PDF)
    assert 5 <= len(tidy) <= LONGEST_NAME
    assert tidy.endswith(".pdf")
    assert not tidy.startswith(".")
    assert not set(tidy) & set("/\\\0\r\n\"'<>:")
