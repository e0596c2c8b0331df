"""What `edge read` says: as text for a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from contract.clock import iso_utc
from contract.errors import TransportError
from contract.quality import Quality, to_letters
from contract.quantities import split_measurement
from device_profiles.core.payload import parse
from device_profiles.core.values import Block
from edge.cabinet.read import Seen
from edge.cabinet.visit import Visit
from edge.cabinet.witness import Exchange
from edge.core.advice import Site, to_check
from edge.core.hexwords import show_address, show_words
from edge.core.modbus import BITS
from edge.core.quality_words import quality_words
from edge.core.suggestion import is_strange, say_usual, suggest_reading, with_unit, yaml_line
from edge.core.trace import Origin, Step, register_origins, step_of
from edge.core.trace_messages import payload_origins, report_origins
from edge.ports import Answers, Message, Report, Silence

MOST_PAYLOAD = 2_000
WORDS_A_LINE = 14


def steps_of(seen: Seen) -> list[Step]:
    """Return how each reading came about."""
    origins = _origins(seen)
    profile = seen.device.profile
    steps = []
    for name, reading in seen.readings.items():
        derived = profile.derived.get(name)
        made = "" if derived is None else f"{derived.how} of {', '.join(derived.of)}"
        origin = origins.get(name, Origin(place=made, why="no answer"))
        steps.append(step_of(reading, origin, *seen.device.ranges[name]))
    return steps


def _origins(seen: Seen) -> Mapping[str, Origin]:
    profile = seen.device.profile
    match seen.frame:
        case Answers(answers=answers) if profile.modbus and seen.device.poll:
            return register_origins(profile.modbus, _blocks(seen), answers)
        case Silence() if profile.modbus and seen.device.poll:
            return register_origins(profile.modbus, _blocks(seen), [None] * len(_blocks(seen)))
        case Message(payload=payload) if profile.mqtt:
            return payload_origins(profile.mqtt, parse(payload))
        case Report(frame=frame) if profile.hj212:
            return report_origins(profile.hj212, frame, seen.device.units)
        case _:
            return {}


def _blocks(seen: Seen) -> list[Block]:
    requests = seen.device.poll.requests if seen.device.poll else ()
    return [Block(each.function, each.address, each.count) for each in requests]


def is_good(seen: Seen) -> bool:
    """Whether every measurement came, and none is flagged."""
    return bool(seen.readings) and all(
        reading.quality is Quality.NORMAL for reading in seen.readings.values()
    )


def hints(seen: Seen, visit: Visit) -> list[str]:
    """Return what is strange about values that came, and how else they could be read."""
    return [
        _hint(seen, visit, step, step.value)
        for step in steps_of(seen)
        if step.value is not None
        and is_strange(step.measurement, step.value, (step.low, step.high))
    ]


def _hint(seen: Seen, visit: Visit, step: Step, value: float) -> str:
    name, modbus = step.measurement, seen.device.profile.modbus
    strange = f"{name} {with_unit(value, step.unit)} is not usual ({say_usual(name)})"
    part = modbus.measurements.get(name) if modbus else None
    if part is None or seen.device.poll is None:
        return strange
    found = suggest_reading(name, part, _words(seen, part.function))
    if found is not None:
        line = yaml_line(*found, part.function)
        better = with_unit(found[1].values[-1], step.unit)
        return f"{strange}; these words would be {better} with\n    {line}"
    key, _ = split_measurement(name)
    start = max(part.address - 2, 0)
    return (
        f"{strange}; this tries every type, order and scale:\n    gridwarden edge probe"
        f" {visit.config.path} {seen.plan.bus.id} --unit {seen.device.poll.requests[0].unit_id}"
        f" --function {part.function} --start {show_address(start)} --count 8 --quantity {key}"
    )


def _words(seen: Seen, function: int) -> dict[int, int]:
    words: dict[int, int] = {}
    for each in seen.exchanges:
        request, data = each.request, each.data or b""
        if request.function == function and request.function not in BITS:
            for index in range(len(data) // 2):
                words[request.address + index] = int.from_bytes(data[2 * index : 2 * index + 2])
    return words


def checks(seen: Seen, visit: Visit) -> tuple[str, tuple[str, ...]]:
    """Return what went wrong, and what to look at; nothing if all was answered."""
    lost = seen.witness.no_connection if seen.witness else None
    failed = lost or next((each.problem for each in seen.exchanges if each.problem), None)
    if failed is not None:
        return str(failed), to_check(failed, _site(seen, visit), connecting=lost is not None)
    if seen.waited and not seen.readings:
        return _silent(seen), _why_silent(seen)
    return "", ()


def _site(seen: Seen, visit: Visit) -> Site:
    poll, modbus = seen.device.poll, seen.device.profile.modbus
    unit_id = poll.requests[0].unit_id if poll else 0
    return visit.site(seen.plan.bus, unit_id, modbus.serial if modbus else None)


def _silent(seen: Seen) -> str:
    problems = "".join(f"; {problem}" for problem in seen.problems)
    return f"nothing came from {seen.device.id} in {seen.took_s:.0f} s{problems}"


def _why_silent(seen: Seen) -> tuple[str, ...]:
    said = [f"not believed: {why}" for why in seen.aside[:3]]
    if seen.others:
        said.append(
            f"others spoke: {', '.join(seen.others)}; is the address {seen.device.address} right?"
        )
    return (
        *said,
        f"it reports every {seen.device.period_s:g} s or so: wait longer (--wait-s), or make it"
        " report now",
        f"the address {seen.device.address}, as the device or its network server writes it",
        "power, antenna or SIM card; the network server or broker that it should report to",
    )


def as_text(seen: Seen, visit: Visit) -> Iterator[str]:
    """Yield the lines for a terminal."""
    device, bus = seen.device, seen.plan.bus
    who = f"unit id {device.poll.requests[0].unit_id}" if device.poll else device.address
    yield f"{device.id}: {device.profile.name}, {who}, on bus {bus.id} ({bus.driver})"
    if remark := visit.remark(bus):
        yield remark
    yield from _wire_lines(seen)
    for step in steps_of(seen):
        yield from _step_lines(step)
    problem, look = checks(seen, visit)
    if problem:
        yield f"problem: {problem}"
        yield from (f"  check: {line}" for line in look)
    for hint in hints(seen, visit):
        yield f"strange: {hint}"
    yield _verdict(seen)


def _wire_lines(seen: Seen) -> Iterator[str]:
    for each in seen.exchanges:
        request = each.request
        last = request.address + request.count - 1
        to = f" to {show_address(last)}" if request.count > 1 else ""
        yield (
            f"  function {request.function}, {show_address(request.address)}{to}:"
            f" {each.problem or 'answered'} ({1000 * each.took_s:.0f} ms)"
        )
        yield from _word_lines(each)
    match seen.frame:
        case Message(topic=topic, payload=payload):
            yield f"  topic {topic}"
            text = payload.decode("utf-8", "replace")
            yield f"  {text[:MOST_PAYLOAD]}{'…' if len(text) > MOST_PAYLOAD else ''}"
        case Report(frame=frame):
            told = ";".join(f"{key}={value}" for key, value in frame.cp.items())
            yield f"  CN={frame.command} CP=&&{told}&&"
            yield "  (the station was told that this arrived; it is not kept here)"


def _word_lines(each: Exchange) -> Iterator[str]:
    parts = _shown(each).split()
    for at in range(0, len(parts), WORDS_A_LINE):
        yield f"      {' '.join(parts[at : at + WORDS_A_LINE])}"


def _shown(each: Exchange) -> str:
    data = each.data or b""
    if each.request.function in BITS:
        return data.hex(" ").upper()
    return show_words(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))


def _step_lines(step: Step) -> Iterator[str]:
    if step.value is None:
        said = dict.fromkeys((quality_words(step.quality), step.why))
        value, check = "no value", ": ".join(filter(None, said))
    else:
        inside = "within" if step.low <= step.value <= step.high else "NOT within"
        value = with_unit(step.value, step.unit)
        check = f"{quality_words(step.quality)}, {inside} {step.low:g} to {step.high:g}"
    yield f"{step.measurement:<20} {value:<18} {check}"
    if not step.came:
        if step.place:
            yield f"    {step.place}"
        return
    way = [step.came]
    if step.raw is not None:
        way.append(f"{step.raw:.10g}")
    if step.scaled is not None:
        way.append(with_unit(step.scaled, step.sent))
    if step.value is not None and step.sent != step.unit:
        way.append(value)
    yield f"    {step.place}: {' → '.join(way)}"


def _verdict(seen: Seen) -> str:
    good = sum(reading.quality is Quality.NORMAL for reading in seen.readings.values())
    connecting = seen.witness.connecting_s if seen.witness else None
    connect = "" if connecting is None else f" (connecting {1000 * connecting:.0f} ms)"
    took = f"{seen.took_s:.1f} s" if seen.waited else f"{1000 * seen.took_s:.0f} ms"
    count = f"{good} of {len(seen.readings)} values good" if seen.readings else "no values"
    return f"{count}, {took}{connect}"


def as_json(seen: Seen, visit: Visit) -> str:
    """Return the one JSON object."""
    device = seen.device
    problem, look = checks(seen, visit)
    observed = None if seen.observed_ms is None else iso_utc(seen.observed_ms)
    told = {
        "device": device.id,
        "profile": device.profile.name,
        "bus": seen.plan.bus.id,
        "driver": seen.plan.bus.driver,
        "agent": visit.agent,
        "good": is_good(seen),
        "observed_at": observed,
        "took_ms": round(1000 * seen.took_s, 1),
        "requests": [_request_json(each) for each in seen.exchanges],
        **_message_json(seen),
        "values": [_value_json(step) for step in steps_of(seen)],
        "problem": problem,
        "check": look,
        "strange": hints(seen, visit),
    }
    return json.dumps(told, ensure_ascii=False)


def _request_json(each: Exchange) -> dict[str, object]:
    request, data = each.request, each.data
    return {
        "unit_id": request.unit_id,
        "function": request.function,
        "address": request.address,
        "count": request.count,
        "words": [] if data is None or request.function in BITS else _shown(each).split(),
        "data": "" if data is None else data.hex(),
        "took_ms": round(1000 * each.took_s, 1),
        "problem": _said(each.problem),
    }


def _said(problem: TransportError | None) -> str:
    return "" if problem is None else str(problem)


def _message_json(seen: Seen) -> dict[str, object]:
    match seen.frame:
        case Message(topic=topic, payload=payload):
            return {"topic": topic, "payload": payload.decode("utf-8", "replace")}
        case Report(frame=frame):
            return {"command": frame.command, "payload": frame.cp}
        case _:
            return {}


def _value_json(step: Step) -> dict[str, object]:
    inside = None if step.value is None else step.low <= step.value <= step.high
    return {
        "measurement": step.measurement,
        "place": step.place,
        "came": step.came,
        "raw": step.raw,
        "scaled": step.scaled,
        "device_unit": step.sent,
        "value": step.value,
        "unit": step.unit,
        "quality": to_letters(step.quality),
        "quality_words": quality_words(step.quality),
        "range": [step.low, step.high],
        "in_range": inside,
        "why": step.why,
    }
