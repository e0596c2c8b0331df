"""Each way a reading can go wrong is told by its own name, and nothing else is."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.proof import BAD, Proof, Value, Verdict, prove

T0 = 1_790_000_000_000


def values(*pairs: tuple[int, float | None]) -> list[Value]:
    return [Value(at_ms=T0 + at_ms, value=value) for at_ms, value in pairs]


def proof(
    served: list[Value], stored: list[Value], declared: list[tuple[int, int]] | None = None
) -> Proof:
    gaps = [(T0 + first, T0 + last) for first, last in declared or []]
    return prove(served, stored, gaps, tolerance_ms=2_000, spoken=(T0, T0 + 3_600_000))


def counts(
    served: list[Value], stored: list[Value], declared: list[tuple[int, int]] | None = None
) -> dict[str, int]:
    return {v.value: n for v, n in proof(served, stored, declared).counts.items()}


STREET = values((0, 43.3), (1_000, 43.5), (2_000, 43.5), (3_000, 44.0))


def test_all_stored_a_little_later() -> None:
    stored = [Value(at_ms=each.at_ms + 7, value=each.value) for each in STREET]
    assert counts(STREET, stored) == {"stored": 4}


def test_one_lost() -> None:
    found = proof(STREET, [STREET[0], STREET[1], STREET[3]])
    assert found.counts == {Verdict.STORED: 3, Verdict.LOST: 1}
    (finding,) = found.findings
    assert (finding.verdict, finding.at_ms, finding.served) == (Verdict.LOST, T0 + 2_000, 43.5)


def test_a_constant_that_misses_one_misses_the_right_one() -> None:
    served = values(*((at, 7.0) for at in range(0, 20_000, 1_000)))
    stored = [each for each in served if each.at_ms != T0 + 9_000]
    assert proof(served, stored).findings[0].at_ms == T0 + 9_000
    assert counts(served, stored, [(8_900, 9_100)]) == {"stored": 19, "declared": 1}


def test_one_doubled() -> None:
    assert counts(STREET, [*STREET, STREET[2]]) == {"stored": 4, "doubled": 1}


def test_one_changed() -> None:
    stored = [STREET[0], Value(at_ms=STREET[1].at_ms + 9, value=435.0), *STREET[2:]]
    found = proof(STREET, stored)
    assert found.counts == {Verdict.STORED: 3, Verdict.CHANGED: 1}
    assert (found.findings[0].served, found.findings[0].stored) == (43.5, 435.0)


def test_one_mis_stamped() -> None:
    late = Value(at_ms=T0 + 60_000, value=43.3)
    served = [*STREET, *values((90_000, 50.0))]
    stored = [*STREET[1:], late, served[-1]]
    assert counts(served, stored) == {"stored": 4, "misstamped": 1}


def test_one_invented() -> None:
    stored = [*STREET, Value(at_ms=T0 + 1_500, value=12.0)]
    assert counts(STREET, stored) == {"stored": 4, "invented": 1}


def test_what_is_newer_than_the_ledger_is_not_judged() -> None:
    stored = [*STREET, Value(at_ms=T0 + 4_000, value=12.0)]
    assert counts(STREET, stored) == {"stored": 4}


def test_what_was_spoilt_may_be_missing_but_not_wrong() -> None:
    spoilt = Value(at_ms=T0 + 2_500, value=45.0, spoilt=True)
    assert counts([*STREET, spoilt], STREET) == {"stored": 4, "spoilt": 1}
    wrong = Value(at_ms=T0 + 2_500, value=4.5)
    assert counts([*STREET, spoilt], [*STREET, wrong]) == {
        "stored": 4,
        "spoilt": 1,
        "invented": 1,
    }


def test_a_told_silence_accounts_for_what_was_not_heard_until_the_next_value() -> None:
    stored = [STREET[0], *values((1_500, None)), STREET[3]]
    assert counts(STREET, stored) == {"stored": 2, "silent": 2}
    late = [*values((1_500, None), (1_600, 9.0)), STREET[0], STREET[3]]
    assert counts(STREET, late) == {"stored": 2, "silent": 1, "changed": 1}


def test_before_its_gateway_began_and_after_its_last_word() -> None:
    found = prove(STREET, STREET[1:3], [], tolerance_ms=500, spoken=(T0 + 900, T0 + 2_100))
    assert found.counts == {Verdict.STORED: 2, Verdict.BEFORE: 1, Verdict.PENDING: 1}
    assert [finding.verdict for finding in found.findings] == [Verdict.PENDING]


def test_rounding_in_the_last_bits_is_no_change() -> None:
    assert counts(values((0, 43.3)), values((3, 43.300000000000004))) == {"stored": 1}


def test_zero_is_a_value() -> None:
    assert counts(values((0, 0.0)), values((0, 0.0))) == {"stored": 1}


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    harm=st.dictionaries(st.integers(0, 59), st.sampled_from(["lose", "double"])),
)
def test_every_harm_is_counted_and_no_other(seed: int, harm: dict[int, str]) -> None:
    chance = random.Random(seed)
    served = values(*((n * 1_000, n / 7) for n in range(60)))
    stored = []
    for number, each in enumerate(served):
        moved = Value(at_ms=each.at_ms + chance.randrange(900), value=each.value)
        stored += [moved] * {"lose": 0, "double": 2}.get(harm.get(number, ""), 1)
    chance.shuffle(stored)
    found = proof(served, stored).counts
    kinds = Counter(harm.values())
    assert found[Verdict.STORED] == 60 - kinds["lose"]
    assert found[Verdict.LOST] == kinds["lose"]
    assert found[Verdict.DOUBLED] == kinds["double"]
    assert sum(found[verdict] for verdict in BAD) == len(harm)


@settings(max_examples=40)
@given(missing=st.sets(st.integers(0, 59), max_size=59))
def test_of_equal_values_as_many_are_lost_as_are_missing(missing: set[int]) -> None:
    served = values(*((n * 1_000, 7.0) for n in range(60)))
    stored = [each for n, each in enumerate(served) if n not in missing]
    found = proof(served, stored)
    assert found.counts[Verdict.LOST] == len(missing)
    assert {f.at_ms for f in found.findings} <= {served[n].at_ms for n in missing}
