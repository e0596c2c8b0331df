"""What happened to alerts becomes messages: read from their histories by a cursor of its own.

The cursor moves in the transaction that writes the messages, and each message has a key that says
what it is about: nothing is told twice for a restart, and nothing is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud.core.isa_18_2 import State
from cloud.core.rota import How
from cloud.core.telling import (
    CALLS,
    Rung,
    Story,
    What,
    Why,
    climb,
    ladder,
    meaning,
    who,
)
from cloud.core.topology import CHANNEL
from cloud.notify import aftermath, case_dues, digests, rows
from cloud.notify.facts import Known, known
from cloud.notify.policy import Policy
from cloud.notify.post import Post
from cloud.state import schema
from cloud.state.database import Database

MOST_EVENTS = 100  # others write the same database: hold it for milliseconds only
TIDY_MS = 3_600_000
_OF_ALERTS = schema.notify_cursor.c.id == 1
TO_MANY = (What.RELEASED, What.ROSE)  # the step's people, and those who were told before

OVER = (What.RESOLVED, What.REFUTED, What.CHANNEL_BACK)
# What happens to a channel's alert is told in words of its own, at once, and to the default too.
OF_CHANNELS = {
    What.RAISED: What.CHANNEL_DEAD,
    What.AGAIN: What.CHANNEL_DEAD,
    What.RESOLVED: What.CHANNEL_BACK,
}


class Planner:
    """One a database. Raises: StorageError; what was not planned is planned at the next step."""

    def __init__(
        self, database: Database, policy: Policy, kinds: Mapping[str, str], zone: ZoneInfo
    ) -> None:
        self._database = database
        self._policy = policy
        self._kinds = kinds
        self._zone = zone
        self._tidy_ms = 0

    def start(self) -> None:
        """Enter the channels; the first time, begin with what happens from now on."""
        cursor, events = schema.notify_cursor, schema.alert_events
        with self._database.write() as connection:
            rows.enter_channels(connection, self._kinds)
            case_dues.start(connection)
            if connection.scalar(sa.select(cursor.c.id).where(_OF_ALERTS)) is None:
                newest = connection.scalar(sa.select(sa.func.max(events.c.id))) or 0
                connection.execute(sa.insert(cursor).values(id=1, event=newest))

    def step(self, now_ms: int) -> bool:
        """Plan what has happened or is due; return whether there is more to be done at once."""
        with self._database.read() as connection:
            waits = self._events_wait(connection) or case_dues.wait(connection)
            if not waits and not self._due(connection, now_ms):
                return False
        with self._database.write() as connection:
            post = Post(connection, self._policy, self._zone, now_ms)
            more = self._read_on(post) | case_dues.read_on(post)
            self._escalate(post)
            digests.turn_floods(post)
            digests.make(post)
            aftermath.follow_up(post)
            if now_ms - self._tidy_ms >= TIDY_MS:
                self._tidy_ms = now_ms
                rows.tidy(connection, now_ms, self._policy.keep_ms, self._policy.keep_rows)
        return more

    def _events_wait(self, connection: sa.Connection) -> bool:
        newest = connection.scalar(sa.select(sa.func.max(schema.alert_events.c.id))) or 0
        return newest > _read_to(connection)

    def _due(self, connection: sa.Connection, now_ms: int) -> bool:
        stories = schema.notify_stories
        late = sa.select(stories.c.alert).where(stories.c.next_ms <= now_ms)
        queries = [late, *digests.due(now_ms), *aftermath.due(self._policy)]
        return now_ms - self._tidy_ms >= TIDY_MS or any(
            connection.execute(query.limit(1)).first() is not None for query in queries
        )

    def _read_on(self, post: Post) -> bool:
        """Plan what follows from the next lines of alerts' histories."""
        connection, events, cursor = post.connection, schema.alert_events, schema.notify_cursor
        if connection.dialect.name == "postgresql":
            # Ids are given before they are committed: wait for those that are being written.
            connection.exec_driver_sql("LOCK TABLE alert_events IN SHARE MODE")
        after = _read_to(connection)
        found = connection.execute(
            sa.select(events).where(events.c.id > after).order_by(events.c.id).limit(MOST_EVENTS)
        ).all()
        for line in found:
            self._happened(post, line)
        if found:
            connection.execute(sa.update(cursor).where(_OF_ALERTS).values(event=found[-1].id))
        return len(found) == MOST_EVENTS

    def _happened(self, post: Post, line: sa.Row[tuple[object, ...]]) -> None:
        connection = post.connection
        to_state = State(line.to_state)
        what = meaning(line.event, State(line.from_state), to_state)
        story = rows.story(connection, line.alert)
        it = known(connection, line.alert, line.value, line.by, line.note)
        if it.refuted and (what is What.RESOLVED or to_state is State.NORM):
            what = What.REFUTED
        if it.alert.kind == CHANNEL and what is not None:
            what = OF_CHANNELS.get(what, what)
        if it.historical and what not in OVER:
            return
        if to_state is not State.UNACK:
            story = story.stopped()
        if what in OVER:
            self._tell_those_told(post, what, f"{line.id}", story, it)
            story = Story()
        elif what in (*CALLS, What.CHANNEL_DEAD):
            story = self._call(post, what, line, story, it)
        elif what is not None:
            self._tell_those_told(post, what, f"{line.id}", story, it)
        self._remember(post, story, it)

    def _call(
        self, post: Post, what: What, line: sa.Row[tuple[object, ...]], story: Story, it: Known
    ) -> Story:
        old = line.recorded_ms < post.now_ms - self._policy.too_old_ms
        late = old and it.alert.state is not State.UNACK
        people: dict[str, Why] = {}
        before = {name: Why(how=How.TOLD) for name in story.told}
        rungs = ladder(self._policy.routes, it.subject)
        story, taken = climb(story.begun(line.recorded_ms), rungs, line.recorded_ms)
        for number in taken:
            people |= self._who(post, rungs, number, it) | people
        if what is What.CHANNEL_DEAD:
            people |= {
                name: Why(how=How.DEFAULT) for name in self._policy.default if name not in people
            }
        if what in TO_MANY:
            people |= {name: why for name, why in before.items() if name not in people}
        told = post.tell(what, f"{line.id}", people, it, late=late)
        return story.stopped() if late else story.telling(told)

    def _who(self, post: Post, rungs: tuple[Rung, ...], number: int, it: Known) -> dict[str, Why]:
        policy = self._policy
        return who(rungs, number, it.subject.unit, policy.rotas, policy.default, post.local)

    def _tell_those_told(self, post: Post, what: What, event: str, story: Story, it: Known) -> None:
        post.tell(what, event, {name: Why(how=How.TOLD) for name in story.told}, it)

    def _remember(self, post: Post, story: Story, it: Known) -> None:
        rungs = ladder(self._policy.routes, it.subject)
        rows.remember(post.connection, it.alert.id, story, story.due_ms(rungs))

    def _escalate(self, post: Post) -> None:
        """Take the steps whose time has come of what nobody has acknowledged."""
        table = schema.notify_stories
        due = sa.select(table.c.alert).where(table.c.next_ms <= post.now_ms).limit(MOST_EVENTS)
        for alert in post.connection.scalars(due).all():
            it, story = known(post.connection, alert), rows.story(post.connection, alert)
            if it.alert.state is not State.UNACK or it.historical:
                self._remember(post, story.stopped(), it)
                continue
            rungs = ladder(self._policy.routes, it.subject)
            after, taken = climb(story, rungs, post.now_ms)
            for number in taken:
                what = What.ESCALATED if story.told else What.RAISED
                event = f"{story.raised_ms}/{number}"
                told = post.tell(what, event, self._who(post, rungs, number, it), it)
                after = after.telling(told)
            self._remember(post, after, it)


def _read_to(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(schema.notify_cursor.c.event).where(_OF_ALERTS)) or 0
