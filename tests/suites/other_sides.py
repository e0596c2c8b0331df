"""Other case systems as strangers would write them, to be served by tests/suites/misbehaving.py.

They know nothing of our code: one misreading cannot pass twice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from contract.clock import Clock
from tests.suites.misbehaving import Call, Reply

Step = tuple[str, str]  # case, step


@dataclass
class City:
    """A GeoReport v2 server. It files whatever it is sent, and knows no repetition.

    echoes: whether it gives attributes back. tokens: how often a token is asked for in vain; -1: it
    gives numbers at once.
    """

    clock: Clock
    form: str = "json"
    echoes: bool = False
    tokens: int = -1
    most: int = 1_000
    requests: list[dict[str, str]] = field(default_factory=list)
    updates: list[dict[str, str]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # service codes

    def __call__(self, call: Call) -> Reply:
        resource = call.path.removeprefix("/v2/").removesuffix(f".{self.form}")
        told = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
        match call.method, resource:
            case "POST", "requests":
                return self._file(told)
            case "GET", "requests":
                return self._answer(self._listed(dict(call.query)))
            case "POST", "servicerequestupdates":
                self.updates.append({**told, "update_id": str(len(self.updates) + 1)})
                return self._answer([{"update_id": str(len(self.updates))}])
            case "GET", "servicerequestupdates":
                return self._answer(self.updates)
        if resource.startswith("tokens/"):
            return self._redeem(resource.removeprefix("tokens/"))
        return Reply(404, b'[{"code":404,"description":"no such resource"}]')

    def _file(self, told: dict[str, str]) -> Reply:
        if told.get("service_code") in self.refused or "api_key" not in told:
            return Reply(400, b'[{"code":400,"description":"service_code not found"}]')
        number = str(7_000 + len(self.requests))
        at = datetime.fromtimestamp(self.clock.now_ms() // 1000, UTC) + timedelta(seconds=30)
        kept = {key: told[key] for key in ("service_code", "description", "lat", "long")}
        case = told["attribute[case_id]"]
        self.requests.append(
            {
                **kept,
                "service_request_id": number,
                "status": "open",
                "status_notes": "",
                "case": case,
                "requested_datetime": at.isoformat(),
                "updated_datetime": at.isoformat(),
            }
        )
        if self.tokens >= 0:
            return self._answer([{"token": f"t{number}"}])
        return self._answer(
            [{"service_request_id": number, "service_notice": "", "account_id": ""}]
        )

    def _redeem(self, token: str) -> Reply:
        if self.tokens > 0:
            self.tokens -= 1
            return self._answer([{"token": token}])
        return self._answer([{"token": token, "service_request_id": token.removeprefix("t")}])

    def _listed(self, query: dict[str, str]) -> list[dict[str, str]]:
        shown = [self._shown(each) for each in self.requests]
        if ids := query.get("service_request_id"):
            return [each for each in shown if each["service_request_id"] in ids.split(",")]
        first, last = (datetime.fromisoformat(query[name]) for name in ("start_date", "end_date"))
        assert last - first <= timedelta(days=90)
        return [
            each
            for each in shown
            if first <= datetime.fromisoformat(each["requested_datetime"]) <= last
        ][: self.most]

    def _shown(self, request: dict[str, str]) -> dict[str, str]:
        shown = {key: value for key, value in request.items() if key != "case"}
        if self.echoes:
            shown["attribute"] = request["case"]
        return shown

    def _answer(self, records: list[dict[str, str]]) -> Reply:
        if self.form == "json":
            return Reply(200, json.dumps([_json(each) for each in records]).encode())
        rows = "".join(f"<request>{_xml(each)}</request>" for each in records)
        head = '<?xml version="1.0" encoding="utf-8"?>'
        body = f"{head}<service_requests>{rows}</service_requests>"
        return Reply(200, body.encode(), "text/xml; charset=utf-8")

    def has(self) -> list[Step]:
        """Return what it has, in the order it came: each request and each update."""
        cases = {each["service_request_id"]: each["case"] for each in self.requests}
        told = [(each["case"], "open") for each in self.requests]
        told += [
            (cases[each["service_request_id"]], each["description"].split("\n")[0].split(":")[0])
            for each in self.updates
        ]
        return told


def _json(record: dict[str, str]) -> dict[str, object]:
    told: dict[str, object] = {k: v for k, v in record.items() if k != "attribute"}
    if "attribute" in record:
        told["attributes"] = [{"code": "case_id", "value": record["attribute"]}]
    return told


def _xml(record: dict[str, str]) -> str:
    told = "".join(f"<{k}>{escape(v)}</{k}>" for k, v in record.items() if k != "attribute")
    if "attribute" in record:
        value = escape(record["attribute"])
        pair = f"<code>case_id</code><value>{value}</value>"
        told += f"<attributes><attribute>{pair}</attribute></attributes>"
    return told


@dataclass
class Sink:
    """A receiver of webhooks that checks signatures and knows what it has had."""

    secret: str
    taken: dict[str, Step] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)  # categories

    def __call__(self, call: Call) -> Reply:
        key, at = call.headers["webhook-id"], call.headers["webhook-timestamp"]
        signed = key.encode() + b"." + at.encode() + b"." + call.body
        digest = hmac.new(self.secret.encode(), signed, hashlib.sha256).digest()
        if call.headers["webhook-signature"] != "v1," + base64.b64encode(digest).decode():
            return Reply(401, b"bad signature")
        event = json.loads(call.body)
        assert call.headers["content-type"] == "application/cloudevents+json"
        assert event["specversion"] == "1.0"
        assert call.headers["idempotency-key"] == key == event["id"]
        if event["data"]["category"] in self.refused:
            return Reply(422, b"unknown category")
        if key in self.taken:
            return Reply(409, b"known")
        self.taken[key] = (event["subject"], event["data"]["step"])
        return Reply(202, b"")

    def has(self) -> list[Step]:
        """Return what it has, in the order it came."""
        return list(self.taken.values())
