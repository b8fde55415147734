"""Histories of what people answer: most answer, also in the instant of sending; they opt out while
another campaign is on its way to them, events are lost, threads are deleted, runs die while they
read.

The promises, judged by the server's own list: no reply that could be read is lost, none counts that
is none, none counts twice, every opt-out is on the list, and nobody is claimed for a message after
their opt-out was on disk.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.simulation.habits import draw_habits
from tests.simulation.history import History, text_of
from tests.simulation.judge import Broken
from tests.simulation.ledger import memory
from tests.simulation.server import Kept
from tests.simulation.step_judge import StepJudge
from tests.simulation.steps import (
    AFTER,
    NAMES,
    StepAct,
    StepCampaign,
    StepHistory,
    StepServer,
)
from tests.simulation.world import EPOCH, World

BEFORE = 3.0
"""Seconds by which the server's clock and ours may differ: what is older is no reply."""

MANY = 1000
"""Events kept by a server that loses none."""

HEARD = """
    SELECT inbound.message_id, inbound.kind, inbound.wish, message.recipient, inbound.at
    FROM inbound JOIN message ON message.id = inbound.answers
"""
BEGUN = """
    SELECT min(attempt.server_at) FROM attempt JOIN message ON message.id = attempt.message
    WHERE message.recipient = ?
"""
SENT = "SELECT DISTINCT recipient FROM message WHERE status = 'sent' AND thread_id IS NOT NULL"
CLAIMED = """
    SELECT max(attempt.started_at) FROM attempt JOIN message ON message.id = attempt.message
    JOIN campaign ON campaign.id = message.campaign
    WHERE campaign.name = ? AND message.recipient = ? AND message.step = ?
"""
OPTED_OUT = """
    SELECT min(inbound.heard_at) FROM inbound JOIN message ON message.id = inbound.answers
    JOIN suppression ON suppression.recipient = message.recipient
    WHERE message.recipient = ? AND inbound.wish = 'opt_out'
"""


class ReplyJudge(StepJudge):
    """Judges what is known of people's answers by the server's list."""

    def at_write(self, history: History, mark: str) -> None:
        super().at_write(history, mark)
        campaign, person = self._marks[mark]
        (out,) = self._raw.execute(OPTED_OUT, (person,)).fetchone()
        (claimed,) = self._raw.execute(CLAIMED, (campaign, person, self.steps[mark])).fetchone()
        if out is not None and claimed > out + 1.0 and person not in history.taken_off:
            raise Broken(f"{person} is claimed {claimed - out:.1f} s after their opt-out")

    def at_rest(self, history: History) -> None:
        super().at_rest(history)
        written = {each.id: each for each in self._server.kept if each.inbound}
        for id, _, _, person, at in self._raw.execute(HEARD).fetchall():
            each = written.get(id)
            if each is None or each.person != person or at < self._begun(person) - BEFORE:
                raise Broken(f"{id} counts as a reply of {person}, and is none")

    def at_the_end(self, history: History) -> None:
        super().at_the_end(history)
        heard = {row[0]: row[1:3] for row in self._raw.execute(HEARD)}
        [(read_at, left)] = self._raw.execute(
            "SELECT read_at, (SELECT count(*) FROM read_back) FROM feed"
        ).fetchall() or [(0.0, 0)]
        if left:
            history.world.figures["threads to be read back still"] += 1
            return
        listed = {id for (id,) in self._raw.execute("SELECT recipient FROM suppression")}
        known = {id for (id,) in self._raw.execute(SENT)}
        figures = history.world.figures
        for each in self._server.kept:
            is_read = each.inbound and EPOCH + each.shows_at < read_at - 1.0
            if not is_read or each.person not in known or each.person in self._server.gone:
                continue
            if each.at < self._first(each.person) or self._may_be_lost(history, each.person):
                continue
            kind, wish = heard.get(each.id, ("", ""))
            figures["replies judged"] += 1
            if not kind:
                raise Broken(f"{each.id} of {each.person} does not count as a reply")
            if each.content == "stop":
                self._is_obeyed(history, each, kind, wish, listed)

    def _may_be_lost(self, history: History, person: str) -> bool:
        """Whether nobody may know the thread of what was sent."""
        assert isinstance(history, StepHistory)
        return person in history.said_sent

    def _is_obeyed(
        self, history: History, each: Kept, kind: str, wish: str, listed: set[str]
    ) -> None:
        if kind == "unread":  # on hold until it can be read
            history.world.figures["not readable yet"] += 1
        elif wish != "opt_out":
            raise Broken(f"{each.id} of {each.person} says stop, and is {wish or 'no wish'}")
        elif each.person not in listed | history.taken_off:
            raise Broken(f"{each.person} has opted out, and is not on the list")
        else:
            history.world.figures["opt-outs judged"] += 1

    def _begun(self, person: str) -> float:
        """When a message of ours to a person was begun first, by the server's clock."""
        (at,) = self._raw.execute(BEGUN, (person,)).fetchone()
        return float(at)

    def _first(self, person: str) -> float:
        """When our first message to a person was accepted."""
        ours = (each.at for each in self._server.kept if each.person == person and each.mark)
        return min((at for at in ours), default=float("inf"))


class ReplyHistory(StepHistory):
    """Everything of one history in which most people answer."""

    def __post_init__(self) -> None:
        self.luck = luck = random.Random(f"replies {self.seed}")
        self.world = World(luck, story=[] if self.verbose else None)
        self.dismissed, self.were_assigned, self.said_sent = set(), set(), set()
        self.skews = (0.0,)  # with a clock that is wrong it cannot be told what could be read
        people = [str(number) for number in range(1, luck.choice((2, 3, 4)) + 1)]
        self.api, self.absent = "v2", "hold"
        self.per_minute = luck.choice((None, None, None, luck.randrange(20, 60)))
        habits = draw_habits(luck, people, False, punctual=True)
        self.server = StepServer(self.world, habits, random.Random(luck.random()))
        self.server.answers = luck.choice((0.5, 0.8, 1.0))
        self.server.words = ("Sounds good", "stop", "stop", "please stop by our booth")
        self.server.events_kept = luck.choice((6, 12, MANY))
        self.server.refuses_old = luck.random() < 0.5
        count = luck.choice((0, 0, 1, 2))
        steps = [(name, luck.choice(AFTER)) for name in NAMES[:count]]
        self.campaigns = [StepCampaign("spring", text_of("one "), people, steps)]
        if luck.random() < 0.7:
            self.campaigns.append(StepCampaign("summer", text_of("two "), list(people)))
        kind = ("replies", len(people), len(self.campaigns), tuple(steps))
        self.ledger = memory().start_with(kind, self._prepare)
        self.judge = ReplyJudge(self.server, self.marks, memory().raw)
        self.name_keys()
        self._write_before()

    def between(self) -> None:
        luck, act = self.luck, StepAct(self)
        self.world.now += luck.choice((0.0, 1.0, 60.0, 200.0, 3000.0, 700000.0))
        choices: list[tuple[float, Callable[[], None]]] = [
            (0.3, act.retry),
            (0.3, act.say_truth),
            (0.12, act.change_people),
            (0.06, act.suppress),
            (0.06, act.unsuppress),
            (0.06, act.delete_thread),
            (0.4, act.strangers_write),
            (0.5, act.somebody_writes),
            (0.1, act.dismiss),
        ]
        for chance, do in choices:
            if luck.random() < chance:
                do()
