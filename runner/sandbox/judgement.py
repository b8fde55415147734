"""The judgement of a rehearsal, by the sandbox's own list of what it accepted and received."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from runner.sandbox.store import Store

EXCEPTED = 1.0
"""Seconds before a send in which an answer may come too late to be seen: no API sends on the
condition that nobody has answered (the client's docs/guarantee.md)."""


class Happened(NamedTuple):
    """Something that happened at a moment (Unix s): ``first``, a first message to a person;
    ``later``, a further one; ``answered``, a person's first answer."""

    at: float
    kind: str


def happenings(store: Store) -> Iterator[Happened]:
    """Give what happened, in no order."""
    begun: dict[str, float] = {}
    for entry in store.accepted:
        kind = "later" if entry["person"] in begun else "first"
        begun.setdefault(entry["person"], entry["at"])
        yield Happened(entry["at"], kind)
    answered: set[str] = set()
    for at, person in sorted(store.received):
        if person in begun and at >= begun[person] and person not in answered:
            answered.add(person)
            yield Happened(at, "answered")


def written_after_answer(store: Store) -> list[str]:
    """Return the messages that went to people who had answered an earlier one, as ids; an answer
    counts from EXCEPTED seconds on."""
    begun: dict[str, float] = {}
    received: dict[str, list[float]] = defaultdict(list)
    for at, person in store.received:
        received[person].append(at)
    found = []
    for entry in store.accepted:
        person, at = entry["person"], entry["at"]
        since = begun.setdefault(person, at)
        if any(since <= one <= at - EXCEPTED for one in received[person]):
            found.append(entry["message_id"])
    return found


def doubled(store: Store) -> list[str]:
    """Return the messages that a person had got already, as ids: with the same text, or the same
    key."""
    seen: set[tuple[str, str, str]] = set()
    found = []
    for entry in store.accepted:
        marks = {(entry["person"], "text", entry["content"])}
        if entry["key"] is not None:
            marks.add((entry["person"], "key", entry["key"]))
        if marks & seen:
            found.append(entry["message_id"])
        seen |= marks
    return found
