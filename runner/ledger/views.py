"""What the ledger tells: reads only, for deciding what is due and for showing people."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import (
    LABEL_STYLE_TABLENAME_PLUS_COL,
    Boolean,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from runner.ledger.prepared import Prepared, each_of, given, texts_of, tuples
from runner.ledger.rehearsals import counts_for, lane_name
from runner.ledger.schema import attempt, campaign, message, row_skip, status_is, suppression
from runner.message import (
    KEY_REUSED,
    NOT_AS_ASKED,
    OPEN,
    UNCONFIRMED,
    AttemptOutcome,
    Evidence,
    MessageStatus,
    Recipient,
    SkipReason,
)

_S = MessageStatus


@dataclass(frozen=True, slots=True)
class Due:
    """A queued message that can be sent now."""

    id: int
    campaign: int
    campaign_name: str
    recipient: Recipient
    step: str
    generation: int
    sender: str
    text: str


def due(
    connection: Connection,
    campaign: int,
    sender: str,
    now: float,
    limit: int,
    only: Collection[str] = (),
    zones: Collection[str] | None = None,
    but: Collection[int] = (),
) -> list[Due]:
    """The first queued messages of one sender, in plan order. `zones`: those that are open, where
    the campaign has a schedule. `but`: without these."""
    found = _DUE.run(
        connection,
        campaign=campaign,
        sender=sender,
        now=now,
        most=limit,
        any_one=not only,
        only=json.dumps(list(only)),
        any_zone=zones is None,
        zones=json.dumps(list(zones or ())),
        but=json.dumps(list(but)),
    )
    return [
        Due(id, campaign, name, Recipient(platform, id_type, to), step, generation, sender, text)
        for id, name, platform, id_type, to, step, generation, text in tuples(found)
    ]


def is_suppressed() -> ColumnElement[bool]:
    """That a message's recipient is on the ledger's do-not-contact list."""
    return exists().where(suppression.c.recipient == message.c.recipient)


_other = message.alias()
"""Made once: an alias makes every column anew, and a claim needs these each time."""

_IS_QUEUED = status_is(message, _S.QUEUED)
_OPEN_ELSEWHERE = (
    _other.c.recipient == message.c.recipient,
    _other.c.platform == message.c.platform,
    _other.c.id_type == message.c.id_type,
    status_is(_other, *OPEN),
    counts_for(_other, message),
)


def may_go() -> tuple[ColumnElement[bool], ...]:
    """That a queued message was looked at by its campaign's plan, and that its recipient wants
    messages and has none on its way or in doubt: that is settled before anything else goes to the
    same person. One's own tests hold nobody up."""
    return (
        ~message.c.unplanned,
        ~is_suppressed(),
        ~exists().where(*_OPEN_ELSEWHERE),
    )


def _barred(campaigns: Collection[int]) -> CompoundSelect[tuple[int]]:
    """The queued messages that may not go: the opposite of `may_go`, from the few that there are
    of each kind instead of message by message."""
    # SQLite, which has no figures of how long they are, would begin at the queue, the longest:
    # `+ 0` and the empty text hide its indexes.
    queued_too = (message.c.campaign + 0).in_(campaigns), message.c.status.concat("") == "queued"
    return union_all(
        select(message.c.id).where(
            message.c.campaign.in_(campaigns), message.c.unplanned.is_(True), _IS_QUEUED
        ),
        select(message.c.id).where(
            message.c.recipient.in_(select(suppression.c.recipient)), *queued_too
        ),
        select(message.c.id).where(*_OPEN_ELSEWHERE, *queued_too),
    )


@dataclass(frozen=True, slots=True)
class Ahead:
    """Another campaign whose messages to the same people are on their way or in doubt. `waiting`:
    how many queued messages wait for that, `doubts`: for one in doubt. `path`: of its file, as the
    ledger keeps it."""

    campaign: str
    path: str
    lane: str | None
    waiting: int
    doubts: int


