"""What becomes of a command, from the cloud's side."""

from __future__ import annotations

from enum import StrEnum

from contract.commands import Reply


class State(StrEnum):
    """Where a command is. unanswered: it has expired, and nobody said what became of it."""

    WAITING = "waiting"
    SENT = "sent"
    ACCEPTED = "accepted"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    UNANSWERED = "unanswered"

    @property
    def final(self) -> bool:
        """Whether nothing more will come of it."""
        return self not in (State.WAITING, State.SENT, State.ACCEPTED)


# An answer may come late, and settles even what was given up.
ANSWERABLE = (State.WAITING, State.SENT, State.ACCEPTED, State.UNANSWERED)


def answered(state: State, reply: Reply, parts: int) -> State:
    """Return the state after a reply. parts: how many of it have come, this one among them."""
    if reply.repeated or state not in ANSWERABLE:
        return state
    if reply.status == "accepted":
        return State.ACCEPTED
    return State(reply.status) if parts >= reply.parts else state
