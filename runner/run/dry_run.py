"""`--dry-run`: the plan that a run would write, shown entry by entry. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from runner.clock import Clock
from runner.control.campaigns import brake_text
from runner.errors import LedgerError, RunnerError
from runner.events import EventBus, Notice
from runner.findings import SAMPLE_PEOPLE
from runner.ledger.campaigns.brakes import BY_A_PERSON
from runner.ledger.database import moved_mark
from runner.ledger.ledger import Ledger, open_ledger
from runner.message.account import AccountName
from runner.pacing.forecast import Forecast
from runner.planning.approved.approval import approved_plan, refuse_looser, refuse_unapproved
from runner.planning.changes import refuse_changes
from runner.planning.dates.eta import when_done
from runner.planning.dates.start import confirm_late_start, never_open
from runner.planning.draft import known_characters, make_draft, origin_of
from runner.planning.planner import render_with
from runner.planning.preview import Preview, RowProgress, See, preview
from runner.planning.selection import only_people, refuse_unknown
from runner.project.campaign_files import load
from runner.project.ledgers.ledger_location import ledger_location
from runner.project.ledgers.old_copies import refuse_lost, refuse_old_copy
from runner.project.output_files import refuse_used
from runner.run.preparation.permission import find_brakes, resume_hint, select_runnable
from runner.run.preparation.review import Review, refusal, review


@dataclass(frozen=True, slots=True)
class DryRun:
    """The plans of campaigns. `refusals`: the errors that a run would stop with, if it would."""

    previews: list[Preview]
    forecast: Forecast
    warnings: list[str]
    place: str | None  # of the ledger, None when there is none yet
    reviews: list[Review]
    refusals: list[RunnerError]
    links: Mapping[str, AccountName]
    people: Mapping[str, str]  # id: for people, with the handle, where that is known


def dry_run(
    paths: Sequence[Path],
    state: str | None,
    environ: Mapping[str, str],
    clock: Clock,
    progress: RowProgress,
    see: See,
    *,
    new_campaign: bool = False,
    rest_with: str = "",
    accept: Collection[str] = (),
    accept_changes: bool = False,
    accept_old_ledger: bool = False,
    yes: bool = False,
    only: Collection[str] = (),
    output: Path | None = None,
    choose: Callable[[frozenset[str]], None] | None = None,
    plans: Sequence[Path] = (),
) -> DryRun:
    """Plan campaigns as a run would, against what the ledger knows; asks no API. `output`: the file
    that `see` writes, if any; `choose` is told the ids of those in `only`.

    Raises RunnerError as a run would, and for an `output` that a campaign reads.
    """
    campaigns = load(paths)
    approved = {each.name: approved_plan(each, plans) for each in campaigns}
    location = ledger_location(state, environ, campaigns, live=False)
    previews: list[Preview] = []
    with ExitStack() as stack:
        ledger: Ledger | None = None
        if "://" in location or Path(location).exists():
            ledger = stack.enter_context(open_ledger(location, read_only=True))
        if output is not None:
            refuse_used(output, ledger, paths, option="--output ")
        made = partial(make_draft, new_campaign=new_campaign, rest_with=rest_with)
        drafts = [replace(made(each, ledger), approved=approved[each.name]) for each in campaigns]
        refusals: list[RunnerError] = []
        warnings: list[str] = []
        now = clock.now()
        with collect_refusal(refusals):
            if ledger is not None and (mark := ledger.read(moved_mark.read_mark)) is not None:
                raise LedgerError(str(mark), "name the ledger that it has moved to: --state")
        with collect_refusal(refusals):
            if accept_old_ledger:
                pass  # the run would go on with it
            elif ledger is not None:
                refuse_old_copy(ledger, environ)
            elif "://" not in location:
                refuse_lost(location, environ)
        if ledger is not None:
            paths_of = {each.name: each.path for each in campaigns}
            for name, brake in find_brakes(ledger, campaigns).items():
                if brake.kind not in BY_A_PERSON:  # to run it lets it go on
                    told = resume_hint(brake, paths_of[name])
                    warnings.append(f"{brake_text(name, brake)}; {told}")
            bus = EventBus()
            bus.watch(lambda event: warnings.append(_text(event)))
            with collect_refusal(refusals):
                select_runnable(ledger, campaigns, bus, now)
        never = never_open(drafts, now)
        refusals += [RunnerError(told, "change its schedule") for told in never]
        with collect_refusal(refusals):
            confirm_late_start(drafts, ledger, now, yes=yes, confirm=None)
        reviews = [review(each, ledger, now, accept, progress) for each in drafts]
        refusals += [
            refusal(each) for each in reviews if any(one.code != SAMPLE_PEOPLE for one in each.open)
        ]
        only = only_people(ledger, only, campaigns)
        if choose is not None:
            choose(only)
        refuse_unknown(drafts, ledger, only)
        for draft in drafts:
            longest = known_characters(ledger, origin_of(draft), draft.campaign.api.platform)
            render = render_with(draft.texts, longest)
            previews.append(preview(draft, ledger, render, longest, progress, clock.now(), see))
        for draft, found in zip(drafts, previews, strict=True):
            with collect_refusal(refusals):
                if draft.approved is not None:
                    refuse_looser(draft.campaign, draft.approved)
                refuse_unapproved(found.unapproved)
        with collect_refusal(refusals):
            if not accept_changes:
                refuse_changes(previews)
        refusals += [
            _nothing_to_send(each) for each in previews if not each.to_send and not each.kept
        ]
        queues = [(draft, found.waiting) for draft, found in zip(drafts, previews, strict=True)]
        forecast = when_done(queues, ledger, clock)
        place = ledger.place if ledger else None
        links = {id: link for draft in drafts for id, link in draft.links.items()}
        for each in previews:
            each.handles = {id: link.handle for id, link in links.items() if link.handle}
        people = {
            kept.id: f"{kept.id} (@{kept.shown}{f', {kept.name}' if kept.name else ''})"
            for draft in drafts
            for kept in draft.audience.handles.values()
            if kept.id
        }
        return DryRun(previews, forecast, warnings, place, reviews, refusals, links, people)


@contextmanager
def collect_refusal(refusals: list[RunnerError]) -> Iterator[None]:
    """Keep the error that a run would stop with here, and go on."""
    try:
        yield
    except RunnerError as error:
        refusals.append(error)


def _text(event: object) -> str:
    assert isinstance(event, Notice)
    return event.text


def _nothing_to_send(found: Preview) -> RunnerError:
    return RunnerError(
        f"{found.campaign}: nobody would be written to", "see above who is skipped, and why"
    )
