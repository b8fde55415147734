"""What people look through, on SQLite and PostgreSQL: lists, a search, a story, the log."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from runner.clock import SystemClock
from runner.errors import UsageError
from runner.ledger.campaigns import audit, bound_team
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.messages import decisions, outcomes
from runner.ledger.messages.outcomes import Result
from runner.ledger.pagination import Page
from runner.ledger.queries import attempts, message_lists, search
from runner.ledger.queries.message_lists import ListedMessage
from runner.ledger.schema import attempt, campaign, message, row_skip
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from tests.support import (
    LANE,
    ORIGIN,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_queue,
    own_lane,
)

S = MessageStatus


def all_of(page: Callable[[str], Page[Any]]) -> list[Any]:
    """Every row, page by page; none twice."""
    found: list[Any] = []
    after = ""
    while True:
        told = page(after)
        found += told.rows
        if not told.after:
            return found
        assert told.after != after
        after = told.after


def bound(ledger: Ledger, name: str) -> CampaignRow:
    row = make_campaign(ledger, name)
    ledger.write(bound_team.bind, row.id, ORIGIN, LANE)
    return row


def skip_rows(ledger: Ledger, row: CampaignRow, count: int) -> None:
    with ledger.writing() as connection:
        for number in range(count):
            connection.execute(
                insert(row_skip).values(
                    campaign=row.id,
                    row=number + 100,
                    reason="no_id" if number % 2 else "bad_id",
                    detail="the id is empty",
                    recipient=f"@row{number}",
                    columns='{"name": "Zoë Ø%_!"}',
                )
            )


def test_lists_come_page_by_page_each_row_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    spring, other = bound(ledger, "spring"), bound(ledger, "autumn")
    make_queue(ledger, spring, range(1, 31))
    make_queue(ledger, other, range(1, 4))
    skip_rows(ledger, spring, 9)
    with ledger.writing() as connection:
        for id in range(1, 31, 3):
            values = {"status": S.SKIPPED, "reason": "removed" if id % 2 else "suppressed"}
            connection.execute(update(message).where(message.c.id == id).values(**values))
        connection.execute(update(message).where(message.c.id == 2).values(sender="another"))

    def queued(**asked: Any) -> list[str]:
        def page(after: str) -> Page[ListedMessage]:
            asked_too = {"after": after, "limit": 4, **asked}
            return ledger.read(message_lists.messages, spring.id, S.QUEUED, **asked_too)

        return [each.recipient for each in all_of(page)]

    def skipped(reason: str) -> list[tuple[int | None, str]]:
        def page(after: str) -> Page[ListedMessage]:
            return ledger.read(
                message_lists.skipped, spring.id, reason=reason, after=after, limit=4
            )

        return [(each.message, each.recipient) for each in all_of(page)]

    for looked_at in (20_000, 3):  # a page may also end for having looked at so many
        monkeypatch.setattr(message_lists, "MOST_SCANNED", looked_at)
        assert queued() == [str(id) for id in range(1, 31) if id % 3 != 1]
        assert queued(sender="another") == ["2"]
        assert queued(reason="none") == []
        rows = [(None, f"@row{number}") for number in range(9)]
        assert skipped("") == [*rows, *((id, str(id)) for id in range(1, 31, 3))]
        assert skipped("no_id") == rows[1::2]
        assert skipped("removed") == [(id, str(id)) for id in range(1, 31, 6)]
    [first, *_] = ledger.read(message_lists.messages, spring.id, S.QUEUED).rows
    assert (first.text, first.row, first.sender, first.columns) == (
        "Hi 2",
        3,
        "another",
        {"a": "b"},
    )
    assert (first.attempts, first.not_before, first.detail) == (0, 0.0, "")
    for wrong in ("x", "1_2", "9" * 40, "nan"):
        with pytest.raises(UsageError, match="no such page"):
            ledger.read(message_lists.messages, spring.id, S.QUEUED, after=wrong)


def test_people_are_found_by_id_and_by_their_cells(ledger: Ledger) -> None:
    spring, autumn = bound(ledger, "spring"), bound(ledger, "autumn")
    make_queue(ledger, spring, ["123", "1234", "55", "77"])
    make_queue(ledger, autumn, ["123"])
    skip_rows(ledger, autumn, 1)
    cells = {
        "55": '{"Name": "Änne \\"Ö\\" Grün", "id": "55", "n": "50% off_line"}',
        "77": '{"Name": "иван", "id": "77"}',
    }
    with ledger.writing() as connection:
        for id, columns in cells.items():
            connection.execute(
                update(message).where(message.c.recipient == id).values(columns=columns)
            )

    def found(text: str, **bounds: Any) -> list[tuple[str, str]]:
        told = ledger.read(search.search, text, SystemClock(), **{"within": 60.0, **bounds})
        return [(each.campaign_name, each.recipient) for each in told.rows]

    assert found(" 123 ") == [("autumn", "123"), ("spring", "123"), ("spring", "1234")]
    for text in ("grün", "GRÜN", "änne", '"ö"', "0% OFF_", "55"):
        assert found(text) == [("spring", "55")], text
    assert found("ИВАН") == [("spring", "77")]
    assert found("zoë ø%_!") == [("autumn", "@row0")] == found("@ROW0")
    for text in ("", " ", "Name", "0%off", "\\", "b%", "'; --"):
        assert found(text) == [], text
    assert found("B") == [("autumn", "123"), ("spring", "1234"), ("spring", "123")]
    assert found("B", limit=1) == [("autumn", "123")]
    assert ledger.read(search.search, "B", SystemClock(), limit=1, within=60.0).cut
    assert ledger.read(search.search, "B", SystemClock(), within=0.0).cut
    assert not ledger.read(search.search, "B", SystemClock(), limit=3, within=60.0).cut


def test_a_story_tells_all_that_is_known_of_a_message(ledger: Ledger) -> None:
    spring, autumn = bound(ledger, "spring"), bound(ledger, "autumn")
    make_queue(ledger, spring, [1, 2])
    make_queue(ledger, autumn, [1])
    run, epoch = own_lane(ledger)
    number = claim_one(ledger, make_intent(1, run, epoch, started_at=20.0, server_at=21.0))
    sent = Result(1, number, Evidence.ACCEPTED, 22.0, message_id="m1", thread_id="t1")
    ledger.write(outcomes.record, [sent])
    ledger.write(decisions.suppress, ["1"], "asked", 30.0)
    with ledger.writing() as connection:
        for campaign_id, who in ((spring.id, ["1"]), (autumn.id, ["1"]), (spring.id, ["11"])):
            audit.record(
                connection,
                audit.Act.SENT,
                at=25.0,
                by="ada",
                via=audit.DASHBOARD,
                campaign=campaign_id,
                recipients=who,
            )
    told = ledger.read(message_lists.detail, 1)
    assert told is not None
    assert (told.message.status, told.message.sent_at) == (S.SENT, 22.0)
    assert (told.message.message_id, told.message.thread_id) == ("m1", "t1")
    assert (told.platform, told.id_type, told.step, told.zone) == ("twitter", "platform", "1", "")
    [tried] = told.attempts
    assert (tried.number, tried.started_at, tried.server_at, tried.ended_at) == (
        1,
        20.0,
        21.0,
        22.0,
    )
    assert (tried.outcome, tried.evidence, tried.message_id) == ("accepted", "accepted", "m1")
    assert (tried.version, tried.sender, tried.key, tried.thread_id) == (
        "v2",
        SENDER,
        "rc1-key",
        "t1",
    )
    assert (tried.reason, tried.detail, tried.http_status, tried.request_id) == ("", "", 0, "")
    assert tried.host
    assert told.suppressed == ("asked", 30.0)
    assert [(each.campaign_name, each.message) for each in told.others] == [("autumn", 3)]
    assert [(each.campaign, each.via) for each in told.actions] == [(spring.id, "dashboard")]
    assert ledger.read(message_lists.detail, 99) is None


def test_the_log_is_newest_first_and_complete_page_by_page(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a campaign whose last attempts lie far behind a busier one's."""
    luck = random.Random(3)
    quiet, busy = bound(ledger, "quiet"), bound(ledger, "busy")
    make_queue(ledger, quiet, range(1, 13))
    make_queue(ledger, busy, range(20, 60))
    run, epoch = own_lane(ledger)
    at = 1000.0
    for id in range(1, 53):
        at += luck.choice((0.0, 1.0, 500.0))
        number = claim_one(ledger, make_intent(id, run, epoch, started_at=at, server_at=at))
        evidence = Evidence.ACCEPTED if id % 3 else Evidence.REJECTED
        result = Result(id, number, evidence, at + 0.5, message_id=f"m{id}" if id % 3 else "")
        ledger.write(outcomes.record, [result])
    with ledger.reading() as connection:
        wanted = select(attempt.c.server_at, attempt.c.message, campaign.c.name)
        joined = wanted.join(message, message.c.id == attempt.c.message)
        rows = connection.execute(joined.join(campaign, campaign.c.id == message.c.campaign))
        kept = sorted((tuple(row) for row in rows), reverse=True)

    def told(id: int | None) -> list[tuple[float, int, str]]:
        def page(after: str) -> Page[attempts.LogLine]:
            return ledger.read(attempts.recent, id, after=after, limit=5)

        return [(each.at, each.message, each.campaign_name) for each in all_of(page)]

    assert told(None) == kept
    for lately in (1000, 7):
        monkeypatch.setattr(attempts, "NEWEST_OF_LANE", lately)
        for row in (quiet, busy):
            assert told(row.id) == [each for each in kept if each[2] == row.name], lately
    last = ledger.read(attempts.recent).rows[0]
    assert (last.recipient, last.row, last.status, last.outcome) == ("59", 41, S.SENT, "accepted")
    assert (last.number, last.ended_at, last.evidence) == (1, at + 0.5, "accepted")
    assert (last.sender, last.campaign, last.columns) == (SENDER, busy.id, {"a": "b"})
    assert (last.reason, last.detail, last.http_status) == ("", "", 0)
    assert not ledger.read(attempts.recent, make_campaign(ledger, "never run").id).rows
