"""The recipients that a command names with `--only`, and whether a campaign knows them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from runner.errors import UsageError
from runner.ledger.campaigns import registry
from runner.ledger.ledger import Ledger
from runner.ledger.messages import plans
from runner.message.prospect import Prospect, Recipient
from runner.project.people import named_people

if TYPE_CHECKING:  # what reads campaign files is not needed to ask a ledger
    from runner.campaign.schema import Campaign
    from runner.planning.draft import Draft

IDS_NAMED = 5
"""Unknown ids that an error names."""


def only_people(
    ledger: Ledger | None, words: Collection[str], campaigns: Sequence[Campaign]
) -> frozenset[str]:
    """Return the ids of those whom `--only` names, by id or by handle. Raises UsageError for a
    handle without a kept id."""
    if not words:
        return frozenset()
    platforms = {each.api.platform for each in campaigns}
    platform = platforms.pop() if len(platforms) == 1 else None
    rehearsal = all(each.rehearsal for each in campaigns)
    return frozenset(named_people(ledger, words, platform=platform, rehearsal=rehearsal))


def refuse_unknown(drafts: Sequence[Draft], ledger: Ledger | None, only: Collection[str]) -> None:
    """Raise UsageError for ids of `only` that are neither in a sheet nor in the ledger: a mistyped
    id would else be a run that sends nothing and says that all is well."""
    unknown = set(only)
    for draft in drafts:
        if ledger is not None and draft.row is not None and unknown:
            unknown -= known_ids(ledger, draft.row, unknown)
        if unknown:
            for row in draft.audience.rows():
                if isinstance(row, Prospect) or row.recipient is not None:
                    assert row.recipient is not None
                    unknown.discard(row.recipient.id)
    if unknown:
        files = ", ".join(draft.campaign.prospects.source.name for draft in drafts)
        raise UsageError(
            f"--only: {in_words(unknown)} not in {files}",
            "nothing was sent; see who is in it: run-campaign CAMPAIGN --dry-run",
        )


def known_ids(ledger: Ledger, row: registry.CampaignRow, ids: Collection[str]) -> set[str]:
    """Return those of `ids` that the ledger has a message of this campaign for."""
    recipients = [Recipient(row.platform, row.id_type, id) for id in ids]
    found = ledger.read(plans.known, row.id, recipients, rehearsal=row.rehearsal)
    return {recipient.id for recipient, known in found.items() if known.status is not None}


def in_words(ids: Collection[str]) -> str:
    """Return ids in words: `101, 102 and 3 more are`."""
    named = sorted(ids)[:IDS_NAMED]
    more = len(ids) - len(named)
    listed = ", ".join(named) + (f" and {more} more" if more else "")
    return f"{listed} {'is' if len(ids) == 1 else 'are'}"
