"""A dry run: the plan a run would write, handed to whoever looks at it. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner.clock import Clock
from runner.control.campaigns import brake_text
from runner.errors import LedgerError, RunnerError
from runner.events import EventBus, Notice
from runner.ledger import moved_mark
from runner.ledger.campaigns.brakes import BY_A_PERSON
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import holds, plans
from runner.message.plan import Entry, PlannedMessage
from runner.message.prospect import RowSkip
from runner.pacing.forecast import Forecast
from runner.planning.draft import Draft, known_characters, make_draft, origin_of
from runner.planning.eta import when_done
from runner.planning.preview import Preview, Rows, planned_entries, queue_gone
from runner.planning.selection import refuse_unknown
from runner.planning.start import agreed_to_start_late
from runner.planning.start import warnings as never_open
from runner.planning.write import refuse_changes
from runner.project.campaign_files import load
from runner.project.ledger_location import ledger_location
from runner.project.old_copies import never_old, refuse_lost
from runner.project.output_files import refuse_used
from runner.run.permission import brakes_on, how_to_go_on, that_may_run
from runner.run.review import Review, refusal, review

Looker = Callable[[Draft, Iterator[tuple[Entry | RowSkip, PlannedMessage | None]]], None]
"""Looks at every entry of a plan, with its message if it would be sent; must exhaust them."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a run of these campaigns would do. `refusals`: what it would stop with, if it would."""

    previews: list[Preview]
    forecast: Forecast
    warnings: list[str]
    place: str | None  # of the ledger, None when there is none yet
    reviews: list[Review]
    refusals: list[RunnerError]


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
    accept_changes: bool = False,
    accept_old_ledger: bool = False,
    yes: bool = False,
    only: Collection[str] = (),
    output: Path | None = None,
) -> DryRun:
    """Plan campaigns as a run would, against what the ledger knows; asks no API. `output`: the file
    that `look` writes, if any.

    Raises RunnerError as a run would, and for an `output` that a campaign reads.
    """
    campaigns = load(paths)
    location = ledger_location(state, environ, campaigns, live=False)
    previews: list[Preview] = []
    with ExitStack() as stack:
        ledger: Ledger | None = None
        if "://" in location or Path(location).exists():
            ledger = stack.enter_context(open_ledger(location, read_only=True))
        if output is not None:
            refuse_used(output, ledger, paths, option="--output ")
        drafts = [make_draft(each, ledger, new_campaign=new_campaign) for each in campaigns]
        refusals: list[RunnerError] = []
        warnings: list[str] = []
        now = clock.now()
        with refused(refusals):
            if ledger is not None and (mark := ledger.read(moved_mark.mark_of)) is not None:
                raise LedgerError(str(mark), "name the ledger that it has moved to: --state")
        with refused(refusals):
            if accept_old_ledger:
                pass  # the run would go on with it
            elif ledger is not None:
                never_old(ledger, environ)
            elif "://" not in location:
                refuse_lost(location, environ)
        if ledger is not None:
            paths_of = {each.name: each.path for each in campaigns}
            for name, brake in brakes_on(ledger, campaigns).items():
                if brake.kind not in BY_A_PERSON:  # to run it is the word to go on
                    told = how_to_go_on(brake, paths_of[name])
                    warnings.append(f"{brake_text(name, brake)}; {told}")
            bus = EventBus()
            bus.watch(lambda event: warnings.append(_text(event)))
            with refused(refusals):
                that_may_run(ledger, campaigns, bus, now)
        never = never_open(drafts, now)
        refusals += [RunnerError(told, "change its schedule") for told in never]
        with refused(refusals):
            agreed_to_start_late(drafts, ledger, now, yes=yes, confirm=None)
        reviews = [review(each, ledger, now, accept, progress) for each in drafts]
        refusals += [refusal(each) for each in reviews if each.open]
        refuse_unknown(drafts, ledger, only)
        previews += [_look(draft, ledger, progress, look, clock.now()) for draft in drafts]
        with refused(refusals):
            if not accept_changes:
                refuse_changes(previews)
        refusals += [_nobody(each) for each in previews if not each.to_send and not each.kept]
        queues = [(draft, found.waiting) for draft, found in zip(drafts, previews, strict=True)]
        forecast = when_done(queues, ledger, clock)
        return DryRun(
            previews, forecast, warnings, ledger.place if ledger else None, reviews, refusals
        )


@contextmanager
def refused(refusals: list[RunnerError]) -> Iterator[None]:
    """Keep what a run would stop with here, and look on."""
    try:
        yield
    except RunnerError as error:
        refusals.append(error)


def _text(event: object) -> str:
    assert isinstance(event, Notice)
    return event.text


def _nobody(found: Preview) -> RunnerError:
    return RunnerError(
        f"{found.campaign}: nobody would be written to", "see above who is skipped, and why"
    )


def _look(draft: Draft, ledger: Ledger | None, progress: Rows, look: Looker, now: float) -> Preview:
    suppressed = ledger.read(plans.suppressed) if ledger else {}
    on_hold = {each.recipient for each in ledger.read(holds.listed, now)} if ledger else ()
    found = Preview(draft.campaign.name)
    characters = known_characters(ledger, origin_of(draft), draft.campaign.api.platform)

    def entries() -> Iterator[tuple[Entry | RowSkip, PlannedMessage | None]]:
        for chunk in planned_entries(draft, ledger, suppressed, characters, progress, now):
            for entry in chunk:
                planned = found.count(entry)
                if on_hold and planned is not None and planned.recipient.id in on_hold:
                    found.held += 1
                yield entry, planned

    look(draft, entries())
    found.removed = queue_gone(found, draft, ledger)
    return found
