from __future__ import annotations

import json
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.case_steps import Label
from cloud.core.gate import CATEGORIES
from cloud.core.open311 import (
    LONGEST_MS,
    SERVICES,
    RefusedError,
    Search,
    form_of,
    said_of,
    search_of,
    service,
    service_of,
    services_of,
    stretch_of,
    wanted_of,
)
from cloud.core.open311_text import FORMS, write

NOW_MS = 1_790_042_400_000
FORM = "application/x-www-form-urlencoded"
GOOD = {"service_code": "05-08", "lat": "34.7", "long": "113.6", "description": "太吵"}


def read(told: dict[str, str]) -> dict[str, tuple[str, ...]]:
    return form_of(urlencode(told).encode(), f"{FORM}; charset=utf-8")


def test_every_category_is_a_service() -> None:
    assert set(SERVICES) == set(CATEGORIES)
    assert service_of("C01-02").group.en == "components"


def test_a_city_with_categories_of_its_own() -> None:
    services = services_of({"99-01": Label(zh="其他", en="other")})
    assert service_of("99-01", services) == service("99-01", Label(zh="其他", en="other"))
    assert wanted_of(read({**GOOD, "service_code": "99-01"}), services).service.code == "99-01"
    with pytest.raises(RefusedError):
        wanted_of(read(GOOD), services)


def test_a_request_that_keeps_the_rules() -> None:
    wanted = wanted_of(read({**GOOD, "attribute[case_id]": "A7", "phone": "123", "lat": " 34.7 "}))
    assert (wanted.service.code, wanted.latitude, wanted.longitude) == ("05-08", 34.7, 113.6)
    assert (wanted.description, wanted.reference) == ("太吵", "A7")
    assert wanted.fields == {"phone": "123"}


@pytest.mark.parametrize("where", [{"address_string": "文化路 1 号"}, {"address_id": "41010000"}])
def test_each_of_three_ways_to_say_where(where: dict[str, str]) -> None:
    told = {"service_code": "05-08", "description": "太吵", **where}
    assert wanted_of(read(told)).latitude is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"service_code": ""}, [(400, "service_code was not provided")]),
        ({"description": ""}, [(400, "description was not provided")]),
        ({"service_code": "99"}, [(404, "service_code '99' was not found")]),
        ({"lat": "", "long": ""}, [(400, "no location: give lat and long, or address_string")]),
        ({"long": ""}, [(400, "long is missing")]),
        ({"lat": "91"}, [(400, "lat '91' is no number from -90 to 90")]),
        ({"lat": "nan"}, [(400, "lat 'nan' is no number")]),
        ({"lat": "1e999"}, [(400, "lat '1e999' is no number")]),
        ({"description": "x" * 4_001}, [(400, "description has 4001 characters; at most 4000")]),
        ({"phone": "1" * 501}, [(400, "phone has 501 characters")]),
        (
            {"service_code": "C01-02"},
            [(400, "attribute[condition] was not provided, and C01-02 requires it; allowed: mis")],
        ),
        (
            {"service_code": "C01-02", "attribute[condition]": "gone"},
            [(400, "attribute[condition] is 'gone'; allowed: missing, broken, open, other")],
        ),
        ({"attribute[asset]": "x" * 501}, [(400, "attribute[asset] has more than 500")]),
        (
            {"service_code": "99", "lat": "x", "long": "200"},
            [(404, "service_code"), (400, "lat 'x'"), (400, "long '200'")],
        ),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(
    change: dict[str, str], told: list[tuple[int, str]]
) -> None:
    with pytest.raises(RefusedError) as caught:
        wanted_of(read({**GOOD, **change}))
    faults = caught.value.faults
    assert [fault.code for fault in faults] == [code for code, _ in told]
    assert all(words in fault.description for fault, (_, words) in zip(faults, told, strict=True))


