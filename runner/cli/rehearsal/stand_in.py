"""The stand-in API of a rehearsal, with the senders, statuses and tags that its campaigns name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from runner.campaign.schema import Campaign
from runner.formats import safe
from runner.message.account import AccountName
from runner.project.credentials import SANDBOX_TOKEN
from runner.run.rehearsed_senders import RehearsedSenders, rehearsed_senders
from runner.sandbox.options import AccountLink
from runner.sandbox.server import Sandbox


def stand_in(
    campaigns: Sequence[Campaign], faults: tuple[str, ...], state: str | None, **options: Any
) -> Sandbox:
    """Return a sandbox for campaigns, whose senders have the names that the ledger at `state`
    knows. Raises UsageError for a fault that cannot be read."""
    senders = rehearsed_senders(campaigns, state, os.environ)
    if senders.made_up:
        told = ", ".join(f"{senders.names[id].name} is {id}" for id in senders.made_up)
        click.echo(
            f"sandbox: Inbox was not asked for the names of senders; made up: {safe(told)}",
            err=True,
        )
    links = _links(campaigns, senders)
    try:
        sandbox = Sandbox(
            links=links, token=SANDBOX_TOKEN, faults=faults, meets_everyone=True, **options
        )
    except ValueError as problem:
        raise click.UsageError(f"--fault: {problem}") from None
    for known in (campaign.skip_known for campaign in campaigns):
        for name in () if known is None else known.status:
            sandbox.service.store.status(name)
        for name in () if known is None else known.tags:
            sandbox.service.store.tag(name)
    return sandbox


def _links(campaigns: Sequence[Campaign], senders: RehearsedSenders) -> list[AccountLink]:
    """Return an account link for every sender, of its campaign's platform."""
    found: dict[str, AccountLink] = {}
    for campaign in campaigns:
        for sender in campaign.senders:
            at = len(found)
            known, made_up = senders.names.get(sender.id, AccountName()), f"sender{at + 1}"
            handle, name = known.handle or made_up, known.name or known.handle or made_up
            id = str(1_566_123_362_161_725_440 + at)
            link = AccountLink(sender.id, handle, name, id, platform=campaign.api.platform)
            found.setdefault(sender.id, link)
    return list(found.values())
