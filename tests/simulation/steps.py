"""Histories of a campaign with follow-ups: people answer, also in the instant of sending,
colleagues go on, threads are assigned and deleted, events are lost, and the file is edited between
the steps.

The promises, judged by the server's own list: nobody is sent one step twice; no follow-up is
written after an answer that could be read as long before as replies are read, nor sooner than its
`after`; whoever gets none has a reason, and a true one.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from runner.channels.base import Channel
from runner.events import EventBus
from runner.ledger.campaigns import bound_team, registry
from runner.ledger.ledger import Ledger
from runner.ledger.messages import in_doubt, plans, replies
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
from tests.simulation.judge import Broken, Judge
from tests.simulation.ledger import ProcessLedger, memory
from tests.simulation.server import LINK, Event, Kept, Request, Server
from tests.simulation.wire import ORIGIN
from tests.simulation.world import EPOCH, Process, World
from tests.support import LANE, make_campaign, recipient

POLL = 60.0
"""Seconds between two readings of the replies."""

AT_ONCE = 6.0
"""Seconds after an answer could be read in which a follow-up may have left already: the thread is
read that long before, and a second for the ways."""

NAMES = ("a", "b", "c", "d", "e", "f")
AFTER = (1.0, 30.0, 90.0, 300.0)
STRANGERS = ("91", "92", "93")

ROWS = """
    SELECT message.recipient, message.step, message.previous, message.status, message.reason,
           message.detail, message.id, campaign.name, message.attempts
    FROM message JOIN campaign ON campaign.id = message.campaign ORDER BY message.id
"""


ON_HOLD = "SELECT recipient FROM hold WHERE until IS NULL"


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
    words: tuple[str, ...] = ("Sounds good", "Sounds good", "Who are you?", "stop")

    def _accept(self, request: Request, at: float, id: str) -> Kept:
        kept = Server._accept(self, request, at, id)
        if self.luck.random() < self.answers:
            wait = self.luck.choice((0.0, 0.0, 0.3, 5.0, 70.0, 300.0))
            self.later(at + wait, partial(self.write, kept.person))
        return kept

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


class StepJudge(Judge):
    """Judges follow-ups by the server's list."""

    def __init__(self, server: Server, marks: dict[str, tuple[str, str]], raw: Any) -> None:
        super().__init__(server, marks, raw)
        self.steps: dict[str, str] = {}  # key: step
        self.since: dict[str, float] = {}  # mark of a written follow-up: its `after` then

    def taken(self, campaign: str, person: str, step: str) -> list[Kept]:
        """The server's list of one step's messages to one person."""
        found = self.accepted(campaign, person)
        return [each for each in found if self.steps[each.mark] == step]

    def at_write(self, history: History, mark: str) -> None:
        campaign, person = self._marks[mark]
        step = self.steps[mark]
        rows = self._raw.execute(
            "SELECT message.status, message.after FROM message JOIN campaign ON "
            "campaign.id = message.campaign WHERE name = ? AND recipient = ? AND step = ?",
            (campaign, person, step),
        ).fetchall()
        [(status, after)] = rows
        if step != "1":
            self.since.setdefault(mark, after)
        if status == "sent" and not history.takeovers:
            raise Broken(f"{campaign}: {person} is written {step}, which is already sent")

    def at_rest(self, history: History) -> None:
        self._server.advance()
        rows = self._raw.execute(ROWS).fetchall()
        for person, step, _, status, reason, detail, _, name, _ in rows:
            taken = self.taken(name, person, step)
            about = f"{name}: step {step} of {person} is {status} ({reason}: {detail})"
            if len(taken) > 1:
                raise Broken(f"{about}, and they have it {len(taken)} times")
            if taken and status not in ("sent", "in_doubt", "sending"):
                raise Broken(f"{about}, but the server has {taken[0].id}")
            if status == "sent" and not taken:
                raise Broken(f"{about}, but the server has no message")
            if status in ("rejected", "failed", "skipped", "cancelled") and not reason:
                raise Broken(f"{about}, and nobody is told why")
            if status == "skipped":
                self._is_true(history, person, step, reason, about)
        for campaign in history.campaigns:
            for person in {row[0] for row in rows}:
                self._in_order(history, campaign, person)

    def _is_true(self, history: History, person: str, step: str, reason: str, about: str) -> None:
        """A reason is true."""
        assert isinstance(history, StepHistory)
        kept = [each for each in self._server.kept if each.person == person]
        true = {
            "replied": any(each.inbound for each in kept),
            "colleague": any(each.origin == "internal" for each in kept),
            "assigned": person in history.were_assigned,
            "thread_gone": person in self._server.gone or person in history.said_sent,
        }
        if not true.get(reason, True):
            raise Broken(f"{about}, which is not true")

    def _in_order(self, history: History, campaign: Campaign, person: str) -> None:
        """No follow-up too soon after what went before, nor after an answer."""
        assert isinstance(history, StepHistory)
        ours = sorted(self.accepted(campaign.name, person), key=lambda each: each.at)
        for before, kept in itertools.pairwise(ours):
            step = self.steps[kept.mark]
            if kept.written < before.at + self.since[kept.mark] - 2.5:
                raise Broken(
                    f"{person} gets {step} {kept.written - before.at:.1f} s after "
                    f"{self.steps[before.mark]}, not {self.since[kept.mark]:.0f}"
                )
        if StopOn.REPLY not in campaign.stop_on:  # type: ignore[attr-defined]
            return
        first = min((each.at for each in ours), default=0.0)
        for kept in ours:
            if self.steps[kept.mark] == "1":
                continue
            for each in self._server.kept:
                is_answer = each.inbound and each.person == person and each.at >= first
                if is_answer and each.id not in history.dismissed:
                    late = kept.written - each.shows_at
                    if late > POLL:
                        raise Broken(f"{person} gets {kept.id} {late:.1f} s after {each.id}")
                    if late > AT_ONCE:
                        history.world.figures["within a poll"] += 1
                    elif late > 0:
                        history.world.figures["at once"] += 1

    def after_health(self, history: History) -> None:
        """A doubt may be settled only when nothing else was left to wait for: what it held up is
        then for the next run."""
        self.at_rest(history)

    def _nothing_is_left(self) -> None:
        rows = self._raw.execute(ROWS).fetchall()
        in_doubt = {row[0] for row in rows if row[3] == "in_doubt"}
        in_doubt |= {id for (id,) in self._raw.execute(ON_HOLD)}
        for person, step, _, status, reason, detail, _, name, _ in rows:
            if status == "sending" or (status in ("queued", "waiting") and person not in in_doubt):
                raise Broken(
                    f"{name}: step {step} of {person} is left {status} ({reason}: {detail}) by a "
                    "healthy run"
                )

    def at_the_end(self, history: History) -> None:
        self.at_rest(history)
        self._nothing_is_left()
        assert isinstance(history, StepHistory)
        figures = history.world.figures
        for _, step, _, status, reason, *_ in self._raw.execute(ROWS).fetchall():
            which = "first" if step == "1" else "follow-up"
            figures[f"{which} {status} {reason if status == 'skipped' else ''}".rstrip()] += 1
        steps = history.campaigns[0]
        assert isinstance(steps, StepCampaign)
        have = {(row[0], row[1]) for row in self._raw.execute(ROWS) if row[7] == steps.name}
        for person in steps.people:
            if (person, "1") in have and not {(person, name) for name, _ in steps.steps} <= have:
                self._is_past(history, person, {step for who, step in have if who == person})
        self._limits(history)

    def _is_past(self, history: History, person: str, have: set[str]) -> None:
        """Who has no row of a step is past it, or does not get the first message."""
        sent = [self.steps[each.mark] for each in self.accepted("spring", person)]
        (first,) = self._raw.execute(
            "SELECT status FROM message JOIN campaign ON campaign.id = campaign "
            "WHERE recipient = ? AND step = '1' AND name = 'spring'",
            (person,),
        ).fetchone()
        if first in ("sent", "in_doubt") and len(sent) < 2:
            raise Broken(f"{person} has {sorted(have)} alone, and is past nothing")


