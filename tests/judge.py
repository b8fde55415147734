"""Holds what a ledger says against the sandbox's own list of what it accepted."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as it lies in the ledger."""

    outcome: str
    evidence: str
    message_id: str


@dataclass(slots=True)
class Message:
    """A message as it lies in the ledger; ids are the API's."""

    recipient: str
    status: str
    message_id: str | None
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def ids(self) -> set[str]:
        """Every id under which it is said to have been accepted."""
        found = {each.message_id for each in self.attempts if each.outcome == "accepted"}
        return {id for id in (*found, self.message_id) if id}

    @property
    def settled(self) -> str:
        """How it was known to be sent after doubt: empty when there was none, or it is not sent."""
        if self.status != "sent":
            return ""
        known = next(each.evidence for each in self.attempts if each.outcome == "accepted")
        if known == "accepted":
            return "repeat" if any(each.outcome == "unknown" for each in self.attempts) else ""
        return {"found": "look-up", "replayed": "replay", "said_sent": "word"}[known]


def messages_of(ledger: Path, name: str) -> list[Message]:
    """A campaign's messages, straight from an SQLite ledger; none while it has no tables."""
    if not ledger.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        if not connection.execute("select 1 from sqlite_master where name = 'message'").fetchall():
            return []
        of_campaign = "join campaign on campaign.id = message.campaign where campaign.name = ?"
        found = {
            id: Message(*rest)
            for id, *rest in connection.execute(
                f"select message.id, recipient, status, message_id from message {of_campaign}"
                " order by message.id",
                (name,),
            )
        }
        for id, *rest in connection.execute(
            "select message.id, outcome, evidence, attempt.message_id from attempt"
            f" join message on message.id = attempt.message {of_campaign}"
            " order by message.id, number",
            (name,),
        ):
            found[id].attempts.append(Attempt(*rest))
        return list(found.values())


def statuses(messages: Iterable[Message]) -> Counter[str]:
    """How many messages have which status."""
    return Counter(message.status for message in messages)


def lies(messages: Iterable[Message], accepted: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    """What must not be at any moment, by name, and whom it is about. Read the ledger first: what
    waits in the queue is not under way, and cannot be accepted meanwhile."""
    times = Counter(entry["person"] for entry in accepted)
    ids = {(entry["person"], entry["message_id"]) for entry in accepted}
    found: dict[str, set[str]] = {name: set() for name in LIES}
    found["doubled"] = {person for person, count in times.items() if count > 1}
    amiss = {entry["person"] for entry in accepted if entry.get("amiss")}
    for message in messages:
        who = message.recipient
        if who in amiss and any(each.evidence == "accepted" for each in message.attempts):
            found["believed"].add(who)
        if message.status == "sent" and not times[who]:
            found["phantom"].add(who)
        if message.status not in ("sending", "in_doubt", "sent") and times[who]:
            found["forgotten"].add(who)
        if any((who, id) not in ids for id in message.ids):
            found["with a foreign id"].add(who)
    return found


LIES = {
    "doubled": "written to twice",
    "lost": "neither accepted nor named as in doubt",
    "phantom": "sent by the ledger, and never accepted",
    "forgotten": "accepted, and not known to the ledger as perhaps sent",
    "with a foreign id": "a message id that is not the sandbox's",
    "believed": "sent by an answer that was about something else",
    "unwanted": "written to after the command had returned that put them on the list",
    "forked": "written to from two copies of one ledger",
    "unapproved": "sent what the approved plan does not have",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """People who were put on the do-not-contact list. `at`: when that command had returned, Unix
    seconds; `told`: of whom it said that it could not hold their message back."""

    people: frozenset[str]
    at: float
    told: frozenset[str] = frozenset()


def unwanted(listed: Iterable[Listed], accepted: Sequence[Mapping[str, Any]]) -> set[str]:
    """Who was written to although they were on the list, and not said to be on the way."""
    late = [(entry["person"], entry["at"]) for entry in accepted]
    return {
        person
        for each in listed
        for person, at in late
        if person in each.people - each.told and at > each.at
    }


def forked(before: Sequence[Message], copies: Sequence[Sequence[Message]]) -> set[str]:
    """Whom more than one of the copies of a ledger, all made as it was `before`, began to write
    to anybody from: of these copies, everybody."""
    attempts = {message.recipient: len(message.attempts) for message in before}
    begun = [
        {each.recipient for each in copy if len(each.attempts) > attempts.get(each.recipient, 0)}
        for copy in copies
    ]
    further = [people for people in begun if people]
    return set().union(*further) if len(further) > 1 else set()


@dataclass(slots=True)
class Verdict:
    """Figures of many campaigns, and whom something untrue was found about."""

    people: int = 0
    attempts: int = 0
    accepted: int = 0
    in_doubt: int = 0
    listed: int = 0  # put on the do-not-contact list meanwhile
    amiss: int = 0  # acceptances whose answer was about something else
    copies: int = 0  # of the ledger, that were started
    resent: int = 0  # taken as not sent, since a look-up did not show it
    settled: Counter[str] = field(default_factory=Counter)
    found: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in LIES})
    broken: list[str] = field(default_factory=list)  # other things that must not be

    @property
    def good(self) -> bool:
        return not any(self.found.values()) and not self.broken

    def note(self, found: Mapping[str, Collection[str]]) -> None:
        """Add what was found at one moment."""
        for name, people in found.items():
            self.found[name].update(people)

    def close(
        self,
        everyone: Collection[str],
        messages: Sequence[Message],
        accepted: Sequence[Mapping[str, Any]],
        doubtful: Collection[str],
        listed: Collection[Listed] = (),
    ) -> None:
        """Judge a campaign at its end. `doubtful`: whom the command line names as in doubt."""
        self.note(lies(messages, accepted))
        self.note({"unwanted": unwanted(listed, accepted)})
        reached = {entry["person"] for entry in accepted}
        skipped = {message.recipient for message in messages if message.status == "skipped"}
        on_the_list = {person for each in listed for person in each.people}
        self.note({"lost": set(everyone) - reached - set(doubtful) - (skipped & on_the_list)})
        self.listed += len(on_the_list)
        self.amiss += sum("amiss" in entry for entry in accepted)
        self.people += len(everyone)
        self.attempts += sum(len(message.attempts) for message in messages)
        self.accepted += len(accepted)
        self.in_doubt += len(doubtful)
        self.settled.update(message.settled for message in messages if message.settled)
        self.resent += sum(
            each.evidence == "absent_assumed" for message in messages for each in message.attempts
        )

    def __str__(self) -> str:
        ways = ", ".join(f"{way} {count}" for way, count in sorted(self.settled.items()))
        return (
            f"{self.people} people, {self.attempts} attempts, {self.accepted} accepted, "
            + "".join(f"{name} {len(people)}, " for name, people in self.found.items())
            + f"in doubt at the end {self.in_doubt}, settled {self.settled.total()}"
            + (f" ({ways})" if ways else "")
            + f", taken as not sent {self.resent}, put on the list {self.listed}, answered about "
            f"something else {self.amiss}, copies of the ledger started {self.copies}"
        )
