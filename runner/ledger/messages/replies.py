"""Replies: the effects of messages from the other side, all of them in one transaction with the
place in the feed, so that none is lost and none counts twice."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    exists,
    func,
    literal_column,
    select,
    text,
    update,
)

from runner.ledger.campaigns import submissions
from runner.ledger.locks import lock_all_campaigns, lock_claims
from runner.ledger.messages import decisions, feeds, follow_ups
from runner.ledger.messages.late_skips import LateSkip, skip_late
from runner.ledger.messages.suppression import skip_suppressed
from runner.ledger.people import erased, holds
from runner.ledger.rehearsals import is_of_lane, is_rehearsal
from runner.ledger.schema import attempt, campaign, inbound, message, resolution, status_is
from runner.ledger.statements import Prepared, given, texts_of
from runner.message.evidence import MAY_HAVE_SENT
from runner.message.status import MessageStatus, SkipReason
from runner.replies.match import Ours
from runner.replies.opt_out import NOTHING, Said, Wish

UNREAD_WHY = "they answered, and what they wrote cannot be read yet"

GONE_WHY = "they answered, and what they wrote was deleted before it was read"

_S = MessageStatus


class Kind(StrEnum):
    """The kind of a message from the other side."""

    OPEN = "open"  # its thread is none of ours, so far
    NONE = "none"  # in a thread of ours, but from before we wrote
    UNREAD = "unread"  # a reply whose text could not be read yet
    REPLY = "reply"
    DISMISSED = "dismissed"  # a person said that it is no reply


@dataclass(frozen=True, slots=True)
class Heard:
    """A message from the other side. `at`: by the server's clock; `answers`: the row of ours that
    it answers, and `people`: every id of who wrote it, where it is a reply."""

    message_id: str
    thread_id: str
    at: float
    kind: Kind
    answers: int | None = None
    said: Said = NOTHING
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of what was heard in a lane, at a time by our clock. `cursor`: the last event that it
    covers; `read_up_to`: there was no more at that time; `thread`: it was read back from this
    thread."""

    lane: str
    at: float
    heard: Sequence[Heard] = ()
    cursor: int | None = None
    read_up_to: float | None = None
    thread: str = ""


class KnownAnswer(NamedTuple):
    """An answer to a message of ours, as others are told of it. `is_new`: it was not known as one
    before, when its text could not be read; `is_opt_out`: they opted out by it."""

    campaign: str
    recipient: str
    sender: str
    step: str
    thread_id: str
    message_id: str
    is_new: bool
    is_opt_out: bool


@dataclass(frozen=True, slots=True)
class News:
    """The changes by a batch: replies that are new, `stopped`, how many queued messages were
    taken out by opt-outs, and what there is to tell of each answer."""

    replies: list[Heard] = field(default_factory=list)
    stopped: int = 0
    answers: list[KnownAnswer] = field(default_factory=list)


def record(connection: Connection, batch: Batch) -> News:
    """Record a batch: first what opt-outs and doubtful words stop, then the replies, then the place
    in the feed. What was recorded before counts no second time; of people who were erased nothing
    is written down."""
    gone = erased.people(connection)
    wanted = {each.message_id: each for each in batch.heard if not gone.has_thread(each.thread_id)}
    if wanted:  # before it is known what is new: another process may be at it too
        lock_all_campaigns(connection)
        lock_claims(connection)
    known = _kinds(connection, batch.lane, wanted)
    new = [each for id, each in wanted.items() if known.get(id, Kind.OPEN) in _UNSETTLED]
    stopped = 0
    if new:
        stopped = _obey(connection, batch, new)
        changed = _hold_unsure(connection, batch, new)
        _keep(connection, batch, new)
        answered = {each.answers for each in new if each.kind in (Kind.REPLY, Kind.UNREAD)}
        stopped += follow_ups.end_for(connection, {id for id in answered if id is not None})
        if not is_rehearsal(batch.lane):
            _keep_other_ids(connection, new)
        submissions.wake_for(connection, changed, batch.at)
    if batch.thread:
        feeds.was_read_back(connection, batch.lane, batch.thread)
    else:
        feeds.advance(connection, batch.lane, batch.cursor, batch.read_up_to)
        if batch.read_up_to is not None:
            feeds.mend(connection, batch.lane)
            feeds.forget_open(connection, batch.lane, batch.at)
    answers = [each for each in new if each.kind in (Kind.REPLY, Kind.UNREAD)]
    first = [each for each in answers if known.get(each.message_id) is not Kind.UNREAD]
    return News(first, stopped, _told(connection, answers, first))


