"""The promises, checked by the server's own list against the ledger.

Always: whoever the server has a message for is `sent` or `in_doubt` (or on its way); nobody is
`sent` whom it has none for; whoever is neither has a reason; no window of the team is overrun;
every run ends; nobody is written to whose acceptance is recorded; a healthy run leaves nothing in
the queue, and after a person's true word nothing is open.

Nobody has two messages of one campaign. Three things may break that, each named in the guide to
the guarantee as not promised, and then less is promised, which is checked all the same:

- a person said something false of this recipient;
- `absent: resend`, and the server shows what it accepted later than `settle` (or never);
- v2, and the server forgets keys sooner than `key_life`.

Then whoever has two was attempted as often as they have messages, and at least one of those
attempts had no answer of its own. (Under the first two somebody may also be called queued,
rejected or failed who has a message: a look-up or a word has said that they have none.)

Another ledger's message under the key of ours is found by that key alone. Once the API has said no
under it, and it was given up for new bytes, nobody knows of that message any more.

One thing may stay in doubt for good: a message whose key the server answers with nothing but an
error, also after a person has said that it was not sent.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.simulation.habits import KEY_LIFE
from tests.simulation.server import Kept, Server

if TYPE_CHECKING:
    from tests.simulation.history import History

ROWS = """
    SELECT campaign.name, message.recipient, message.status, message.reason, message.attempts,
           message.id, message.unplanned
    FROM message JOIN campaign ON campaign.id = message.campaign
"""
TEXT = """
    SELECT message.text FROM message JOIN campaign ON campaign.id = message.campaign
    WHERE campaign.name = ? AND message.recipient = ?
"""
STATUS = """
    SELECT message.status FROM message JOIN campaign ON campaign.id = message.campaign
    WHERE campaign.name = ? AND message.recipient = ?
"""
UNANSWERED = """
    SELECT count(*) FROM attempt
    WHERE message = ? AND evidence NOT IN ('accepted', 'replayed', 'rejected', 'deferred')
"""

GIVEN_UP = """
    SELECT attempt.key FROM attempt JOIN message ON message.id = attempt.message
    WHERE message.generation > 0 AND attempt.evidence IN ('rejected', 'deferred')
