"""Approved plans as ceilings: any part of one passes, anything more is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.errors import ChangesError, UsageError
from runner.message.plan import Change, Entry, Known, PlannedMessage
from runner.message.status import MessageStatus, SkipReason
from runner.planning.approved.approval import (
    KEY_BYTES,
    ApprovedPlan,
    PlanMaker,
    Unapproved,
    read_plan,
    refuse_looser,
    refuse_unapproved,
)
from runner.planning.approved.ceilings import ceilings_of, looser_than
from runner.planning.approved.plan_comparison import compare_plans
from tests.support import SENDER, recipient

KEY = "5a" * KEY_BYTES
FILE = Path("spring.yaml")
MINIMUM = "prospects: spring.csv\nmessage: Hi\n"
TEXTS = st.text(max_size=20)  # surrogates too
MESSAGES = st.builds(
    lambda person, sender, variant, text, step, row: PlannedMessage(
        row, recipient(person), sender, text, {}, variant=variant, step=step
    ),
    st.integers(1, 9),
    st.sampled_from("ab"),
    st.sampled_from(["", "x", "y"]),
    TEXTS,
    st.sampled_from(["1", "nudge"]),
    st.integers(2, 99),
)


def entry(planned: PlannedMessage, known: Known | None = None) -> Entry:
    return Entry(planned, Change.NEW if known is None else Change.SAME, known)


def campaign_of(text: str, folder: Path = Path()) -> Campaign:
    return load_campaign(folder / "spring.yaml", text)


def plan_of(messages: list[PlannedMessage], key: str = KEY, more: str = "") -> ApprovedPlan:
    maker = PlanMaker(key, campaign_of(f"senders: [{SENDER}]\n{MINIMUM}{more}"))
    for each in messages:
        maker.see(entry(each))
    return maker.plan({"message": "Hi"})


def content_of(planned: PlannedMessage) -> tuple[object, ...]:
    return (
        planned.recipient, planned.sender, planned.text, planned.variant, planned.step
    )  # fmt: skip


def refused(plan: ApprovedPlan, entries: list[Entry]) -> int:
    found = Unapproved(plan, FILE)
    for each in entries:
        found.see(each)
    if not found.messages:
        refuse_unapproved(found)
        return 0
    with pytest.raises(ChangesError):
        refuse_unapproved(found)
    return found.messages


@settings(deadline=None)
@given(st.lists(MESSAGES, max_size=12), st.lists(MESSAGES, max_size=4), st.randoms())
def test_any_part_of_a_plan_passes_and_any_addition_is_refused(
    messages: list[PlannedMessage], more: list[PlannedMessage], rng: Any
) -> None:
    plan = plan_of(messages)
    part = rng.sample(messages, rng.randint(0, len(messages)))
    assert refused(plan, [entry(each._replace(row=7)) for each in part]) == 0
    approved = set(map(content_of, messages))
    new = [each for each in more if content_of(each) not in approved]
    mixed = [entry(each) for each in (*part, *new)]
    rng.shuffle(mixed)
    assert refused(plan, mixed) == len(new)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(MESSAGES, max_size=12), st.randoms())
def test_a_plan_is_the_same_in_any_order_and_read_as_it_was_written(
    messages: list[PlannedMessage], rng: Any
) -> None:
    plan = plan_of(messages)
    shuffled = rng.sample(messages, len(messages))
    assert plan_of(shuffled).messages == plan.messages
    if len({content_of(each) for each in messages}) == len(messages):
        assert plan_of(shuffled).text() == plan.text()
    text = plan.text()
    said = json.loads(text)
    assert said["messages"] == sorted(plan.messages)
    if messages:
        assert not plan.messages & plan_of(messages, "6b" * KEY_BYTES).messages


SENT = Known("b", MessageStatus.SENT, "Hi Ann", variant="x")


def test_what_is_sent_counts_as_it_was_sent_and_is_never_refused() -> None:
    before = PlannedMessage(2, recipient(1), "b", "Hi Ann", {}, variant="x")
    now = before._replace(sender="a", text="Hello", variant="")
    for status in (MessageStatus.SENT, MessageStatus.SENDING, MessageStatus.IN_DOUBT):
        each = Entry(now, Change.KEPT, SENT._replace(status=status))
        maker = PlanMaker(KEY, campaign_of(f"senders: [{SENDER}]\n{MINIMUM}"))
        maker.see(each)
        plan = maker.plan({})
        assert plan.messages == plan_of([before]).messages
        assert refused(plan_of([]), [each]) == 0


def test_what_is_skipped_is_in_no_plan_and_is_not_refused() -> None:
    skipped = PlannedMessage(2, recipient(1), "a", "", {}, SkipReason.SUPPRESSED)
    assert plan_of([skipped]).messages == frozenset()
    assert refused(plan_of([]), [entry(skipped)]) == 0


@pytest.mark.parametrize("status", [MessageStatus.QUEUED, MessageStatus.FAILED])
def test_what_waits_in_the_ledger_is_held_to_the_plan(status: MessageStatus) -> None:
    waiting = PlannedMessage(2, recipient(1), "a", "Hi", {})
    assert refused(plan_of([]), [entry(waiting, Known("a", status, "Hi"))]) == 1
    later = entry(waiting)._replace(later=(entry(waiting._replace(step="nudge")),))
    assert refused(plan_of([waiting]), [later]) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"recipient": recipient(2)}, "is not in it"),
        ({"sender": "b"}, "sender b, and a is approved"),
        ({"variant": "y"}, "variant y, and variant x is approved"),
        ({"variant": ""}, "variant none, and variant x is approved"),
        ({"step": "nudge"}, "step nudge is not in it"),
        ({"text": "Hi, Ann"}, "another text (step 1)"),
    ],
)
def test_what_differs_is_told(changes: dict[str, Any], told: str) -> None:
    approved = PlannedMessage(2, recipient(1), "a", "Hi Ann", {}, variant="x")
    found = Unapproved(plan_of([approved]), FILE)
    found.see(entry(approved._replace(**changes)))
    with pytest.raises(ChangesError, match="1 message to 1 person not as approved in") as caught:
        refuse_unapproved(found)
    assert told in str(caught.value)
    assert "run-campaign plan spring.yaml -o " in caught.value.hint


FULL = (
    f"senders:\n  - {{id: {SENDER}, per_hour: 20, per_day: 100, gap: 60s..90s, "
    "ramp: {start: 20, step: 10}}\n"
    f"{MINIMUM}"
    "steps: [{name: nudge, after: 3d, text: Hi}]\n"
    "limits: {per_minute: 100, concurrency: 4}\nguard: {failure_rate: 0.1}\n"
    "contact_once_in: 30d\nstop_on: [reply]\nskip_known: {talked_within: 90d, status: [Customer]}\n"
    "retry: {absent: hold}\n"
    "schedule: {start: 2026-03-02 09:00, timezone: Europe/London, skip_holidays: GB-ENG, "
    'windows: [{days: mon-fri, from: "09:00", to: "17:00"}]}\n'
)

CHANGES = [
    ("per_hour: 20", "per_hour: 21", "per_hour: 19", f"senders.{SENDER}.per_hour"),
    ("per_day: 100", "per_day: none", "per_day: 99", f"senders.{SENDER}.per_day"),
    ("60s..90s", "60s..80s", "61s..90s", f"senders.{SENDER}.gap"),
    ("60s..90s", "59s", "90s", f"senders.{SENDER}.gap"),
    ("{start: 20, step: 10}", "none", "{start: 20, step: 9}", f"senders.{SENDER}.ramp"),
    ("after: 3d", "after: 2d", "after: 4d", "steps.nudge.after"),
    ("per_minute: 100", "per_minute: none", "per_minute: 99", "limits.per_minute"),
    ("concurrency: 4", "concurrency: 5", "concurrency: 3", "limits.concurrency"),
    ("absent: hold", "absent: resend", "absent: hold", "retry.absent"),
    ("rate: 0.1", "rate: none", "rate: 0.05", "guard.failure_rate"),
    ("contact_once_in: 30d", "contact_once_in: none", "contact_once_in: 31d", "contact_once_in"),
    ("stop_on: [reply]", "stop_on: []", "stop_on: [reply, assigned]", "stop_on"),
    ("talked_within: 90d", "talked_within: 9d", "talked_within: 91d", "skip_known.talked_within"),
    ("[Customer]", "[Lead]", "[Customer, Lead]", "skip_known.status"),
    ("03-02 09:00", "03-02 08:00", "03-03 08:00", "schedule"),
    ("Europe/London", "Europe/Paris", "Europe/London", "schedule"),
    (", skip_holidays: GB-ENG", "", ", skip_holidays: GB-ENG", "schedule"),
    ('"17:00"', '"17:01"', '"16:00"', "schedule"),
    ("mon-fri", "mon-sat", "tue", "schedule"),
]


@pytest.mark.parametrize(("said", "looser", "tighter", "key"), CHANGES)
def test_looser_is_refused_by_its_key_and_tighter_is_not(
    said: str, looser: str, tighter: str, key: str
) -> None:
    assert said in FULL
    approved = json.loads(json.dumps(ceilings_of(campaign_of(FULL))))
    assert list(looser_than(approved, ceilings_of(campaign_of(FULL)))) == []
    now = ceilings_of(campaign_of(FULL.replace(said, looser)))
    assert list(looser_than(approved, now)) == [key]
    now = ceilings_of(campaign_of(FULL.replace(said, tighter)))
    assert list(looser_than(approved, now)) == []


def test_without_a_schedule_any_is_tighter_and_none_is_looser() -> None:
    always = json.loads(json.dumps(ceilings_of(campaign_of(f"senders: [{SENDER}]\n{MINIMUM}"))))
    said = json.loads(json.dumps(ceilings_of(campaign_of(FULL))))
    assert "schedule" not in looser_than(always, said)
    assert "schedule" in looser_than(said, always)


def test_what_was_written_by_hand_into_the_limits_approves_nothing() -> None:
    now = ceilings_of(campaign_of(FULL))
    for odd in ("many", [], {}, None, [1], {"timezone": 1}):
        approved: dict[str, Any] = dict.fromkeys(now, odd)
        list(looser_than(approved, now))  # whatever it says, it says it
    assert set(looser_than({}, now)) == set(now)


def test_another_address_and_another_campaign_are_refused() -> None:
    plan = plan_of([])
    with pytest.raises(UsageError, match="is the plan of campaign spring, not of summer"):
        refuse_looser(campaign_of(f"name: summer\nsenders: [{SENDER}]\n{MINIMUM}"), plan)
    text = f"api: {{base_url: https://other.example/v2}}\nsenders: [{SENDER}]\n{MINIMUM}"
    with pytest.raises(ChangesError, match=r"api\.base_url is https://other\.example/v2"):
        refuse_looser(campaign_of(text), plan)
    refuse_looser(campaign_of(text), plan, elsewhere=True)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "7", "{}", "\x00", '{"format": "run-campaign plan 1"}', "[" * 100_000],
)
def test_a_file_that_is_not_a_plan_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "spring.plan.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="is not a plan of run-campaign"):
        read_plan(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_plan(tmp_path / "none.json")


@pytest.mark.parametrize("part", ["key", "messages", "counts", "texts", "limits", "campaign"])
def test_a_plan_without_a_part_is_not_one(tmp_path: Path, part: str) -> None:
    file = tmp_path / "spring.plan.json"
    file.write_text(plan_of([]).text())
    read_plan(file)
    said = json.loads(file.read_text())
    for odd in (None, 7):
        file.write_text(json.dumps({**said, part: odd}))
        if part != "campaign":
            with pytest.raises(UsageError, match="is not a plan"):
                read_plan(file)
    del said[part]
    file.write_text(json.dumps(said))
    with pytest.raises(UsageError, match="is not a plan"):
        read_plan(file)


def test_no_text_leaves_its_block_of_the_comparison() -> None:
    old, new = plan_of([]), plan_of([])
    odd = "````\n# heading\n</details>\x1b[31m"
    told = compare_plans(old, ApprovedPlan(
        new.campaign, new.key, new.api, {"message": odd}, new.ceilings, new.counts,
        new.messages, new.people,
    ))  # fmt: skip
    lines = told.splitlines()
    assert "`````diff" in lines
    assert lines.count("`````") == 1
    assert "\x1b" not in told
