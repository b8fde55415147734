"""Outcomes: record what is learnt of attempts, and move their messages, each guarded by the status
it starts from.

Each function works inside one transaction. The functions that take lists are batches for the
`Writer`. `message.evidence.judge` alone decides what evidence does.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, literal_column, select, update

from runner.errors import LedgerError
from runner.ledger.messages import feeds, follow_ups
from runner.ledger.messages.late_skips import LateSkip
from runner.ledger.messages.suppression import skip_suppressed
from runner.ledger.schema import attempt, campaign, message
from runner.ledger.statements import Prepared, bound, given, is_one_of, texts_of
from runner.message.erased import is_placeholder
from runner.message.evidence import AttemptOutcome, Evidence, judge
from runner.message.outcome import NOT_AS_ASKED
from runner.message.status import MOVES, OPEN, MessageStatus

_S = MessageStatus


class Result(NamedTuple):
    """A finding about one attempt, to be recorded whatever its message's status is now.

    `not_before`: when a message that goes back to `queued`, or stays in doubt, is due again.
    `counts`: whether this uses up one of `retry.attempts`; `attempts_allowed` is that setting.
    """

    message: int
    number: int
    evidence: Evidence
    at: float
    reason: str = ""
    detail: str = ""
    http_status: int = 0
    request_id: str = ""
    message_id: str = ""
    thread_id: str = ""
    not_before: float = 0.0
    counts: bool = False
    attempts_allowed: int = 1
    answered: bool = True
    sent_at: float | None = None  # when it was sent, if that is another time than `at`
    via: tuple[str, str] = ("", "")  # the lane and the API's address, for an acceptance


class Recorded(NamedTuple):
    """A result's effect. `doubled`: the recipient had already been sent another message.
    `passed`: why it became `skipped` when it came back into the queue."""

    status: MessageStatus
    doubled: bool = False
    passed: LateSkip | None = None


class _Before(NamedTuple):
    """A message before a result."""

    status: str
    tries: int
    message_id: str | None


_BEFORE = Prepared(
    lambda database: (
        select(
            message.c.id,
            message.c.attempts,
            message.c.recipient,
            message.c.status,
            message.c.tries,
            message.c.message_id,
            follow_ups.is_followed(),
        )
        .where(is_one_of(message.c.id, "ids", database))
        .order_by(message.c.id)  # always in one order, or two of these could wait for each other
        .with_for_update()
    )
)


def record(connection: Connection, results: list[Result]) -> list[Recorded]:
    """Record outcomes: every attempt gets its truth, and its message moves as the evidence says.

    A message may occur more than once in `results`; they take effect in order. One that goes back
    to the queue and was left out by a plan made meanwhile is not sent before its campaign has
    been planned again; one whose recipient is on the do-not-contact list by then is `skipped`.
    """
    results = _with_ids_of_their_own(connection, results)
    rows = _BEFORE.rows(connection, ids=json.dumps([result.message for result in results]))
    now: dict[int, _Before] = {}
    retried: list[int] = []
    followed: set[int] = set()
    for id, number, recipient, status, tries, message_id, is_followed in rows:
        now[id] = _Before(status, tries, message_id)
        if is_followed:
            followed.add(id)
        if is_placeholder(recipient):
            results = [_anonymous(each) if each.message == id else each for each in results]
        if number > 1:
            retried.append(id)
    unproven = unproven_attempts(connection, retried)
    attempts: list[dict[str, Any]] = []
    moves: list[dict[str, Any]] = []
    told: list[Recorded] = []
    for result in results:
        was = now[result.message]
        others = unproven.get(result.message, set()) - {result.number}
        tries = was.tries + result.counts
        outcome, status = judge(
            result.evidence,
            MessageStatus(was.status),
            others_unproven=bool(others),
            tries_left=tries < result.attempts_allowed or not result.counts,
        )
        if result.message in unproven and outcome is not AttemptOutcome.UNKNOWN:
            unproven[result.message].discard(result.number)
        attempts.append(_attempt_values(result, outcome))
        accepted = outcome is AttemptOutcome.ACCEPTED
        doubled = (
            accepted
            and was.status == _S.SENT
            and bool(result.message_id and was.message_id)
            and was.message_id != result.message_id
        )
        told.append(Recorded(status, doubled))
        if doubled or (status == was.status and status is not _S.IN_DOUBT):
            continue  # an attempt's truth that moves nothing
        moves.append(_move(result, was.status, status, tries))
        now[result.message] = _Before(status.value, tries, result.message_id or was.message_id)
    _ATTEMPT.run_many(connection, attempts)
    _write_moves(connection, moves)
    if followed:
        ended = {each["_id"] for each in moves if each["status"] in _ENDED}
        follow_ups.follow_after(connection, sorted(followed & ended))
    if found := [
        each["_id"] for each in moves if each["_from"] == _S.IN_DOUBT and each["thread_id"]
    ]:
        feeds.read_back_too(connection, found, max(result.at for result in results))
    if late := [move["_id"] for move in moves if _is_late_doubt(move)]:
        # As what it was, a plan may have passed it over.
        connection.execute(update(message).where(message.c.id.in_(late)).values(outdated=True))
    back = {id for id, standing in now.items() if standing.status == _S.QUEUED}
    if not back:
        return told
    resolved = {each.message for each in results if each.evidence is Evidence.SAID_NOT_SENT}
    _plan_again(connection, back, resolved)
    passed = skip_suppressed(connection, message.c.id.in_(back - resolved))
    return [
        Recorded(_S.SKIPPED, passed=passed[result.message])
        if done.status is _S.QUEUED and result.message in passed
        else done
        for result, done in zip(results, told, strict=True)
    ]


def _anonymous(result: Result) -> Result:
    """Return a late truth about an erased person without what would name them."""
    return result._replace(message_id="", thread_id="", request_id="", detail="")


def _with_ids_of_their_own(connection: Connection, results: list[Result]) -> list[Result]:
    """Return results as they are proven: an id that is another message's proves nothing of this
    one."""
    ids = {each.message_id for each in results if each.evidence in _PROVEN_BY_ID} - {""}
    if not ids:
        return results
    known = _TAKEN.rows(connection, ids=json.dumps(sorted(ids)))
    owners = {(id, *via): owner for id, owner, *via in known}
    told = []
    for result in results:
        id = result.message_id
        proven = result.evidence in _PROVEN_BY_ID and bool(id)
        if proven and owners.setdefault((id, *result.via), result.message) != result.message:
            told.append(
                result._replace(
                    evidence=Evidence.UNKNOWN,
                    reason=NOT_AS_ASKED,
                    detail=not_its_own(id),
                    message_id="",
                )
            )
        else:
            told.append(result)
    return told


def not_its_own(message_id: str) -> str:
    """Return the detail of an acceptance whose id is another message's."""
    return f"accepted, but as message {message_id}, which is another row's"


