"""The stand-in API of a rehearsal, with the senders, statuses and tags that its campaigns name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from runner.campaign.schema import Campaign
from runner.project.credentials import SANDBOX_TOKEN
from runner.sandbox.options import AccountLink
from runner.sandbox.server import Sandbox


def stand_in(campaigns: Sequence[Campaign], faults: tuple[str, ...], **options: Any) -> Sandbox:
    """Return a sandbox for campaigns. Raises UsageError for a fault that cannot be read."""
    links = _links(campaigns)
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


def _links(campaigns: Sequence[Campaign]) -> list[AccountLink]:
    """Return an account link for every sender, of its campaign's platform."""
    found: dict[str, AccountLink] = {}
    for campaign in campaigns:
        for sender in campaign.senders:
            at = len(found)
            name, id = f"sender{at + 1}", str(1_566_123_362_161_725_440 + at)
            link = AccountLink(sender.id, name, name, id, platform=campaign.api.platform)
            found.setdefault(sender.id, link)
    return list(found.values())
