"""Any server of Open311 GeoReport v2: files requests, looks before it files again, polls status.

The protocol knows no idempotency key. So a request carries our case's number, as an attribute and
in its description; after an attempt of unknown outcome the server is given time to finish what it
may still be doing, and is then asked for a request with that number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cloud.cases.systems.http import Answer, Caller
from cloud.core import georeport
from cloud.core.case_message import Link, Message, Theirs, Told
from cloud.core.case_steps import Step
from cloud.core.georeport import Filed, mark
from cloud.errors import RetryLater
from contract.clock import Clock, iso_utc
from contract.errors import DecodeError, RejectedError, TransportError

MOST_LISTED = 1_000  # GeoReport v2: 90 days or the first 1,000, whichever is less
LONGEST_MS = 89 * 86_400_000
SHORTEST_MS = 60_000
EARLIER_MS = 3_600_000  # how far their clock may be behind
ASKED_AT_ONCE = 50
LONGEST_TEXT = 4_000
ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is to be known of a server.

    services:  its service codes by our categories; "*" for all others.
    reference: the code of the attribute that takes our case's number.
    updates:   whether it takes the extension `servicerequestupdates`.
    settle_s:  after which it has surely done what it was asked, or never will.
    """

    url: str
    api_key: str = ""
    jurisdiction: str = ""
    form: str = "json"
    services: Mapping[str, str] = field(default_factory=dict)
    reference: str = "case_id"
    updates: bool = False
    settle_s: float = 60.0


