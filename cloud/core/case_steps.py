"""The steps of a case, as a table: who may take which, what it needs, where it leads.

Source: the seven steps of GB/T 30428 digital urban management: 信息采集 (the alert, attached),
案卷建立 (open), 任务派遣 (dispatch), 任务处置 and 处理反馈 (handle, with a note),
核查结案 (verify, then close), 综合评价 (reports).
The diagram in docs/cases.md is drawn from this table, and a test holds both equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cloud.core.model import Role


class State(StrEnum):
    """Where a case stands."""

    OPENED = "opened"
    DISPATCHED = "dispatched"
    HANDLED = "handled"
    VERIFIED = "verified"
    CLOSED = "closed"
    VOID = "void"


class Step(StrEnum):
    """What can be done to a case."""

    OPEN = "open"
    ATTACH = "attach"
    SENSOR_NORMAL = "sensor normal"
    SENSOR_ABNORMAL = "sensor abnormal"
    DISPATCH = "dispatch"
    RETURN = "return"
    HANDLE = "handle"
    VERIFY = "verify"
    REWORK = "rework"
    CLOSE = "close"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What people call it."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInfo:
    """What a step is called and needs. least: the role it takes; None: the product itself does it.

    note: what the note must say; None where none is needed.
    """

    label: Label
    least: Role | None = None
    note: Label | None = None


STATES: dict[State, Label] = {
    State.OPENED: Label(zh="立案", en="opened"),
    State.DISPATCHED: Label(zh="已派遣", en="dispatched"),
    State.HANDLED: Label(zh="已处置", en="handled"),
    State.VERIFIED: Label(zh="已核查", en="verified"),
    State.CLOSED: Label(zh="已结案", en="closed"),
    State.VOID: Label(zh="已作废", en="void"),
}

STEPS: dict[Step, StepInfo] = {
    Step.OPEN: StepInfo(label=Label(zh="立案", en="open")),
    Step.ATTACH: StepInfo(label=Label(zh="并入", en="attach")),
    Step.SENSOR_NORMAL: StepInfo(label=Label(zh="传感器恢复正常", en="sensor normal")),
    Step.SENSOR_ABNORMAL: StepInfo(label=Label(zh="传感器再次异常", en="sensor abnormal again")),
    Step.DISPATCH: StepInfo(label=Label(zh="派遣", en="dispatch"), least=Role.OPERATOR),
    Step.RETURN: StepInfo(
        label=Label(zh="回退", en="return"),
        least=Role.OPERATOR,
        note=Label(zh="回退原因", en="why it is not this unit's"),
    ),
    Step.HANDLE: StepInfo(
        label=Label(zh="处置", en="handle"),
        least=Role.OPERATOR,
        note=Label(zh="处置情况", en="what was done"),
    ),
    Step.VERIFY: StepInfo(
        label=Label(zh="核查", en="verify"),
        least=Role.OPERATOR,
        note=Label(zh="核查情况", en="what was found on site"),
    ),
    Step.REWORK: StepInfo(
        label=Label(zh="返工", en="rework"),
        least=Role.OPERATOR,
        note=Label(zh="返工原因", en="what is still wrong"),
    ),
    Step.CLOSE: StepInfo(label=Label(zh="结案", en="close"), least=Role.OPERATOR),
    Step.VOID: StepInfo(
        label=Label(zh="作废", en="void"),
        least=Role.MANAGER,
        note=Label(zh="作废原因", en="why there is no case"),
    ),
}

OPEN_STATES = (State.OPENED, State.DISPATCHED, State.HANDLED, State.VERIFIED)

# A case begins with OPEN, in OPENED. Closed and void are final. A sensor's normal proposes
# verification and changes no state: a case is closed by people (核查), never by a sensor.
TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.OPENED, Step.DISPATCH): State.DISPATCHED,
    (State.OPENED, Step.VOID): State.VOID,
    (State.DISPATCHED, Step.RETURN): State.OPENED,
    (State.DISPATCHED, Step.HANDLE): State.HANDLED,
    (State.DISPATCHED, Step.VOID): State.VOID,
    (State.HANDLED, Step.VERIFY): State.VERIFIED,
    (State.HANDLED, Step.REWORK): State.DISPATCHED,
    (State.VERIFIED, Step.CLOSE): State.CLOSED,
    (State.VERIFIED, Step.REWORK): State.DISPATCHED,
    **{(state, Step.ATTACH): state for state in OPEN_STATES},
    **{(state, Step.SENSOR_NORMAL): state for state in OPEN_STATES},
    **{(state, Step.SENSOR_ABNORMAL): state for state in OPEN_STATES},
}


class NotAllowedError(ValueError):
    """The table has no such step from this state. Says which it has."""


def apply(state: State, step: Step) -> State:
    """Return the state that a step leads to.

    Raises: NotAllowedError if the table has no such step, naming those it has.
    """
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        possible = ", ".join(other.value for other in next_steps(state)) or "none, it is final"
        raise NotAllowedError(
            f"{step.value!r} is not possible for a case that is {state.value}; possible: {possible}"
        ) from None


def next_steps(state: State, role: Role = Role.ADMIN) -> list[Step]:
    """Return the steps that a person of this role may take from a state, in the table's order."""
    return [
        step
        for (at, step) in TRANSITIONS
        if at is state and (least := STEPS[step].least) is not None and role.includes(least)
    ]


def mermaid() -> str:
    """Draw the table as a Mermaid state diagram; what leaves the state as it is is not drawn."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {state.value}: {STATES[state].zh} {STATES[state].en}" for state in State]
    lines.append(f"    [*] --> {State.OPENED.value}: {STEPS[Step.OPEN].label.zh} open")
    for (state, step), target in TRANSITIONS.items():
        if target is not state:
            label = STEPS[step].label
            lines.append(f"    {state.value} --> {target.value}: {label.zh} {label.en}")
    lines += [f"    {final.value} --> [*]" for final in State if final not in OPEN_STATES]
    return "\n".join(lines) + "\n"