def _told(
    connection: Connection, answers: Sequence[Heard], first: Sequence[Heard]
) -> list[KnownAnswer]:
    if not answers:
        return []
    each = message.c
    wanted = (
        select(each.id, campaign.c.name, each.recipient, each.sender, each.step)
        .join(campaign, campaign.c.id == each.campaign)
        .where(each.id.in_({heard.answers for heard in answers}))
    )
    found = connection.execute(wanted)
    ours = {row.id: (row.name, row.recipient, row.sender, row.step) for row in found}
    new = {heard.message_id for heard in first}
    return [
        KnownAnswer(
            *ours[heard.answers],
            heard.thread_id,
            heard.message_id,
            heard.message_id in new,
            heard.said.wish is Wish.OPT_OUT,
        )
        for heard in answers
        if heard.answers is not None
    ]


def settled(connection: Connection, lane: str, ids: Collection[str]) -> set[str]:
    """Return those of these messages of which nothing more has to be found out."""
    found = _kinds(connection, lane, ids)
    return {id for id, kind in found.items() if kind not in _UNSETTLED}


_UNSETTLED = (Kind.OPEN, Kind.UNREAD)


def _kinds(connection: Connection, lane: str, ids: Collection[str]) -> dict[str, Kind]:
    found = _KNOWN.rows(connection, ids=json.dumps(sorted(ids)), lane=lane)
    return {id: Kind(kind) for id, kind in found}


_KNOWN = Prepared(
    lambda database: select(inbound.c.message_id, inbound.c.kind).where(
        inbound.c.lane == given("lane"), inbound.c.message_id.in_(texts_of("ids", database))
    )
)


class OpenInbound(NamedTuple):
    """A message from the other side of which something has to be found out still."""

    message_id: str
    thread_id: str
    at: float


def unsettled(connection: Connection, lane: str, most: int) -> list[OpenInbound]:
    """List messages that were in no thread of ours when they were heard, and are by now, and those
    whose text could not be read: those first that were tried longest ago."""
    ours = exists().where(message.c.thread_id == inbound.c.thread_id)
    wanted = (
        select(inbound.c.message_id, inbound.c.thread_id, inbound.c.at)
        .where(
            inbound.c.lane == lane,
            (_is(Kind.OPEN) & ours) | _is(Kind.UNREAD),
        )
        .order_by(inbound.c.heard_at, inbound.c.at, inbound.c.message_id)
        .limit(most)
    )
    return [OpenInbound(*row) for row in connection.execute(wanted)]


def _is(kind: Kind) -> ColumnElement[bool]:
    return inbound.c.kind == literal_column(f"'{kind}'")


@dataclass(frozen=True, slots=True)
class OurThread:
    """A thread of ours: what we wrote there, and the API's id of the newest of it."""

    ours: tuple[Ours, ...]
    newest_id: str


def threads_of_ours(
    connection: Connection, lane: str, threads: Collection[str]
) -> dict[str, OurThread]:
    """Return what was sent in a lane in those of these threads that are ours."""
    began = func.min(attempt.c.server_at).label("began")
    wanted = (
        select(message.c.thread_id, message.c.id, message.c.message_id, began)
        .join(campaign, campaign.c.id == message.c.campaign)
        .join(attempt, attempt.c.message == message.c.id)
        .where(
            message.c.thread_id.in_(texts_of("ids", connection.dialect.name)),
            status_is(message, _S.SENT),
            attempt.c.outcome.in_(MAY_HAVE_SENT),
            is_of_lane(lane),
        )
        .group_by(message.c.thread_id, message.c.id, message.c.message_id)
    )
    found: dict[str, list[tuple[float, int, str]]] = {}
    for row in connection.execute(wanted, {"ids": json.dumps(sorted(set(threads)))}):
        mine = (row.began, row.id, row.message_id or "")
        found.setdefault(row.thread_id, []).append(mine)
    return {
        thread: OurThread(tuple(Ours(id, at) for at, id, _ in mine), max(mine)[2])
        for thread, mine in found.items()
    }


