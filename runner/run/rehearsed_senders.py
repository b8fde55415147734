"""The senders of a rehearsal: what its stand-in of the API calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import RunnerError
from runner.ledger.campaigns import account_links
from runner.ledger.ledger import open_ledger
from runner.message.account import AccountName, sender_finder
from runner.message.handle import one_handle
from runner.planning.draft import make_draft
from runner.project.ledgers.ledger_location import ledger_location

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign


@dataclass(frozen=True, slots=True)
class RehearsedSenders:
    """The names of senders by their ids. `made_up`: those of them that nobody has told."""

    names: Mapping[str, AccountName] = field(default_factory=dict)
    made_up: Sequence[str] = ()


def rehearsed_senders(
    campaigns: Sequence[Campaign], state: str | None, environ: Mapping[str, str]
) -> RehearsedSenders:
    """Return what a stand-in calls senders: what Inbox does, as the ledger has it. Those that it
    does not know get the names that the sheets have for senders (`prospects.sender`), in their
    order. Raises RunnerError for files that cannot be read."""
    names = dict(_kept(campaigns, state, environ))
    made_up: list[str] = []
    for campaign in campaigns:
        ids = [each.id for each in campaign.senders]
        free = [id for id in ids if id not in names]
        if free and campaign.prospects.sender is not None:
            found = dict(zip(free, _named(campaign, names, len(free)), strict=False))
            names |= found
            made_up += found
    return RehearsedSenders(names, made_up)


def _kept(
    campaigns: Sequence[Campaign], state: str | None, environ: Mapping[str, str]
) -> Mapping[str, AccountName]:
    """Return what the ledger knows, nothing if there is none that can be read."""
    with suppress(RunnerError):
        location = ledger_location(state, environ, list(campaigns), live=False)
        if "://" in location or Path(location).exists():
            with open_ledger(location, read_only=True) as ledger:
                return ledger.read(account_links.known, rehearsal=False)
    return {}


def _named(campaign: Campaign, known: Mapping[str, AccountName], most: int) -> list[AccountName]:
    """Return names of the sheet that are no known sender's, each once, `most` at most."""
    audience = make_draft(campaign, None).audience
    assert audience.sender is not None
    at = audience.columns.index(audience.sender)
    find = sender_finder([each.id for each in campaign.senders], known)
    found: dict[str, AccountName] = {}
    for _, row in audience.table.rows():
        cell = row[at].strip()
        name = cell.removeprefix("@")
        if name and audience.selects(row) and not find(cell)[0]:
            found.setdefault(one_handle(name), AccountName("".join(name.split()), name))
            if len(found) == most:
                break
    return list(found.values())
