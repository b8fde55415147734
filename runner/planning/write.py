"""A plan's way into the ledger, or the refusal of what changed since the last one."""

from __future__ import annotations

from dataclasses import replace

from runner.clock import Clock
from runner.events import EventBus, Notice, Planned, Reading
from runner.ledger import rehearsals, schema
from runner.ledger.campaigns import audit, registry
from runner.ledger.campaigns.audit import Act
from runner.ledger.ledger import Ledger
from runner.ledger.messages import plans
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.queries import steps
from runner.message.follow_up import stop_on_text
from runner.planning.approved.approval import refuse_unapproved, unapproved
from runner.planning.changes import moved_texts, refuse_changes
from runner.planning.draft import Draft, refuse_other_name
from runner.planning.fingerprints import (
    acquaintances_state,
    kept_path,
    list_key,
    plan_fingerprint,
    prospects_key,
    refuse_edited,
)
from runner.planning.planner import Render
from runner.planning.preview import (
    Preview,
    RowProgress,
    no_steps_counted,
    planned_entries,
    step_names,
)
from runner.planning.variants import keep_deal, picker


def write_plan(
    draft: Draft,
    ledger: Ledger,
    characters: int | None,
    render: Render,
    *,
    accept_changes: bool,
    clock: Clock,
    bus: EventBus,
    by: str = "",
) -> Draft:
    """Plan a draft into the ledger, all or nothing. Returns the draft with its row. `render`:
    renders its rows; `by`: who has it planned.

    Raises ChangesError when its files were edited since they were read; and when texts of messages
    not yet sent differ, or more than a fifth of the queue is gone, and `accept_changes` is off; and
    for messages that its approved plan does not have.
    """
    name = draft.campaign.name
    suppressed = ledger.read(plans.suppressed, draft.team_obeyed)
    found = Preview(name, steps=no_steps_counted(draft))
    found.unapproved = unapproved(draft)
    key, now = prospects_key(draft), clock.now()
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
        writer, pick = PlanWriter(connection, row), picker(draft, connection)
        registry.obey_own_opt_outs(connection, row.id, alone=draft.campaign.own_opt_outs)
        progress = report_rows(name, clock, bus)
        plan = planned_entries(draft, ledger, suppressed, render, characters, progress, now, pick)
        for chunk in plan:
            for entry in chunk:
                found.count(entry)
            writer.write(chunk)
        found.removed = writer.gone()
        found.steps_removed = steps.removed(connection, row.id, step_names(draft))
        refuse_unapproved(found.unapproved)
        if not accept_changes:
            refuse_changes([found])
        for told in moved_texts(found):
            bus.emit(Notice(clock.now(), f"{name}: {told}"))
        refuse_edited(draft)
        for each in draft.audience.lists:
            size = str(len(each.people))
            schema.set_note(connection, list_key(name, each.source.path, ledger), size)
        if found.rows and not schema.note(connection, key):
            schema.set_note(connection, key, name)
        keep_deal(connection, draft, pick)
        if found.chosen:
            audit.record(
                connection,
                Act.REST_WITH,
                at=now,
                by=by,
                via=audit.CLI,
                campaign=row.id,
                count=found.chosen,
                why=draft.rest_with,
            )
        known = acquaintances_state(connection, draft)
        writer.finish(
            plan_fingerprint(draft, suppressed, characters, known),
            clock.now(),
            step_names(draft),
            stop_on_text(draft.campaign.stop_on) if draft.steps else "",
        )
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


def report_rows(name: str, clock: Clock, bus: EventBus) -> RowProgress:
    """Return a function that tells the bus how many rows have been read."""
    return lambda rows: bus.emit(Reading(clock.now(), name, rows))