class DoubtIn(NamedTuple):
    """A message whose thread may not be known, and the sender and person of whom it would be."""

    id: int
    sender: str
    recipient: str


_MESSAGES = (
    select(*(message.c[name] for name in DoubtIn._fields))
    .join(campaign, campaign.c.id == message.c.campaign)
    .order_by(message.c.id)
)


def doubts(connection: Connection, lane: str) -> list[DoubtIn]:
    """List the messages of a lane that are in doubt."""
    wanted = _MESSAGES.where(status_is(message, _S.IN_DOUBT), is_of_lane(lane))
    return [DoubtIn(*row) for row in connection.execute(wanted)]


def without_thread(connection: Connection, lane: str) -> list[DoubtIn]:
    """List the messages of a lane that a person has called sent, and whose thread is not known."""
    wanted = _MESSAGES.join(resolution, resolution.c.message == message.c.id).where(
        status_is(message, _S.SENT), message.c.thread_id.is_(None), is_of_lane(lane)
    )
    return [DoubtIn(*row) for row in connection.execute(wanted)]


def open_threads(connection: Connection, lane: str) -> list[str]:
    """List the threads that are none of ours so far and in which something was heard, those first
    in which that was last."""
    wanted = (
        select(inbound.c.thread_id)
        .where(inbound.c.lane == lane, _is(Kind.OPEN))
        .group_by(inbound.c.thread_id)
        .order_by(func.max(inbound.c.at).desc(), inbound.c.thread_id)
    )
    return list(connection.execute(wanted).scalars())


def learn_thread(connection: Connection, ids: Collection[int], thread: str, at: float) -> None:
    """Note at a time (Unix s) the thread of these messages, of which it was not known."""
    unknown = message.c.id.in_(ids), message.c.thread_id.is_(None)
    connection.execute(update(message).where(*unknown).values(thread_id=thread))
    feeds.read_back_too(connection, ids, at)


def dismiss(connection: Connection, campaign: int, recipients: Collection[str]) -> list[str]:
    """Let what these people of a campaign wrote be no replies, and return who had any. Who opted
    out by it stays on the do-not-contact list."""
    people = message.c.campaign == campaign, message.c.recipient.in_(list(recipients))
    of = select(message.c.id).where(*people)
    wanted = inbound.c.answers.in_(of), inbound.c.kind != Kind.DISMISSED
    theirs = (
        select(message.c.recipient)
        .join(inbound, inbound.c.answers == message.c.id)
        .where(*wanted)
        .distinct()
    )
    found = sorted(connection.execute(theirs).scalars())
    connection.execute(update(inbound).where(*wanted).values(kind=Kind.DISMISSED))
    follow_ups.go_on_for(connection, campaign, recipients)
    skip_suppressed(connection, and_(*people))  # they may have come onto the list since
    return found


def _obey(connection: Connection, batch: Batch, new: Iterable[Heard]) -> int:
    """Put who opted out on the do-not-contact list, with all ids. A rehearsal's people are no
    people: only what it has queued for them is taken out."""
    listed: dict[str, tuple[str, float]] = {}
    for each in new:
        if each.said.wish is Wish.OPT_OUT:
            why = f"opted out: “{each.said.words}”"
            for id in _ids_of(connection, each):
                listed.setdefault(id, (why, batch.at))
    if not listed:
        return 0
    if not is_rehearsal(batch.lane):
        return decisions.suppress_each(connection, listed, batch.lane)[1]
    its = select(campaign.c.id).where(is_of_lane(batch.lane))
    queued = select(message.c.id, message.c.recipient).where(
        message.c.recipient.in_(list(listed)),
        status_is(message, *follow_ups.TO_COME),
        message.c.campaign.in_(its),
    )
    skips = {
        row.id: LateSkip(SkipReason.SUPPRESSED, listed[row.recipient][0])
        for row in connection.execute(queued)
    }
    return len(skip_late(connection, skips))


