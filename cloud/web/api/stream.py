"""/stream: what changes, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse

from cloud.web import accounts
from cloud.web.api.common import problems
from cloud.web.auth import Having, Viewer
from cloud.web.live import Live
from cloud.web.news import News
from cloud.web.problems import Problem

router = APIRouter(tags=["stream"])

FORGOTTEN = -1


class Streams:
    """How many streams are open, and the most there may be; `run` tells this process's numbers
    from those of one before it.
    """

    def __init__(self, run: str, most: int) -> None:
        self.run = run
        self.most = most
        self.open = 0


def _live(request: Request) -> Live:
    live: Live = request.app.state.live
    return live


def _streams(request: Request) -> Streams:
    streams: Streams = request.app.state.streams
    return streams


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


@router.get(
    "/stream",
    response_class=EventStream,
    responses={200: {"description": "Events, until one of us hangs up"}, **problems()},
)
async def stream(
    services: Having,
    asking: Viewer,
    live: Annotated[Live, Depends(_live)],
    streams: Annotated[Streams, Depends(_streams)],
    last_event_id: Annotated[str, Header(description="Go on after this event")] = "",
) -> EventStream:
    """Follow what changes. Events: `alert`, `case`, `gateway` (the thing as its list has it),
    `values` (new values by device), `reset` (some news were lost: read the lists again).

    At most one event a second and thing. A comment comes when there is nothing else to say.
    """
    if streams.open >= streams.most:
        raise Problem("too-many-streams", f"{streams.most} are open", headers={"Retry-After": "30"})
    await live.refresh(within_s=services.settings.poll_s)
    run, _, number = last_event_id.rpartition(".")
    resumed = run == streams.run and number.isdecimal()
    # What an earlier process told, this one cannot go on from.
    since = int(number) if resumed else FORGOTTEN if last_event_id else live.last
    session = accounts.token_hash(asking.token)
    return EventStream(
        _follow(live, streams, session, since, services.settings.heartbeat_s),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _follow(
    live: Live, streams: Streams, session: str, since: int, heartbeat_s: float
) -> AsyncIterator[bytes]:
    streams.open += 1
    try:
        with live.watching(session):
            yield b": hello\n\n"
            while not live.closed and not live.snapshot.has_ended(session):
                found = await live.news_after(since, heartbeat_s)
                if found is None:
                    since = live.last
                    yield _event(streams.run, "reset", b"{}", since)
                elif found:
                    since = found[-1].number
                    yield b"".join(_news(streams.run, news) for news in found)
                else:
                    yield b": still here\n\n"
    finally:
        streams.open -= 1


def _news(run: str, news: News) -> bytes:
    return _event(run, news.event, news.data, news.number)


def _event(run: str, event: str, data: bytes, number: int) -> bytes:
    return b"id: %s.%d\nevent: %s\ndata: %s\n\n" % (run.encode(), number, event.encode(), data)
