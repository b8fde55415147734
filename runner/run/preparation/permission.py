"""Brakes before a run: what a person, a guard or an earlier run has stopped, and what goes on."""

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


def resume_hint(brake: Brake, path: Path) -> str:
    """Return what a person does about a campaign that is stopped."""
    if brake.kind in BY_A_PERSON:
        return f"resume with: run-campaign resume {path}"
    return f"run it again to go on: run-campaign {path}"


def find_brakes(ledger: Ledger, campaigns: Sequence[Campaign]) -> dict[str, Brake]:
    """Return what stops which of these campaigns, by name."""
    found: dict[str, Brake] = {}
    for campaign in campaigns:
        row = ledger.read(registry.find_campaign, campaign.name)
        brake = ledger.read(brakes.active, [row.id]).get(row.id) if row else None
        if brake is not None:
            found[campaign.name] = brake
    return found


def select_runnable(
    ledger: Ledger,
    campaigns: Sequence[Campaign],
    bus: EventBus,
    at: float,
    before: Mapping[str, Brake] | None = None,
) -> list[Campaign]:
    """Return the campaigns that no person has stopped, and tell of the others. `before`: what
    stopped them when the command was given; what a run has stopped since stays so too, for no
    person has said yet that it is to go on.

    Raises CampaignPaused if none may run, CampaignGuarded if a guard has stopped one of them.
    """
    stopped: dict[str, tuple[str, str]] = {}
    kinds: set[BrakeKind] = set()
    for name, brake in find_brakes(ledger, campaigns).items():
        by_a_person = brake.kind in BY_A_PERSON
        known = before is None or brake == before.get(name)
        if by_a_person or not known:
            path = next(each.path for each in campaigns if each.name == name)
            stopped[name] = brake_text(name, brake), resume_hint(brake, path)
            kinds.add(brake.kind)
    if stopped and len(stopped) == len(campaigns):
        told = "; ".join(what for what, _ in stopped.values())
        how = "; ".join(how for _, how in stopped.values())
        raise _error_for(kinds)(f"{told}: nothing is sent", how)
    for what, how in stopped.values():
        bus.emit(Notice(at, f"{what}: the run leaves it out; {how}"))
    return [campaign for campaign in campaigns if campaign.name not in stopped]


def _error_for(kinds: Collection[BrakeKind]) -> type[RunnerError]:
    if BrakeKind.GUARDED in kinds:
        return CampaignGuarded
    return CampaignPaused if BY_A_PERSON & set(kinds) else RunnerError


def release_guards(ledger: Ledger, rows: Collection[CampaignRow], bus: EventBus, at: float) -> None:
    """Let campaigns go on that their guard, or the API, has stopped: to run them again says so."""
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
        told = "; going on, its count starts again" if brake.kind is BrakeKind.GUARDED else ""
        bus.emit(Notice(at, f"{brake_text(row.name, brake)}{told}"))
