"""Answers as servers of several makers write them; each body is written here after the
documentation of the maker, so the source is synthetic."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.case_message import Status, Theirs
from cloud.core.georeport import Filed, filed, mark, records, reference_of, requests
from contract.errors import DecodeError

HEAD = '<?xml version="1.0" encoding="utf-8"?>'


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ('[{"service_request_id": 293944, "service_notice": ""}]', "json"),
        ('[{"service_request_id": "293944", "token": null}]', "json"),
        (
            f"{HEAD}<service_requests><request><service_request_id>293944</service_request_id>"
            "<service_notice/></request></service_requests>",
            "xml",
        ),
    ],
)
def test_a_number_is_text(body: str, form: str) -> None:
    assert filed(body.encode(), form) == Filed(remote="293944")


def test_a_token_instead_of_a_number() -> None:
    assert filed(b'[{"token": "12345"}]', "json") == Filed(token="12345")


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"[1]", b"<html>", b"<a/>", b"[" * 100_000, b"\xff", b"<a>\xff</a>"]
)
def test_what_is_no_answer(body: bytes, form: str) -> None:
    with pytest.raises(DecodeError):
        filed(body, form)


def test_entities_are_not_unfolded() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "boom"><!ENTITY c "&b;&b;&b;">]><a><r><x>&c;</x></r></a>'
    with pytest.raises(DecodeError, match="declares a document type"):
        records(bomb, "xml")


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ('[{"service_request_id":"1","attributes":{"case_id":"C1"}}]', "json"),
        ('[{"service_request_id":"1","attributes":[{"code":"case_id","value":"C1"}]}]', "json"),
        (f'[{{"service_request_id":"1","description":"x {mark("C1")}"}}]', "json"),
        (
            "<service_requests><request><service_request_id>1</service_request_id>"
            "<extended_attributes><case_id>C1</case_id></extended_attributes>"
            "</request></service_requests>",
            "xml",
        ),
    ],
)
def test_our_number_is_found_wherever_it_is(body: str, form: str) -> None:
    (record,) = records(body.encode(), form)
    assert reference_of(record, "case_id") == "C1"


def test_a_list_of_requests() -> None:
    body = b"""[{"service_request_id":"1","status":"CLOSED","status_notes":"Duplicate.",
      "updated_datetime":"2026-09-22T10:00:00+08:00"},{"service_request_id":"2","status":"open"}]"""
    closed = Theirs(
        remote="1", status=Status.CLOSED, note="Duplicate.", updated_ms=1_790_042_400_000
    )
    assert requests(body, "json", "c") == [closed, Theirs(remote="2", status=Status.OPEN)]


@settings(max_examples=60)
@given(st.binary(max_size=60), st.sampled_from(["json", "xml"]))
def test_nothing_but_a_decode_error_comes_of_rubbish(body: bytes, form: str) -> None:
    with contextlib.suppress(DecodeError):
        requests(body, form, "case_id")
