"""Variants in the ledger: kept with each message, judged once; SQLite and PostgreSQL."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from runner.campaign.senders import Sender
from runner.clock import SystemClock
from runner.ledger.campaigns import bound_team, deals
from runner.ledger.campaigns.deals import Deal
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, decisions, outcomes, plans, replies
from runner.ledger.messages.outcomes import Result
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.messages.replies import Batch, Heard, Kind
from runner.ledger.queries import variants
from runner.ledger.schema import message
from runner.message.evidence import Evidence
from runner.message.prospect import Prospect
from runner.message.status import MessageStatus
from runner.planning.planner import plan_messages
from runner.planning.variants import VariantPicker
from runner.project.ledgers.move_ledger import move
from runner.status.variants import verdict_of
from runner.variants.dealer import Dealer
from runner.variants.verdict import NO_DIFFERENCE, TOO_EARLY, Verdict
from tests.support import LANE, ORIGIN, make_campaign, make_intent, own_lane, recipient
from tests.trials import Trial, play_some

HOUR = 3600.0
SHARES = {"plain": 1, "question": 1}


class Campaign:
    """A campaign with two variants in a ledger."""

    def __init__(self, ledger: Ledger, name: str = "spring") -> None:
        self.ledger = ledger
        row = make_campaign(ledger, name)
        ledger.write(bound_team.bind, row.id, ORIGIN, LANE)
        self.row: CampaignRow = replace(row, origin=ORIGIN, team=LANE)
        self.run = own_lane(ledger)
        self.read_at = 0.0

    def plan(self, count: int, *, rest_with: str = "") -> None:
        """Plan so many people, each variant's text with its name."""
        before = self.ledger.read(deals.find, self.row.name)
        dealer = Dealer("spring", SHARES, before.left if before else None)
        rows = [Prospect(one + 2, recipient(one), {}) for one in range(count)]
        with self.ledger.writing() as connection:
            writer = PlanWriter(connection, self.row)
            for chunk in plan_messages(
                rows,
                lambda _: tuple((name, None, "") for name in SHARES),
                [Sender(id="a")],
                partial(plans.known, connection, self.row.id),
                {},
                pick=VariantPicker(tuple(SHARES), dealer, rest_with),
            ):
                writer.write(chunk)
            deals.keep(connection, self.row.name, Deal(SHARES, 24 * HOUR, dealer.left))
            writer.finish("", 1.0)

    def send(self, at: float, most: int = 10_000) -> None:
        """Send what is queued, all at one time."""
        each = message.c
        with self.ledger.reading() as connection:
            wanted = select(each.id, each.recipient).where(
                each.campaign == self.row.id, each.status == "queued"
            )
            found = connection.execute(wanted.order_by(each.id).limit(most)).all()
        for id, to in found:
            of: dict[str, Any] = {"campaign": self.row.id, "recipient": recipient(to), "key": to}
            intent = make_intent(id, *self.run, **of, started_at=at, server_at=at)
            [number] = self.ledger.write(claims.claim, [intent])
            assert isinstance(number, int)
            ids: dict[str, Any] = {"message_id": f"m{id}", "thread_id": f"t{id}"}
            self.ledger.write(outcomes.record, [Result(id, number, Evidence.ACCEPTED, at, **ids)])

    def answer(self, variant: str, count: int, at: float) -> None:
        """Let so many people of a variant answer, and read that."""
        each = message.c
        with self.ledger.reading() as connection:
            wanted = select(each.id).where(each.variant == variant, each.status == "sent")
            ids = list(connection.execute(wanted.order_by(each.id).limit(count)).scalars())
        heard = [Heard(f"i{id}-{at}", f"t{id}", at, Kind.REPLY, id) for id in ids]
        self.read(at, heard)

    def read(self, at: float, heard: list[Heard] | None = None) -> None:
        self.ledger.write(replies.record, Batch(LANE, at, heard or [], 1, read_up_to=at))

    def verdict(self, now: float) -> Verdict:
        found = self.ledger.read(verdict_of, self.row, now)
        assert found is not None
        return found

    def messages(self) -> dict[str, tuple[str, bool, str, str]]:
        each = message.c
        with self.ledger.reading() as connection:
            wanted = select(each.recipient, each.variant, each.chosen, each.text, each.status)
            return {row[0]: tuple(row[1:]) for row in connection.execute(wanted)}


def test_a_variant_is_kept_with_its_message_and_not_dealt_a_second_time(ledger: Ledger) -> None:
    campaign = Campaign(ledger)
    campaign.plan(5)
    first = campaign.messages()
    assert Counter(variant for variant, *_ in first.values()).most_common(1)[0][1] == 3
    assert all(variant == text for variant, _, text, _ in first.values())
    campaign.plan(10)
    second = campaign.messages()
    assert {to: second[to] for to in first} == first
    # The block that the first plan had begun was gone on with.
    assert Counter(variant for variant, *_ in second.values()) == {"plain": 5, "question": 5}


def test_a_variant_stays_whatever_becomes_of_the_message(ledger: Ledger) -> None:
    campaign = Campaign(ledger)
    campaign.plan(4)
    first = campaign.messages()
    ledger.write(decisions.suppress, ["1", "2"], "asked", 5.0)
    campaign.plan(4)
    ledger.write(decisions.unsuppress, ["1", "2"])
    campaign.plan(4)
    assert campaign.messages() == first


