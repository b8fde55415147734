"""The soak of campaigns with follow-ups: `python -m tests.soak --steps`.

Two follow-ups come a few seconds after the message before each; people answer at once, between the
steps and after the last one, some opt out, and colleagues write in threads, while the runs are
killed. The judge is the sandbox's list of what it accepted and received.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.support import LINK
from tests.judge import LIES, Message, Verdict, lies, messages_of, unwanted
from tests.soak import KILLS, Campaign

POLL = 10.0
"""Seconds between two readings of the replies."""

AT_ONCE = 6.0
"""Seconds after an answer in which a follow-up may have left already: its thread is read up to five
seconds before, and a second for the ways."""

STEPS = {"1": 0.0, "nudge": 2.0, "last": 3.0}
"""The steps with their `after`, in order. Each text begins with its step's name."""

ANSWERS = {
    "everyone": [
        {"share": 0.06, "after": "0s", "write": "Sounds good"},
        {"share": 0.08, "after": "1s", "write": "Sounds good"},
        {"share": 0.04, "after": "2s", "write": "stop"},
        {"share": 0.06, "after": "1s", "react": "👍"},
        {"share": 0.06, "after": "0s", "to": 2, "write": "Tell me more"},
        {"share": 0.08, "after": "3s", "to": 2, "write": "Thanks"},
        {"share": 0.05, "after": "5s", "to": 3, "write": "Not now"},
    ]
}

STEP_LIES = {
    "too soon": "a follow-up closer to the message before than its `after`",
    "after an answer": "a follow-up accepted after an answer that could be read a poll before",
    "passed over": "a follow-up that was due and not sent, without a true reason",
}


@dataclass(slots=True)
class StepVerdict(Verdict):
    """Figures of campaigns with follow-ups. A person's step counts as a person does elsewhere."""

    found: dict[str, set[str]] = field(
        default_factory=lambda: {name: set() for name in (*LIES, *STEP_LIES)}
    )
    follow_ups: int = 0
    answers: int = 0
    within_a_poll: int = 0  # later than the thread's reading explains, sooner than a poll
    reasons: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        reasons = ", ".join(f"{name} {count}" for name, count in sorted(self.reasons.items()))
        return (
            f"{Verdict.__str__(self)}; follow-ups accepted {self.follow_ups}, answers "
            f"{self.answers}, within a poll after an answer {self.within_a_poll}; not sent: "
            f"{reasons}"
        )


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A follow-up as it lies in the ledger."""

    person: str
    step: str
    status: str
    reason: str
    before: str  # status of the message before it


def follow_ups_of(ledger: Path, name: str) -> list[FollowUp]:
    """A campaign's follow-ups, straight from an SQLite ledger."""
    asked = (
        "select message.recipient, message.step, message.status, message.reason, before.status"
        " from message join campaign on campaign.id = message.campaign join message as before on"
        " before.campaign = message.campaign and before.recipient = message.recipient and"
        " before.step = message.previous where campaign.name = ? and message.previous <> ''"
    )
    with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return [FollowUp(*row) for row in connection.execute(asked, (name,))]


def by_step(accepted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sandbox's list with each person's step in the place of the person. A follow-up names a
    thread and no account, so that an answer with another account is held against the thread."""
    found = [dict(each, person=f"{each['person']} {_step(each)}") for each in accepted]
    for each in found:
        if each.get("amiss") == "link" and not each["person"].endswith(" 1"):
            del each["amiss"]
    return found


def _step(entry: Mapping[str, Any]) -> str:
    return str(entry["content"]).partition(":")[0]


def too_soon(accepted: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Who got a step closer to the one before it than its `after`."""
    last: dict[str, float] = {}
    for entry in sorted(accepted, key=lambda each: float(each["at"])):
        person, step, at = entry["person"], _step(entry), entry["at"]
        if person in last and at - last[person] < STEPS[step]:
            yield f"{person} {step}"
        last[person] = at


def after_answers(
    accepted: Sequence[Mapping[str, Any]], received: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, float]]:
    """Follow-ups that were accepted after an answer, and how many seconds after it."""
    first: dict[str, float] = {}
    for entry in accepted:
        person, at = entry["person"], entry["at"]
        since = first.setdefault(person, at)
        times = [
            each["at"] for each in received if each["person"] == person and since <= each["at"] < at
        ]
        if times and _step(entry) != "1":
            yield f"{person} {_step(entry)}", at - min(times)


def passed_over(
    follow_ups: Sequence[FollowUp], doubtful: set[str], reasons: Mapping[str, set[str]]
) -> Iterator[str]:
    """Who has a follow-up that was due and is not sent, without a true reason. `doubtful`: people
    who are named as in doubt; `reasons`: whom each may be true of."""
    for each in follow_ups:
        if each.status == "sent" or each.person in doubtful:
            continue
        is_true = each.person in reasons.get(each.reason, ())
        if each.reason == "step_before":
            is_true = each.before in ("skipped", "rejected", "failed", "cancelled")
        if not is_true:
            yield f"{each.person} {each.step} is {each.status} ({each.reason})"


