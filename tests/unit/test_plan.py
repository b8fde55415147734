"""The plan: pure, exact, and the same however the rows are ordered."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ledger.statements import as_json
from runner.message.plan import Change, Contact, Entry, Known
from runner.message.prospect import Prospect, Recipient, RowSkip
from runner.message.status import MessageStatus, SkipReason
from runner.planning.planner import assign_sender, count_characters, plan_messages, render_with
from runner.tables.cell_types import Truth
from runner.templating.template import compile_template
from tests.pacing import sender
from tests.support import recipient

S = MessageStatus
ONE = [sender("a1")]


def plan(
    rows: Sequence[Prospect | RowSkip],
    known: Mapping[Recipient, Known] | None = None,
    suppressed: Mapping[str, str] | None = None,
    text: str = "Hi {{ first_name }}",
    characters: int | None = None,
) -> list[Entry | RowSkip]:
    chunks = plan_messages(
        rows,
        render_with({"": compile_template(text, "test")}, characters),
        ONE,
        lambda _recipients: known or {},
        suppressed or {},
    )
    return [entry for chunk in chunks for entry in chunk]


def prospect(id: int, row: int = 2, **columns: str) -> Prospect:
    return Prospect(row, recipient(id), {"first_name": "Ann", **columns})


def only(entries: list[Entry | RowSkip]) -> Entry:
    [entry] = entries
    assert isinstance(entry, Entry)
    return entry


def test_a_new_recipient_gets_a_rendered_text() -> None:
    entry = only(plan([prospect(5)]))
    assert entry.change is Change.NEW
    assert (entry.planned.text, entry.planned.sender, entry.planned.skip) == ("Hi Ann", "a1", None)


@pytest.mark.parametrize(
    ("text", "columns", "reason"),
    [
        ("Hi {{ first_name }}", {"first_name": ""}, SkipReason.MISSING_VALUE),
        ("{% if x %}{{ first_name }}{% endif %}", {"x": ""}, SkipReason.EMPTY_TEXT),
        ("{{ first_name }}", {"first_name": "{{ name }}"}, SkipReason.UNRENDERED),
        ("{{ first_name }}", {"first_name": "x" * 11}, SkipReason.TOO_LONG),
        ("{{ 1 // (first_name|length - 2) }}", {"first_name": "ab"}, SkipReason.TEMPLATE_ERROR),
    ],
)
def test_a_row_that_cannot_be_sent_says_why(
    text: str, columns: dict[str, str], reason: SkipReason
) -> None:
    entry = only(plan([prospect(5, 2, **columns)], text=text, characters=10))
    assert entry.planned.skip is reason
    assert entry.planned.detail


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("plain", 5),
        ("Grüße", 5),
        ("👋", 1),
        ("👋🏽", 1),
        ("👩‍👩‍👧‍👦!", 2),
        ("🇬🇧🇫🇷", 2),
        ("❤️", 1),
        ("1️⃣", 1),
    ],
)
def test_an_emoji_counts_as_one_character(text: str, length: int) -> None:
    assert count_characters(text) == length
    assert only(plan([prospect(5)], text=text, characters=length)).planned.skip is None


def test_the_ledgers_list_suppresses() -> None:
    entry = only(plan([prospect(5)], suppressed={"5": "asked to be left alone"}))
    assert entry.planned.skip is SkipReason.SUPPRESSED
    assert entry.planned.detail == "asked to be left alone"


@pytest.mark.parametrize(
    ("reason", "is_row_only"),
    [
        (SkipReason.DUPLICATE, True),
        (SkipReason.NOT_SELECTED, True),
        (SkipReason.SUPPRESSED, False),
        (SkipReason.BAD_TIMEZONE, False),
    ],
)
def test_repeats_and_rows_not_selected_never_touch_a_recipients_message(
    reason: SkipReason, is_row_only: bool
) -> None:
    [entry] = plan([RowSkip(2, reason, "why", {}, recipient(5))])
    assert isinstance(entry, RowSkip) is is_row_only


@pytest.mark.parametrize(
    ("known", "change"),
    [
        (Known("a1", S.QUEUED, "Hi Ann"), Change.SAME),
        (Known("a1", S.QUEUED, "Hello Ann"), Change.REVISED),
        (Known("gone", S.QUEUED, "Hi Ann"), Change.REVISED),
        (Known("a1", S.FAILED, "Hello Ann"), Change.REVISED),
        (Known("a1", S.REJECTED, "Hi Ann"), Change.SAME),
        (Known("a1", S.SKIPPED, "", 2, "missing_value"), Change.REQUEUED),
        (Known("a1", S.SENT, "Hello Ann"), Change.KEPT),
        (Known("a1", S.SENDING, "Hello Ann"), Change.KEPT),
        (Known("a1", S.IN_DOUBT, "Hello Ann"), Change.KEPT),
        (Known("a1"), Change.NEW),
    ],
)
def test_what_a_plan_means_for_what_is_there(known: Known, change: Change) -> None:
    assert only(plan([prospect(5)], {recipient(5): known})).change is change


@pytest.mark.parametrize(
    ("status", "change"),
    [
        (S.QUEUED, Change.SKIPPED),
        (S.FAILED, Change.KEPT),
        (S.SENT, Change.KEPT),
        (S.SKIPPED, Change.SKIPPED),
    ],
)
def test_a_reason_to_skip_reaches_only_what_waits(status: S, change: Change) -> None:
    entry = only(plan([prospect(5, first_name="")], {recipient(5): Known("a1", status, "x", 9)}))
    assert entry.change is change


def test_a_recipient_keeps_the_sender_they_had() -> None:
    senders = [sender("a1"), sender("b2")]
    for id in range(50):
        assert assign_sender(recipient(id), senders, "b2") == "b2"


def test_recipients_are_spread_by_weight() -> None:
    senders = [sender("a1", per_day=150), sender("b2", per_day=50), sender("c3", per_day=None)]
    tally = Counter(assign_sender(recipient(id), senders, None) for id in range(7000))
    assert tally["a1"] == pytest.approx(3000, rel=0.08)
    assert tally["b2"] == pytest.approx(1000, rel=0.12)
    assert tally["c3"] == pytest.approx(3000, rel=0.08)


@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_senders_changes_nobodys(id: int, luck: random.Random) -> None:
    senders = [sender(f"s{n}", per_day=100 + n) for n in range(5)]
    before = assign_sender(recipient(id), senders, None)
    luck.shuffle(senders)
    assert assign_sender(recipient(id), senders, None) == before


@given(st.integers(0, 10**6))
def test_a_new_sender_takes_only_for_itself(id: int) -> None:
    senders = [sender("s1"), sender("s2"), sender("s3")]
    before = assign_sender(recipient(id), senders[:2], None)
    assert assign_sender(recipient(id), senders, None) in (before, "s3")


@given(st.lists(st.integers(1, 10**9), unique=True, max_size=40), st.randoms())
def test_reordered_rows_give_the_same_messages(ids: list[int], luck: random.Random) -> None:
    def texts(order: Sequence[int]) -> dict[str, tuple[str, str]]:
        rows = [prospect(id, row, first_name=f"N{id}") for row, id in enumerate(order, 2)]
        entries = [entry for entry in plan(rows) if isinstance(entry, Entry)]
        return {e.planned.recipient.id: (e.planned.text, e.planned.sender) for e in entries}

    shuffled = list(ids)
    luck.shuffle(shuffled)
    assert texts(ids) == texts(shuffled)


DAY = 86400.0
MONTH = 30 * DAY


def plan_contacted(
    contact: Contact | None, *, now: float, within: float | None = MONTH, known: Known | None = None
) -> Entry:
    have = (known or Known("a1"))._replace(contact=contact)
    chunks = plan_messages(
        [prospect(5)],
        render_with({"": compile_template("Hi {{ first_name }}", "test")}),
        ONE,
        lambda _recipients: {recipient(5): have},
        {},
        contact_once_in=within,
        now=now,
    )
    return only([entry for chunk in chunks for entry in chunk])


def test_whom_another_campaign_has_written_to_is_skipped_until_the_time_has_passed() -> None:
    contact = Contact("autumn", 2 * DAY)
    planned = plan_contacted(contact, now=2 * DAY + MONTH - 1.0).planned
    assert planned.skip is SkipReason.CONTACTED
    assert planned.detail == "contacted by autumn on 1970-01-03; free from 1970-02-02"
    assert planned.free_at == 2 * DAY + MONTH
    assert plan_contacted(contact, now=2 * DAY + MONTH).planned.skip is None
    assert plan_contacted(contact, now=3 * DAY, within=None).planned.skip is None
    assert plan_contacted(None, now=3 * DAY).planned.skip is None


def test_whom_another_campaign_may_have_written_to_is_skipped_for_no_known_time() -> None:
    planned = plan_contacted(Contact("autumn"), now=1e12).planned
    assert planned.skip is SkipReason.CONTACTED
    assert "autumn" in planned.detail
    assert planned.free_at == 0.0


def test_a_contact_takes_out_who_is_queued_and_lets_them_in_again() -> None:
    contact = Contact("autumn", 2 * DAY)
    queued = Known("a1", S.QUEUED, "Hi Ann", 2)
    assert plan_contacted(contact, now=3 * DAY, known=queued).change is Change.SKIPPED
    skipped = Known("a1", S.SKIPPED, "", 2, "contacted", "contacted by spring …")
    assert plan_contacted(contact, now=90 * DAY, known=skipped).change is Change.REQUEUED
    told_anew = plan_contacted(contact, now=3 * DAY, known=skipped)
    assert told_anew.change is Change.SKIPPED
    again = skipped._replace(detail=told_anew.planned.detail)
    assert plan_contacted(contact, now=3 * DAY, known=again).change is Change.SAME
    sent = Known("a1", S.SENT, "Hi Ann", 2)
    assert plan_contacted(contact, now=3 * DAY, known=sent).change is Change.KEPT


def test_a_zone_of_ones_own_is_planned_and_changing_it_changes_no_text() -> None:
    row = Prospect(2, recipient(5), {"first_name": "Ann"}, "Asia/Tokyo")
    assert only(plan([row])).planned.zone == "Asia/Tokyo"
    known = Known("a1", S.QUEUED, "Hi Ann", 2, zone="Europe/London")
    entry = only(plan([row], {recipient(5): known}))
    assert (entry.change, entry.planned.zone) == (Change.SAME, "Asia/Tokyo")


_TEXTS = st.text('a"\\%s é\u2028\x00\n', max_size=6)


@given(st.dictionaries(_TEXTS, _TEXTS, max_size=4))
def test_cells_are_kept_as_the_json_module_writes_them(columns: dict[str, str]) -> None:
    assert as_json(columns) == json.dumps(columns, ensure_ascii=False, separators=(",", ":"))
    assert as_json({"answer": Truth(False)}) == '{"answer":"FALSE"}'
