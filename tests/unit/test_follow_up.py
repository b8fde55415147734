"""Follow-ups: when one may go, by its thread and by the messages of that."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.message.follow_up import (
    ENDS,
    GOES,
    Before,
    InThread,
    Judgement,
    StopOn,
    ThreadNow,
    judge_messages,
    judge_thread,
    stop_on_of,
    stop_on_text,
)
from runner.message.status import SkipReason

ALL = frozenset(StopOn)
SENT_AT = 1000.0
BEFORE = Before("ours", "thread", SENT_AT, SENT_AT + 60.0, ALL)
NOT_SHOWN = Judgement(wait="its thread does not show the message before")
IMPORTED = Judgement(wait="its thread is still being imported")
UNTOLD = Judgement(wait="its thread does not tell its restrictions or its assignee")
REPLIED = Judgement(SkipReason.REPLIED, "they have answered")
COLLEAGUE = Judgement(SkipReason.COLLEAGUE, "the team has gone on in the thread")
RESTRICTED = Judgement(SkipReason.RESTRICTED, "nothing may be sent in the thread any more")
LOOK_FURTHER = Judgement(look_further=True)


def ends_with(id: str = "ours", inbound: bool | None = False, **more: object) -> ThreadNow:
    return ThreadNow(id, inbound, **{"last_at": SENT_AT, **more})  # type: ignore[arg-type]


theirs = ends_with("theirs", True)
newer = ends_with("newer")


@pytest.mark.parametrize(
    ("thread", "verdict"),
    [
        (None, Judgement(SkipReason.THREAD_GONE, "the thread was deleted")),
        (ends_with(), GOES),
        (ends_with(inbound=None, last_at=None), GOES),  # its id says enough
        (ends_with(syncing=True), IMPORTED),
        (ends_with(restricted=True), RESTRICTED),
        (ends_with(restricted=True, syncing=True), RESTRICTED),
        (ends_with(restricted=None), UNTOLD),
        (ends_with(assignee="kim"), Judgement(SkipReason.ASSIGNED, "assigned to kim")),
        (ends_with(assignee=None), UNTOLD),
        (ends_with("", None, last_at=None), NOT_SHOWN),  # lastMessage: null
        (theirs, REPLIED),
        (ends_with("theirs", True, last_at=SENT_AT + 60), REPLIED),
        (ends_with("theirs", True, last_at=SENT_AT - 1), LOOK_FURTHER),  # not shown yet, or older
        (ends_with("theirs", True, last_at=None), LOOK_FURTHER),
        (ends_with("theirs", True, syncing=True), IMPORTED),
        (ends_with("newer", None), NOT_SHOWN),
        (newer, LOOK_FURTHER),
    ],
)
def test_a_thread_as_it_stands(thread: ThreadNow | None, verdict: Judgement) -> None:
    assert judge_thread(thread, BEFORE) == verdict


@pytest.mark.parametrize(
    ("stop_on", "thread", "verdict"),
    [
        (ALL - {StopOn.ASSIGNED}, ends_with(assignee="kim"), GOES),
        (ALL - {StopOn.ASSIGNED}, ends_with(assignee=None), GOES),
        (ALL - {StopOn.ASSIGNED}, ends_with(restricted=None), UNTOLD),
        (ALL - {StopOn.REPLY}, theirs, LOOK_FURTHER),
        (ALL - {StopOn.REPLY}, ends_with("theirs", True, last_at=SENT_AT - 1), LOOK_FURTHER),
        (ALL - {StopOn.COLLEAGUE}, newer, LOOK_FURTHER),
        (frozenset[StopOn](), None, Judgement(SkipReason.THREAD_GONE, "the thread was deleted")),
        (frozenset[StopOn](), ends_with(restricted=True), RESTRICTED),
        (frozenset[StopOn](), ends_with(syncing=True), IMPORTED),
    ],
)
def test_a_campaign_that_stops_on_less(
    stop_on: frozenset[StopOn], thread: ThreadNow | None, verdict: Judgement
) -> None:
    assert judge_thread(thread, BEFORE._replace(stop_on=stop_on)) == verdict


@pytest.mark.parametrize(
    ("thread", "verdict"),
    [
        (theirs, LOOK_FURTHER),
        (ends_with("theirs 2", True), REPLIED),
        (ends_with("theirs", True, last_at=SENT_AT - 1), LOOK_FURTHER),
    ],
)
def test_what_a_person_called_no_reply_ends_nothing(thread: ThreadNow, verdict: Judgement) -> None:
    before = BEFORE._replace(dismissed=frozenset({"theirs"}))
    assert judge_thread(thread, before) == verdict
    last = InThread(thread.last_id, ours=False, known=False)
    assert judge_messages([last, *by("ours")], before) == (REPLIED if verdict == REPLIED else GOES)


def by(*who: str) -> list[InThread]:
    """A thread of messages, the newest first: "ours" is the one before, "us" another of this
    ledger, "team" one of our side that it does not know, "them" one of the person."""
    return [
        InThread("ours" if each == "ours" else f"{at}", each != "them", each in ("ours", "us"))
        for at, each in enumerate(who)
    ]


@pytest.mark.parametrize(
    ("messages", "verdict"),
    [
        (by("ours"), GOES),
        (by("ours", "them", "team"), GOES),  # what stands before it is no answer to it
        (by("us", "ours"), GOES),  # another campaign of this ledger
        (by("team", "ours"), COLLEAGUE),
        (by("them", "ours"), REPLIED),
        (by("team", "them", "ours"), REPLIED),
        (by("them", "team", "ours"), REPLIED),
        (by("us", "team", "us", "ours"), COLLEAGUE),
        (by("team", "them"), NOT_SHOWN),  # deleted, or further back than a page
        (by(), NOT_SHOWN),
    ],
)
def test_the_messages_of_a_thread(messages: list[InThread], verdict: Judgement) -> None:
    assert judge_messages(messages, BEFORE) == verdict


@pytest.mark.parametrize(
    ("stop_on", "messages", "verdict"),
    [
        (ALL - {StopOn.REPLY}, by("them", "ours"), GOES),
        (ALL - {StopOn.REPLY}, by("team", "them", "ours"), COLLEAGUE),
        (ALL - {StopOn.COLLEAGUE}, by("team", "ours"), GOES),
        (ALL - {StopOn.COLLEAGUE}, by("team", "them", "ours"), REPLIED),
        (frozenset[StopOn](), by("team", "them", "ours"), GOES),
        (frozenset[StopOn](), by("team", "them"), NOT_SHOWN),
    ],
)
def test_messages_for_a_campaign_that_stops_on_less(
    stop_on: frozenset[StopOn], messages: list[InThread], verdict: Judgement
) -> None:
    assert judge_messages(messages, BEFORE._replace(stop_on=stop_on)) == verdict


maybe = st.sampled_from([None, True, False])
times = st.none() | st.floats(SENT_AT - 5, SENT_AT + 5)
threads = st.builds(
    ThreadNow,
    st.sampled_from(["", "ours", "other"]),
    maybe,
    times,
    st.sampled_from(["", None, "kim"]),
    st.booleans(),
    maybe,
)
befores = st.frozensets(st.sampled_from(StopOn)).map(lambda each: BEFORE._replace(stop_on=each))


@given(threads, befores)
def test_a_thread_lets_a_follow_up_go_only_after_the_message_before(
    thread: ThreadNow, before: Before
) -> None:
    found = judge_thread(thread, before)
    if found.goes:
        assert thread.last_id == "ours"
    if found.goes or found.look_further:
        assert thread.last_id
        assert not thread.syncing
        assert thread.restricted is False
        assert StopOn.ASSIGNED not in before.stop_on or thread.assignee == ""
    assert (found.skip is not None) + bool(found.wait) + found.look_further + found.goes == 1
    assert bool(found.detail) == (found.skip is not None)
    assert found.skip is None or found.skip in ENDS


who = st.lists(st.sampled_from(["us", "team", "them"]), max_size=8)


@given(who, who, befores, st.booleans())
def test_only_what_stands_after_the_message_before_counts(
    after: Sequence[str], earlier: Sequence[str], before: Before, shown: bool
) -> None:
    messages = by(*after, *(["ours"] if shown else []), *earlier)
    found = judge_messages(messages, before)
    assert not found.look_further
    if not shown:
        assert found == NOT_SHOWN
    elif "them" in after and StopOn.REPLY in before.stop_on:
        assert found == REPLIED
    elif "team" in after and StopOn.COLLEAGUE in before.stop_on:
        assert found == COLLEAGUE
    else:
        assert found == GOES


@given(st.frozensets(st.sampled_from(StopOn)))
def test_what_stops_steps_is_kept_in_the_ledger(stop_on: frozenset[StopOn]) -> None:
    kept = stop_on_text([each.value for each in stop_on])
    assert kept, "empty says that there are no steps"
    assert stop_on_of(kept) == stop_on


def test_a_campaign_without_steps_stops_on_nothing() -> None:
    assert stop_on_of("") == frozenset()
    assert stop_on_text([]) == "nothing"
