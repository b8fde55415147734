"""What a person does to a campaign, its messages and the do-not-contact list.

The same for the command line and the dashboard: each changes the ledger and writes down who did
it (`by`), from where (`via`) and what came of it, in one transaction. What changed nothing is not
written down.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from runner.clock import Clock
from runner.errors import UsageError
from runner.ledger import Ledger, actions, brakes, decisions, submissions, views
from runner.ledger.actions import NAMED, Act
from runner.ledger.brakes import Brake
from runner.ledger.decisions import Retry
from runner.ledger.planning import CampaignRow
from runner.ledger.settling import Settlement
from runner.ledger.views import Doubt
from runner.ledger.words import TakenBack, give_word, take_back
from runner.message import Evidence, MessageStatus
from runner.run.braking import goes_on_elsewhere
from runner.run.selection import in_words, known_ids

_S = MessageStatus


def pause(ledger: Ledger, row: CampaignRow, clock: Clock, *, by: str, via: str) -> Brake | None:
    """Pause a campaign; what stops it already by a person's word, if anything does: it stays so."""
    at = clock.now()
    with ledger.writing() as connection:
        before = brakes.pause(connection, row.id, at, by)
        if before is None:
            actions.keep(connection, Act.PAUSE, at=at, by=by, via=via, campaign=row.id)
    return before


@dataclass(frozen=True, slots=True)
class Resumed:
    """What had stopped a campaign, None for nothing; and who goes on with it by itself: `workers`,
    or a `live` run. Neither: it has to be run."""

    before: Brake | None
    workers: bool
    live: bool


def resume(ledger: Ledger, row: CampaignRow, clock: Clock, *, by: str, via: str) -> Resumed:
    """Let a campaign go on, and wake the workers that have it. Runs nothing; waits up to 5 s for a
    live run to hear of it."""
    at = clock.now()
    with ledger.writing() as connection:
        before = decisions.resume(connection, row.id, at, by)
        if before is not None:
            why = f"it was {before.kind}"
            actions.keep(connection, Act.RESUME, at=at, by=by, via=via, campaign=row.id, why=why)
    submitted = ledger.write(submissions.wake, row.id, at)
    return Resumed(before, submitted, not submitted and goes_on_elsewhere(ledger, row, at))


def cancel(ledger: Ledger, row: CampaignRow, clock: Clock, *, by: str, via: str) -> int:
    """Withdraw what a campaign has in the queue, and let nothing more of it go; how many."""
    at = clock.now()
    with ledger.writing() as connection:
        count = decisions.cancel(connection, row.id, at, by)
        last = brakes.latest(connection, [row.id])[row.id]
        if count or (last.at, last.by) == (at, by):
            actions.keep(
                connection, Act.CANCEL, at=at, by=by, via=via, campaign=row.id, count=count
            )
    return count


@dataclass(frozen=True, slots=True)
class Retried:
    """How many messages are queued again, and whether the campaign is the workers' (`submitted`):
    then it is to be submitted anew, else to be run."""

    count: int
    submitted: bool


def retry(
    ledger: Ledger,
    row: CampaignRow,
    clock: Clock,
    *,
    statuses: Collection[MessageStatus] = (),
    reasons: Collection[str] = (),
    ids: Collection[str] = (),
    new_key: bool = False,
    by: str,
    via: str,
) -> Retried:
    """Queue failed, rejected or cancelled messages again (empty: of any of these statuses, for any
    reason, of anybody). Raises UsageError for an id that the campaign has no message for."""
    at = clock.now()
    asked = Retry(row.id, frozenset(statuses), frozenset(reasons), frozenset(ids), new_key)
    if unknown := set(ids) - known_ids(ledger, row, ids):
        raise UsageError(
            f"--only: {in_words(unknown)} not in campaign {row.name}",
            "nothing was queued again; see who is: run-campaign export CAMPAIGN -o results.csv",
        )
    words = [*sorted(statuses), *sorted(reasons), *(["new key"] if new_key else [])]
    with ledger.writing() as connection:
        submitted = submissions.is_submitted(connection, row.id)
        who = decisions.to_retry(connection, asked, NAMED)
        count = decisions.retry(connection, asked)
        if count:
            actions.keep(
                connection,
                Act.RETRY,
                at=at,
                by=by,
                via=via,
                campaign=row.id,
                count=count,
                recipients=who,
                why=", ".join(words),
            )
    return Retried(count, submitted)


def settle_by_word(
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

    at = clock.now()
    said = [(doubt, evidence) for doubt in doubts if (evidence := word(doubt)) is not None]
    words = [
        Settlement(doubt.id, evidence, at, evidence, "settled by a person's word")
        for doubt, evidence in said
    ]
    told: dict[MessageStatus, list[str]] = {_S.SENT: [], _S.QUEUED: []}
    with ledger.writing() as connection:
        for (doubt, _), done in zip(said, give_word(connection, row.id, words), strict=True):
            if done is not None and done.status in told:
                told[done.status].append(doubt.recipient.id)
        for what, status in ((Act.SENT, _S.SENT), (Act.NOT_SENT, _S.QUEUED)):
            if told[status]:
                actions.keep(
                    connection,
                    what,
                    at=at,
                    by=by,
                    via=via,
                    campaign=row.id,
                    recipients=told[status],
                )
    return len(told[_S.SENT]), len(told[_S.QUEUED])


def take_words_back(
    ledger: Ledger,
    row: CampaignRow,
    clock: Clock,
    ids: Collection[str] = (),
    *,
    by: str,
    via: str,
) -> TakenBack:
    """Take back what was said since the last run (empty `ids`: of all): in doubt again.

    Raises UsageError for an id that nobody has said anything of; then none is taken back.
    """
    at = clock.now()
    with ledger.writing() as connection:
        told = take_back(connection, row.id, ids)
        unknown = sorted(set(ids) - {*told.back, *told.too_late})
        if unknown:  # all of them or none
            raise UsageError(
                f"nothing was said of {unknown[0]} in {row.name}, or it was taken back already",
                "see what is in doubt: run-campaign resolve --list",
            )
        if told.back:
            actions.keep(
                connection,
                Act.UNDO,
                at=at,
                by=by,
                via=via,
                campaign=row.id,
                recipients=told.back,
            )
    return told


def suppress(
    ledger: Ledger,
    clock: Clock,
    wanted: Mapping[str, tuple[str, float]],
    *,
    why: str = "",
    by: str,
    via: str,
) -> int:
    """Put people (id -> reason, since when) on the do-not-contact list and take their queued
    messages out; how many messages that stopped. `why`: a word for all of them."""
    with ledger.writing() as connection:
        added, stopped = decisions.suppress_each(connection, wanted)
        if added:
            actions.keep(
                connection,
                Act.SUPPRESS,
                at=clock.now(),
                by=by,
                via=via,
                recipients=added,
                why=why,
            )
    return stopped


def unsuppress(ledger: Ledger, clock: Clock, ids: Iterable[str], *, by: str, via: str) -> list[str]:
    """Take people off the do-not-contact list; the next run queues them again. Who was on it."""
    with ledger.writing() as connection:
        gone = decisions.unsuppress(connection, ids)
        if gone:
            actions.keep(
                connection,
                Act.UNSUPPRESS,
                at=clock.now(),
                by=by,
                via=via,
                recipients=gone,
            )
    return gone
