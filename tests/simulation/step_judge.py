"""The judge of follow-ups: who was written what and when, by the server's list, and for each
message that was not sent whether the rules of the campaign file, by what is true, say the same.
"""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from runner.message.evidence import CLOCK_SLACK
from runner.message.follow_up import StopOn
from runner.message.outcome import SEND_BY
from tests.simulation.judge import GIVEN_UP_KEY, Broken, Judge
from tests.simulation.server import Kept, Server
from tests.simulation.world import EPOCH

if TYPE_CHECKING:
    from tests.simulation.history import History
    from tests.simulation.steps import StepCampaign, StepHistory

POLL = 60.0
"""Seconds between two readings of the replies."""

AT_ONCE = 6.0
"""Seconds after an answer could be read in which a follow-up may have left already: the thread is
read that long before, and a second for the ways."""

TRIES = 5
"""The campaign's `retry.attempts`."""

ROWS = """
    SELECT campaign.name, message.recipient, message.step, message.previous, message.status,
           message.reason, message.detail, message.attempts, message.tries, message.unplanned,
           message.id, message.message_id
    FROM message JOIN campaign ON campaign.id = message.campaign ORDER BY message.id
"""
BEGAN = """
    SELECT min(attempt.server_at) FROM attempt JOIN message ON message.id = attempt.message
    JOIN campaign ON campaign.id = message.campaign
    WHERE campaign.name = ? AND message.recipient = ?
"""
STANDS = """
    SELECT message.status, message.after FROM message
    JOIN campaign ON campaign.id = message.campaign
    WHERE campaign.name = ? AND message.recipient = ? AND message.step = ?
"""

BEGUN = ("sent", "sending", "in_doubt")
UNSENT = ("rejected", "failed", "skipped", "cancelled")
TO_COME = ("queued", "waiting")


class Row(NamedTuple):
    """A message as it lies in the ledger."""

    campaign: str
    person: str
    step: str
    previous: str
    status: str
    reason: str
    detail: str
    attempts: int
    tries: int
    unplanned: int
    id: int
    message_id: str | None

    @property
    def place(self) -> tuple[str, str, str]:
        return self.campaign, self.person, self.step

    def __str__(self) -> str:
        why = f"{self.reason}: {self.detail}"
        return f"{self.campaign}: step {self.step} of {self.person} is {self.status} ({why})"