_PROVEN_BY_ID = frozenset({Evidence.ACCEPTED, Evidence.REPLAYED})
_TAKEN = Prepared(
    lambda database: select(
        attempt.c.message_id, attempt.c.message, attempt.c.lane, attempt.c.base_url
    ).where(
        attempt.c.message_id.in_(texts_of("ids", database)),
        attempt.c.message_id != literal_column("''"),  # in words: else its index is not used
        attempt.c.outcome == AttemptOutcome.ACCEPTED,
    )
)


_ENDED = (_S.SENT, _S.REJECTED, _S.FAILED)


def _is_late_doubt(move: dict[str, Any]) -> bool:
    return move["status"] == _S.IN_DOUBT and move["_from"] not in OPEN


def _plan_again(connection: Connection, back: Collection[int], resolved: Collection[int]) -> None:
    """Let nothing go before it is planned that a plan has left out, or that has come back by a
    manual resolution, which can be undone until then."""
    waits = message.c.unplanned | message.c.outdated | message.c.id.in_(resolved)
    those = update(message).where(message.c.id.in_(back))
    connection.execute(those.values(unplanned=waits, outdated=False))


def invalidate_plan(connection: Connection, campaign_id: int) -> None:
    """Have a campaign planned again, whatever its files say: its plan no longer covers its
    queue."""
    connection.execute(
        update(campaign).where(campaign.c.id == campaign_id).values(fingerprint=None)
    )


def unproven_attempts(connection: Connection, ids: Sequence[int]) -> dict[int, set[int]]:
    """Return the numbers of the unproven attempts of these messages."""
    found: dict[int, set[int]] = {}
    if ids:
        for id, number in connection.execute(
            select(attempt.c.message, attempt.c.number).where(
                attempt.c.message.in_(ids), attempt.c.outcome == AttemptOutcome.UNKNOWN
            )
        ):
            found.setdefault(id, set()).add(number)
    return found


def _attempt_values(result: Result, outcome: AttemptOutcome) -> dict[str, Any]:
    return {
        "_message": result.message,
        "_number": result.number,
        "ended_at": result.at if result.answered or outcome is not AttemptOutcome.UNKNOWN else None,
        "outcome": outcome.value,
        "evidence": result.evidence.value,
        "reason": result.reason,
        "detail": result.detail,
        "http_status": result.http_status,
        "request_id": result.request_id,
        "message_id": result.message_id,
        "thread_id": result.thread_id,
    }


def _move(result: Result, old: str, new: MessageStatus, tries: int) -> dict[str, Any]:
    sent = new is _S.SENT
    return {
        "_id": result.message,
        "_from": old,
        "status": new.value,
        "reason": "" if sent and result.evidence is Evidence.ACCEPTED else result.reason,
        "detail": result.detail,
        "not_before": result.not_before,
        "tries": tries,
        "message_id": (result.message_id or None) if sent else None,
        "thread_id": (result.thread_id or None) if sent else None,
        "sent_at": (result.sent_at or result.at) if sent else None,
    }


OUTCOME_COLUMNS = (
    "ended_at",
    "outcome",
    "evidence",
    "reason",
    "detail",
    "http_status",
    "request_id",
    "message_id",
    "thread_id",
)
"""The columns of an attempt that its outcome fills, and an undone resolution gives back."""

_ATTEMPT = Prepared(
    lambda _: (
        update(attempt)
        .where(attempt.c.message == given("_message"), attempt.c.number == given("_number"))
        .values(bound(*OUTCOME_COLUMNS))
    )
)
_MOVE = Prepared(
    lambda _: (
        update(message)
        .where(message.c.id == given("_id"), message.c.status == given("_from"))
        .values(
            bound(
                "status",
                "reason",
                "detail",
                "not_before",
                "tries",
                "message_id",
                "thread_id",
                "sent_at",
            )
        )
    )
)


def _write_moves(connection: Connection, moves: list[dict[str, Any]]) -> None:
    """Apply guarded moves; a row that is not where it was read is a bug and undoes them all."""
    if not moves:
        return
    for move in moves:
        old, new = MessageStatus(move["_from"]), MessageStatus(move["status"])
        if old is not new and new not in MOVES[old]:
            raise LedgerError(f"message {move['_id']} cannot go from {old} to {new}")
    changed = _MOVE.run_many(connection, moves)
    if changed != len(moves):
        raise LedgerError(f"{len(moves)} moves were due, {changed} took place")
