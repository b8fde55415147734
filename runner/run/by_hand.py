"""What a person does to single messages of a campaign: look, try again, settle by their word."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from runner.clock import Clock
from runner.errors import UsageError
from runner.ledger import Ledger, decisions, submissions, views
from runner.ledger.decisions import Retry
from runner.ledger.planning import CampaignRow
from runner.ledger.settling import Settlement
from runner.ledger.views import Doubt
from runner.ledger.words import TakenBack, give_word, take_back
from runner.message import Evidence, MessageStatus
from runner.run.opening import opened

_S = MessageStatus


def queue_again(
    path: Path,
    state: str | None,
    environ: Mapping[str, str],
    statuses: Collection[MessageStatus] = (),
    reasons: Collection[str] = (),
    ids: Collection[str] = (),
    *,
    new_key: bool = False,
    accept_old_ledger: bool = False,
) -> tuple[int, bool]:
    """Queue failed, rejected or cancelled messages again; how many, and whether the campaign is the
    workers'."""
    changing = opened(path, state, environ, read_only=False, accept_old_ledger=accept_old_ledger)
    with changing as (ledger, row):
        asked = Retry(row.id, frozenset(statuses), frozenset(reasons), frozenset(ids), new_key)
        submitted = ledger.read(submissions.is_submitted, row.id)
        return ledger.write(decisions.retry, asked), submitted


def settle_by_word(
    ledger: Ledger,
    row: CampaignRow,
    clock: Clock,
    *,
    sent: Collection[str] = (),
    not_sent: Collection[str] = (),
    all_not_sent: bool = False,
) -> tuple[int, int]:
    """Settle messages in doubt as a person says; (sent, queued again).

    Raises UsageError for an id that is not in doubt, or said to be both.
    """
    doubts = ledger.read(views.in_doubt, [row.id])
    known = {doubt.recipient.id for doubt in doubts}
    both = sorted(set(sent) & set(not_sent))
    if both:
        raise UsageError(f"{both[0]} is said to be sent and not sent", "say one of the two")
    for id in (*sent, *not_sent):
        if id not in known:
            listed = ", ".join(sorted(known)[:10]) or "nobody"
            raise UsageError(f"{id} is not in doubt in {row.name}", f"in doubt: {listed}")

    def word(doubt: Doubt) -> Evidence | None:
        if doubt.recipient.id in sent:
            return Evidence.SAID_SENT
        said_not = all_not_sent or doubt.recipient.id in not_sent
        return Evidence.SAID_NOT_SENT if said_not else None

    words = [
        Settlement(doubt.id, evidence, clock.now(), evidence, "settled by a person's word")
        for doubt in doubts
        if (evidence := word(doubt)) is not None
    ]
    told = [each.status for each in ledger.write(give_word, row.id, words) if each is not None]
    return told.count(_S.SENT), told.count(_S.QUEUED)


def take_words_back(ledger: Ledger, row: CampaignRow, ids: Collection[str] = ()) -> TakenBack:
    """Take back what was said since the last run (empty `ids`: of all): in doubt again.

    Raises UsageError for an id that nobody has said anything of.
    """
    told = ledger.write(take_back, row.id, ids)
    unknown = sorted(set(ids) - {*told.back, *told.too_late})
    if unknown:
        raise UsageError(
            f"nothing was said of {unknown[0]} in {row.name}, or it was taken back already",
            "see what is in doubt: run-campaign resolve --list",
        )
    return told
