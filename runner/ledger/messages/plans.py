"""Plans: what is new, what changed, what is gone, written in one transaction, all or nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Update,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    select,
    true,
    update,
)

from runner.errors import LedgerError
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.locks import lock_campaign, lock_plans
from runner.ledger.messages import follow_ups
from runner.ledger.messages.follow_ups import TO_COME
from runner.ledger.messages.shown_keys import is_key_shown
from runner.ledger.messages.suppression import opted_out
from runner.ledger.schema import campaign, message, opt_out, row_skip, status_is, suppression
from runner.ledger.statements import (
    PLANNING_CACHE,
    USUAL_CACHE,
    Bulk,
    Prepared,
    as_json,
    indexes_to_build,
    set_cache_size,
    texts_of,
)
from runner.message.plan import Change, Contact, Entry, Known, PlannedMessage, describe_listed
from runner.message.prospect import Recipient, RowSkip
from runner.message.status import OPEN, MessageStatus, SkipReason

_S = MessageStatus


_KNOWN = Prepared(
    lambda database: (
        select(
            message.c.campaign,
            message.c.platform,
            message.c.id_type,
            message.c.recipient,
            message.c.status,
            message.c.reason,
            message.c.sender,
            message.c.text,
            message.c.row,
            message.c.detail,
            message.c.sent_at,
            message.c.zone,
            message.c.step,
            message.c.previous,
            message.c.after,
            message.c.variant,
            message.c.chosen,
        )
        .where(message.c.recipient.in_(texts_of("recipients", database)))
        .order_by(message.c.id)
    )
)


def has_messages(connection: Connection) -> bool:
    """Return whether the ledger has a message at all."""
    return connection.execute(select(message.c.id).limit(1)).first() is not None


def known(
    connection: Connection,
    id: int | None,
    recipients: Sequence[Recipient],
    *,
    rehearsal: bool = False,
) -> dict[Recipient, Known]:
    """Read what this campaign has for these recipients, the senders that others of its kind (a
    `rehearsal` or real) wrote them from, and the last message that another one has sent them, or
    perhaps sent."""
    kind = campaign.c.rehearsal == rehearsal
    columns = select(campaign.c.id, campaign.c.name, campaign.c.is_test)
    campaigns = connection.execute(columns.where(kind)).all()
    kin = {each.id for each in campaigns}
    names = {each.id: each.name for each in campaigns if not each.is_test}
    ids = json.dumps([recipient.id for recipient in recipients])
    rows: Sequence[Any] = _KNOWN.run(connection, recipients=ids).all()
    found: dict[Recipient, Known] = {}
    contacts: dict[Recipient, Contact] = {}
    later: dict[Recipient, dict[str, Known]] = {}
    for of, platform, id_type, to, status, *rest in rows:
        reason, sender, text, number, detail, at, zone, step, previous, after, *dealt = rest
        recipient = Recipient(platform, id_type, to)
        mine = of == id
        if mine:
            known = Known(
                sender, MessageStatus(status), text, number, reason, detail, zone, None, *dealt
            )
            known = known._replace(chosen=bool(known.chosen), previous=previous, after=after)
            if previous:
                later.setdefault(recipient, {})[step] = known
            else:
                found[recipient] = known
        elif of in kin and recipient not in found and status != _S.SKIPPED:
            found[recipient] = Known(sender)
        if not mine and of in names and status in (_S.SENT, *OPEN):
            when = math.inf if at is None else at
            if recipient not in contacts or when > contacts[recipient].at:
                contacts[recipient] = Contact(names[of], when)
    for recipient, steps in later.items():
        found[recipient] = found[recipient]._replace(later=steps)
    for recipient, contact in contacts.items():
        found[recipient] = found[recipient]._replace(contact=contact)
    return found


def suppressed(connection: Connection, team: str | None = None) -> dict[str, str]:
    """Read the ledger's do-not-contact list: id -> since when, and why. `team`: without those who
    have opted out of other teams' messages alone."""
    wanted = select(suppression)
    if team is not None:
        wanted = wanted.where(~opted_out() | opted_out(opt_out.c.team == team))
    rows = connection.execute(wanted)
    return {row.recipient: describe_listed(row.reason, row.added_at) for row in rows}


_seen = Table("plan_seen", MetaData(), Column("recipient", String), prefixes=["TEMPORARY"])


