"""Fingerprints of files and plans: files that have not changed are not read again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import AudienceError, ChangesError
from runner.ledger.ledger import Connection, Ledger
from runner.ledger.messages import plans, recontact
from runner.ledger.people import acquaintances
from runner.ledger.queries import totals
from runner.message.follow_up import stop_on_text
from runner.message.key import REHEARSAL
from runner.tables.reader import fingerprint

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign
    from runner.planning.draft import Draft


def prospects_key(draft: Draft) -> str:
    """Return the ledger's key for the campaign that first had prospects of exactly these bytes."""
    kind = REHEARSAL if draft.campaign.rehearsal else ""
    return f"prospects {draft.files[0]}{kind}"


def kept_path(path: Path, ledger: Ledger) -> str:
    """Return a path as the ledger keeps it, symbolic links followed: relative to the ledger where
    that is a file, so that a project can be moved, or mounted elsewhere, and is still known."""
    if ledger.file is None:
        return str(path.resolve())
    return os.path.relpath(path.resolve(), ledger.file.resolve().parent)


def file_hashes(campaign: Campaign) -> list[str]:
    """Hash the bytes of every file that a campaign names, the prospects' first. A missing
    one hashes as missing: reading it says so in better words."""
    paths = [campaign.prospects.source, *(each.source for each in campaign.suppress.lists)]
    paths += campaign.templates
    return [_hash(path) for path in paths]


def _hash(path: Path) -> str:
    if path.exists() and not path.is_file() and not path.is_dir():
        # A pipe would wait for what writes to it, and can be read only once.
        raise AudienceError(f"{path} is not a file; save its output as a file")
    return fingerprint(path) if path.is_file() else "missing"


def refuse_edited(draft: Draft) -> None:
    """Raise ChangesError if a file was edited since it was read: half of it may be old."""
    if file_hashes(draft.campaign) != draft.files:
        raise ChangesError(
            f"{draft.campaign.name}: its files were edited while it was being planned; nothing of "
            "it was sent",
            "run the same command again",
        )


def plan_fingerprint(
    draft: Draft, suppressed: Mapping[str, str], characters: int | None, known: str
) -> str:
    """Hash everything that a plan is made from: equal means that planning again would change
    nothing. `known`: see `acquaintances_state`."""
    campaign = draft.campaign
    wanted, text = campaign.prospects, campaign.message
    parts = [
        draft.files,
        text.text,
        [[sender.id, sender.per_day] for sender in campaign.senders],
        wanted.model_dump(mode="json", exclude={"source"}),
        campaign.api.platform,
        draft.audience.id_type,
        sorted(suppressed.items()),
        characters,
        campaign.contact_once_in,
        [each.id for each in campaign.suppress.lists],
        *([f"opt-outs of {draft.team}"] if campaign.own_opt_outs else []),
        *([f"handles {draft.handles}"] if draft.audience.has_handles else []),
        *([known] if known else []),
        *([_sender_names(draft)] if draft.audience.sender or draft.sender_parts else []),
        *([text.model_dump(mode="json", exclude={"template"})] if text.variants else []),
        *([_steps_text(campaign)] if campaign.steps else []),
        *([f"approved {draft.approved.digest}"] if draft.approved else []),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _steps_text(campaign: Campaign) -> str:
    steps = [
        [each.name, each.after, each.text]
        + ([each.model_dump(mode="json", include={"variants"})] if each.variants else [])
        for each in campaign.steps
    ]
    return json.dumps([stop_on_text(campaign.stop_on), steps])


def is_unchanged(draft: Draft, ledger: Ledger, characters: int | None, now: float) -> bool:
    """Return whether planning again would change nothing: then no row needs to be read."""
    if draft.row is None or draft.row.fingerprint is None or draft.rest_with:
        return False
    if ledger.read(totals.unplanned, [draft.row.id]):
        return False  # what came back into the queue since waits for a plan
    if ledger.read(recontact.may_be_free, draft.row.id, now):
        return False  # so does what was skipped for a time that is over
    suppressed = ledger.read(plans.suppressed, draft.team_obeyed)
    known = ledger.read(acquaintances_state, draft)
    return draft.row.fingerprint == plan_fingerprint(draft, suppressed, characters, known)


def _sender_names(draft: Draft) -> list[Sequence[str]]:
    return [draft.links.get(each.id, ()) for each in draft.campaign.senders]


def acquaintances_state(connection: Connection, draft: Draft) -> str:
    """Return what differs when Inbox has said something else of people, or when other rules hold,
    for a campaign that skips those whom it knows."""
    rules = draft.campaign.skip_known
    if rules is None:
        return ""
    state = acquaintances.changes(connection, draft.lane) if draft.lane else ""
    return f"{rules.model_dump_json()} {state}"


def list_key(campaign: str, path: Path, ledger: Ledger) -> str:
    """Return the ledger's key for how many people a do-not-contact list had at the last plan."""
    return f"list {campaign} {kept_path(path, ledger)}"