def test_what_is_told_twice_is_refused() -> None:
    body = urlencode([*GOOD.items(), ("lat", "35"), ("attribute[case_id]", "1")])
    with pytest.raises(RefusedError, match="lat was given 2 times"):
        wanted_of(form_of(body.encode(), FORM))
    body = urlencode([*GOOD.items(), ("attribute[case_id]", "1"), ("attribute[case_id]", "2")])
    with pytest.raises(RefusedError, match=r"attribute\[case_id\] was given 2 times"):
        wanted_of(form_of(body.encode(), FORM))


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"{}", "application/json"),
        (b"", ""),
        (b"a=%ff", FORM),
        ("a=ä".encode(), FORM),
        (b"&".join([b"a=1"] * 101), FORM),
    ],
)
def test_what_is_no_form(body: bytes, media_type: str) -> None:
    with pytest.raises(RefusedError):
        form_of(body, media_type)


def test_the_filters_of_a_list() -> None:
    assert search_of({}, NOW_MS) == Search(from_ms=NOW_MS - LONGEST_MS, to_ms=NOW_MS)
    assert search_of({"service_request_id": "1, 2,", "status": "x"}, NOW_MS).ids == ("1", "2")
    told = {"status": "Open,closed", "service_code": "05-08,03-01"}
    found = search_of(told, NOW_MS)
    assert (found.statuses, found.codes) == (("open", "closed"), ("05-08", "03-01"))
    found = search_of({"start_date": "2026-09-01T00:00:00 08:00"}, NOW_MS)
    assert found.to_ms - found.from_ms == LONGEST_MS
    only_end = stretch_of({"end_date": "2026-09-01T00:00:00Z"}, NOW_MS)
    assert only_end[1] - only_end[0] == LONGEST_MS


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"status": "done"}, "status 'done'; allowed: open, closed"),
        ({"start_date": "2026-09-01"}, "start_date '2026-09-01' is no time with an offset"),
        ({"start_date": "2026-09-01T00:00:00"}, "is no time with an offset"),
        ({"start_date": "2026-13-01T00:00:00Z"}, "is no time with an offset"),
        ({"end_date": "0000-01-01T00:00:00Z"}, "is no time with an offset"),
        (
            {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-09-01T00:00:00Z"},
            "over 90 days",
        ),
        (
            {"start_date": "2026-09-02T00:00:00Z", "end_date": "2026-09-01T00:00:00Z"},
            "end_date is before start_date",
        ),
        ({"service_code": "99"}, "was not found"),
    ],
)
def test_filters_that_cannot_be(told: dict[str, str], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        search_of(told, NOW_MS)


def test_an_update() -> None:
    told = {"service_request_id": "1", "update_id": "u", "status": "closed"}
    assert said_of(read(told)).status == "CLOSED"
    with pytest.raises(RefusedError) as caught:
        said_of(read({"status": "gone"}))
    assert len(caught.value.faults) == 3


@settings(max_examples=80)
@given(st.dictionaries(st.sampled_from([*GOOD, "attribute[asset]", "x"]), st.text(max_size=20)))
def test_a_request_is_taken_or_refused_and_nothing_else(told: dict[str, str]) -> None:
    codes: set[int] = set()
    try:
        codes = {400 for _ in [wanted_of(read(told))]}
    except RefusedError as error:
        codes = {fault.code for fault in error.faults}
    assert codes
    assert codes <= {400, 404}


@settings(max_examples=80)
@given(st.text(), st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)))
def test_both_forms_say_the_same(text: str, number: float | None) -> None:
    value = [{"description": text, "lat": number, "flag": True}]
    assert json.loads(write("service_requests", value, "json")) == value
    root = ET.fromstring(write("service_requests", value, "xml"))
    (record,) = root
    assert (root.tag, record.tag, record.findtext("flag")) == (
        "service_requests",
        "request",
        "true",
    )
    assert record.findtext("lat") == ("" if number is None else str(number))
    if text.isprintable() and text.isascii():
        assert record.findtext("description") == text
    assert set(FORMS) == {"xml", "json"}
