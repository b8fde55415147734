"""The resolution of messages in doubt by hand, and its undoing, each with its audit entry."""

from __future__ import annotations

from collections.abc import Collection

from runner.clock import Clock
from runner.errors import UsageError
from runner.ledger.campaigns import audit, submissions
from runner.ledger.campaigns.audit import Act
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.doubts import in_doubt, resolutions
from runner.ledger.doubts.in_doubt import Doubt
from runner.ledger.doubts.resolutions import Undone
from runner.ledger.doubts.settlements import Settlement
from runner.ledger.ledger import Ledger
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from runner.project.people import named_people

_S = MessageStatus


def resolve(
    ledger: Ledger,
    row: CampaignRow,
    clock: Clock,
    *,
    sent: Collection[str] = (),
    not_sent: Collection[str] = (),
    all_not_sent: bool = False,
    by: str,
    via: str,
) -> tuple[int, int]:
    """Settle messages in doubt as a person says; return how many were (sent, queued again).

    Raises UsageError for an id that is not in doubt, or said to be both.
    """
    sent, not_sent = (
        named_people(ledger, words, platform=row.platform, rehearsal=row.rehearsal)
        for words in (sent, not_sent)
    )
    doubts = ledger.read(in_doubt.in_doubt, [row.id])
    known = {doubt.recipient.id for doubt in doubts}
    both = sorted(set(sent) & set(not_sent))
    if both:
        raise UsageError(f"{both[0]} is said to be sent and not sent", "say one of the two")
    for id in (*sent, *not_sent):
        if id not in known:
            listed = ", ".join(sorted(known)[:10]) or "nobody"
            raise UsageError(f"{id} is not in doubt in {row.name}", f"in doubt: {listed}")

    def evidence_for(doubt: Doubt) -> Evidence | None:
        if doubt.recipient.id in sent:
            return Evidence.SAID_SENT
        said_not = all_not_sent or doubt.recipient.id in not_sent
        return Evidence.SAID_NOT_SENT if said_not else None

    at = clock.now()
    said = [(doubt, evidence) for doubt in doubts if (evidence := evidence_for(doubt)) is not None]
    settled = [
        Settlement(doubt.id, evidence, at, evidence, "settled by a person")
        for doubt, evidence in said
    ]
    told: dict[MessageStatus, list[str]] = {_S.SENT: [], _S.QUEUED: []}
    with ledger.writing() as connection:
        for (doubt, _), done in zip(
            said, resolutions.resolve(connection, row.id, settled), strict=True
        ):
            if done is not None and done.status in told:
                told[done.status].append(doubt.recipient.id)
        for what, status in ((Act.SENT, _S.SENT), (Act.NOT_SENT, _S.QUEUED)):
            if told[status]:
                audit.record(
                    connection,
                    what,
                    at=at,
                    by=by,
                    via=via,
                    campaign=row.id,
                    recipients=told[status],
                )
        if people := told[_S.SENT] + told[_S.QUEUED]:
            # Messages of other campaigns may have waited for these, in lanes that rest.
            submissions.wake_for(connection, people, at)
    return len(told[_S.SENT]), len(told[_S.QUEUED])


def undo(
    ledger: Ledger,
    row: CampaignRow,
    clock: Clock,
    ids: Collection[str] = (),
    *,
    by: str,
    via: str,
) -> Undone:
    """Undo resolutions since the last run (empty `ids`: all of them): the messages are in doubt
    again.

    Raises UsageError for an id without one; then none is undone.
    """
    at = clock.now()
    ids = named_people(ledger, ids, platform=row.platform, rehearsal=row.rehearsal)
    with ledger.writing() as connection:
        told = resolutions.undo(connection, row.id, ids)
        unknown = sorted(set(ids) - {*told.back, *told.too_late})
        if unknown:  # all of them or none
            raise UsageError(
                f"{unknown[0]} was not resolved in {row.name}, or that was undone already",
                "see what is in doubt: run-campaign resolve --list",
            )
        if told.back:
            audit.record(
                connection,
                Act.UNDO,
                at=at,
                by=by,
                via=via,
                campaign=row.id,
                recipients=told.back,
            )
    return told
