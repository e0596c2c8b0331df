"""The steps of a case, as a table: who may take which, what it needs, where it leads.

Source: the seven steps of GB/T 30428 digital urban management: 信息采集 (the alert, attached; or a
person's report), 案卷建立 (open, or accept), 任务派遣 (dispatch), 任务处置 and 处理反馈 (handle,
with a note), 核查结案 (verify, then close), 综合评价 (reports). 回退, 作废, 延期 and 缓办 need
approval. The diagram in docs/cases.md is drawn from this table, and a test holds both equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cloud.core.case_roles import Actor, CaseRole


class State(StrEnum):
    """Where a case stands."""

    REPORTED = "reported"
    OPENED = "opened"
    DISPATCHED = "dispatched"
    DEFERRED = "deferred"
    HANDLED = "handled"
    VERIFIED = "verified"
    CLOSED = "closed"
    REFUSED = "refused"
    VOID = "void"
    MERGED = "merged"


class Step(StrEnum):
    """What can be done to a case, by people or by the product itself."""

    OPEN = "open"
    ATTACH = "attach"
    SENSOR_NORMAL = "sensor normal"
    SENSOR_ABNORMAL = "sensor abnormal"
    ELSEWHERE = "elsewhere"
    SINGLED_OUT = "singled out"
    DUE_SOON = "due soon"
    OVERDUE = "overdue"
    REOPEN = "reopen"
    RELAPSE = "relapse"
    REPORT = "report"
    ACCEPT = "accept"
    REFUSE = "refuse"
    DISPATCH = "dispatch"
    RETURN = "return"
    SECURE = "secure"
    HANDLE = "handle"
    EXTEND = "extend"
    DEFER = "defer"
    RESUME = "resume"
    VERIFY = "verify"
    REWORK = "rework"
    CLOSE = "close"
    VOID = "void"
    SUPERVISE = "supervise"
    REQUEST = "request"
    APPROVE = "approve"
    DECLINE = "decline"
    MERGE = "merge"
    ABSORB = "absorb"
    SPLIT = "split"
    INVITE = "invite"
    TASK_DONE = "task done"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What people call it."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInfo:
    """What a step is called and needs.

    who:      the case roles that may take it; none: the product itself does it.
    note:     what the note must say; None where none is needed.
    until:    what the time that must come with it is; None where none is taken.
    approval: whoever is no manager asks for it, and a manager approves or declines.
    apart:    it has a form of its own (cases to merge, alerts to split off, a unit to invite).
    """

    label: Label
    who: frozenset[CaseRole] = frozenset()
    note: Label | None = None
    until: Label | None = None
    approval: bool = False
    apart: bool = False


ROLES: dict[CaseRole, Label] = {
    CaseRole.COLLECTOR: Label(zh="采集", en="collector"),
    CaseRole.ACCEPTOR: Label(zh="受理", en="acceptor"),
    CaseRole.DISPATCHER: Label(zh="派遣", en="dispatcher"),
    CaseRole.HANDLER: Label(zh="处置单位", en="handling unit"),
    CaseRole.VERIFIER: Label(zh="核查", en="verifier"),
    CaseRole.MANAGER: Label(zh="主管", en="manager"),
}

STATES: dict[State, Label] = {
    State.REPORTED: Label(zh="待受理", en="reported"),
    State.OPENED: Label(zh="立案", en="opened"),
    State.DISPATCHED: Label(zh="已派遣", en="dispatched"),
    State.DEFERRED: Label(zh="缓办", en="deferred"),
    State.HANDLED: Label(zh="已处置", en="handled"),
    State.VERIFIED: Label(zh="已核查", en="verified"),
    State.CLOSED: Label(zh="已结案", en="closed"),
    State.REFUSED: Label(zh="不予立案", en="refused"),
    State.VOID: Label(zh="已作废", en="void"),
    State.MERGED: Label(zh="已并案", en="merged"),
}


def _people(
    zh: str,
    en: str,
    *who: CaseRole,
    note: tuple[str, str] | None = None,
    until: tuple[str, str] | None = None,
    approval: bool = False,
    apart: bool = False,
) -> StepInfo:
    return StepInfo(
        label=Label(zh=zh, en=en),
        who=frozenset(who),
        note=Label(zh=note[0], en=note[1]) if note else None,
        until=Label(zh=until[0], en=until[1]) if until else None,
        approval=approval,
        apart=apart,
    )


def _itself(zh: str, en: str) -> StepInfo:
    return StepInfo(label=Label(zh=zh, en=en))


COLLECTOR, ACCEPTOR, DISPATCHER, HANDLER, VERIFIER, MANAGER = CaseRole

STEPS: dict[Step, StepInfo] = {
    Step.OPEN: _itself("立案", "open"),
    Step.ATTACH: _itself("并入", "attach"),
    Step.SENSOR_NORMAL: _itself("传感器恢复正常", "sensor normal"),
    Step.SENSOR_ABNORMAL: _itself("传感器再次异常", "sensor abnormal again"),
    Step.ELSEWHERE: _itself("外部系统反馈", "status in another system"),
    Step.SINGLED_OUT: _itself("多次发生，重点关注", "singled out as recurring"),
    Step.DUE_SOON: _itself("临期预警", "due soon"),
    Step.OVERDUE: _itself("超期", "overdue"),
    Step.REOPEN: _itself("重新立案", "reopen"),
    Step.RELAPSE: _itself("结案后仍异常，自动返工", "rework, as the sensor is still abnormal"),
    Step.REPORT: _people("上报", "report", COLLECTOR, apart=True),
    Step.ACCEPT: _people("受理立案", "accept", ACCEPTOR),
    Step.REFUSE: _people(
        "不予立案", "refuse", ACCEPTOR, note=("不予立案的原因", "why it is no case")
    ),
    Step.DISPATCH: _people("派遣", "dispatch", DISPATCHER),
    Step.RETURN: _people(
        "回退",
        "return",
        DISPATCHER,
        HANDLER,
        note=("回退原因", "why it is not this unit's"),
        approval=True,
    ),
    Step.SECURE: _people(
        "现场安全防护", "secure", HANDLER, note=("防护措施", "how the place was made safe")
    ),
    Step.HANDLE: _people("处置", "handle", HANDLER, note=("处置情况", "what was done")),
    Step.EXTEND: _people(
        "延期",
        "extend",
        DISPATCHER,
        HANDLER,
        note=("延期原因", "why it takes longer"),
        until=("延至", "the new due time"),
        approval=True,
    ),
    Step.DEFER: _people(
        "缓办",
        "defer",
        DISPATCHER,
        HANDLER,
        note=("缓办原因", "why it must wait"),
        until=("缓办至", "when it goes on"),
        approval=True,
    ),
    Step.RESUME: _people("恢复办理", "resume", DISPATCHER, HANDLER),
    Step.VERIFY: _people("核查", "verify", VERIFIER, note=("核查情况", "what was found on site")),
    Step.REWORK: _people("返工", "rework", VERIFIER, note=("返工原因", "what is still wrong")),
    Step.CLOSE: _people("结案", "close", ACCEPTOR, VERIFIER),
    Step.VOID: _people(
        "作废",
        "void",
        ACCEPTOR,
        DISPATCHER,
        HANDLER,
        note=("作废原因", "why there is no case"),
        approval=True,
    ),
    Step.SUPERVISE: _people("督办", "supervise", MANAGER, note=("督办意见", "what is demanded")),
    Step.REQUEST: _itself("申请", "request"),
    Step.APPROVE: _people("批准", "approve", MANAGER),
    Step.DECLINE: _people(
        "不批准", "decline", MANAGER, note=("不批准的原因", "why it is not approved")
    ),
    Step.MERGE: _people("并案", "merge", ACCEPTOR, DISPATCHER, apart=True),
    Step.ABSORB: _itself("并入他案", "absorb another case"),
    Step.SPLIT: _people("拆案", "split", ACCEPTOR, DISPATCHER, apart=True),
    Step.INVITE: _people("联合处置派遣", "invite a unit", DISPATCHER, apart=True),
    Step.TASK_DONE: _people("协办完成", "task done", HANDLER, apart=True),
    Step.FILE: _people(
        "上传附件",
        "add a file",
        COLLECTOR,
        ACCEPTOR,
        DISPATCHER,
        HANDLER,
        VERIFIER,
        MANAGER,
        apart=True,
    ),
}

# What a report says that it is about, until somebody accepts it: a sensor's alert is never taken
# into a case that may still be refused, and no stranger's word hurries a sensor's case.
REPORTED = "report-of:"

OPEN_STATES = (
    State.REPORTED,
    State.OPENED,
    State.DISPATCHED,
    State.DEFERRED,
    State.HANDLED,
    State.VERIFIED,
)
# The way a case goes when all is well.
MAIN_WAY = (State.OPENED, State.DISPATCHED, State.HANDLED, State.VERIFIED, State.CLOSED)

# What changes no state. A sensor's normal proposes verification: people close (核查), no sensor.
STAYING = (
    Step.ATTACH,
    Step.SENSOR_NORMAL,
    Step.SENSOR_ABNORMAL,
    Step.ELSEWHERE,
    Step.SINGLED_OUT,
    Step.DUE_SOON,
    Step.OVERDUE,
    Step.SUPERVISE,
    Step.REQUEST,
    Step.APPROVE,
    Step.DECLINE,
    Step.ABSORB,
    Step.SPLIT,
    Step.INVITE,
    Step.TASK_DONE,
    Step.FILE,
)
_MAY_BE_MERGED = (State.REPORTED, State.OPENED, State.DISPATCHED, State.DEFERRED)

# A case begins with OPEN in OPENED, or with REPORT in REPORTED. Refused, void and merged are final;
# closed is too, but for the product: the same matter arises again, or never went away.
TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.REPORTED, Step.ACCEPT): State.OPENED,
    (State.REPORTED, Step.REFUSE): State.REFUSED,
    (State.OPENED, Step.DISPATCH): State.DISPATCHED,
    (State.OPENED, Step.VOID): State.VOID,
    (State.DISPATCHED, Step.SECURE): State.DISPATCHED,
    (State.DISPATCHED, Step.HANDLE): State.HANDLED,
    (State.DISPATCHED, Step.RETURN): State.OPENED,
    (State.DISPATCHED, Step.EXTEND): State.DISPATCHED,
    (State.DISPATCHED, Step.DEFER): State.DEFERRED,
    (State.DISPATCHED, Step.VOID): State.VOID,
    (State.DEFERRED, Step.RESUME): State.DISPATCHED,
    (State.DEFERRED, Step.VOID): State.VOID,
    (State.HANDLED, Step.VERIFY): State.VERIFIED,
    (State.HANDLED, Step.REWORK): State.DISPATCHED,
    (State.VERIFIED, Step.CLOSE): State.CLOSED,
    (State.VERIFIED, Step.REWORK): State.DISPATCHED,
    (State.CLOSED, Step.REOPEN): State.OPENED,
    (State.CLOSED, Step.RELAPSE): State.DISPATCHED,
    **{(state, Step.MERGE): State.MERGED for state in _MAY_BE_MERGED},
    **{(state, step): state for state in OPEN_STATES for step in STAYING},
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
        ours = (other for at, other in TRANSITIONS if at is state and STEPS[other].who)
        possible = ", ".join(other.value for other in ours) or "none, it is final"
        raise NotAllowedError(
            f"{step.value!r} is not possible for a case that is {state.value}; possible: {possible}"
        ) from None


def may(actor: Actor, step: Step, unit: str = "") -> bool:
    """Whether this person may take a step in a case of this unit, or ask for it.

    A manager may take what needs a manager's approval; a handling unit acts in its own cases only.
    """
    info = STEPS[step]
    if info.approval and CaseRole.MANAGER in actor.roles:
        return True
    having = actor.roles & info.who
    return bool(having) and not (actor.unit and having == {CaseRole.HANDLER} and unit != actor.unit)


def next_steps(
    state: State, actor: Actor, unit: str = "", *, asked_for: bool = False
) -> list[Step]:
    """Return the steps that a person may take, or ask for, from a state, in the table's order.

    asked_for: whether a step waits for approval; meanwhile nothing else is asked for.
    """
    return [
        step
        for (at, step) in TRANSITIONS
        if at is state
        and not STEPS[step].apart
        and may(actor, step, unit)
        and (asked_for or step not in (Step.APPROVE, Step.DECLINE))
    ]


def mermaid() -> str:
    """Draw the table as a Mermaid state diagram; what leaves the state as it is is not drawn."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {state.value}: {STATES[state].zh} {STATES[state].en}" for state in State]
    for state, step in ((State.OPENED, Step.OPEN), (State.REPORTED, Step.REPORT)):
        label = STEPS[step].label
        lines.append(f"    [*] --> {state.value}: {label.zh} {label.en}")
    for (state, step), target in TRANSITIONS.items():
        if target is not state:
            label = STEPS[step].label
            lines.append(f"    {state.value} --> {target.value}: {label.zh} {label.en}")
    lines += [f"    {final.value} --> [*]" for final in State if final not in OPEN_STATES]
    return "\n".join(lines) + "\n"
