"""Which campaigns may run, as far as people, guards and earlier runs have said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.control.campaigns import brake_text, user
from runner.errors import CampaignGuarded, CampaignPaused, RunnerError
from runner.events import EventBus, Notice
from runner.ledger.campaigns import audit, brakes, registry
from runner.ledger.campaigns.audit import CLI, Act
from runner.ledger.campaigns.brakes import BY_A_PERSON, Brake, BrakeKind
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign


def how_to_go_on(brake: Brake, path: Path) -> str:
    """What a person does about a campaign that is stopped."""
    if brake.kind in BY_A_PERSON:
        return f"resume with: run-campaign resume {path}"
    return f"to run it is to go on: run-campaign {path}"


def brakes_on(ledger: Ledger, campaigns: Sequence[Campaign]) -> dict[str, Brake]:
    """What stops which of these campaigns, by name."""
    found: dict[str, Brake] = {}
    for campaign in campaigns:
        row = ledger.read(registry.find_campaign, campaign.name)
        brake = ledger.read(brakes.active, [row.id]).get(row.id) if row else None
        if brake is not None:
            found[campaign.name] = brake
    return found


def that_may_run(
    ledger: Ledger,
    campaigns: Sequence[Campaign],
    bus: EventBus,
    at: float,
    before: Mapping[str, Brake] | None = None,
) -> list[Campaign]:
    """The campaigns that no person has stopped; of the others it is told. Raises CampaignPaused
    if none may run. `before`: what stopped them when the command was given; what a run has stopped
    since stays so too, for nobody has said yet that it is to go on."""
    stopped: dict[str, tuple[str, str]] = {}
    kinds: set[BrakeKind] = set()
    for name, brake in brakes_on(ledger, campaigns).items():
        by_a_person = brake.kind in BY_A_PERSON
        known = before is None or brake == before.get(name)
        if by_a_person or not known:
            path = next(each.path for each in campaigns if each.name == name)
            stopped[name] = brake_text(name, brake), how_to_go_on(brake, path)
            kinds.add(brake.kind)
    if stopped and len(stopped) == len(campaigns):
        told = "; ".join(what for what, _ in stopped.values())
        how = "; ".join(how for _, how in stopped.values())
        raise _error_for(kinds)(f"{told}: nothing is sent", how)
    for what, how in stopped.values():
        bus.emit(Notice(at, f"{what}: it is left out; {how}"))
    return [campaign for campaign in campaigns if campaign.name not in stopped]


def _error_for(kinds: Collection[BrakeKind]) -> type[RunnerError]:
    if BrakeKind.GUARDED in kinds:
        return CampaignGuarded
    return CampaignPaused if BY_A_PERSON & set(kinds) else RunnerError


def go_on_after_guard(
    ledger: Ledger, rows: Collection[CampaignRow], bus: EventBus, at: float
) -> None:
    """To run a campaign again is the word to go on that its guard, or the API, waits for."""
    for row in rows:
        with ledger.writing() as connection:
            # Looked at in the same transaction: a person may pause it just now.
            brake = brakes.release(connection, row.id, at, user(), unless=BY_A_PERSON)
            if brake is None:
                continue
            why = f"run again; it was {brake.kind}"
            audit.record(
                connection, Act.RESUME, at=at, by=user(), via=CLI, campaign=row.id, why=why
            )
        told = "; going on, its count starts anew" if brake.kind is BrakeKind.GUARDED else ""
        bus.emit(Notice(at, f"{brake_text(row.name, brake)}{told}"))