class StepHistory(History):
    """Everything of one history with follow-ups."""

    dismissed: set[str]
    were_assigned: set[str]
    said_sent: set[str]

    def __post_init__(self) -> None:
        self.luck = luck = random.Random(f"steps {self.seed}")
        self.world = World(luck, story=[] if self.verbose else None)
        self.dismissed, self.were_assigned, self.said_sent = set(), set(), set()
        self.skews = (0.0, -300.0, -50.0, 300.0, 7200.0)  # set back: so long they wait longer
        people = [str(number) for number in range(1, luck.choice((1, 2, 3)) + 1)]
        self.api = "v2"
        self.absent = luck.choice(("hold", "hold", "resend"))
        self.per_minute = luck.choice((None, None, None, luck.randrange(20, 60)))
        habits = draw_habits(luck, people, False, punctual=True)
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
        self._write_before()

    def name_keys(self) -> None:
        """Let the judge know whose keys are whose."""
        assert isinstance(self.judge, StepJudge)
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

    def _say_everything(self) -> None:
        StepAct(self).say_truth(everything=True)


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
            kept = self.history.server.kept
            self.history.dismissed |= {e.id for e in kept if e.inbound and e.person == person}
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

    def say_truth(self, *, everything: bool = False) -> None:
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
                if busy or not (everything or self.luck.random() < 0.7):
                    continue
                if sent:
                    history.said_sent.add(person)
                self._word(doubt, sent)
                self._tell(f"says of {person}, step {step}: sent is {sent}")


def between(history: StepHistory) -> None:
    """What happens between two runs: time passes, and persons act."""
    luck, act = history.luck, StepAct(history)
    history.world.now += luck.choice((0.0, 1.0, 60.0, 200.0, 3000.0, KEY_LIFE - 60.0, 700000.0))
    choices: list[tuple[float, Callable[[], None]]] = [
        (0.3, act.retry),
        (0.3, act.say_truth),
        (0.5, act.edit_steps),
        (0.12, act.edit),
        (0.12, act.change_people),
        (0.06, act.suppress),
        (0.06, act.unsuppress),
        (0.04, act.withdraw),
        (0.08, act.write_by_hand),
        (0.08, act.assign),
        (0.06, act.delete_thread),
        (0.2, act.strangers_write),
        (0.2, act.somebody_writes),
        (0.1, act.dismiss),
        (0.1, lambda: history.world.set_clock(luck.choice(history.skews))),
    ]
    for chance, do in choices:
        if luck.random() < chance:
            do()