class Open311:
    """An OtherCaseSystem (cloud/ports.py)."""

    def __init__(self, server: Server, caller: Caller, clock: Clock) -> None:
        self._server = server
        self._caller = caller
        self._clock = clock

    def tell(self, message: Message, link: Link, *, again: bool) -> Told:
        if not link.is_known:
            if message.step == Step.REPORT.value or not message.is_open:
                return Told(note="no case of theirs: it was not accepted")
            filed = self._file(message, link, again=again)
            opens = message.step in (Step.OPEN.value, Step.ACCEPT.value)
            return Told(remote=filed.remote, token=filed.token, unfinished=not opens)
        if not self._server.updates:
            return Told(remote=link.remote, token=link.token, note="the server takes no updates")
        number = link.remote or self._redeem(link.token)
        if not number:
            raise RetryLater(f"token {link.token} has no number yet", self._server.settle_s)
        self._update(message, number, again=again)
        return Told(remote=number)

    def statuses(self, links: Sequence[Link]) -> list[Theirs]:
        found: list[Theirs] = []
        numbers: dict[str, str] = {}
        for link in links:
            number = link.remote or self._redeem(link.token)
            if number:
                numbers[number] = link.case
        asked = list(numbers)
        for start in range(0, len(asked), ASKED_AT_ONCE):
            ids = ",".join(asked[start : start + ASKED_AT_ONCE])
            answer = self._get("requests", {"service_request_id": ids})
            found += [
                _of_case(theirs, numbers[theirs.remote])
                for theirs in self._requests(answer)
                if theirs.remote in numbers
            ]
        return found

    def listing(self, from_ms: int, to_ms: int) -> list[Theirs] | None:
        """Return all of a stretch, in as many parts as the limits of the protocol ask for."""
        if to_ms - from_ms > LONGEST_MS:
            middle_ms = to_ms - LONGEST_MS
            return [*(self.listing(from_ms, middle_ms) or ()), *self._within(middle_ms, to_ms)]
        return self._within(from_ms, to_ms)

    # --- filing --------------------------------------------------------------------------------

    def _file(self, message: Message, link: Link, *, again: bool) -> Told:
        if again:
            there = self._look_up(message.case, link.since_ms)
            if there:
                return Told(remote=there)
        answer = self._post("requests", self._request(message))
        filed = self._filed(answer)
        return Told(remote=filed.remote, token=filed.token)

    def _request(self, message: Message) -> dict[str, str]:
        service = self._server.services.get(message.category) or self._server.services.get(ANY)
        if not service:
            raise RejectedError(
                f"no service is named for category {message.category}; add it, or '*', to services"
            )
        where = _where(message)
        if not where:
            raise RejectedError(f"device {message.device} has neither coordinates nor an address")
        words = f"{message.title} / {message.title_en}\n{message.asset} {message.category}"
        return {
            "service_code": service,
            **where,
            "description": _marked(words, message.case),
            "device_id": message.device,
            f"attribute[{self._server.reference}]": message.case,
            "attribute[severity]": message.severity,
        }

    def _look_up(self, case: str, since_ms: int) -> str:
        """Return the number of the first request there that is about our case."""
        found = self.listing(since_ms - EARLIER_MS, self._clock.now_ms() + EARLIER_MS) or []
        mine = [theirs for theirs in found if theirs.case == case]
        return min(mine, key=lambda theirs: theirs.updated_ms).remote if mine else ""

    def _filed(self, answer: Answer) -> Filed:
        try:
            return georeport.filed(answer.body, self._server.form)
        except DecodeError as error:  # it may have been filed all the same
            raise RetryLater(str(error), self._server.settle_s) from error

    # --- updates -------------------------------------------------------------------------------

    def _update(self, message: Message, number: str, *, again: bool) -> None:
        if again and self._has_update(message, number):
            return
        words = f"{message.step}: {message.note}" if message.note else message.step
        update = {
            "service_request_id": number,
            "update_id": message.id,
            "status": "OPEN" if message.is_open else "CLOSED",
            "updated_datetime": iso_utc(message.at_ms),
            "description": _marked(words, message.id),
        }
        self._post("servicerequestupdates", update)

    def _has_update(self, message: Message, number: str) -> bool:
        stretch = _stretch(message.at_ms - EARLIER_MS, self._clock.now_ms() + EARLIER_MS)
        answer = self._get("servicerequestupdates", stretch)
        return any(
            record.get("service_request_id", number) == number
            and (record.get("update_id") == message.id or mark(message.id) in _words(record))
            for record in self._records(answer)
        )

    # --- calls ---------------------------------------------------------------------------------

    def _redeem(self, token: str) -> str:
        answer = self._get(f"tokens/{token}", {})
        try:
            return georeport.filed(answer.body, self._server.form).remote
        except DecodeError:  # no number yet
            return ""

    def _within(self, from_ms: int, to_ms: int) -> list[Theirs]:
        found = self._requests(self._get("requests", _stretch(from_ms, to_ms)))
        if len(found) < MOST_LISTED or to_ms - from_ms <= SHORTEST_MS:
            return found
        middle_ms = (from_ms + to_ms) // 2
        both = [*self._within(from_ms, middle_ms), *self._within(middle_ms, to_ms)]
        return list({theirs.remote: theirs for theirs in both}.values())

    def _requests(self, answer: Answer) -> list[Theirs]:
        try:
            return georeport.requests(answer.body, self._server.form, self._server.reference)
        except DecodeError as error:
            raise TransportError(str(error)) from error

    def _records(self, answer: Answer) -> list[georeport.Record]:
        try:
            return georeport.records(answer.body, self._server.form)
        except DecodeError as error:
            raise TransportError(str(error)) from error

    def _get(self, resource: str, params: Mapping[str, str]) -> Answer:
        return self._caller.call("GET", self._address(resource), params=self._with(params))

    def _post(self, resource: str, form: Mapping[str, str]) -> Answer:
        key = {"api_key": self._server.api_key} if self._server.api_key else {}
        try:
            return self._caller.call(
                "POST", self._address(resource), form={**self._with(form), **key}
            )
        except RetryLater:
            raise
        except TransportError as error:  # it may still be at it
            raise RetryLater(str(error), self._server.settle_s) from error

    def _with(self, params: Mapping[str, str]) -> dict[str, str]:
        whose = {"jurisdiction_id": self._server.jurisdiction} if self._server.jurisdiction else {}
        return {**whose, **params}

    def _address(self, resource: str) -> str:
        return f"{self._server.url.rstrip('/')}/{resource}.{self._server.form}"


def _where(message: Message) -> dict[str, str]:
    if message.latitude is not None and message.longitude is not None:
        return {"lat": f"{message.latitude:.7f}", "long": f"{message.longitude:.7f}"}
    return {"address_string": message.address} if message.address else {}


def _marked(words: str, reference: str) -> str:
    end = f"\n{mark(reference)}"
    return words[: LONGEST_TEXT - len(end)] + end


def _stretch(from_ms: int, to_ms: int) -> dict[str, str]:
    """Whole seconds: fractions are more than some servers read."""
    return {"start_date": _second(from_ms), "end_date": _second(to_ms + 999)}


def _second(at_ms: int) -> str:
    return iso_utc(at_ms - at_ms % 1000).replace(".000Z", "Z")


def _words(record: georeport.Record) -> str:
    return record.get("description", "")


def _of_case(theirs: Theirs, case: str) -> Theirs:
    return Theirs(
        remote=theirs.remote,
        status=theirs.status,
        case=case,
        note=theirs.note,
        updated_ms=theirs.updated_ms,
    )