def test_a_chosen_variant_is_marked_and_only_of_who_was_not_written_to(ledger: Ledger) -> None:
    campaign = Campaign(ledger)
    campaign.plan(10)
    first = campaign.messages()
    campaign.send(10.0, most=4)
    campaign.plan(10, rest_with="question")
    for to, (variant, chosen, text, status) in campaign.messages().items():
        sent = status == MessageStatus.SENT
        assert (variant, chosen) == ((first[to][0], False) if sent else ("question", True))
        assert text == variant
    assert ledger.read(variants.dealt, campaign.row.id).chosen == 6
    campaign.plan(10)  # it is not taken back
    assert ledger.read(variants.dealt, campaign.row.id).chosen == 6


def test_it_is_judged_once_all_have_had_their_time_and_replies_are_read(ledger: Ledger) -> None:
    campaign = Campaign(ledger)
    campaign.plan(60)
    assert campaign.verdict(0.0).phrase == TOO_EARLY
    campaign.send(100.0)
    campaign.answer("question", 15, 200.0)
    early = campaign.verdict(100.0 + 24 * HOUR - 1)
    assert (early.phrase, early.judged_at) == (TOO_EARLY, None)
    assert "judged" in early.why
    assert [each.replied for each in early.arms] == [0, 15]
    unread = campaign.verdict(100.0 + 24 * HOUR)
    assert (unread.phrase, "replies are to be read first" in unread.why) == (TOO_EARLY, True)
    campaign.read(100.0 + 24 * HOUR)
    judged = campaign.verdict(100.0 + 24 * HOUR)
    assert judged.phrase == "question was answered more often"
    assert judged.judged_at == 100.0 + 24 * HOUR


@pytest.mark.slow
def test_what_comes_after_it_was_judged_changes_nothing_of_it(ledger: Ledger) -> None:
    campaign = Campaign(ledger)
    campaign.plan(60)
    campaign.send(100.0)
    campaign.answer("question", 3, 200.0)
    campaign.read(100.0 + 24 * HOUR)
    judged = campaign.verdict(100.0 + 24 * HOUR)
    assert judged.phrase == NO_DIFFERENCE
    campaign.answer("question", 25, 101.0 + 24 * HOUR)
    campaign.plan(200)
    campaign.send(200.0 + 24 * HOUR)
    campaign.answer("question", 90, 300.0 + 24 * HOUR)
    campaign.read(1000 * HOUR)
    later = campaign.verdict(1000 * HOUR)
    assert (later.phrase, later.judged_at) == (judged.phrase, judged.judged_at)
    assert later.pairs == judged.pairs


def test_a_few_who_were_tried_first_are_no_judgement(ledger: Ledger) -> None:
    campaign = Campaign(ledger)
    campaign.plan(60)
    campaign.send(100.0, most=6)
    campaign.answer("question", 3, 200.0)
    campaign.read(1000 * HOUR)
    few = campaign.verdict(1000 * HOUR)
    assert (few.phrase, few.why) == (TOO_EARLY, "judged from 20 people of each variant on")
    campaign.send(2000 * HOUR)
    campaign.read(2024 * HOUR)
    assert campaign.verdict(2024 * HOUR).phrase == NO_DIFFERENCE


@pytest.mark.slow
def test_who_goes_on_being_written_to_puts_it_off(ledger: Ledger) -> None:
    campaign = Campaign(ledger)
    campaign.plan(120)
    for day in range(3):
        campaign.send(day * 23 * HOUR, most=40)
        campaign.read((day + 1) * 23 * HOUR)
        assert campaign.verdict((day + 1) * 23 * HOUR).phrase == TOO_EARLY
    campaign.read(2 * 23 * HOUR + 24 * HOUR)
    judged = campaign.verdict(2 * 23 * HOUR + 24 * HOUR)
    assert sum(each.written_to for each in judged.arms) == 120
    assert judged.phrase == NO_DIFFERENCE


def test_a_reply_counts_once_and_one_that_is_none_does_not(ledger: Ledger) -> None:
    campaign = Campaign(ledger)
    campaign.plan(60)
    campaign.send(100.0)
    campaign.answer("plain", 1, 200.0)
    campaign.answer("plain", 1, 300.0)
    assert campaign.verdict(400.0).arms[0].replied == 1
    everybody = list(campaign.messages())
    assert len(ledger.write(replies.dismiss, campaign.row.id, everybody)) == 1
    assert campaign.verdict(400.0).arms[0].replied == 0


def test_a_moved_ledger_deals_nobody_a_second_time(tmp_path: Path, new_database: str) -> None:
    (tmp_path / "project").mkdir()
    file = str(tmp_path / "project" / "state.db")
    with open_ledger(file) as ledger:
        campaign = Campaign(ledger)
        campaign.plan(31)
        campaign.send(10.0, most=5)
        campaign.plan(31, rest_with="question")
        before = campaign.messages()
        deal = ledger.read(deals.find, "spring")
    env = {"RUN_CAMPAIGN_MEMORY": str(tmp_path / "memory")}
    move(file, new_database, env, SystemClock(), lambda *_: None)
    with open_ledger(new_database) as moved:
        assert moved.read(deals.find, "spring") == deal
        campaign.ledger = moved
        campaign.plan(33)
        after = campaign.messages()
        assert {to: after[to] for to in before} == before


@pytest.mark.slow
def test_a_few_trials_say_what_is_so() -> None:
    """`python -m tests.trials` plays thousands."""
    found = play_some([Trial(seed, 40, (0.05, 0.6), 10) for seed in range(1, 4)])
    assert found["question was answered more often"] == found["judged"] == 3
    assert found["said two things"] == 0