def ahead_of(connection: Connection, id: int) -> list[Ahead]:
    """The campaigns that a campaign's queued messages wait for, in order of their names."""
    queued = message.c.campaign + 0 == id, message.c.status.concat("") == "queued"
    in_doubt = case((status_is(_other, _S.IN_DOUBT), message.c.id))
    told = (
        select(
            _other.c.campaign,
            func.count(message.c.id.distinct()).label("waiting"),
            func.count(in_doubt.distinct()).label("doubts"),
        )
        .where(*_OPEN_ELSEWHERE, *queued, _other.c.campaign != id, ~message.c.unplanned)
        .where(~is_suppressed())
        .group_by(_other.c.campaign)
        .subquery()
    )
    each = campaign.c
    wanted = (
        select(each.name, each.path, each.team, each.rehearsal, told.c.waiting, told.c.doubts)
        .join(told, told.c.campaign == each.id)
        .order_by(each.name)
    )
    return [
        Ahead(name, path, lane_name(team, rehearsal=rehearsal) if team else None, waiting, doubts)
        for name, path, team, rehearsal, waiting, doubts in connection.execute(wanted)
    ]


_DUE = Prepared(
    lambda database: (
        select(
            message.c.id,
            campaign.c.name,
            message.c.platform,
            message.c.id_type,
            message.c.recipient,
            message.c.step,
            message.c.generation,
            message.c.text,
        )
        .join(campaign, campaign.c.id == message.c.campaign)
        .where(
            message.c.campaign == given("campaign"),
            _IS_QUEUED,
            message.c.sender == given("sender"),
            message.c.not_before <= given("now"),
            message.c.id.not_in(each_of("but", database)),
            *may_go(),
            given("any_one", Boolean) | message.c.recipient.in_(texts_of("only", database)),
            given("any_zone", Boolean) | message.c.zone.in_(texts_of("zones", database)),
        )
        .order_by(message.c.id)
        .limit(given("most"))
    )
)