class PlanWriter:
    """Writes one plan's entries as they stream by. Use inside one transaction."""

    def __init__(self, connection: Connection, row: CampaignRow) -> None:
        self._connection = connection
        self._campaign = row
        lock_plans(connection)
        lock_campaign(connection, row.id)
        # First: what comes back from here on waits until this is done, and is planned again.
        is_open = message.c.campaign == row.id, status_is(message, *OPEN)
        in_order = select(message.c.id).where(*is_open).order_by(message.c.id).with_for_update()
        connection.execute(update(message).where(message.c.id.in_(in_order)).values(outdated=True))
        set_cache_size(connection, PLANNING_CACHE)
        _seen.drop(connection, checkfirst=True)
        _seen.create(connection)
        connection.execute(delete(row_skip).where(row_skip.c.campaign == row.id))
        found = select(message.c.id).where(message.c.campaign == row.id).limit(1)
        self._replans = connection.execute(found).first() is not None  # a person may be gone
        self._index_later = [] if has_messages(connection) else indexes_to_build(connection)
        for index in self._index_later:
            index.drop(connection)
        self._messages = Bulk(connection, message, _MESSAGE_COLUMNS)
        self._skips = Bulk(connection, row_skip, _SKIP_COLUMNS)
        self._seen = Bulk(connection, _seen, ("recipient",))

    def write(self, entries: Iterable[Entry | RowSkip]) -> None:
        """Write a chunk of entries (a thousand or so at a time)."""
        new: list[tuple[Any, ...]] = []
        revised: list[dict[str, Any]] = []
        moved: list[dict[str, Any]] = []
        skips: list[tuple[Any, ...]] = []
        seen: list[tuple[str]] = []
        for entry in entries:
            if isinstance(entry, RowSkip):
                skips.append(self._row_skip(entry))
                continue
            if entry.change is not Change.NEW or self._replans:
                seen.append((entry.planned.recipient.id,))
            for each in (entry, *entry.later):
                planned, known = each.planned, each.known
                match each.change:
                    case Change.NEW:
                        new.append(self._new(planned))
                    case Change.REQUEUED:
                        revised.append(self._revised(planned, known, _to_send(planned)))
                    case Change.REVISED:
                        revised.append(self._revised(planned, known, None))
                    case Change.SKIPPED:
                        revised.append(self._revised(planned, known, _S.SKIPPED))
                    case Change.SAME | Change.KEPT:
                        if known and _place(known) != _place(planned):
                            moved.append(self._moved(planned))
        self._messages.insert(new)
        if revised:
            self._revise(revised)
        if moved:
            self._connection.execute(
                self._mine().values({name: bindparam(name) for name in _PLACE}),
                moved,
            )
        self._skips.insert(skips)
        self._seen.insert(seen)

    def finish(
        self, fingerprint: str, at: float, steps: Sequence[str] = (), stop_on: str = ""
    ) -> None:
        """Take out of the queue who is gone from the file. Then drop what helped. `steps`: the
        names of all follow-ups; `stop_on`: see `follow_up.stop_on_text`."""
        for index in self._index_later:
            index.create(self._connection)
        self._connection.execute(
            update(message)
            .where(
                *self._gone(*TO_COME, _S.SKIPPED),
                message.c.status.in_(TO_COME) | (message.c.reason == SkipReason.CONTACTED),
            )
            .values(
                status=_S.SKIPPED,
                reason=SkipReason.REMOVED,
                detail="no longer in the prospects file, or not selected",
            )
        )
        self._connection.execute(
            update(message)
            .where(message.c.campaign == self._campaign.id, message.c.unplanned.is_(True))
            .values(unplanned=False, outdated=status_is(message, *OPEN))
        )
        if self._replans and (steps or self._campaign.stop_on):
            follow_ups.drop_others(self._connection, self._campaign.id, steps)
            follow_ups.follow(self._connection, message.c.campaign == self._campaign.id)
        # Who is under way and gone from the file must not get a first message by a repeat.
        self._connection.execute(update(message).where(*self._gone(*OPEN)).values(unplanned=True))
        self._connection.execute(
            update(campaign)
            .where(campaign.c.id == self._campaign.id)
            .values(fingerprint=fingerprint, planned_at=at, stop_on=stop_on)
        )
        if self._replans and steps:
            follow_ups.end_answered(self._connection, self._campaign.id)
        _seen.drop(self._connection)
        set_cache_size(self._connection, USUAL_CACHE)

    def gone(self) -> int:
        """Count the recipients with something to come that this plan has not seen."""
        people = func.count(message.c.recipient.distinct())
        counted = select(people).where(*self._gone(*TO_COME))
        return self._connection.execute(counted).scalar_one()

    def _gone(self, *statuses: MessageStatus) -> tuple[Any, ...]:
        return (
            true() if self._replans else false(),
            message.c.campaign == self._campaign.id,
            message.c.status.in_(statuses),
            message.c.recipient.not_in(select(_seen.c.recipient)),
        )

    def _new(self, planned: PlannedMessage) -> tuple[Any, ...]:
        """Return the values of `_MESSAGE_COLUMNS`."""
        row, (platform, id_type, recipient), sender, text, columns, skip, detail, *rest = planned
        free_at, zone, variant, chosen, step, previous, after = rest
        return (
            self._campaign.id,
            step,
            previous,
            after,
            row,
            platform,
            id_type,
            recipient,
            sender,
            zone,
            text,
            as_json(columns),
            (_to_send(planned) if skip is None else _S.SKIPPED).value,
            "" if skip is None else skip.value,
            detail,
            free_at,
            variant,
            chosen,
        )

    def _revised(
        self, planned: PlannedMessage, was: Known | None, status: MessageStatus | None
    ) -> dict[str, Any]:
        assert was is not None
        assert was.status is not None
        return {
            "_recipient": planned.recipient.id,
            "_step": planned.step,
            "_from": was.status,
            "row": planned.row,
            "previous": planned.previous,
            "after": planned.after,
            "sender": planned.sender,
            "zone": planned.zone,
            "text": planned.text,
            "variant": planned.variant,
            "chosen": planned.chosen,
            "columns": as_json(planned.columns),
            "status": status or was.status,
            "reason": planned.skip or (was.reason if status is None else ""),
            "detail": was.detail if status is None else planned.detail,
            "_free_at": planned.free_at,
        }

    def _revise(self, values: list[dict[str, Any]]) -> None:
        # Bytes that differ under a key the API may have used up would be refused as another
        # request; each attempt of these is proven not sent, so a new generation is safe.
        names = [name for name in values[0] if not name.startswith("_")]
        new_body = (message.c.text != bindparam("text")) | (message.c.sender != bindparam("sender"))
        tried = (message.c.attempts > 0) & new_body & is_key_shown()
        not_before = case(
            (bindparam("status") == _S.SKIPPED, bindparam("_free_at")),
            (message.c.status == _S.SKIPPED, 0.0),
            else_=message.c.not_before,
        )
        changed = self._connection.execute(
            self._mine()
            .where(message.c.status == bindparam("_from"))
            .values(
                {name: bindparam(name) for name in names}
                | {"generation": message.c.generation + tried.cast(Integer)}
                | {"not_before": not_before}
            ),
            values,
        )
        if changed.rowcount != len(values):
            raise LedgerError(f"{len(values)} revisions were due, {changed.rowcount} took place")

    def _moved(self, planned: PlannedMessage) -> dict[str, Any]:
        """Return where the recipient stands in the file now, in which zone, and when a follow-up
        goes; no change of a text."""
        return {
            "_recipient": planned.recipient.id,
            "_step": planned.step,
            "previous": planned.previous,
            "after": planned.after,
            "row": planned.row,
            "zone": planned.zone,
            "columns": as_json(planned.columns),
        }

    def _mine(self) -> Update:
        return update(message).where(
            message.c.campaign == self._campaign.id,
            message.c.step == bindparam("_step"),
            message.c.recipient == bindparam("_recipient"),
        )

    def _row_skip(self, skip: RowSkip) -> tuple[Any, ...]:
        """Return the values of `_SKIP_COLUMNS`."""
        return (
            self._campaign.id,
            skip.row,
            skip.reason,
            skip.detail,
            skip.recipient.id if skip.recipient else "",
            as_json(skip.columns),
        )


