"""A plan may take a minute: nobody's word about another campaign waits for it (PostgreSQL; a file
has one writer)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text

from runner.ledger.campaigns import brakes, submissions
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.doubts import resolutions, settlements
from runner.ledger.doubts.settlements import Settlement
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, decisions, outcomes
from runner.ledger.messages.decisions import RetryRequest
from runner.ledger.messages.outcomes import Result
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from tests.support import LANE, claim_one, make_campaign, make_intent, make_queue, own_lane

PATIENT = 20.0
"""Seconds after which a test gives up; a word waits for 30 before it does."""


@contextmanager
def planning(location: str, row: CampaignRow) -> Iterator[None]:
    """A plan of this campaign that is under way, in a session of its own."""
    with open_ledger(location) as ledger, ledger.writing() as connection:
        writer = PlanWriter(connection, row)
        yield
        writer.finish("fingerprint", 50.0)


def handed_in(ledger: Ledger, row: CampaignRow) -> None:
    ledger.write(
        submissions.submit,
        row.name,
        lane_id=LANE,
        token_env="TOKEN",
        path=row.path,
        file="",
        start="",
        suppressed=(),
        at=5.0,
        by="ada",
    )


WORDS: dict[str, Callable[[Ledger, CampaignRow], object]] = {
    "pause": lambda ledger, row: ledger.write(brakes.pause, row.id, 5.0, "ada"),
    "resume": lambda ledger, row: ledger.write(decisions.resume, row.id, 5.0, "ada"),
    "release": lambda ledger, row: ledger.write(brakes.release, row.id, 5.0, "ada"),
    "cancel": lambda ledger, row: ledger.write(decisions.cancel, row.id, 5.0, "ada"),
    "retry": lambda ledger, row: ledger.write(decisions.retry, RetryRequest(row.id)),
    "resolve": lambda ledger, row: ledger.write(resolutions.resolve, row.id, []),
    "undo": lambda ledger, row: ledger.write(resolutions.undo, row.id),
    "submit": handed_in,
    "wake": lambda ledger, row: ledger.write(submissions.wake, row.id, 5.0),
}


def asked_beside(location: str, ledger: Ledger, planned: CampaignRow, ask: Any) -> None:
    """Ask while `planned` is being planned; it must be done before the plan is."""
    with ThreadPoolExecutor(1) as threads:
        asked: Future[Any]
        with planning(location, planned):
            asked = threads.submit(ask)
            asked.result(PATIENT)


@pytest.mark.slow
@pytest.mark.parametrize("word", WORDS)
def test_a_word_about_one_campaign_does_not_wait_for_the_plan_of_another(
    new_database: str, word: str
) -> None:
    with open_ledger(new_database) as ledger:
        spring, autumn = make_campaign(ledger), make_campaign(ledger, "autumn")
        make_queue(ledger, autumn, [1, 2])
        if word == "wake":
            handed_in(ledger, autumn)
        asked_beside(new_database, ledger, spring, lambda: WORDS[word](ledger, autumn))


def test_a_pause_does_not_wait_for_the_plan_of_its_own_campaign(new_database: str) -> None:
    with open_ledger(new_database) as ledger:
        spring = make_campaign(ledger)
        asked_beside(
            new_database, ledger, spring, lambda: ledger.write(brakes.pause, spring.id, 5.0, "ada")
        )
        assert ledger.read(brakes.active, [spring.id])


def test_a_cancel_waits_for_the_plan_of_its_own_campaign(new_database: str) -> None:
    with open_ledger(new_database) as ledger, ThreadPoolExecutor(1) as threads:
        spring = make_campaign(ledger)
        make_queue(ledger, spring, [1, 2, 3])
        with planning(new_database, spring):
            cancelled = threads.submit(ledger.write, decisions.cancel, spring.id, 5.0, "ada")
            until_one_waits(ledger)
            assert not cancelled.done()
        # The plan did not find them in the file any more, so there was nothing to cancel.
        assert cancelled.result(PATIENT) == 0
        assert ledger.read(totals.counts, spring.id)[MessageStatus.SKIPPED] == 3


@pytest.mark.parametrize("word", ["retry", "cancel", "resume", "resolve"])
def test_a_live_lane_and_a_word_never_wait_for_each_other(new_database: str, word: str) -> None:
    with open_ledger(new_database) as ledger, ThreadPoolExecutor(1) as threads:
        spring = make_campaign(ledger)
        make_queue(ledger, spring, [1, 2])
        run, epoch = own_lane(ledger)
        number = claim_one(ledger, make_intent(1, run, epoch))
        ledger.write(outcomes.record, [Result(1, number, Evidence.UNKNOWN, 11.0)])
        said = Settlement(1, Evidence.SAID_NOT_SENT, 20.0)
        ask = WORDS[word]
        if word == "resolve":
            ask = lambda ledger, row: ledger.write(resolutions.resolve, row.id, [said])  # noqa: E731
        with ledger.writing() as connection:  # a group of a lane: an intent, and look-ups' answers
            claims.claim(connection, [make_intent(2, run, epoch)])
            settlements.settle(connection, [Settlement(1, Evidence.UNCLEAR, 12.0, "unclear")])
            asked = threads.submit(ask, ledger, spring)
            until_one_waits(ledger)
            [done] = settlements.settle(connection, [Settlement(1, Evidence.ABSENT_ASSUMED, 13.0)])
            assert done is not None
            assert done.status is MessageStatus.QUEUED
        asked.result(PATIENT)


def until_one_waits(ledger: Ledger) -> None:
    waits = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        with ledger.reading() as connection:
            if connection.execute(waits).scalar_one():
                return
    raise AssertionError("nobody waits for anybody")
