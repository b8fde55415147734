"""The words, the table of evidence, and the key."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.message.absence import evidence_of_lookup
from runner.message.evidence import (
    CLOCK_SLACK,
    EVIDENCE,
    MAY_HAVE_SENT,
    AttemptOutcome,
    Evidence,
    Way,
    evidence_of,
    is_foreign,
    judge,
    way_to_settle,
)
from runner.message.key import message_key, normal_name
from runner.message.outcome import (
    Absent,
    Accepted,
    Deferred,
    Found,
    InDoubt,
    LookupResult,
    Outcome,
    Rejected,
    Unclear,
)
from runner.message.plan import FIRST_STEP
from runner.message.prospect import Recipient
from runner.message.status import MOVES, MessageStatus

S, A, E = MessageStatus, AttemptOutcome, Evidence
PROOF_OF_SENT = {E.ACCEPTED, E.REPLAYED, E.FOUND, E.SAID_SENT}

EVERYTHING = list(itertools.product(E, S, (True, False), (True, False)))
"""Evidence, status, whether another attempt is unproven, whether tries are left."""


def test_the_whole_table_of_evidence() -> None:
    for case in EVERYTHING:
        evidence, status, others, tries = case
        outcome, new = judge(evidence, status, others_unproven=others, tries_left=tries)
        proves = evidence in PROOF_OF_SENT
        assert new is status or new in MOVES[status], f"no legal move: {case}"
        if status is not S.SENT:
            assert (new is S.SENT) == proves, f"only proof of sending makes it sent: {case}"
        assert (outcome is A.ACCEPTED) == proves, case
        if proves:
            continue
        if status not in (S.SENDING, S.IN_DOUBT):
            unproven = outcome is A.UNKNOWN and status is not S.SENT
            assert new is (S.IN_DOUBT if unproven else status), f"moved on: {case}"
        elif others and evidence is not E.SAID_NOT_SENT:
            assert new is S.IN_DOUBT, f"beside an unproven attempt: {case}"


def test_an_unproven_attempt_never_goes_back_to_the_queue() -> None:
    for evidence, verdict in EVIDENCE.items():
        if verdict.attempt is A.UNKNOWN:
            assert (verdict.alone, verdict.beside_unproven) == (S.IN_DOUBT, S.IN_DOUBT), evidence


def test_the_table_knows_every_kind_of_evidence() -> None:
    assert set(EVIDENCE) == set(E)
    assert set(MOVES) == set(S)


def test_attempts_used_up_fail_only_what_is_proven_not_sent() -> None:
    assert judge(E.DEFERRED, S.SENDING, others_unproven=False, tries_left=False)[1] is S.FAILED
    assert judge(E.UNKNOWN, S.SENDING, others_unproven=False, tries_left=False)[1] is S.IN_DOUBT


@pytest.mark.parametrize(
    ("outcome", "evidence"),
    [
        (Accepted("m", "t"), E.ACCEPTED),
        (Accepted("m", "t", replay=True), E.REPLAYED),
        (Rejected("no"), E.REJECTED),
        (Deferred("later"), E.DEFERRED),
        (Deferred("refused", written=False), E.NOT_WRITTEN),
        (InDoubt("timeout"), E.UNKNOWN),
    ],
)
def test_what_an_answer_is_evidence_of(
    outcome: Accepted | Rejected | Deferred | InDoubt, evidence: Evidence
) -> None:
    assert evidence_of(outcome) is evidence


first = pytest.mark.parametrize("barred", [False, True])
second = pytest.mark.parametrize("presumed", [False, True])
third = pytest.mark.parametrize("idempotent", [False, True])
LIFE = 3600.0


@first
@second
@third
@pytest.mark.parametrize(
    ("ages", "young"),
    [
        ((0.0, 0.0), True),
        ((-CLOCK_SLACK, LIFE - 1), True),
        ((LIFE, 0.0), False),  # too old by one clock is too old
        ((0.0, LIFE), False),
        ((-3.0, 10.0), False),  # a clock was set back: nobody knows how old it is
    ],
)
def test_only_what_is_known_to_be_young_is_repeated(
    barred: bool, presumed: bool, idempotent: bool, ages: tuple[float, float], young: bool
) -> None:
    way = way_to_settle(
        idempotent=idempotent, barred=barred, presumed=presumed, ages=ages, key_life=LIFE
    )
    allowed = idempotent and young and not barred and not presumed
    assert way is (Way.REPEAT if allowed else Way.LOOK_UP)


@first
@second
@third
@pytest.mark.parametrize("absent", ["hold", "resend"])
@pytest.mark.parametrize("finding", [Found("m", "t"), Absent("no"), Unclear("syncing")])
def test_what_a_look_up_is_evidence_of(
    barred: bool, presumed: bool, idempotent: bool, absent: str, finding: LookupResult
) -> None:
    said = evidence_of_lookup(
        finding, absent=absent, idempotent=idempotent, barred=barred, presumed=presumed
    )
    if isinstance(finding, Found):
        assert said is E.FOUND
    elif isinstance(finding, Unclear):
        assert said is E.UNCLEAR
    elif absent == "hold" or barred or presumed:
        assert said is E.ABSENT_HELD
    elif idempotent:
        assert said is Way.REPEAT  # under its key: never a second message
    else:
        assert said is E.ABSENT_ASSUMED


@pytest.mark.parametrize(
    ("outcome", "foreign"),
    [
        (Accepted("m", "t"), False),
        (Accepted("m", "t", replay=True), True),
        (Rejected("no"), False),
        (Deferred("later"), False),
        (InDoubt("timeout"), False),
        (InDoubt("sendUnconfirmed"), False),
        (InDoubt("sendInProgress"), True),
        (InDoubt("idempotencyKeyReused"), True),
    ],
)
def test_which_first_answers_tell_of_another_ledger(outcome: Outcome, foreign: bool) -> None:
    assert is_foreign(outcome) is foreign


def test_a_key_is_held_by_what_may_have_been_sent() -> None:
    proven_not_sent = set(A) - MAY_HAVE_SENT
    assert proven_not_sent == {A.REJECTED, A.NOT_SENT}


VECTORS = [
    (
        ("spring", "1", Recipient("twitter", "platform", "123"), 0),
        "rc1-389f45d8b654c48660a522864f452cfc4e8d7a78f89fee4de5374c1b21f2dbbe",
    ),
    (
        ("spring", "1", Recipient("twitter", "platform", "123"), 1),
        "rc1-f0231b614841b782c5b8883c8b4f26b6cb9d4fe3ee45312a218c5a873b9bb9dd",
    ),
    (
        ("Frühjahr „26“", "1", Recipient("linkedin", "inbox", "n7kxqm5d9iu2sgdf6jbw4h36"), 0),
        "rc1-1db15633dfe65c81910e077ca71a0f0e7a2f427bdb26e27b94819c7846044073",
    ),
]


@pytest.mark.parametrize(("parts", "key"), VECTORS)
def test_the_key_is_frozen(parts: tuple[str, str, Recipient, int], key: str) -> None:
    assert message_key(*parts) == key


def test_two_spellings_of_one_name_are_one_campaign() -> None:
    who = Recipient("twitter", "platform", "1")
    assert message_key("Fru\u0308hjahr ", FIRST_STEP, who) == message_key(
        "Fr\u00fchjahr", FIRST_STEP, who
    )


texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
parts = st.tuples(texts, texts, st.builds(Recipient, texts, texts, texts), st.integers(0, 9))


@given(parts, parts)
def test_keys_differ_exactly_when_their_parts_do(
    one: tuple[str, str, Recipient, int], other: tuple[str, str, Recipient, int]
) -> None:
    same = (normal_name(one[0]), *one[1:]) == (normal_name(other[0]), *other[1:])
    assert (message_key(*one) == message_key(*other)) == same


@given(parts)
def test_a_key_fits_the_header(one: tuple[str, str, Recipient, int]) -> None:
    assert re.fullmatch(r"rc1-[0-9a-f]{64}", message_key(*one))