def _to_send(planned: PlannedMessage) -> MessageStatus:
    """Return the status of a message that is to be sent: a follow-up waits for the one before."""
    return _S.WAITING if planned.previous else _S.QUEUED


def _place(each: Known | PlannedMessage) -> tuple[int, str, str, float]:
    """Return where a message stands among the others, which is no change of its text."""
    return each.row, each.zone, each.previous, each.after


_PLACE = ("row", "zone", "columns", "previous", "after")
_MESSAGE_COLUMNS = (
    "campaign",
    "step",
    "previous",
    "after",
    "row",
    "platform",
    "id_type",
    "recipient",
    "sender",
    "zone",
    "text",
    "columns",
    "status",
    "reason",
    "detail",
    "not_before",
    "variant",
    "chosen",
)
_SKIP_COLUMNS = ("campaign", "row", "reason", "detail", "recipient", "columns")


def add_test(connection: Connection, row: CampaignRow, planned: PlannedMessage) -> None:
    """Queue a test message: each one is a step of its own, so that it is sent however often the
    same person was tested with."""
    number = connection.execute(
        select(func.count()).select_from(message).where(message.c.campaign == row.id)
    ).scalar_one()
    connection.execute(
        insert(message).values(
            campaign=row.id,
            step=f"test-{number + 1}",
            row=planned.row,
            platform=planned.recipient.platform,
            id_type=planned.recipient.id_type,
            recipient=planned.recipient.id,
            sender=planned.sender,
            text=planned.text,
            columns=as_json(planned.columns),
            status=_S.QUEUED,
            variant=planned.variant,
        )
    )
