"""Asking Inbox whom a team talks to already (`skip_known`), before a plan is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from runner.errors import RunnerError
from runner.events import Asking, Notice
from runner.ledger.ledger import Ledger
from runner.ledger.messages import decisions, plans
from runner.ledger.people import acquaintances, erased
from runner.message.acquaintance import SkipRules, bar_of, is_fresh, one_name
from runner.message.prospect import Prospect, Recipient
from runner.message.status import MessageStatus
from runner.planning.draft import Draft
from runner.run.preparation.options import Surroundings
from runner.run.questions import TeamQuestions
from runner.sending.inbox.acquaintance_check import ask

if TYPE_CHECKING:  # aiohttp takes long to load
    from runner.channels.base import Token
    from runner.channels.v2.inbox_v2_people import PeopleV2

ASKED_AT_ONCE = 100
"""People of one request."""

_TO_WRITE = (None, MessageStatus.QUEUED, MessageStatus.SKIPPED)


async def ask_about_known(
    draft: Draft,
    token: Token,
    ledger: Ledger,
    around: Surroundings,
    server_ahead: float,
    *,
    unchanged: bool,
) -> None:
    """Ask Inbox about those whom a campaign is still to write to, of whom nothing is known that is
    younger than a day, and keep each answer as it comes: after a kill nobody is asked about twice.

    `unchanged`: the ledger has the plan of these very files, so that they need not be read.

    Raises ChannelError when the API cannot be used, RunnerError for a status or tag of `skip_known`
    that the team does not have.
    """
    rules, lane = draft.campaign.skip_rules, draft.lane
    if rules is None or lane is None:
        return
    campaign, clock, bus = draft.campaign, around.clock, around.bus
    platform = campaign.api.platform
    if unchanged and draft.id is not None:
        due = ledger.read(acquaintances.stale, draft.id, lane, platform, clock.now())
    else:
        due = _due(draft, ledger, lane, clock.now())
    if not due:
        return
    questions = TeamQuestions(campaign, ledger, lane, clock, bus, server_ahead)
    people = questions.people(token)
    asked = 0
    try:
        await _refuse_unknown_names(draft, people)
        rest = iter(due)
        while chunk := list(islice(rest, ASKED_AT_ONCE)):
            found = await ask(people, chunk, ledger, clock.now())
            ledger.write(decisions.keep_acquaintances, found, lane, platform)
            asked += len(chunk)
            bus.emit(Asking(clock.now(), campaign.name, asked, len(due)))
    finally:
        await people.close()
    told = _told(draft, ledger, lane, rules, clock.now())
    bus.emit(Notice(clock.now(), f"{campaign.name}: {told}"))


def _prospects(draft: Draft) -> Iterator[list[Recipient]]:
    rows = (row.recipient for row in draft.audience.rows() if isinstance(row, Prospect))
    while chunk := list(islice(rows, 1000)):
        yield chunk


def _due(draft: Draft, ledger: Ledger, lane: str, now: float) -> list[str]:
    """Return whom to ask about."""
    due, platform = [], draft.campaign.api.platform
    gone = ledger.read(erased.people)
    for chunk in _prospects(draft):
        ids = [each.id for each in chunk]
        told = ledger.read(acquaintances.known_among, ids, lane, platform)
        have = ledger.read(plans.known, draft.id, chunk, rehearsal=draft.campaign.rehearsal)
        for each in chunk:
            status = have[each].status if each in have else None
            if gone and gone.has_id(each.id):
                continue
            if status in _TO_WRITE and not is_fresh(told.get(each.id), now):
                due.append(each.id)
    return due


def _told(draft: Draft, ledger: Ledger, lane: str, rules: SkipRules, now: float) -> str:
    """Return `known to Inbox: 412 of 10,000 · in talks 31 · Customer 9`."""
    known, count, words = 0, 0, Counter[str]()
    for chunk in _prospects(draft):
        count += len(chunk)
        ids = [each.id for each in chunk]
        told = ledger.read(acquaintances.known_among, ids, lane, draft.campaign.api.platform)
        for each in told.values():
            known += bool(each.contact)
            bar = bar_of(each, rules, now, {})
            if bar is not None:
                words[bar.word] += 1
    parts = [f"known to Inbox: {known:,} of {count:,}"]
    parts += [f"{word} {number:,}" for word, number in words.most_common()]
    return " · ".join(parts)


async def _refuse_unknown_names(draft: Draft, people: PeopleV2) -> None:
    """Raise RunnerError for a status or tag that the team does not have: it would keep nobody from
    being written to."""
    said = draft.campaign.skip_known
    assert said is not None
    for key, what, names in (("status", "statuses", said.status), ("tags", "tags", said.tags)):
        if not names:
            continue
        there = await people.names(what)
        known = {one_name(each) for each in there}
        for name in names:
            if one_name(name) not in known:
                listed = ", ".join(there) or "none"
                raise RunnerError(
                    f"{draft.campaign.path}: skip_known.{key}: the team has no {name}",
                    f"there are: {listed}",
                )
