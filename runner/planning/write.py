"""A plan's way into the ledger, or the refusal of what changed since the last one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runner.clock import Clock
from runner.errors import ChangesError
from runner.events import EventBus, Planned, Reading
from runner.ledger import rehearsals, schema
from runner.ledger.campaigns import registry
from runner.ledger.ledger import Ledger
from runner.ledger.messages import plans, recontact
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.queries import totals
from runner.message.plan import Entry
from runner.planning.draft import (
    Draft,
    kept_path,
    plan_fingerprint,
    prospects_key,
    refuse_edited,
    refuse_other_name,
)
from runner.planning.planner import Render
from runner.planning.preview import Preview, RowProgress, planned_entries

GONE = 0.2
"""More than this share of the queue gone from the file is taken for a mistake until accepted."""


def is_unchanged(draft: Draft, ledger: Ledger, characters: int | None, now: float) -> bool:
    """Return whether planning again would change nothing: then no row needs to be read."""
    if draft.row is None or draft.row.fingerprint is None:
        return False
    if ledger.read(totals.unplanned, [draft.row.id]):
        return False  # what came back into the queue since waits for a plan
    if ledger.read(recontact.may_be_free, draft.row.id, now):
        return False  # so does what was skipped for a time that is over
    suppressed = ledger.read(plans.suppressed)
    return draft.row.fingerprint == plan_fingerprint(draft, suppressed, characters)


def write_plan(
    draft: Draft,
    ledger: Ledger,
    characters: int | None,
    render: Render,
    *,
    accept_changes: bool,
    clock: Clock,
    bus: EventBus,
) -> Draft:
    """Plan a draft into the ledger, all or nothing. Returns the draft with its row. `render`:
    renders its rows.

    Raises ChangesError when its files were edited since they were read; and when texts of messages
    not yet sent differ, or more than a fifth of the queue is gone, and `accept_changes` is off.
    """
    name = draft.campaign.name
    suppressed = ledger.read(plans.suppressed)
    found, key, now = Preview(name), prospects_key(draft), clock.now()
    with ledger.writing() as connection:
        # Looked for again: another first run may have been here while this one waited, and
        # another campaign of this run may have the same prospects.
        row = registry.find_campaign(connection, name)
        if row is None:
            holder = schema.note(connection, key)
            refuse_other_name(draft, ledger, registry.campaigns(connection), holder)
            row = registry.add_campaign(
                connection,
                name=name,
                path=kept_path(draft.campaign.path, ledger),
                source=kept_path(draft.campaign.prospects.source, ledger),
                platform=draft.campaign.api.platform,
                id_type=draft.audience.id_type,
                at=clock.now(),
                rehearsal=draft.campaign.rehearsal,
            )
        writer = PlanWriter(connection, row)
        progress = report_rows(name, clock, bus)
        for chunk in planned_entries(draft, ledger, suppressed, render, progress, now):
            for entry in chunk:
                found.count(entry)
            writer.write(chunk)
        found.removed = writer.gone()
        if not accept_changes:
            refuse_changes([found])
        refuse_edited(draft)
        for each in draft.audience.lists:
            size = str(len(each.people))
            schema.set_note(connection, list_key(name, each.source.path, ledger), size)
        if found.rows and not schema.note(connection, key):
            schema.set_note(connection, key, name)
        writer.finish(plan_fingerprint(draft, suppressed, characters), clock.now())
        if draft.campaign.rehearsal:
            rehearsals.renew_keys(connection, row.id)
    bus.emit(
        Planned(
            clock.now(),
            name,
            found.added,
            found.requeued,
            found.changed,
            found.skipped.total(),
            found.removed,
        )
    )
    return replace(draft, row=row)


def list_key(campaign: str, path: Path, ledger: Ledger) -> str:
    """Return the ledger's key for how many people a do-not-contact list had at the last plan."""
    return f"list {campaign} {kept_path(path, ledger)}"


def report_rows(name: str, clock: Clock, bus: EventBus) -> RowProgress:
    """Return a function that tells the bus how many rows have been read."""
    return lambda rows: bus.emit(Reading(clock.now(), name, rows))


def refuse_changes(previews: Sequence[Preview]) -> None:
    """Raise ChangesError if a person has to look at what changed first."""
    for found in previews:
        if found.changed:
            shown = "\n".join(_difference(entry) for entry in found.changes)
            more = found.changed - len(found.changes)
            raise ChangesError(
                f"{found.campaign}: {found.changed} messages that are not sent yet would change:\n"
                f"{shown}" + (f"\n… and {more} more" if more else ""),
                "run with --accept-changes to send the new texts; sent messages never change",
            )
        queue = found.queued_seen + found.removed
        if found.removed > queue * GONE:
            raise ChangesError(
                f"{found.campaign}: {found.removed} of {queue} queued recipients are gone from the "
                "prospects file, or not selected any more",
                "run with --accept-changes if that is meant: they will not be written to",
            )


def _difference(entry: Entry) -> str:
    planned, known = entry.planned, entry.known
    assert known is not None
    lines = [f"  {planned.recipient} (row {planned.row})"]
    if known.sender != planned.sender:
        lines.append(f"    sender {known.sender} -> {planned.sender}")
    differences = difflib.ndiff(known.text.splitlines(), planned.text.splitlines())
    lines += [f"    {line}" for line in differences if line.startswith(("-", "+"))]
    return "\n".join(lines)
