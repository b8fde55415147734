"""A dry run: the plan a run would write, handed to whoever looks at it. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from runner.clock import Clock
from runner.errors import OldLedger
from runner.forecast import Forecast
from runner.ledger import Ledger, moved, open_ledger, planning
from runner.message import Entry, PlannedMessage, RowSkip
from runner.run.braking import in_words
from runner.run.finish import when_done
from runner.run.may_run import brakes_on, how_to_go_on
from runner.run.memory import never_old, refuse_lost
from runner.run.opening import load
from runner.run.places import ledger_location
from runner.run.preview import Preview, Rows, planned_entries, queue_gone
from runner.run.review import Review, review
from runner.run.setup import Draft, known_characters, make_draft, origin_of
from runner.run.starting import warnings as never_open

Looker = Callable[[Draft, Iterator[tuple[Entry | RowSkip, PlannedMessage | None]]], None]
"""Looks at every entry of a plan, with its message if it would be sent; must exhaust them."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run of these campaigns would do."""

    previews: list[Preview]
    forecast: Forecast
    warnings: list[str]
    place: str | None  # of the ledger, None when there is none yet
    reviews: list[Review]


def dry_run(
    paths: Sequence[Path],
    state: str | None,
    environ: Mapping[str, str],
    clock: Clock,
    progress: Rows,
    look: Looker,
    *,
    new_campaign: bool = False,
    accept: Collection[str] = (),
) -> DryRun:
    """Plan campaigns as a run would, against what the ledger knows; asks no API.

    Raises RunnerError as a run would.
    """
    campaigns = load(paths)
    location = ledger_location(state, environ, campaigns, live=False)
    previews: list[Preview] = []
    with ExitStack() as stack:
        ledger: Ledger | None = None
        if "://" in location or Path(location).exists():
            ledger = stack.enter_context(open_ledger(location, read_only=True))
        drafts = [make_draft(each, ledger, new_campaign=new_campaign) for each in campaigns]
        reviews = [review(each, ledger, clock.now(), accept, progress) for each in drafts]
        warnings = never_open(drafts, clock.now())
        try:
            if ledger is not None:
                never_old(ledger, environ)
            elif "://" not in location:
                refuse_lost(location, environ)
        except OldLedger as error:
            warnings.append(f"{error}: a run would be refused; {error.hint}")
        if ledger is not None:
            if (mark := ledger.read(moved.mark_of)) is not None:
                warnings.append(f"{mark}: a run on it would be refused")
            paths_of = {each.name: each.path for each in campaigns}
            for name, brake in brakes_on(ledger, campaigns).items():
                warnings.append(f"{in_words(name, brake)}; {how_to_go_on(brake, paths_of[name])}")
        previews += [_look(draft, ledger, progress, look, clock.now()) for draft in drafts]
        queues = [(draft, found.waiting) for draft, found in zip(drafts, previews, strict=True)]
        forecast = when_done(queues, ledger, clock)
        return DryRun(previews, forecast, warnings, ledger.place if ledger else None, reviews)


def _look(draft: Draft, ledger: Ledger | None, progress: Rows, look: Looker, now: float) -> Preview:
    suppressed = ledger.read(planning.suppressed) if ledger else {}
    found = Preview(draft.campaign.name)
    characters = known_characters(ledger, origin_of(draft), draft.campaign.api.platform)

    def entries() -> Iterator[tuple[Entry | RowSkip, PlannedMessage | None]]:
        for chunk in planned_entries(draft, ledger, suppressed, characters, progress, now):
            for entry in chunk:
                yield entry, found.count(entry)

    look(draft, entries())
    found.removed = queue_gone(found, draft, ledger)
    return found
