from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.chain import Broken, Content, Entry, Head, Kind, beginning, canonical, seal, verify

CASE = "20261122-000017"
words = st.text(max_size=8)
contents = st.dictionaries(words, st.none() | words | st.integers(0, 9), max_size=3)


def sealed(parts: list[tuple[Kind, Content]], case: str = CASE) -> tuple[list[Entry], Head]:
    last, entries = beginning(case), []
    for number, (kind, content) in enumerate(parts, start=1):
        last = seal(last, number, kind, str(number), content)
        entries.append(Entry(number=number, kind=kind, ref=str(number), content=content, seal=last))
    return entries, Head(entries=len(entries), seal=last)


parts = st.lists(st.tuples(st.sampled_from(Kind), contents), min_size=2, max_size=6)


@settings(max_examples=60, deadline=None)
@given(parts)
def test_what_was_sealed_holds(those: list[tuple[Kind, Content]]) -> None:
    entries, head = sealed(those)
    assert verify(CASE, entries, head) is None
    assert verify("20261122-000018", entries, head) is not None


@settings(max_examples=300, deadline=None)
@given(parts, st.data())
def test_every_mutation_is_found(those: list[tuple[Kind, Content]], data: st.DataObject) -> None:
    entries, head = sealed(those)
    at = data.draw(st.integers(0, len(entries) - 1))
    entry, changed = entries[at], list(entries)
    match data.draw(st.sampled_from(["change", "vanish", "delete", "cut", "swap", "seal", "add"])):
        case "change":
            other = data.draw(contents.filter(lambda each: each != entry.content))
            changed[at] = replace(entry, content=other)
            first = at + 1
        case "vanish":
            changed[at], first = replace(entry, content=None), at + 1
        case "delete":
            del changed[at]
            first = at + 1
        case "cut":
            changed = changed[:at]
            first = at + 1
        case "swap":
            other_at = data.draw(st.integers(0, len(entries) - 1).filter(lambda each: each != at))
            changed[at], changed[other_at] = changed[other_at], changed[at]
            first = min(at, other_at) + 1
        case "seal":
            changed[at], first = replace(entry, seal="0" * 64), at + 1
        case _:
            more = replace(entries[-1], number=len(entries) + 1, ref=str(len(entries) + 1))
            changed.append(more)
            first = len(entries) + 1
    broken = verify(CASE, changed, head)
    assert broken is not None
    assert broken.number == first


def test_what_does_not_hold_is_named() -> None:
    entries, head = sealed([(Kind.CASE, {"id": CASE}), (Kind.EVENT, {"note": "a"})])
    forged = [entries[0], replace(entries[1], content={"note": "b"})]
    assert verify(CASE, forged, head) == Broken(number=2, why="event 2 is not as it was sealed")
    gone = verify(CASE, [entries[0], replace(entries[1], content=None)], head)
    assert gone == Broken(number=2, why="event 2 is gone")
    cut = verify(CASE, entries[:1], head)
    assert cut == Broken(number=2, why="there are 1 entries, but 2 were sealed")
    loose = verify(CASE, entries, head, [(Kind.FILE, "9")])
    assert loose == Broken(number=3, why="file 9 was never sealed")
    assert verify(CASE, entries, None) is not None


def test_the_seal_of_a_known_entry_stays_what_it_is() -> None:
    """What cities have sealed must verify for ever."""
    content: Content = {"note": "已处置", "at_ms": 1, "due_ms": None}
    assert canonical(content) == '{"at_ms":1,"due_ms":null,"note":"已处置"}'
    assert seal(beginning(CASE), 1, Kind.EVENT, "1", content) == SEAL


SEAL = "bb3030ac51512773d6d449a447ec6ba65bcc7f0b1e41bffeeb0ab6332b3509fe"