def is_first_of(ids: Select[tuple[int]]) -> ColumnElement[bool]:
    """That no earlier one of these queued messages goes to the same recipient: an update does not
    see its own moves."""
    return ~exists().where(
        _other.c.recipient == message.c.recipient,
        _other.c.platform == message.c.platform,
        _other.c.id_type == message.c.id_type,
        status_is(_other, _S.QUEUED),
        _other.c.id < message.c.id,
        _other.c.id.in_(ids),
        counts_for(_other, message),
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one sender has in the queue for one zone; `next_at` is when the first of it is due
    (Unix s), whatever the schedule says; `first` and `last` are its places in the queue."""

    sender: str
    campaign: int
    zone: str
    count: int
    next_at: float
    first: int
    last: int


_of_sender = (
    message.c.campaign == given("campaign"),
    message.c.sender == given("sender"),
    _IS_QUEUED,
)
_NEXT_SENDER = Prepared(
    lambda _: select(func.min(message.c.sender)).where(
        message.c.campaign == given("campaign"), message.c.sender > given("after"), _IS_QUEUED
    )
)
_QUEUE = Prepared(
    lambda _: select(
        select(func.count()).where(*_of_sender).scalar_subquery().label("messages"),
        select(func.min(message.c.id)).where(*_of_sender).scalar_subquery().label("first"),
        select(func.max(message.c.id)).where(*_of_sender).scalar_subquery().label("last"),
        exists().where(*_of_sender, message.c.not_before == 0).label("due"),
        exists().where(*_of_sender, message.c.zone != "").label("zoned"),
    )
)


def waiting(
    connection: Connection, campaigns: Collection[int], only: Collection[str] = ()
) -> list[Waiting]:
    """The queue of each sender, by campaign and zone."""
    barred = _barred(campaigns)
    if only or connection.execute(barred.limit(1)).first():
        return _waiting_one_by_one(connection, campaigns, only, barred)
    found: list[Waiting] = []
    for id in sorted(set(campaigns)):
        sender = ""
        while sender := _NEXT_SENDER.run(connection, campaign=id, after=sender).scalar_one():
            queue = _QUEUE.run(connection, campaign=id, sender=sender).one()
            if queue.zoned or not queue.due:
                return _waiting_one_by_one(connection, campaigns, only, barred)
            found.append(Waiting(sender, id, "", queue.messages, 0.0, queue.first, queue.last))
    return sorted(found, key=lambda each: (each.sender, each.campaign))


def _waiting_one_by_one(
    connection: Connection,
    campaigns: Collection[int],
    only: Collection[str],
    barred: CompoundSelect[tuple[int]],
) -> list[Waiting]:
    group = (message.c.sender, message.c.campaign, message.c.zone)
    wanted = (
        select(
            *group,
            func.count(),
            func.min(message.c.not_before),
            func.min(message.c.id),
            func.max(message.c.id),
        )
        .where(message.c.campaign.in_(campaigns), _IS_QUEUED, message.c.id.not_in(barred))
        .group_by(*group)
        .order_by(*group)
    )
    if only:
        wanted = wanted.where(message.c.recipient.in_(only))
    return [Waiting(*row) for row in connection.execute(wanted)]


def zones(connection: Connection, id: int) -> set[str]:
    """The zones of a campaign's queued messages."""
    queued = message.c.campaign == id, _IS_QUEUED
    # By sender: as the index of the queue has it.
    each = select(message.c.sender, message.c.zone).distinct().order_by(message.c.sender)
    return {row.zone for row in connection.execute(each.where(*queued))}


def has_begun(connection: Connection, id: int) -> bool:
    """Whether anything of a campaign was ever tried."""
    mine = select(message.c.id).where(message.c.campaign == id).limit(1)
    # Those that say so by their status first: the others are to be looked at one by one.
    tried = status_is(message, *OPEN, _S.SENT, _S.REJECTED, _S.FAILED)
    each = (tried, message.c.attempts > 0)
    return any(connection.execute(mine.where(how)).first() is not None for how in each)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A message in doubt with what settling it needs: its first and last unproven attempts."""

    id: int
    campaign: int
    recipient: Recipient
    row: int
    columns: str  # JSON object of the prospect's cells
    text: str
    zone: str
    reason: str
    detail: str
    not_before: float
    sender: str
    version: str
    base_url: str
    lane: str
    key: str
    body: bytes
    first_at: float
    first_server_at: float
    last_at: float  # when the last was given up; when it began, if its owner died
    numbers: frozenset[int]  # of the unproven attempts
    unwanted: bool  # on the ledger's list, or gone from the prospects file
    asked_id: str  # the id that the API gave to ask after
    foreign: bool  # each attempt was told that the key is another request's: not one of ours
    unconfirmed: bool  # the API itself does not know: never to be repeated
    presumed: bool  # no attempt of this ledger: a newer copy of it may have made one


_earlier = attempt.alias()


def _is_first_use() -> ColumnElement[bool]:
    """That nothing of a message left this machine before an attempt, so that its key was new."""
    return ~exists().where(
        _earlier.c.message == attempt.c.message,
        _earlier.c.number < attempt.c.number,
        _earlier.c.evidence.is_distinct_from(Evidence.NOT_WRITTEN),
    )


def is_first_use(connection: Connection, id: int, number: int) -> bool:
    """Whether nothing of a message left this machine before this attempt."""
    of = attempt.c.message == id, attempt.c.number == number
    return bool(connection.scalar(select(_is_first_use()).where(*of)))


def in_doubt(
    connection: Connection, campaigns: Collection[int], only: Collection[str] = ()
) -> list[Doubt]:
    """Messages in doubt, oldest first."""
    unwanted = is_suppressed() | message.c.unplanned
    wanted = (
        # `message_id` would be a name for two columns: the message's id, and the API's for it.
        select(
            message.c.id.label("doubt"),
            message,
            attempt,
            unwanted.label("unwanted"),
            _is_first_use().label("first_use"),
        )
        .join(attempt, attempt.c.message == message.c.id)
        .where(
            message.c.campaign.in_(campaigns),
            message.c.status == _S.IN_DOUBT,
            attempt.c.outcome == AttemptOutcome.UNKNOWN,
            *([message.c.recipient.in_(only)] if only else []),
        )
        .order_by(message.c.id, attempt.c.number)
        .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
    )
    found: dict[int, Doubt] = {}
    for row in connection.execute(wanted):
        before = found.get(row.doubt)
        found[row.doubt] = Doubt(
            id=row.doubt,
            campaign=row.message_campaign,
            recipient=Recipient(row.message_platform, row.message_id_type, row.message_recipient),
            row=row.message_row,
            columns=row.message_columns,
            text=row.message_text,
            zone=row.message_zone,
            reason=row.message_reason,
            detail=row.message_detail,
            not_before=row.message_not_before,
            sender=row.attempt_sender,
            version=row.attempt_version,
            base_url=row.attempt_base_url,
            lane=row.attempt_lane,
            key=row.attempt_key,
            body=row.attempt_body,
            first_at=before.first_at if before else row.attempt_started_at,
            first_server_at=before.first_server_at if before else row.attempt_server_at,
            last_at=row.attempt_ended_at or row.attempt_started_at,
            numbers=(before.numbers if before else frozenset()) | {row.attempt_number},
            unwanted=row.unwanted,
            asked_id=row.attempt_message_id or (before.asked_id if before else ""),
            foreign=row.attempt_reason == KEY_REUSED
            and (before.foreign if before else bool(row.first_use)),
            unconfirmed=row.attempt_reason in (UNCONFIRMED, NOT_AS_ASKED)
            or (before is not None and before.unconfirmed),
            presumed=row.attempt_evidence == Evidence.PRESUMED
            and (before is None or before.presumed),
        )
    return list(found.values())


def unplanned(connection: Connection, campaigns: Collection[int]) -> int:
    """How many messages have come back into the queue since their campaign was planned."""
    return connection.execute(
        select(func.count())
        .select_from(message)
        .where(
            message.c.campaign.in_(campaigns),
            message.c.unplanned.is_(True),
            _IS_QUEUED,
        )
    ).scalar_one()


def own_result() -> ColumnElement[bool]:
    """That a skipped row is a result of its own: one that was only not selected is told by its
    recipient's message, if there is one."""
    return or_(
        row_skip.c.reason != SkipReason.NOT_SELECTED,
        ~exists().where(  # `+ 0`: to be looked for by the recipient, not among a whole campaign
            message.c.campaign + 0 == row_skip.c.campaign,
            message.c.recipient == row_skip.c.recipient,
        ),
    )


_COUNTS = Prepared(
    lambda _: select(
        *(
            select(func.count())
            .where(message.c.campaign == given("campaign"), message.c.status == str(status))
            .scalar_subquery()
            .label(status)
            for status in MessageStatus
        )
    )
)
"""Status by status: grouping takes three times as long as counting does."""


def counts(connection: Connection, id: int) -> dict[MessageStatus, int]:
    """Messages and rows of a campaign per status; rows without a usable id count as skipped."""
    counted = _COUNTS.run(connection, campaign=id).one()
    found = dict(zip(MessageStatus, counted, strict=True))
    found[_S.SKIPPED] += connection.execute(
        select(func.count()).select_from(row_skip).where(row_skip.c.campaign == id, own_result())
    ).scalar_one()
    return found


def reasons(connection: Connection, id: int) -> list[tuple[MessageStatus, str, int]]:
    """How many are skipped, rejected, failed or in doubt for which reason, most first."""
    wanted = (_S.SKIPPED, _S.REJECTED, _S.FAILED, _S.IN_DOUBT)
    tally: dict[tuple[MessageStatus, str], int] = {}
    for status, reason, count in connection.execute(
        select(message.c.status, message.c.reason, func.count())
        .where(message.c.campaign == id, message.c.status.in_(wanted))
        .group_by(message.c.status, message.c.reason)
    ):
        tally[MessageStatus(status), reason] = count
    for reason, count in connection.execute(
        select(row_skip.c.reason, func.count())
        .where(row_skip.c.campaign == id, own_result())
        .group_by(row_skip.c.reason)
    ):
        tally[_S.SKIPPED, reason] = tally.get((_S.SKIPPED, reason), 0) + count
    ranked = sorted(tally.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return [(status, reason, count) for (status, reason), count in ranked]


def sent_between(connection: Connection, id: int, start: float) -> int:
    """How many messages of a campaign were sent since `start`."""
    return connection.execute(
        select(func.count())
        .select_from(message)
        .where(message.c.campaign == id, status_is(message, _S.SENT), message.c.sent_at >= start)
    ).scalar_one()


def is_taken(connection: Connection, message_id: str) -> bool:
    """Whether an API message id is already proof of a message of this ledger."""
    if not message_id:
        return True  # it could be any message's, and proves none
    accepted = select(attempt.c.message_id).where(
        attempt.c.message_id == message_id,
        attempt.c.message_id != literal_column("''"),  # in words: else its index is not used
        attempt.c.outcome == AttemptOutcome.ACCEPTED,
    )
    sent = select(message.c.message_id).where(message.c.message_id == message_id)
    return any(connection.execute(each.limit(1)).first() for each in (sent, accepted))


class UnderWay(NamedTuple):
    """A message that is begun or in doubt. `begun_at`: when the attempt that is under way was
    (Unix seconds), None for none."""

    message: int
    recipient: str
    begun_at: float | None


def under_way(
    connection: Connection, recipients: Collection[str], campaign: int | None
) -> list[UnderWay]:
    """What is being sent or in doubt to these recipients, or of this campaign."""
    last = attempt.c.number == message.c.attempts
    wanted = (
        select(message.c.id, message.c.recipient, attempt.c.started_at, attempt.c.ended_at)
        .join(attempt, (attempt.c.message == message.c.id) & last)
        .where(status_is(message, *OPEN))
        .order_by(message.c.id)
    )
    if campaign is not None:
        wanted = wanted.where(message.c.campaign == campaign)
    else:
        texts = texts_of("recipients", connection.dialect.name)
        wanted = wanted.where(message.c.recipient.in_(texts))
    rows = connection.execute(wanted, {"recipients": json.dumps([*recipients])})
    return [
        UnderWay(row.id, row.recipient, row.started_at if row.ended_at is None else None)
        for row in rows
    ]


def statuses(connection: Connection, ids: Collection[int]) -> dict[int, MessageStatus]:
    """What became of these messages."""
    wanted = select(message.c.id, message.c.status).where(
        message.c.id.in_(each_of("ids", connection.dialect.name))
    )
    found = connection.execute(wanted, {"ids": json.dumps([*ids])})
    return {id: MessageStatus(status) for id, status in found}


def suppressed_among(connection: Connection, ids: Collection[str]) -> frozenset[str]:
    """Who of these recipients is on the do-not-contact list."""
    return frozenset(_SUPPRESSED.run(connection, ids=json.dumps(sorted(ids))).scalars())


_SUPPRESSED = Prepared(
    lambda database: select(suppression.c.recipient).where(
        suppression.c.recipient.in_(texts_of("ids", database))
    )
)


def suppression_list(connection: Connection) -> list[tuple[str, str, float]]:
    """(recipient, reason, added at) of the do-not-contact list, in order of adding."""
    return [
        (recipient, reason, at)
        for recipient, reason, at in connection.execute(
            select(suppression.c.recipient, suppression.c.reason, suppression.c.added_at).order_by(
                suppression.c.added_at, suppression.c.recipient
            )
        )
    ]
