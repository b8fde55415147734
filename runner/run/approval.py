"""`plan`: the plan of a campaign as a person approves it, made of its files and the ledger. Nothing
is sent or changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.clock import Clock
from runner.errors import LedgerError
from runner.findings import Finding, Level
from runner.ledger.database import moved_mark
from runner.ledger.ledger import Ledger, open_ledger
from runner.message.plan import Entry, PlannedMessage
from runner.message.prospect import RowSkip
from runner.planning.approved.approval import ApprovedPlan, PlanMaker
from runner.planning.draft import Draft, known_characters, make_draft, origin_of
from runner.planning.planner import render_with
from runner.planning.preview import RowProgress, preview
from runner.project.campaign_files import load
from runner.project.ledgers.ledger_location import ledger_location
from runner.project.output_files import refuse_used
from runner.run.preparation.review import refusal, review

if TYPE_CHECKING:
    from runner.campaign.inputs import TextSource
    from runner.campaign.schema import Campaign


@dataclass(frozen=True, slots=True)
class MadePlan:
    """A plan to be approved. `skipped`: rows that are not in it, by reason; `power`: what a
    comparison of its variants can show, in words, empty without any."""

    plan: ApprovedPlan
    findings: list[Finding]
    skipped: Mapping[str, int]
    place: str | None  # of the ledger, None when there is none yet
    power: str = ""


def make_plan(
    path: Path,
    state: str | None,
    environ: Mapping[str, str],
    clock: Clock,
    progress: RowProgress,
    key: str,
    *,
    before: ApprovedPlan | None = None,
    rest_with: str = "",
    output: Path | None = None,
) -> MadePlan:
    """Plan a campaign against what the ledger knows, if there is one; asks no API. People whom
    `contact_once_in` or `skip_known` keep out today are in it, since these change by themselves
    and are looked at again before each message. `before`: an earlier plan, whose variants people
    keep; `output`: the file that is to be written.

    Raises RunnerError as a run would, and for an `output` that a campaign reads.
    """
    [campaign] = load([path])
    location = ledger_location(state, environ, [campaign], live=False)
    with ExitStack() as stack:
        ledger: Ledger | None = None
        if "://" in location or Path(location).exists():
            ledger = stack.enter_context(open_ledger(location, read_only=True))
            if (mark := ledger.read(moved_mark.read_mark)) is not None:
                raise LedgerError(str(mark), "name the ledger that it has moved to: --state")
        if output is not None:
            refuse_used(output, ledger, [path])
        # Whether its people know it under another name is asked by the run.
        draft = make_draft(campaign, ledger, new_campaign=True, rest_with=rest_with)
        found = review(draft, ledger, clock.now(), progress=progress)
        if any(each.level is Level.ERROR for each in found.open):
            raise refusal(found)
        free = campaign.model_copy(update={"contact_once_in": None, "skip_known": None})
        draft = replace(draft, campaign=free, approved=before)
        longest = known_characters(ledger, origin_of(draft), campaign.api.platform)
        maker = PlanMaker(key, campaign)

        def see(_: Draft, entries: Iterator[tuple[Entry | RowSkip, PlannedMessage | None]]) -> None:
            for entry, _planned in entries:
                if isinstance(entry, Entry):
                    maker.see(entry)

        render = render_with(draft.texts, longest)
        counted = preview(draft, ledger, render, longest, progress, clock.now(), see)
        plan = maker.plan(_sources(campaign))
        place = ledger.place if ledger else None
        return MadePlan(plan, list(found.findings), counted.skipped, place, counted.power)


def _sources(campaign: Campaign) -> dict[str, str]:
    """Return the texts as they are written, by variant and step."""
    found = {
        f"message, variant {variant}" if variant else "message": _source(each)
        for variant, each in campaign.message.texts.items()
    }
    return found | {f"step {each.name}": _source(each) for each in campaign.steps}


def _source(source: TextSource) -> str:
    if source.template is None:
        return source.text or ""
    return source.template.read_text(encoding="utf-8-sig")
