"""What a person does to single messages of a campaign: look, try again, settle by their word."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from runner.clock import Clock, SystemClock
from runner.errors import RunnerError, UsageError
from runner.ledger import Ledger, decisions, open_ledger, planning, views
from runner.ledger.decisions import Retry
from runner.ledger.planning import CampaignRow
from runner.ledger.settling import Settlement
from runner.ledger.views import Doubt
from runner.ledger.words import TakenBack, give_word, take_back
from runner.message import Evidence, MessageStatus
from runner.run import Options, RunResult, Surroundings, drive, hold_lanes, remembering
from runner.run.braking import that_may_run
from runner.run.meeting import meet
from runner.run.memory import may_change
from runner.run.setup import ledger_location, load, make_draft, read_token, require

_S = MessageStatus

PATIENCE = 600.0
"""Seconds that settling by hand waits for a campaign's schedule."""


@contextmanager
def opened(
    path: Path,
    state: str | None,
    environ: Mapping[str, str],
    *,
    read_only: bool = True,
    accept_old_ledger: bool = False,
) -> Iterator[tuple[Ledger, CampaignRow]]:
    """A campaign's ledger, which must be there, and its row in it. Raises OldLedger when it is to
    be changed and is an old copy, unless that is to be accepted."""
    campaign = load([path])[0]
    location = ledger_location(state, environ, [campaign], live=False)
    with open_existing(location, read_only=read_only) as ledger:
        row = require(ledger.read(planning.find_campaign, campaign.name), campaign.name, ledger)
        if not read_only:
            at = SystemClock().now()
            may_change(ledger, environ, at, accept=accept_old_ledger, names=[row.name])
        yield ledger, row


def open_existing(location: str, *, read_only: bool = True) -> Ledger:
    """The ledger at `location`; unlike `open_ledger` this never makes one."""
    if "://" not in location and not Path(location).exists():
        raise RunnerError(f"no ledger at {location}", "run the campaign first, or name it: --state")
    return open_ledger(location, read_only=read_only)


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
) -> int:
    """Queue failed, rejected or cancelled messages again; how many."""
    changing = opened(path, state, environ, read_only=False, accept_old_ledger=accept_old_ledger)
    with changing as (ledger, row):
        asked = Retry(row.id, frozenset(statuses), frozenset(reasons), frozenset(ids), new_key)
        return ledger.write(decisions.retry, asked)


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
    told = [each.status for each in ledger.write(give_word, words) if each is not None]
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


def settle_now(path: Path, options: Options, around: Surroundings) -> RunResult:
    """Ask the API about what is in doubt, and send nothing new. Nothing is planned."""
    campaign = load([path])[0]
    location = ledger_location(options.state, around.environ, [campaign], live=False)
    token = read_token(campaign, around.environ, location)
    with ExitStack() as held, open_existing(location, read_only=False) as ledger:
        memory = remembering(ledger, options, around, [campaign.name])
        that_may_run(ledger, [campaign], around.bus, around.clock.now())
        draft = make_draft(campaign, ledger)
        require(draft.row, campaign.name, ledger)
        tokens = {campaign.name: token}
        crews = asyncio.run(meet([draft], tokens, ledger, around.clock, around.bus))
        hold_lanes(held, ledger, crews, options.wait, around.clock)
        that_may_run(ledger, [campaign], around.bus, around.clock.now())
        now_only = replace(options, limit=0, idle_after=PATIENCE)
        return drive(crews, ledger, now_only, around, memory)
