"""A campaign with steps on a real ledger, without a network: plans, sends and replies at times that
a test names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import select

from runner.ledger import lanes
from runner.ledger.campaigns import bound_team, registry
from runner.ledger.ledger import Ledger
from runner.ledger.messages import claims, feeds, follow_up_claims, outcomes, plans, queue, replies
from runner.ledger.messages.outcomes import Result
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.messages.replies import Batch, Heard, Kind
from runner.ledger.schema import lane, message
from runner.message.evidence import Evidence
from runner.message.follow_up import Before, StopOn, stop_on_text
from runner.message.plan import FIRST_STEP, Entry
from runner.message.prospect import Prospect, RowSkip
from runner.message.status import SkipReason
from runner.planning.planner import Rendered, StepPlan, plan_messages
from runner.replies.match import answered
from runner.replies.opt_out import read
from tests.pacing import sender
from tests.support import LANE, ORIGIN, SENDER, make_campaign, make_intent, recipient

DAY = 86400.0
Standing = tuple[str, str]
"""A message's status and reason."""


class StepCampaign:
    """A campaign whose first message goes to `people`, with follow-ups (name, seconds)."""

    def __init__(
        self,
        ledger: Ledger,
        steps: Sequence[tuple[str, float]] = (("nudge", DAY), ("last", DAY)),
        people: Sequence[int] = (1,),
        *,
        stop_on: Sequence[str] = tuple(StopOn),
        name: str = "spring",
        at: float = 0.0,
        contact_once_in: float | None = None,
    ) -> None:
        self.ledger = ledger
        self.steps, self.people = list(steps), list(people)
        self.stop_on = list(stop_on)
        self.senders = [SENDER]
        self.listed: set[int] = set()  # on a list of its own
        self.name = name
        self.contact_once_in = contact_once_in
        row = make_campaign(ledger, name)
        ledger.write(bound_team.bind, row.id, ORIGIN, LANE)
        self.id = row.id
        self.run, self.epoch = own_lane_again(ledger)
        ledger.write(feeds.advance, LANE, None, at)
        self._number = 0
        self.plan(at)

    @classmethod
    def again(cls, ledger: Ledger, id: int, name: str = "spring") -> StepCampaign:
        """A campaign that is there, with the usual steps."""
        found = cls.__new__(cls)
        found.ledger, found.id, found.name = ledger, id, name
        found.steps, found.people = [("nudge", DAY), ("last", DAY)], [1]
        found.stop_on, found.senders = list(StopOn), [SENDER]
        found.listed, found.contact_once_in = set(), None
        return found

    def entries(self, now: float = 0.0) -> list[Entry | RowSkip]:
        """What a plan would do now."""
        rows = [
            RowSkip(at, SkipReason.SUPPRESSED, "is in leads.csv", {}, recipient(id))
            if id in self.listed
            else Prospect(at, recipient(id), {})
            for at, id in enumerate(self.people, 2)
        ]
        names = ["1", *(name for name, _ in self.steps)]
        steps = [
            StepPlan(name, names[at], after, {"": partial(_text, name)})
            for at, (name, after) in enumerate(self.steps)
        ]
        with self.ledger.reading() as connection:
            found = plan_messages(
                rows,
                lambda _: (("first", None, ""),),
                [sender(each) for each in self.senders],
                partial(plans.known, connection, self.id),
                plans.suppressed(connection),
                contact_once_in=self.contact_once_in,
                now=now,
                steps=steps,
            )
            return [each for chunk in found for each in chunk]

    def plan(self, now: float = 0.0) -> None:
        """Plan as the files stand, with all changes accepted."""
        row = self.ledger.read(registry.find_campaign, self.name)
        assert row is not None
        entries = self.entries(now)
        with self.ledger.writing() as connection:
            writer = PlanWriter(connection, row)
            writer.write(entries)
            names = [name for name, _ in self.steps]
            writer.finish("files", now, names, stop_on_text(self.stop_on) if names else "")

    def rows(self, id: int = 1) -> dict[str, Any]:
        """One person's rows by step."""
        wanted = select(message).where(
            message.c.campaign == self.id, message.c.recipient == str(id)
        )
        with self.ledger.reading() as connection:
            found = connection.execute(wanted.order_by(message.c.id)).all()
        return {each.step: each for each in found}

    def stands(self, id: int = 1) -> dict[str, Standing]:
        return {step: (each.status, each.reason) for step, each in self.rows(id).items()}

    def read_up_to(self, at: float, *heard: Heard) -> None:
        """Read the replies to their end."""
        self.ledger.write(replies.record, Batch(LANE, at, heard, None, read_up_to=at))

    def read_threads(self, at: float) -> None:
        """Read the threads that have to be read themselves: nothing new is in them."""
        for thread in self.ledger.read(feeds.to_read_back, LANE, 100):
            self.ledger.write(replies.record, Batch(LANE, at, thread=thread))

    def due(self, now: float) -> list[tuple[str, str]]:
        """(recipient, step) of what may be begun now, first messages last."""
        found = [
            each
            for of in (LANE, "")
            for each in self.ledger.read(queue.due, self.id, SENDER, now, 100, follow_ups=of)
        ]
        return [(each.recipient.id, each.step) for each in found]

    def claim(self, step: str = "1", id: int = 1, at: float = 1.0, **more: Any) -> Any:
        """Claim a message; its attempt's number, or why not."""
        row = self.rows(id)[step]
        with self.ledger.reading() as connection:
            epoch = connection.execute(select(lane.c.epoch)).scalar_one()
        intent = make_intent(
            row.id,
            self.run,
            epoch,
            campaign=self.id,
            recipient=recipient(id),
            key=f"{self.name}{id}{step}",
            started_at=at,
            server_at=at,
            step=step if row.previous else FIRST_STEP,
            **{"contact_once_in": self.contact_once_in, **more},
        )
        [claimed] = self.ledger.write(claims.claim, [intent])
        return claimed

    def end(
        self,
        step: str = "1",
        id: int = 1,
        at: float = 1.0,
        evidence: Evidence = Evidence.ACCEPTED,
        **more: Any,
    ) -> None:
        """Record the outcome of the last attempt."""
        row = self.rows(id)[step]
        found = (Evidence.ACCEPTED, Evidence.REPLAYED, Evidence.FOUND, Evidence.SAID_SENT)
        values: dict[str, Any] = {}
        if evidence in found:
            values = {"message_id": f"m{self.name}{id}{step}", "thread_id": f"t{id}"}
        done = Result(row.id, row.attempts, evidence, at, **{**values, **more})
        self.ledger.write(outcomes.record, [done])

    def send(self, step: str = "1", id: int = 1, at: float = 1.0) -> None:
        """Claim and send a message."""
        claimed = self.claim(step, id, at)
        assert isinstance(claimed, int), claimed
        self.end(step, id, at)

    def heard(self, at: float, text: str = "Sounds good", id: int = 1) -> Heard:
        """What a reader makes of a person's message."""
        self._number += 1
        thread, name = f"t{id}", f"in{self._number}"
        found = self.ledger.read(replies.threads_of_ours, LANE, [thread]).get(thread)
        ours = None if found is None else answered(at, found.ours)
        if ours is None:
            return Heard(name, thread, at, Kind.OPEN if found is None else Kind.NONE)
        return Heard(name, thread, at, Kind.REPLY, ours.id, read(text))

    def reply(self, at: float, text: str = "Sounds good", id: int = 1) -> None:
        self.read_up_to(at, self.heard(at, text, id))

    def before(self, step: str, id: int = 1) -> Before | None:
        return self.ledger.read(follow_up_claims.before, self.rows(id)[step].id)


def _text(name: str, _row: Prospect) -> Rendered:
    return ((name, None, ""),)


def own_lane_again(ledger: Ledger) -> tuple[int, int]:
    """Begin a run and take the lane: (run, epoch)."""
    run = ledger.write(lanes.begin_run, 1.0, "test")
    return run, ledger.write(lanes.take_lane, LANE, run)


def names_of(rows: Mapping[str, Any], *statuses: str) -> list[str]:
    """The steps that have one of these statuses."""
    return [step for step, row in rows.items() if row.status in statuses]
