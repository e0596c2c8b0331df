from __future__ import annotations

import pytest

from cloud.web.origin import is_cross_site, is_same_origin


@pytest.mark.parametrize(
    ("headers", "same", "cross"),
    [
        ({"sec-fetch-site": "same-origin"}, True, False),
        ({"sec-fetch-site": "same-site"}, False, True),
        ({"sec-fetch-site": "cross-site"}, False, True),
        ({"sec-fetch-site": "none"}, False, True),
        ({"origin": "https://city.example", "host": "city.example"}, True, False),
        ({"origin": "http://city.example:8080", "host": "city.example:8080"}, True, False),
        ({"origin": "http://city.example:8081", "host": "city.example:8080"}, False, True),
        ({"origin": "https://evil.example", "host": "city.example"}, False, True),
        ({"origin": "null", "host": "city.example"}, False, True),
        ({"origin": "", "host": ""}, False, True),
        ({"origin": "https://evil.example", "host": "a", "x-gridwarden": "1"}, False, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://a", "host": "a"}, False, True),
        ({"x-gridwarden": "1"}, True, False),
        ({}, False, False),
    ],
)
def test_who_says_where_it_comes_from(headers: dict[str, str], same: bool, cross: bool) -> None:
    assert is_same_origin(headers) is same
    assert is_cross_site(headers) is cross
