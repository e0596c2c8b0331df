"""Whether a request comes from our own pages: what cookies alone do not tell (CSRF)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

# A page of another site cannot set this without asking us first, and we never say yes (no CORS).
OWN_HEADER = "x-gridwarden"


def is_same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that our own page sent this; headers' names in lower case.

    Source: Fetch Metadata (Sec-Fetch-Site); RFC 6454 §7 (Origin), for browsers without it.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is not None:
        return bool(origin) and urlsplit(origin).netloc == headers.get("host")
    return OWN_HEADER in headers


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site's page sent this."""
    says = "sec-fetch-site" in headers or "origin" in headers
    return says and not is_same_origin(headers)