def _ids_of(connection: Connection, heard: Heard) -> list[str]:
    """Return the id that we wrote to, and every other one of the same contact."""
    wanted = select(message.c.recipient).where(message.c.id == heard.answers)
    return list(dict.fromkeys([*connection.execute(wanted).scalars(), *heard.people]))


def _hold_unsure(connection: Connection, batch: Batch, new: Sequence[Heard]) -> list[str]:
    """Hold who may have opted out until a person has read it, and let go who was held only until
    the answer could be read. Return whose hold that changed."""
    changed: list[str] = []
    for each in () if is_rehearsal(batch.lane) else new:
        if each.kind is Kind.UNREAD:
            changed += _hold(connection, batch, each, UNREAD_WHY)
        elif each.said.wish is Wish.UNSURE:
            words = each.said.words
            why = f"“{words}” is in what they answered" if words else GONE_WHY
            changed += _hold(connection, batch, each, why)
        elif each.kind in (Kind.REPLY, Kind.NONE):
            changed += _release_unread(connection, batch, each)
    return changed


def _hold(connection: Connection, batch: Batch, heard: Heard, why: str) -> list[str]:
    changed: list[str] = []
    for id in _ids_of(connection, heard):
        known = holds.hold_of(connection, id)
        by = ""
        reason = why
        if known is not None and known.lasts(batch.at):
            if known.made_by:  # a person's: never shortened, and their words stay
                by, reason = known.made_by, "; ".join(filter(None, [known.why, why]))
            if known.until is None and why in known.why:
                continue
        changed += decisions.hold_each(connection, [id], None, why=reason, at=batch.at, by=by)
    return changed


def _release_unread(connection: Connection, batch: Batch, heard: Heard) -> list[str]:
    changed: list[str] = []
    of = inbound.c.lane == batch.lane, inbound.c.message_id == heard.message_id
    was = select(inbound.c.answers).where(*of, _is(Kind.UNREAD))
    wanted = select(message.c.recipient).where(message.c.id.in_(was))
    for id in connection.execute(wanted).scalars().all():
        known = holds.hold_of(connection, id)
        if known is not None and not known.made_by and known.why == UNREAD_WHY:
            changed += decisions.unhold(connection, [id], batch.at)
    return changed


def _keep_other_ids(connection: Connection, new: Sequence[Heard]) -> None:
    """Keep which ids are of one person, where all of them were put on a list or on hold: that they
    can be shown to that person, and erased."""
    for each in new:
        if each.said.wish in (Wish.OPT_OUT, Wish.UNSURE) or each.kind is Kind.UNREAD:
            first, *others = _ids_of(connection, each)
            rows = [{"id": id, "recipient": first} for id in others]
            if rows:
                connection.execute(_OTHER_IDS, rows)


_OTHER_IDS = text(
    "INSERT INTO other_id (id, recipient) VALUES (:id, :recipient) ON CONFLICT (id) DO NOTHING"
)


def _keep(connection: Connection, batch: Batch, new: Sequence[Heard]) -> None:
    connection.execute(
        inbound.delete().where(
            inbound.c.lane == batch.lane, inbound.c.message_id.in_([e.message_id for e in new])
        )
    )
    connection.execute(
        inbound.insert(),
        [
            {
                "lane": batch.lane,
                "message_id": each.message_id,
                "thread_id": each.thread_id,
                "at": each.at,
                "heard_at": batch.at,
                "kind": each.kind,
                "answers": each.answers,
                "wish": each.said.wish,
                "words": each.said.words if each.said.wish is Wish.OPT_OUT else "",
            }
            for each in new
        ],
    )