class StepJudge(Judge):
    """Judges follow-ups by the server's list. `refused`: how often the server has refused a step of
    somebody for good."""

    def __init__(
        self, server: Server, marks: dict[str, tuple[str, str]], raw: sqlite3.Connection
    ) -> None:
        super().__init__(server, marks, raw)
        self.steps: dict[str, str] = {}  # key: step
        self.since: dict[str, float] = {}  # mark of a written follow-up: its `after` then
        self.refused: Counter[tuple[str, str, str]] = Counter()
        self.first: dict[tuple[str, str], float] = {}  # when somebody was first written to

    def refuse(self, mark: str) -> None:
        self.refused[(*self._marks[mark], self.steps[mark])] += 1

    def taken(self, campaign: str, person: str, step: str) -> list[Kept]:
        """The server's list of one step's messages to one person."""
        found = self.accepted(campaign, person)
        return [each for each in found if self.steps[each.mark] == step]

    def rows(self) -> list[Row]:
        return [Row(*row) for row in self._raw.execute(ROWS)]

    def at_write(self, history: History, mark: str) -> None:
        campaign, person = self._marks[mark]
        step = self.steps[mark]
        self.first.setdefault((campaign, person), history.world.now)
        [(status, after)] = self._raw.execute(STANDS, (campaign, person, step)).fetchall()
        if step != "1":
            self.since.setdefault(mark, after)
        if status == "sent" and not history.takeovers:
            raise Broken(f"{campaign}: {person} is written {step}, which is already sent")

    def at_rest(self, history: History) -> None:
        self._server.advance()
        rows = self.rows()
        for row in rows:
            self._row_at_rest(history, row)
        self._reasons(history, rows, at_the_end=False)
        for campaign in _of_steps(history).with_steps():
            for person in {row.person for row in rows}:
                self._in_order(history, campaign, person)

    def _row_at_rest(self, history: History, row: Row) -> None:
        taken = self.taken(*row.place)
        excuse = self._excuse(history, row.person)
        if len(taken) > 1 and len(taken := self.known(taken)) > 1:
            self._doubled(history, excuse, str(row), taken, row.attempts, row.id)
        foreign = row.person in history.foreign and row.step == "1" and len(taken) == 1
        if taken and row.status not in BEGUN and not foreign:
            if not excuse:
                raise Broken(f"{row}, but the server has {taken[0].id}")
            history.world.figures["missed"] += 1
        if row.status == "sent" and not taken and row.person not in history.lied_about:
            raise Broken(f"{row}, but the server has no message")
        if row.status in UNSENT and not row.reason:
            raise Broken(f"{row}, and nobody is told why")

    # Whether what was not sent is so by the rules.

    def _reasons(self, history: History, rows: list[Row], *, at_the_end: bool) -> None:
        """Whoever was not written to has a reason, and a true one."""
        known = {row.message_id for row in rows if row.message_id}
        standing = {row.place: row for row in rows}
        (*listed,) = (id for (id,) in self._raw.execute("SELECT recipient FROM suppression"))
        for row in rows:
            if row.status not in UNSENT:
                continue
            true = self._true(history, row, known, standing)
            if at_the_end and row.step in _steps_of(history, row):
                true["suppressed"] = row.person in listed
            if not true.get(row.reason, True) and not self._excuse(history, row.person):
                raise Broken(f"{row}, which is not true")
            if row.status == "skipped" and row.reason not in true:
                raise Broken(f"{row}, which no rule says")

    def _true(
        self,
        history: History,
        row: Row,
        known: set[str],
        standing: Mapping[tuple[str, str, str], Row],
    ) -> dict[str, bool]:
        """Which reasons not to send this are true."""
        steps = _of_steps(history)
        campaign = steps.campaign(row.campaign)
        began = self._began(history, row)
        theirs = [each for each in self._server.kept if each.person == row.person]
        stop_on = campaign.stop_on
        before = standing.get((row.campaign, row.person, row.previous))
        answers = (each for each in theirs if each.inbound and each.id not in steps.dismissed)
        others = (
            each
            for each in theirs
            if not each.inbound and each.id not in known and each.at >= began
        )
        found = {
            "replied": StopOn.REPLY in stop_on and any(each.at >= began for each in answers),
            "colleague": StopOn.COLLEAGUE in stop_on and any(others),
            "assigned": StopOn.ASSIGNED in stop_on and row.person in steps.were_assigned,
            "thread_gone": row.person
            in self._server.said_gone | steps.said_sent | history.foreign | history.lied_about,
            "restricted": row.person in steps.were_restricted,
            "suppressed": True,  # somebody may have been taken off the list since
            "step_before": before is not None and before.status in UNSENT,
            "removed": row.person not in campaign.people
            or row.step not in dict(campaign.steps)
            or self._is_past(campaign, row.person, row.step, standing),
        }
        if row.step == "1":
            found["removed"] = row.person not in campaign.people
            for name in ("replied", "colleague", "assigned", "thread_gone", "restricted"):
                found[name] = False
            found["step_before"] = False
        if row.status == "cancelled":
            found = {"withdrawn": row.place in steps.withdrawn}
        if row.status == "rejected":
            found = {row.reason: self.refused[row.place] > 0}
        if row.status == "failed":
            found = {row.reason: row.tries >= TRIES}
        return found

    def _began(self, history: History, row: Row) -> float:
        """True time from which on what somebody writes may be an answer: of the first attempt of a
        message to them, which may have been killed before it was written."""
        if row.person in history.foreign:
            return -math.inf  # another ledger has written to them long before
        (at,) = self._raw.execute(BEGAN, (row.campaign, row.person)).fetchone()
        written = self.first.get((row.campaign, row.person), float("inf")) - SEND_BY
        claimed = float("inf") if at is None else at - EPOCH - self._server.habits.skew
        return min(written, claimed) - CLOCK_SLACK

    def _is_past(
        self,
        campaign: StepCampaign,
        person: str,
        step: str,
        standing: Mapping[tuple[str, str, str], Row],
    ) -> bool:
        """They have been sent what comes after a step, or one that has another name by now."""
        names = [name for name, _ in campaign.steps]
        begun = [
            row.step
            for row in standing.values()
            if row.campaign == campaign.name
            and row.person == person
            and row.step != "1"
            and row.status in BEGUN
        ]
        return any(each not in names or names.index(each) > names.index(step) for each in begun)

    # When, and after what.

    def _in_order(self, history: History, campaign: StepCampaign, person: str) -> None:
        """No follow-up too soon after what went before, nor after an answer."""
        steps = _of_steps(history)
        ours = sorted(self.accepted(campaign.name, person), key=lambda each: each.at)
        lied = bool(self._excuse(history, person))
        for before, kept in itertools.pairwise(ours):
            step = self.steps[kept.mark]
            if step == "1" or (lied and step == self.steps[before.mark]):
                continue  # a second one, which is judged elsewhere
            if kept.written < before.at + self.since[kept.mark] - 2.5 and not lied:
                raise Broken(
                    f"{person} gets {step} {kept.written - before.at:.1f} s after "
                    f"{self.steps[before.mark]}, not {self.since[kept.mark]:.0f}"
                )
        if StopOn.REPLY not in campaign.stop_on:
            return
        first = min((each.at for each in ours), default=0.0)
        answers = [
            each
            for each in self._server.kept
            if each.inbound
            and each.person == person
            and each.at >= first
            and each.id not in steps.dismissed
        ]
        for kept in ours:
            if self.steps[kept.mark] != "1":
                self._unanswered(steps, kept, answers)

    def _unanswered(self, history: StepHistory, kept: Kept, answers: Iterable[Kept]) -> None:
        for each in answers:
            late = kept.written - each.shows_at
            if late > POLL:
                raise Broken(f"{kept.person} gets {kept.id} {late:.1f} s after {each.id}")
            if late > AT_ONCE:
                history.world.figures["within a poll"] += 1
            elif late > 0:
                history.world.figures["at once"] += 1

    # What a run leaves.

    def after_done(self, history: History) -> None:
        """After a run that has ended by itself, in whatever weather: whatever could still go has
        gone, or is in doubt, or waits for what is in doubt with its person."""
        self.nothing_is_left(history)

    def after_health(self, history: History) -> None:
        self.at_rest(history)
        self.nothing_is_left(history)

    def nothing_is_left(self, history: History) -> None:
        rows = self.rows()
        wait = {row.person for row in rows if row.status == "in_doubt"} | self._held()
        for row in rows:
            if row.status == "sending" or (row.status in TO_COME and row.person not in wait):
                raise Broken(f"{row}, and a run has ended by itself")

    def _held(self) -> set[str]:
        """Who is on hold until a person has read what they wrote."""
        asked = "SELECT recipient FROM hold WHERE until IS NULL"
        return {id for (id,) in self._raw.execute(asked)}

    def at_the_end(self, history: History) -> None:
        """After a person's true word and another healthy run: everybody who should have been
        written to was, and nothing is open."""
        self.at_rest(history)
        rows = self.rows()
        self._reasons(history, rows, at_the_end=True)
        standing = {row.place: row for row in rows}
        for_good = {row.person for row in rows if row.status == "in_doubt" and self._burnt(row)}
        held = self._held()
        figures = history.world.figures
        for row in rows:
            if row.person in for_good and row.status in ("in_doubt", *TO_COME):
                figures["for good: in doubt by a used up key, or behind such a one"] += 1
            elif row.status in ("in_doubt", "sending", *(() if row.person in held else TO_COME)):
                raise Broken(f"{row} at the end")
            which = "first" if row.step == "1" else "follow-up"
            reason = row.reason if row.status == "skipped" else ""
            figures[f"{which} {row.status} {reason}".rstrip()] += 1
            taken = self.taken(*row.place)
            if len(taken) > 1:
                figures[f"doubled: {self._excuse(history, row.person) or GIVEN_UP_KEY}"] += 1
        for campaign in _of_steps(history).with_steps():
            for person in campaign.people:
                self._has_all(campaign, person, standing)
        self._limits(history)

    def _burnt(self, row: Row) -> bool:
        """Whether the server answers nothing any more to this message's key but an error."""
        return any(
            key.used_up or key.reply is not None
            for mark, key in self._server.keys.items()
            if self._marks.get(mark) == (row.campaign, row.person) and self.steps[mark] == row.step
        )

    def _has_all(
        self,
        campaign: StepCampaign,
        person: str,
        standing: Mapping[tuple[str, str, str], Row],
    ) -> None:
        """Who is in the file has every message, or is past it, or does not get the first one."""
        first = standing.get((campaign.name, person, "1"))
        if first is None:
            raise Broken(f"{person} is in the sheet of {campaign.name}, and has no message")
        if first.status not in BEGUN:
            return
        for step, _ in campaign.steps:
            there = (campaign.name, person, step) in standing
            if not there and not self._is_past(campaign, person, step, standing):
                raise Broken(f"{person} has no message of {step}, and is not past it")


def _steps_of(history: History, row: Row) -> set[str]:
    """The steps that the file has for somebody now: what was said of others stays as it was."""
    campaign = _of_steps(history).campaign(row.campaign)
    return {"1", *dict(campaign.steps)} if row.person in campaign.people else set()


def _of_steps(history: History) -> StepHistory:
    return history  # type: ignore[return-value]
