"""What comes before the first message: files understood, people asked, plans written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

from runner.campaign.schema import Campaign, Schedule
from runner.clock import Clock
from runner.control.campaigns import user
from runner.events import Notice
from runner.ledger.campaigns import agreements
from runner.ledger.copies.seen_ledgers import SeenLedger
from runner.ledger.ledger import Ledger, hold_lane
from runner.ledger.queries import totals
from runner.message.status import MessageStatus
from runner.planning.draft import Draft, known_characters, make_draft, refuse_edited
from runner.planning.eta import when_done
from runner.planning.preview import Preview, preview
from runner.planning.start import warnings as never_open
from runner.planning.write import is_unchanged, reading, refuse_changes, write_plan
from runner.project.old_copies import may_change
from runner.run.options import Options, Surroundings
from runner.run.team import Crew


def remembering(
    ledger: Ledger,
    options: Options,
    around: Surroundings,
    campaigns: Sequence[Campaign],
) -> SeenLedger | None:
    """What remembers how far the ledger comes. Raises OldLedger for an old copy."""
    if options.throwaway:
        return None
    return may_change(
        ledger,
        around.environ,
        around.clock.now(),
        accept=options.accept_old_ledger,
        names=[campaign.name for campaign in campaigns if not campaign.rehearsal],
        tell=lambda text: around.bus.emit(Notice(around.clock.now(), text)),
    )


def draft_again(crews: Sequence[Crew], ledger: Ledger, options: Options) -> None:
    """Understand the files as they are now: waiting for a lane, or sending, may take hours."""
    for crew in crews:
        crew.drafts = [
            make_draft(draft.campaign, ledger, new_campaign=options.new_campaign)
            for draft in crew.drafts
        ]


def plan(crews: Sequence[Crew], ledger: Ledger, options: Options, around: Surroundings) -> None:
    """Write the plans of these crews into the ledger. What they add is agreed to, if a person was
    asked or said so; what they do not add was agreed to before, which is told."""
    for crew in crews:
        planned = []
        for draft in crew.drafts:
            before = _queued(draft, ledger)
            drafted = write_plan(
                draft,
                ledger,
                known_characters(ledger, crew.origin, draft.campaign.api.platform),
                accept_changes=options.accept_changes,
                clock=around.clock,
                bus=around.bus,
            )
            planned.append(drafted)
            name, left = draft.campaign.name, _queued(drafted, ledger)
            if left > before:
                if options.yes or around.ask is not None:
                    ledger.write(agreements.agree, name, around.clock.now(), left, user())
            elif left and (said := ledger.read(agreements.agreed, name)):
                told = f"{name}: agreed {said}; left: {left}"
                around.bus.emit(Notice(around.clock.now(), told))
        crew.drafts = planned


def _queued(draft: Draft, ledger: Ledger) -> int:
    """How many messages of a campaign are still to go, or in doubt."""
    if draft.id is None:
        return 0
    counts = ledger.read(totals.counts, draft.id)
    return counts[MessageStatus.QUEUED] + counts[MessageStatus.IN_DOUBT]


def host_of(campaign: Campaign) -> str:
    """The host that a campaign is sent through, a sandbox called so."""
    host = urlsplit(campaign.api.base_url).netloc
    return f"SANDBOX ({host})" if campaign.rehearsal else host


def served_at(campaign: Campaign, options: Options) -> Campaign:
    """The campaign as `options` have it served: elsewhere, or without limits."""
    changes: dict[str, object] = {}
    if options.at is not None:
        url = f"{options.at}/api/{campaign.api.version}"
        changes["api"] = campaign.api.model_copy(update={"base_url": url})
    if options.unpaced:
        free = {"per_hour": None, "per_day": None, "gap": 0.0}
        changes["senders"] = tuple(s.model_copy(update=free) for s in campaign.senders)
        none = dict.fromkeys(("per_minute", "per_hour", "per_day"))
        changes["limits"] = campaign.limits.model_copy(update=none)
        changes["schedule"] = Schedule()
    return campaign.model_copy(update=changes) if changes else campaign


def warn(drafts: Sequence[Draft], around: Surroundings) -> None:
    """Tell what is odd about these campaigns, though nothing stops them."""
    for warning in never_open(drafts, around.clock.now()):
        around.bus.emit(Notice(around.clock.now(), warning))


def hold_lanes(
    held: ExitStack, ledger: Ledger, crews: Sequence[Crew], wait: bool, clock: Clock
) -> None:
    """Keep other runs out of these lanes for as long as this process lives."""
    for crew in sorted(crews, key=lambda crew: crew.lane_id):
        what = ", ".join(draft.campaign.name for draft in crew.drafts)
        held.enter_context(hold_lane(ledger, crew.lane_id, what, clock.now(), wait=wait))


def agreed(crews: Sequence[Crew], ledger: Ledger, options: Options, around: Surroundings) -> bool:
    """Whether a person agrees to what the plans would add; asked only if they add anything."""
    found: list[Preview] = []
    drafts = [draft for crew in crews for draft in crew.drafts]
    for crew in crews:
        for draft in crew.drafts:
            characters = known_characters(ledger, crew.origin, draft.campaign.api.platform)
            now = around.clock.now()
            if not is_unchanged(draft, ledger, characters, now):
                progress = reading(draft.campaign.name, around.clock, around.bus)
                shown = preview(draft, ledger, characters, progress, now)
                shown.host, shown.handles = host_of(draft.campaign), crew.handles
                found.append(shown)
    if not options.accept_changes:
        refuse_changes(found)
    if not any(each.adds for each in found):
        return True
    for draft in drafts:
        refuse_edited(draft)
    named = {draft.campaign.name: draft for draft in drafts}
    queues = [(named[each.campaign], each.waiting) for each in found]
    assert around.ask is not None
    return around.ask(found, when_done(queues, ledger, around.clock))
