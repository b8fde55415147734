"""Histories of campaigns that are held to approved plans: texts and sheets are edited meanwhile,
and what was queued before the plan may go beyond it.

The promises of every history, and: by the server's own list nothing is ever sent that is not in
the plan. A run of files that go beyond it sends nothing; with the approved files it ends as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.campaign.loader import load_campaign
from runner.errors import ChangesError
from runner.message.plan import FIRST_STEP, Change, Entry, PlannedMessage
from runner.message.prospect import RowSkip
from runner.planning.approved.approval import (
    ApprovedPlan,
    Content,
    PlanMaker,
    Unapproved,
    refuse_unapproved,
)
from tests.simulation.history import Campaign, History, template_of
from tests.simulation.judge import Broken
from tests.simulation.server import LINK
from tests.support import recipient

KEY = "5a" * 32
FILE = Path("spring.yaml")
ABSENT = "9"
"""Whom edits of a sheet add; in half of the histories they are in the plan."""


@dataclass(slots=True)
class ApprovedHistory(History):
    """A history whose campaigns each have an approved plan."""

    approved: dict[str, ApprovedPlan] = field(default_factory=dict)
    files: list[tuple[str, list[str]]] = field(default_factory=list)  # as approved

    def __post_init__(self) -> None:
        History.__post_init__(self)
        plans = {}
        for campaign in self.campaigns:
            people = list(campaign.people)
            if len(people) > 1 and self.luck.random() < 0.15:
                people.pop()  # and what is queued goes beyond it
            self.files.append((campaign.text, people))
            more = [ABSENT] if self.luck.random() < 0.5 else []
            plans[campaign.name] = plan_of(campaign, [*people, *more])
        self.approved = plans

    def _fingerprint(self, campaign: Campaign, suppressed: dict[str, str]) -> str:
        said = "approved " if campaign.name in self.approved else ""
        return said + History._fingerprint(self, campaign, suppressed)

    def hold(self, campaign: Campaign, chunk: Sequence[Entry | RowSkip]) -> None:
        if campaign.name not in self.approved:
            return  # before there was a plan
        found = Unapproved(self.approved[campaign.name], FILE)
        for entry in chunk:
            if isinstance(entry, Entry):
                found.see(entry)
        try:
            refuse_unapproved(found)
        except ChangesError:
            self.world.figures["refused by the plan"] += 1
            raise

    def _written(self, mark: str) -> None:
        History._written(self, mark)
        self.judge_plan()

    def _end(self) -> None:
        for campaign, (text, people) in zip(self.campaigns, self.files, strict=True):
            campaign.text, campaign.people = text, list(people)
            self.luck.shuffle(campaign.people)
        self.world.tell("person", "puts the approved files back")
        History._end(self)
        self.judge_plan()

    def judge_plan(self) -> None:
        """Raise Broken for what the server has and the plan has not."""
        for kept in self.server.kept:
            name, person = self.marks.get(kept.mark, ("", ""))
            if not name or person in self.foreign:
                continue
            content = Content(recipient(person), LINK, FIRST_STEP, "", kept.content)
            if not self.approved[name].has(content):
                raise Broken(f"{name}: {person} was sent what is not approved: {kept.content!r}")


def plan_of(campaign: Campaign, people: Sequence[str]) -> ApprovedPlan:
    """The plan of a campaign's text to people."""
    text = f"name: {campaign.name}\nsenders: [{LINK}]\nprospects: spring.csv\nmessage: Hi\n"
    maker = PlanMaker(KEY, load_campaign(FILE, text))
    for person in people:
        rendered = template_of(campaign.text).render({"who": person})
        planned = PlannedMessage(2, recipient(person), LINK, rendered, {})
        maker.see(Entry(planned, Change.NEW))
    return maker.plan({"message": campaign.text})
