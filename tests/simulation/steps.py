"""Histories of a campaign with follow-ups: people answer, also in the instant of sending,
colleagues go on, threads are assigned and deleted, events are lost, and the file is edited between
the steps.

The promises, judged by the server's own list: nobody is sent one step twice; no follow-up is
written after an answer that could be read as long before as replies are read, nor sooner than its
`after`; whoever gets none has a reason, and a true one.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from runner.channels.base import Channel
from runner.events import EventBus
from runner.ledger.campaigns import bound_team, registry
from runner.ledger.doubts import in_doubt
from runner.ledger.ledger import Ledger
from runner.ledger.messages import plans, replies
from runner.ledger.messages.plans import PlanWriter
from runner.message.follow_up import StopOn, stop_on_text
from runner.message.key import message_key
from runner.message.prospect import Prospect
from runner.planning.planner import StepPlan, plan_messages, render_with
from runner.replies.settings import ReplySettings
from runner.sending.lane import Lane
from tests.pacing import sender
from tests.simulation.acts import Act
from tests.simulation.habits import KEY_LIFE, draw_habits
from tests.simulation.history import Campaign, History, template_of, text_of
from tests.simulation.ledger import ProcessLedger, memory
from tests.simulation.server import LINK, Event, Kept, Request, Server
from tests.simulation.step_judge import POLL, StepJudge
from tests.simulation.wire import ORIGIN
from tests.simulation.world import EPOCH, Process, World
from tests.support import LANE, make_campaign, recipient

NAMES = ("a", "b", "c", "d", "e", "f")
AFTER = (1.0, 30.0, 90.0, 300.0)
STRANGERS = ("91", "92", "93")


@dataclass(slots=True)
class StepCampaign(Campaign):
    """A campaign with follow-ups: name and seconds of each."""

    steps: list[tuple[str, float]] = field(default_factory=list)
    stop_on: tuple[StopOn, ...] = tuple(StopOn)

    @property
    def fingerprint(self) -> str:
        return f"{self.text} {self.people} {self.steps} {self.stop_on}"


class StepServer(Server):
    """A server whose people answer."""

    answers: float = 0.0  # chance that a message is answered
    judge: StepJudge | None = None  # told of refusals
    words: tuple[str, ...] = ("Sounds good", "Sounds good", "Who are you?", "stop")

    def _accept(self, request: Request, at: float, id: str) -> Kept:
        kept = Server._accept(self, request, at, id)
        if self.luck.random() < self.answers:
            wait = self.luck.choice((0.0, 0.0, 0.3, 5.0, 70.0, 300.0))
            self.later(at + wait, partial(self.write, kept.person))
        return kept

    def _refuse(
        self,
        request: Request,
        at: float,
        refusal: tuple[int, str, dict[str, Any], dict[str, str]],
        *,
        uses_key: bool = True,
    ) -> None:
        if refusal[0] != 429 and self.judge is not None:
            self.judge.refuse(request.mark)
        Server._refuse(self, request, at, refusal, uses_key=uses_key)

    def write(self, person: str, at: float) -> None:
        """Somebody writes to us."""
        words = self.luck.choice(self.words)
        lag = self.luck.choice((0.0, 0.0, 1.5))
        kept = Kept(f"m{self.number()}", person, words, at, at + lag, origin="them", inbound=True)
        self.kept.append(kept)
        self.world.tell(f"person {person}", f"writes {kept.id}: {words}")
        self.later(at + lag, lambda _at: self.events.append(Event(self.number(), kept)))

    def later(self, at: float, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._coming, (at, self.number(), _Happening(happen)))


class _Happening:
    """Something that is not a request."""

    mark = ""

    def __init__(self, happen: Callable[[float], None]) -> None:
        self._happen = happen

    def __call__(self, at: float) -> None:
        self._happen(at)


class StepHistory(History):
    """Everything of one history with follow-ups."""

    dismissed: set[str]
    were_assigned: set[str]
    said_sent: set[str]

    def __post_init__(self) -> None:
        self.luck = luck = random.Random(f"steps {self.seed}")
        self.world = World(luck, story=[] if self.verbose else None)
        self.dismissed, self.were_assigned, self.said_sent = set(), set(), set()
        self.skews = (0.0, -1800.0, -50.0, 300.0, 7200.0)  # set back: so long they wait longer
        people = [str(number) for number in range(1, luck.choice((1, 2, 3)) + 1)]
        self.api = "v2"
        self.absent = luck.choice(("hold", "hold", "resend"))
        self.per_minute = luck.choice((None, None, None, luck.randrange(20, 60)))
        forgets = luck.random() < 0.1
        habits = draw_habits(luck, people, forgets, punctual=luck.random() < 0.8)
        if not habits.punctual:  # but in the end, as a follow-up waits for what goes before it
            habits.shows_after, habits.never_shows = luck.choice((200.0, 1000.0)), 0.0
        self.server = StepServer(self.world, habits, random.Random(luck.random()))
        self.server.answers = luck.choice((0.0, 0.1, 0.3, 0.6))
        self.server.events_kept = luck.choice((6, 1000))
        self.server.refuses_old = luck.random() < 0.5
        steps = [(name, luck.choice(AFTER)) for name in NAMES[: luck.choice((1, 2, 2, 3))]]
        every = tuple(StopOn)
        stop_on = luck.choice((every, every, every, (StopOn.REPLY,), (StopOn.ASSIGNED,)))
        self.campaigns = [StepCampaign("spring", text_of("one "), people, steps, stop_on)]
        if luck.random() < 0.2:
            self.campaigns.append(StepCampaign("summer", text_of("two "), list(people)))
        kind = ("steps", len(people), len(self.campaigns), tuple(steps), stop_on)
        self.ledger = memory().start_with(kind, self._prepare)
        self.judge = StepJudge(self.server, self.marks, memory().raw)
        self.name_keys()
        if not forgets and luck.random() < 0.06:
            self._write_from_another_ledger()
        self._write_before()

    def name_keys(self) -> None:
        """Let the judge know whose keys are whose."""
        assert isinstance(self.judge, StepJudge)
        assert isinstance(self.server, StepServer)
        self.server.judge = self.judge
        for campaign in self.campaigns:
            for person in [*campaign.people, "9"]:
                for step in ("1", *NAMES):
                    for generation in range(12):
                        key = message_key(campaign.name, step, recipient(person), generation)
                        self.marks[key] = (campaign.name, person)
                        self.judge.steps[key] = step

    def _prepare(self, ledger: Ledger) -> None:
        for campaign in self.campaigns:
            row = make_campaign(ledger, campaign.name)
            ledger.write(bound_team.bind, row.id, ORIGIN, LANE)
            self.plan(ledger, campaign)

    def plan(self, ledger: Ledger, campaign: Campaign) -> None:
        assert isinstance(campaign, StepCampaign)
        row = ledger.read(registry.find_campaign, campaign.name)
        assert row is not None
        suppressed = ledger.read(plans.suppressed)
        rows = [
            Prospect(number, recipient(person), {"who": person})
            for number, person in enumerate(campaign.people, 2)
        ]
        names = ["1", *(name for name, _ in campaign.steps)]
        steps = [
            StepPlan(
                name, names[at], after, {"": render_with({"": template_of(text_of(f"{name} "))})}
            )
            for at, (name, after) in enumerate(campaign.steps)
        ]
        with ledger.writing() as connection:
            writer = PlanWriter(connection, row)
            for chunk in plan_messages(
                rows,
                render_with({"": template_of(campaign.text)}),
                [sender(LINK)],
                partial(plans.known, connection, row.id),
                suppressed,
                now=EPOCH + self.world.now,
                steps=steps,
            ):
                writer.write(chunk)
            stop_on = stop_on_text(campaign.stop_on) if steps else ""
            writer.finish(self._fingerprint(campaign, suppressed), 1.0, names[1:], stop_on)

    def campaign(self, name: str) -> StepCampaign:
        (found,) = (each for each in self.with_steps() if each.name == name)
        return found

    def with_steps(self) -> list[StepCampaign]:
        return [each for each in self.campaigns if isinstance(each, StepCampaign)]

    def _lane(
        self,
        process: Process,
        ledger: ProcessLedger,
        channel_for: Callable[[str, str], Channel],
        bus: EventBus,
        adopt: bool,
    ) -> Lane:
        lane = super()._lane(process, ledger, channel_for, bus, adopt)
        for (id, settings), campaign in zip(
            list(lane.campaigns.items()), self.campaigns, strict=True
        ):
            assert isinstance(campaign, StepCampaign)
            lane.campaigns[id] = replace(
                settings,
                has_steps=bool(campaign.steps),
                replies=ReplySettings(POLL, 14 * 86400.0, ()),
            )
        return lane

    def between(self) -> None:
        between(self)

    def act(self) -> StepAct:
        return StepAct(self)


class StepAct(Act):
    """A person at another terminal, and people of the team."""

    history: StepHistory

    def edit_steps(self) -> None:
        """Another sequence: a step more, less, elsewhere, with another name or time."""
        campaign = self.history.campaigns[0]
        assert isinstance(campaign, StepCampaign)
        steps = list(campaign.steps)
        free = [name for name in NAMES if name not in dict(steps)]
        kinds = ["after", "order"] + ["remove"] * (len(steps) > 1) + ["add", "rename"] * bool(free)
        kind = self.luck.choice(kinds)
        place = self.luck.randrange(len(steps))
        match kind:
            case "after":
                steps[place] = steps[place][0], self.luck.choice(AFTER)
            case "order":
                self.luck.shuffle(steps)
            case "remove":
                del steps[place]
            case "add":
                at = self.luck.randrange(len(steps) + 1)
                steps.insert(at, (self.luck.choice(free), self.luck.choice(AFTER)))
            case _:
                steps[place] = self.luck.choice(free), steps[place][1]
        campaign.steps = steps
        self._tell(f"edits the steps ({kind}): {steps}")

    def dismiss(self) -> None:
        """`replies --not-a-reply`."""
        person = self.luck.choice(self.history.campaigns[0].people)
        row = self.history.ledger.read(registry.find_campaign, "spring")
        assert row is not None
        if self.history.ledger.write(replies.dismiss, row.id, [person]):
            asked = "SELECT message_id FROM inbound WHERE kind = 'dismissed'"
            self.history.dismissed |= {id for (id,) in memory().raw.execute(asked)}
            self._tell(f"says that {person} has not answered")

    def assign(self) -> None:
        person = self.luck.choice(self.history.campaigns[0].people)
        assigned = self.history.server.assigned
        assigned ^= {person}
        self.history.were_assigned |= {person}
        self._tell(f"assigned: {sorted(assigned)}")

    def delete_thread(self) -> None:
        if self.history.absent == "hold" and len(self.history.campaigns) == 1:
            person = self.luck.choice(self.history.campaigns[0].people)
            if self.history.judge.accepted("spring", person):
                self.history.server.gone.add(person)
                self._tell(f"deletes the thread of {person}")

    def strangers_write(self) -> None:
        """So many events that older ones are lost."""
        server = self.history.server
        assert isinstance(server, StepServer)
        for _ in range(self.luck.choice((1, 8))):
            server.write(self.luck.choice(STRANGERS), self.history.world.now)
        self._tell("strangers write")

    def somebody_writes(self) -> None:
        server = self.history.server
        assert isinstance(server, StepServer)
        server.write(self.luck.choice(self.history.campaigns[0].people), self.history.world.now)

    def restrict(self) -> None:
        """The platform lets nothing more be sent in a thread, or lets it again."""
        person = self.luck.choice(self.history.campaigns[0].people)
        self.history.server.restricted ^= {person}
        self.history.were_restricted |= {person}
        self._tell(f"restricted: {sorted(self.history.server.restricted)}")

    def withdraw(self) -> None:
        super().withdraw()
        assert isinstance(self.history.judge, StepJudge)
        cancelled = (row for row in self.history.judge.rows() if row.status == "cancelled")
        self.history.withdrawn |= {row.place for row in cancelled}

    def _say(self, wanted: Callable[[], bool], *, lie: bool) -> None:
        history = self.history
        assert isinstance(history.judge, StepJudge)
        history.server.advance()
        for campaign in history.campaigns:
            row = history.ledger.read(registry.find_campaign, campaign.name)
            assert row is not None
            for doubt in history.ledger.read(in_doubt.in_doubt, [row.id]):
                person, step = doubt.recipient.id, history.judge.steps[doubt.key]
                sent = bool(history.judge.taken(campaign.name, person, step))
                busy = history.server.busy_with(doubt.key) and not sent
                if (busy and not lie) or not wanted():
                    continue
                if lie:
                    history.lied_about.add(person)
                if sent is not lie:
                    history.said_sent.add(person)
                self._word(doubt, sent is not lie)
                self._tell(f"says of {person}, step {step}: sent is {sent is not lie}")


def between(history: StepHistory) -> None:
    """What happens between two runs: time passes, and persons act."""
    luck, act = history.luck, history.act()
    history.world.now += luck.choice((0.0, 1.0, 60.0, 200.0, 3000.0, KEY_LIFE - 60.0, 700000.0))
    choices: list[tuple[float, Callable[[], None]]] = [
        (0.3, act.retry),
        (0.3, act.say_truth),
        (0.04, act.lie),
        (0.5, act.edit_steps),
        (0.12, act.edit),
        (0.12, act.change_people),
        (0.06, act.suppress),
        (0.06, act.unsuppress),
        (0.04, act.withdraw),
        (0.08, act.write_by_hand),
        (0.08, act.assign),
        (0.06, act.restrict),
        (0.06, act.delete_thread),
        (0.06, act.change_policy),
        (0.2, act.strangers_write),
        (0.2, act.somebody_writes),
        (0.1, act.dismiss),
        (0.1, lambda: history.world.set_clock(luck.choice(history.skews))),
    ]
    for chance, do in choices:
        if luck.random() < chance:
            do()
