"""The plan of follow-ups with a text for each variant: each person's own, whatever it was."""

from __future__ import annotations

from collections import Counter

import pytest

from runner.message.plan import Change, Entry, Known
from runner.message.prospect import Prospect
from runner.message.status import MessageStatus, SkipReason
from runner.planning.planner import Render, StepPlan, plan_messages
from runner.planning.variants import VariantPicker
from runner.variants.dealer import Dealer
from tests.pacing import sender
from tests.support import SENDER, recipient

S = MessageStatus
rendered: Counter[str] = Counter()


def render(text: str) -> Render:
    def found(_: Prospect):  # type: ignore[no-untyped-def]
        rendered[text] += 1
        return ((text, None, ""),)

    return found


def plan(known: Known | None, names: tuple[str, ...] = ("a", "b"), rest_with: str = "") -> Entry:
    """Plan one person's first message and one follow-up, with a text of both for each variant."""
    rendered.clear()
    [[entry]] = plan_messages(
        [Prospect(2, recipient(1), {})],
        lambda _: tuple((f"first {name}", None, "") for name in names),
        [sender(SENDER)],
        lambda _: {recipient(1): known} if known else {},
        {},
        pick=VariantPicker(names, Dealer("c", dict.fromkeys(names, 1), None), rest_with),
        steps=[StepPlan("nudge", "1", 60.0, {name: render(f"nudge {name}") for name in names})],
    )
    assert isinstance(entry, Entry)
    return entry


def knows(variant: str, status: S, then: S, reason: str = "") -> Known:
    """What the ledger has of a person: a first message, and the follow-up to it."""
    nudge = Known(
        SENDER, then, f"nudge {variant}", 2, reason, variant=variant, previous="1", after=60.0
    )
    return Known(SENDER, status, f"first {variant}", 2, variant=variant, later={"nudge": nudge})


def test_a_new_person_gets_both_texts_of_one_variant() -> None:
    entry = plan(None)
    [later] = entry.later
    dealt = entry.planned.variant
    assert (entry.planned.text, later.planned.text) == (f"first {dealt}", f"nudge {dealt}")
    assert later.planned.variant == dealt
    assert rendered == {f"nudge {dealt}": 1}, "the text of no other variant is rendered"


@pytest.mark.parametrize("rest_with", ["", "a"])
def test_who_is_written_to_goes_on_with_their_own(rest_with: str) -> None:
    [later] = plan(knows("b", S.SENT, S.QUEUED), rest_with=rest_with).later
    assert (later.planned.text, later.change) == ("nudge b", Change.SAME)


@pytest.mark.parametrize("then", [S.QUEUED, S.WAITING])
@pytest.mark.parametrize(("had", "told"), [("gone", "variant gone, which"), ("", "no variant")])
def test_who_had_a_variant_that_is_gone_gets_none(had: str, told: str, then: S) -> None:
    before = S.SENT if then is S.QUEUED else S.IN_DOUBT
    [later] = plan(knows(had, before, then)).later
    assert (later.planned.skip, later.change) == (SkipReason.REMOVED, Change.SKIPPED)
    assert f"the first message had {told}" in later.planned.detail


def test_who_comes_back_into_the_file_goes_on() -> None:
    [later] = plan(knows("b", S.SENT, S.SKIPPED, "removed")).later
    assert (later.planned.text, later.change) == ("nudge b", Change.REQUEUED)


@pytest.mark.parametrize("rest_with", ["", "a"])
def test_a_follow_up_takes_the_variant_of_an_unsent_first_message(rest_with: str) -> None:
    """Also where both texts are the same, and where it waits for that message to be retried."""
    for status, then, reason in ((S.QUEUED, S.WAITING, ""), (S.FAILED, S.SKIPPED, "step_before")):
        known = knows("b" if rest_with else "gone", status, then, reason)
        was = known.later["nudge"]._replace(text="nudge a")
        entry = plan(known._replace(later={"nudge": was}), ("a",), rest_with)
        [later] = entry.later
        assert (later.planned.variant, later.planned.text) == ("a", "nudge a")
        assert later.change in (Change.REVISED, Change.REQUEUED)
