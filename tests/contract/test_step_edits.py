"""Whatever is edited, sent, answered and planned in whatever order: the promises of follow-ups hold
at every moment, and a plan that is made again changes nothing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from runner.ledger.ledger import open_ledger
from runner.ledger.messages import replies
from runner.message.evidence import Evidence
from runner.message.plan import Change, Entry
from runner.message.status import OPEN, MessageStatus
from tests.contract.sequence import StepCampaign

S, E = MessageStatus, Evidence
NAMES = ("a", "b", "c", "d")
AFTER = (10.0, 100.0, 1000.0)
PEOPLE = (1, 2)


@dataclass
class Play:
    """What has come to pass."""

    of: StepCampaign
    data: DataObject
    now: float = 0.0
    sent: list[tuple[str, int, float]] = field(default_factory=list)  # step, person, when
    answered: set[int] = field(default_factory=set)

    def edit(self) -> None:
        names = self.data.draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
        self.of.steps = [(name, self.data.draw(st.sampled_from(AFTER))) for name in names]
        self.plan()

    def sheet(self) -> None:
        self.of.people = self.data.draw(st.lists(st.sampled_from(PEOPLE), unique=True))
        self.plan()

    def plan(self) -> None:
        self.of.plan(self.now)
        for entry in self.of.entries(self.now):
            assert isinstance(entry, Entry)
            for each in (entry, *entry.later):
                assert each.change in (Change.SAME, Change.KEPT), each
        before = [self.of.rows(id) for id in PEOPLE]
        self.of.plan(self.now)
        assert [self.of.rows(id) for id in PEOPLE] == before

    def wait(self) -> None:
        self.now += self.data.draw(st.sampled_from((1.0, 50.0, 2000.0)))

    def read(self) -> None:
        self.of.read_up_to(self.now)
        self.of.read_threads(self.now)

    def answer(self) -> None:
        id = self.data.draw(st.sampled_from(PEOPLE))
        if any(person == id for _, person, _ in self.sent):
            self.of.reply(self.now, id=id)
            self.answered.add(id)

    def dismiss(self) -> None:
        id = self.data.draw(st.sampled_from(PEOPLE))
        self.of.ledger.write(replies.dismiss, self.of.id, [str(id)])
        self.answered.discard(id)

    def send(self) -> None:
        """Begin what may be begun, or what a run took for due before."""
        for id in PEOPLE:
            for step, row in self.of.rows(id).items():
                if row.status != S.QUEUED or row.not_before > self.now:
                    continue
                if not isinstance(self.of.claim(step, id, self.now), int):
                    continue
                if step != "1":
                    assert id not in self.answered
                    times = [at for _, person, at in self.sent if person == id]
                    assert self.now >= max(times) + row.after
                assert (step, id) not in [(name, who) for name, who, _ in self.sent]
                end = self.data.draw(st.sampled_from((E.ACCEPTED, E.NOT_WRITTEN, E.UNKNOWN)))
                self.of.end(step, id, self.now, end)
                if end is E.UNKNOWN:
                    self.now += 1.0
                    self.of.end(step, id, self.now, E.FOUND)
                if end is not E.NOT_WRITTEN:
                    self.sent.append((step, id, self.now))

    def check(self) -> None:
        for id in PEOPLE:
            rows = self.of.rows(id)
            for row in rows.values():
                assert row.status not in (S.SKIPPED, S.CANCELLED) or row.reason, row
                if row.status in (S.QUEUED, S.WAITING) and row.previous:
                    before = rows[row.previous]
                    waits = before.status in (S.QUEUED, S.WAITING, *OPEN)
                    assert row.status == (S.WAITING if waits else S.QUEUED), (row, before)
                    assert waits or before.status == S.SENT

    def finish(self) -> None:
        """Nobody is lost: who stays and has not answered gets all that is to come."""
        self.of.people = list(PEOPLE)
        self.plan()
        for _ in range(9):
            self.now += 2000.0
            self.read()
            for id in PEOPLE:
                for step, row in self.of.rows(id).items():
                    if row.status == S.QUEUED and isinstance(
                        self.of.claim(step, id, self.now), int
                    ):
                        self.of.end(step, id, self.now)
        for id in PEOPLE:
            assert not [r for r in self.of.rows(id).values() if r.status in (S.QUEUED, S.WAITING)]


MOVES = ("edit", "sheet", "plan", "wait", "wait", "read", "answer", "dismiss", "send", "send")


@pytest.mark.slow
@settings(max_examples=10)
@given(data=st.data(), moves=st.lists(st.sampled_from(MOVES), min_size=4, max_size=25))
def test_the_promises_hold_whatever_is_edited(data: DataObject, moves: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, open_ledger(str(Path(folder, "a.db"))) as ledger:
        play = Play(StepCampaign(ledger, (("a", 100.0), ("b", 10.0)), PEOPLE), data)
        for move in moves:
            getattr(play, move)()
            play.check()
        play.finish()
