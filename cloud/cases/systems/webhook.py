"""Any system that takes signed CloudEvents; its own status comes by a signed callback."""

from __future__ import annotations

from collections.abc import Sequence

from cloud.cases.systems.http import Caller
from cloud.core import cloud_events, signing
from cloud.core.case_message import Link, Message, Theirs, Told
from contract.clock import Clock

HAS_IT = 409  # "I know this id": it came, and its answer was lost


class Webhook:
    """An OtherCaseSystem (cloud/ports.py). A repetition is known by its id, on the other side."""

    def __init__(self, url: str, secret: str, source: str, caller: Caller, clock: Clock) -> None:
        self._url = url
        self._secret = secret
        self._source = source
        self._caller = caller
        self._clock = clock

    def tell(self, message: Message, link: Link, *, again: bool) -> Told:  # noqa: ARG002
        body = cloud_events.encode(message, self._source)
        headers = signing.sign(self._secret, message.id, self._clock.now_ms(), body)
        self._caller.call(
            "POST",
            self._url,
            headers={
                **headers,
                "Content-Type": cloud_events.MEDIA_TYPE,
                "Idempotency-Key": message.id,
            },
            body=body,
            bear=(HAS_IT,),
        )
        return Told(remote=link.remote or message.case)

    def statuses(self, links: Sequence[Link]) -> list[Theirs]:  # noqa: ARG002
        return []

    def listing(self, from_ms: int, to_ms: int) -> list[Theirs] | None:  # noqa: ARG002
        return None