"""
GIVEN_UP_KEY = "by another ledger, under a key given up"


class Broken(AssertionError):
    """A promise that was not kept."""


class Judge:
    """Compares what is true with what the ledger says."""

    def __init__(
        self, server: Server, marks: dict[str, tuple[str, str]], raw: sqlite3.Connection
    ) -> None:
        self._server, self._marks, self._raw = server, marks, raw
        self.heard: Counter[str] = Counter()

    def hear(self, name: str) -> None:
        self.heard[name] += 1

    def accepted(self, campaign: str, person: str) -> list[Kept]:
        """The server's own list of one campaign's messages to one person."""
        return [
            kept
            for kept in self._server.kept
            if kept.person == person and self._marks.get(kept.mark) == (campaign, person)
        ]

    def known(self, taken: list[Kept]) -> list[Kept]:
        """Those that the runner can know of: not another ledger's under a key given up since."""
        given_up = {key for (key,) in self._raw.execute(GIVEN_UP)}
        return [kept for kept in taken if kept.at >= 0.0 or kept.mark not in given_up]

    def text_of(self, campaign: str, person: str) -> str:
        row = self._raw.execute(TEXT, (campaign, person)).fetchone()
        return row[0] if row else "hello"

    def of_status(self, status: str) -> list[Any]:
        return [row for row in self._raw.execute(ROWS) if row[2] == status]

    def at_write(self, history: History, mark: str) -> None:
        """A message is written: not one whose acceptance is recorded. On v2 a repeat under way may
        be overtaken by the answer of another: the key makes that harmless."""
        campaign, person = self._marks[mark]
        (status,) = self._raw.execute(STATUS, (campaign, person)).fetchone()
        if status == "sent" and not history.takeovers:
            raise Broken(f"{campaign}: {person} is written to, and is already sent")

    def at_rest(self, history: History) -> None:
        """After a run, however it ended."""
        self._server.advance()
        for name, person, status, reason, attempts, id, _ in self._raw.execute(ROWS).fetchall():
            taken = self.accepted(name, person)
            excuse = self._excuse(history, person)
            about = f"{name}: {person} is {status} ({reason})"
            if len(taken) > 1 and len(taken := self.known(taken)) > 1:
                self._doubled(history, excuse, about, taken, attempts, id)
            # What another ledger sent is known only once the key has been asked for.
            foreign = person in history.foreign and status != "sent" and len(taken) == 1
            if taken and status not in ("sent", "in_doubt", "sending") and not foreign:
                if not excuse:
                    raise Broken(f"{about}, but the server has {[kept.id for kept in taken]}")
                history.world.figures["missed"] += 1
            if status == "sent" and not taken and person not in history.lied_about:
                raise Broken(f"{about}, but the server has no message")
            if status in ("rejected", "failed", "skipped", "cancelled") and not reason:
                raise Broken(f"{about}, and nobody is told why")
            if status in ("rejected", "failed") and not attempts:
                raise Broken(f"{about}, and was never tried")

        if history.contact_once_in is not None:
            self._by_one_campaign(history)

    def _by_one_campaign(self, history: History) -> None:
        """Nobody has been written to by two campaigns."""
        for person in {row[1] for row in self._raw.execute(ROWS)} - history.foreign:
            by = [each.name for each in history.campaigns if self.accepted(each.name, person)]
            if len(by) > 1 and not self._excuse(history, person):
                raise Broken(f"{person} has messages of {by}")

    def _excuse(self, history: History, person: str) -> str:
        habits = self._server.habits
        if person in history.lied_about:
            return "false word"
        if history.absent == "resend" and not habits.punctual:
            return "resent, but shown late"
        if habits.key_memory < KEY_LIFE:
            return "key forgotten early"
        return ""

    def _doubled(
        self, history: History, excuse: str, about: str, taken: list[Kept], attempts: int, id: int
    ) -> None:
        ids = [kept.id for kept in taken]
        if not excuse:
            raise Broken(f"{about} and has {len(taken)} messages: {ids}")
        (unanswered,) = self._raw.execute(UNANSWERED, (id,)).fetchone()
        late = history.takeovers  # the answer of a frozen owner can come after all
        if attempts < len(taken) or not (unanswered or late):
            raise Broken(f"{about} and has {ids}, which no lost answer explains ({excuse})")

    def after_done(self, history: History) -> None:
        """After a run that has ended by itself, in whatever weather."""

    def after_health(self, history: History) -> None:
        """After a healthy run: nothing waits, but for somebody who is in doubt."""
        self.at_rest(history)
        rows = self._raw.execute(ROWS).fetchall()
        in_doubt = {person for _, person, status, *_ in rows if status == "in_doubt"}
        for name, person, status, reason, *_ in rows:
            if status == "sending" or (status == "queued" and person not in in_doubt):
                raise Broken(f"{name}: {person} is left {status} ({reason}) by a healthy run")

    def at_the_end(self, history: History) -> None:
        """After a person's true word and another healthy run: nothing is open at all."""
        self.after_health(history)
        figures = history.world.figures
        rows = self._raw.execute(ROWS).fetchall()
        for_good = {
            person
            for name, person, status, *_ in rows
            if status == "in_doubt" and self._is_burnt(name, person)
        }
        for name, person, status, reason, *_ in rows:
            taken = self.accepted(name, person)
            if person in for_good and status in ("in_doubt", "queued"):
                figures["for good: in doubt by a used up key, or behind such a one"] += 1
            elif status in ("queued", "sending", "in_doubt"):
                raise Broken(f"{name}: {person} is left {status} ({reason}) at the end")
            figures[status] += 1
            if len(taken) > 1:
                figures[f"doubled: {self._excuse(history, person) or GIVEN_UP_KEY}"] += 1
        figures["told as doubled"] += self.heard["doubled"]
        self._limits(history)

    def _is_burnt(self, campaign: str, person: str) -> bool:
        """Whether the server answers nothing any more to this message's key but an error."""
        return any(
            key.used_up or key.reply is not None
            for mark, key in self._server.keys.items()
            if self._marks.get(mark) == (campaign, person)
        )

    def _limits(self, history: History) -> None:
        """No window holds more requests than allowed, where the clock was left alone and every
        request could be written down."""
        figures, limit = history.world.figures, history.per_minute
        cut = figures["kills"] or figures["disk errors"] or history.takeovers
        if limit is None or cut or history.world.jumped:
            return
        times = sorted(self._server.written)
        for first, last in zip(times, times[limit:], strict=False):
            if last - first < 60.0:
                raise Broken(f"{limit + 1} requests within {last - first:.3f} s at {first:.3f}")
        figures["limits checked"] += 1
