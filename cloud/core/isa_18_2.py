"""The alarm states of ISA-18.2 / IEC 62682, as a table. Key on the names, not on letters.

The documentation's diagram is drawn from this table (docs/alerts.md), and a test holds both equal.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where an occurrence stands."""

    NORM = "NORM"
    UNACK = "UNACK"
    ACKED = "ACKED"
    RTNUN = "RTNUN"  # returned to normal, not yet acknowledged
    SHLVD = "SHLVD"  # shelved by a person, until a time
    DSUPR = "DSUPR"  # suppressed by design
    OOSRV = "OOSRV"  # out of service


class Event(StrEnum):
    """What happens to an occurrence."""

    CONDITION = "condition"  # true, after the on-delay
    RETURN = "return"  # back to normal, after deadband and off-delay
    ACKNOWLEDGE = "acknowledge"
    ESCALATE = "escalate"  # the severity rises
    REALARM = "re-alarm"  # the re-alarm time has elapsed
    SHELVE = "shelve"  # with a reason and an expiry
    SUPPRESS = "suppress"  # design logic
    REMOVE = "remove"  # from service
    EXIT_NORMAL = "exit, normal"  # from the three above, while the condition is absent
    EXIT_ABNORMAL = "exit, not normal"  # while it holds


class NotAllowedError(ValueError):
    """The table has no such transition. Says which events the state does have."""


_S, _E = State, Event
SUPPRESSED = (State.SHLVD, State.DSUPR, State.OOSRV)

TRANSITIONS: dict[tuple[State, Event], State] = {
    (_S.NORM, _E.CONDITION): _S.UNACK,
    (_S.UNACK, _E.ACKNOWLEDGE): _S.ACKED,
    (_S.UNACK, _E.RETURN): _S.RTNUN,
    (_S.ACKED, _E.RETURN): _S.NORM,
    (_S.ACKED, _E.ESCALATE): _S.UNACK,
    (_S.ACKED, _E.REALARM): _S.UNACK,
    (_S.RTNUN, _E.ACKNOWLEDGE): _S.NORM,
    (_S.RTNUN, _E.CONDITION): _S.UNACK,
    **{(state, _E.SHELVE): _S.SHLVD for state in State},
    **{(state, _E.SUPPRESS): _S.DSUPR for state in State},
    **{(state, _E.REMOVE): _S.OOSRV for state in State},
    # Evaluation goes on while suppressed, and is only remembered.
    **{(state, _E.CONDITION): state for state in SUPPRESSED},
    **{(state, _E.RETURN): state for state in SUPPRESSED},
    **{(state, _E.EXIT_NORMAL): _S.NORM for state in SUPPRESSED},
    **{(state, _E.EXIT_ABNORMAL): _S.UNACK for state in SUPPRESSED},
}


def apply(state: State, event: Event) -> State:
    """Return the state that the event leads to.

    Raises: NotAllowedError if the table has no such transition, naming the events it has.
    Source: ISA-18.2 / IEC 62682 as in the project's facts of the field, §10.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise NotAllowedError(
            f"{event.value!r} is not possible in {state.value}; "
            f"possible: {', '.join(other.value for other in events_of(state))}"
        ) from None


def events_of(state: State) -> list[Event]:
    """Return the events that the table has for a state."""
    return [event for event in Event if (state, event) in TRANSITIONS]


def states_with(event: Event) -> list[State]:
    """Return the states in which an event is possible."""
    return [state for state in State if (state, event) in TRANSITIONS]


def mermaid() -> str:
    """Draw the table as a Mermaid state diagram, one arrow for all events between two states.

    What leads from any state is drawn once, from a state of that name; what changes nothing is not.
    """
    lines = ["stateDiagram-v2", "    [*] --> NORM"]
    anywhere = [event for event in Event if len(states_with(event)) == len(State)]
    labels: dict[tuple[str, str], list[str]] = {}
    for (state, event), target in TRANSITIONS.items():
        if event in anywhere:
            labels.setdefault(("any", target), [])
            if event.value not in labels["any", target]:
                labels["any", target].append(event.value)
        elif target is not state:
            labels.setdefault((state, target), []).append(event.value)
    lines += [f"    {a} --> {b}: {' / '.join(events)}" for (a, b), events in labels.items()]
    return "\n".join(lines) + "\n"