@dataclass(slots=True)
class StepCampaign(Campaign):
    """One campaign with follow-ups, brought to its end through kills."""

    others: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    settled: set[str] = field(default_factory=set)  # of whom a person has said what is true

    def live(self, *, resend: bool) -> None:
        self._write(resend=resend)
        self._let_go_wrong()
        self.project.api.ask("answers", ANSWERS)
        for _ in range(KILLS):
            self._kill_one()
            self._act()
            self._note()
            messages = self._messages()
            waiting = [m for m in messages if m.status not in ("sent", "skipped", "rejected")]
            if self.soak.done or (messages and not waiting):
                break
        self.project.api.faults()
        self._end()
        if self._doubtful() and self.luck.random() < 0.5:
            self._settle_by_word(self._doubtful())
        self._close()

    def _write(self, *, resend: bool) -> None:
        luck = self.luck
        settle = "2s" if resend else luck.choice(("0.1s", "1s"))
        later = "".join(
            f'  - {{name: {name}, after: {after:.0f}s, text: "{name}: {{{{ first_name }}}}?"}}\n'
            for name, after in STEPS.items()
            if name != "1"
        )
        self.project.write(
            self.everyone,
            text="1: {{ first_name }}, shall I send the notes?",
            concurrency=luck.choice((1, 2, 4, 16)),
            retry=f"settle: {settle}, absent: {'resend' if resend else 'hold'}, attempts: 100, "
            f"timeout: 3s, key_life: {luck.choice(('0s', '3s', '1h', '1h'))}",
            more=f"name: {self.name}\nsteps:\n{later}replies: {{poll: {POLL:.0f}s}}\n",
        )

    def _act(self) -> None:
        """People and colleagues write between two runs, threads are assigned and restricted, and
        events are lost."""
        luck, api = self.luck, self.project.api
        threads = {each["person"]: each["thread_id"] for each in api.accepted}
        for person in luck.sample(sorted(threads), min(len(threads), luck.choice((0, 0, 1, 2)))):
            about = {"accountLinkId": LINK, "platformId": person}
            thread = {"id": threads[person]}
            match luck.choice(("write", "write", "write", "colleague", "assigned", "restricted")):
                case "write":
                    api.ask("act", about | {"write": "Hello"})
                case "colleague":
                    api.ask("act", about | {"colleague": "I'll take this one"})
                    self.others["colleague"].add(person)
                case "assigned":
                    api.ask("thread", thread | {"assigned": True})
                    self.others["assigned"].add(person)
                case _:
                    api.ask("thread", thread | {"restrictions": ["message:send"]})
                    self.others["restricted"].add(person)
        if luck.random() < 0.1:
            api.ask("feed", {"kept": luck.choice((1, 3, 25_000)), "refuse_old": True})

    def _rows(self) -> list[Message]:
        """The ledger's messages, each with the person's step for the person."""
        found = messages_of(self.project.ledger, self.name)
        with contextlib.closing(sqlite3.connect(self.project.ledger)) as connection:
            steps = connection.execute(
                "select message.step from message join campaign on campaign.id = message.campaign"
                " where campaign.name = ? order by message.id",
                (self.name,),
            ).fetchall()
        for message, (step,) in zip(found, steps, strict=False):
            message.recipient = f"{message.recipient} {step}"
        return found

    def _note(self) -> None:
        """Note what must not be at any moment. First the ledger: what waits is not under way."""
        if not self._messages():
            return
        found = lies(self._rows(), by_step(self.project.api.accepted))
        with self.soak.lock:
            self.soak.verdict.note(found)

    def _settle_by_word(self, doubtful: set[str]) -> None:
        """A person looks, and says the truth of whatever is in doubt."""
        got = {each["person"] for each in by_step(self.project.api.accepted)}
        asked = [each.recipient for each in self._rows() if each.status == "in_doubt"]
        words = []
        for place in asked:
            words += ["--sent" if place in got else "--not-sent", place.partition(" ")[0]]
        self.settled |= {place.partition(" ")[0] for place in asked}
        self._run("resolve", *words)
        self._end()

    def _close(self) -> None:
        api, verdict = self.project.api, self.soak.verdict
        assert isinstance(verdict, StepVerdict)
        doubtful, rows, accepted = self._doubtful(), self._rows(), api.accepted
        received = api.ask("received")
        late = list(after_answers(accepted, received))
        follow_ups = follow_ups_of(self.project.ledger, self.name)
        reasons = self._true_reasons(received)
        reached = {each["person"] for each in accepted}
        listed = {person for each in self.listed for person in each.people}
        stopped = {each["person"] for each in received}
        with self.soak.lock:
            self.soak.campaigns += 1
            verdict.note(lies(rows, by_step(accepted)))
            verdict.note({"unwanted": unwanted(self.listed, accepted)})
            verdict.note({"lost": set(self.everyone) - reached - doubtful - listed - stopped})
            verdict.note({"too soon": set(too_soon(accepted))})
            verdict.note({"after an answer": {who for who, after in late if after > POLL}})
            verdict.within_a_poll += sum(AT_ONCE < after <= POLL for _, after in late)
            verdict.note({"passed over": set(passed_over(follow_ups, doubtful, reasons))})
            verdict.people += len(self.everyone)
            verdict.attempts += sum(len(each.attempts) for each in rows)
            verdict.accepted += len(accepted)
            verdict.follow_ups += sum(_step(each) != "1" for each in accepted)
            verdict.answers += len(received)
            verdict.in_doubt += len(doubtful)
            verdict.listed += len(listed)
            verdict.amiss += sum("amiss" in each for each in accepted)
            verdict.settled.update(each.settled for each in rows if each.settled)
            verdict.reasons.update(
                each.reason or each.status for each in follow_ups if each.status != "sent"
            )
            sys.stdout.write(self.soak.line() + "\n")
            sys.stdout.flush()

    def _true_reasons(self, received: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
        """Whose follow-ups may have been skipped for what."""
        wrote = {each["person"] for each in received}
        listed = {person for each in self.listed for person in each.people}
        return {
            "replied": wrote,
            "colleague": self.others["colleague"],
            "assigned": self.others["assigned"],
            "restricted": self.others["restricted"],
            "threadRestricted": self.others["restricted"],  # refused in that very moment
            "suppressed": listed | wrote,
            "thread_gone": self.settled,
        }
