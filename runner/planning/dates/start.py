"""A campaign's start: missed ones, and schedules that never open."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from runner.errors import RunnerError
from runner.ledger.ledger import Ledger
from runner.ledger.queries import totals
from runner.message.prospect import Prospect
from runner.planning.dates.eta import Scheduled, hours_of
from runner.planning.draft import Draft
from runner.schedule import local_moment, next_open

Confirm = Callable[[str], bool]
"""Asks a person; True for yes."""


def confirm_late_start(
    drafts: Sequence[Draft],
    ledger: Ledger | None,
    now: float,
    *,
    yes: bool,
    confirm: Confirm | None,
) -> bool:
    """Ask a person whether campaigns whose start was missed by more than their grace may begin all
    the same; False when they decline. `yes`: they have said so already.

    Raises RunnerError where no person can be asked.
    """
    for draft in drafts:
        first = None if yes else _missed(draft, ledger, now)
        if first is None:
            continue
        zone = draft.campaign.schedule.timezone or "UTC"
        told = (
            f"{draft.campaign.name} was to start at {local_moment(first, zone)} {zone}, which is "
            "longer ago than schedule.grace allows"
        )
        if confirm is None:
            raise RunnerError(
                told, "run with --yes to start it now, or set schedule.start to a time to come"
            )
        if not confirm(f"{told}. Start it now?"):
            return False
    return True


def _missed(draft: Draft, ledger: Ledger | None, now: float) -> float | None:
    """Return when a campaign was to send its first message, if that is longer ago than its
    grace."""
    hours, grace = hours_of(draft), draft.campaign.schedule.grace
    if hours is None or now <= hours.begins + grace or hours.begins == -math.inf:
        return None
    if ledger is not None and draft.row is not None and ledger.read(totals.has_begun, draft.row.id):
        return None
    # Where the start lies outside the windows, nothing was to be sent before the next one.
    first = next_open(hours, "", hours.begins)
    if now <= first + grace and draft.audience.timezone:
        zones = {row.zone for row in draft.audience.rows() if isinstance(row, Prospect)}
        first = min(next_open(hours, zone, hours.begins) for zone in zones | {""})
    return first if now > first + grace else None


def never_open(campaigns: Sequence[Scheduled], now: float) -> list[str]:
    """Return a warning for every schedule that never opens. One that opens does so in every zone:
    its hours and holidays are those of the clock and calendar there."""
    never = []
    for each in campaigns:
        hours = hours_of(each)
        if hours is not None and next_open(hours, "", now) == math.inf:
            never.append(f"{each.campaign.name}: its schedule does not open within two years")
    return never
