"""Acquaintances: what Inbox knows of people whom the team may be talking to, and what keeps a
campaign from writing to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from unicodedata import combining, normalize

from runner.message.status import SkipReason


class Talk(NamedTuple):
    """The last message of a conversation that is none of this ledger's: when it was written (Unix
    s), by the person (`inbound`) or to them, and the account link."""

    at: float
    link: str
    inbound: bool


class Acquaintance(NamedTuple):
    """A person as Inbox knew them at `asked_at` (Unix s). `contact`: the contact's id, empty for
    one whom the team never talked to and never imported. `state`: of the account on its platform.
    Never a word of what was written."""

    recipient: str
    asked_at: float
    contact: str = ""
    state: str = ""
    assignee: str = ""
    status: str = ""
    tags: tuple[str, ...] = ()
    talk: Talk | None = None


class SkipRules(NamedTuple):
    """The rules of `skip_known`. `talked_within` in seconds, None for no such rule; statuses and
    tags in the form of `one_name`."""

    talked_within: float | None = None
    assigned: bool = False
    statuses: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


class Obstacle(NamedTuple):
    """The reason why a person is not written to; when it is over by itself (Unix s), 0 if that is
    not known; and the rule in a word, to be counted by."""

    reason: SkipReason
    detail: str
    free_at: float = 0.0
    word: str = ""


FRESH = 86_400.0
"""Seconds for which an answer of Inbox is taken for the present."""


def is_fresh(known: Acquaintance | None, now: float) -> bool:
    """Return whether something is known of a person that is young enough. What is far in the future
    was asked by a clock that was wrong."""
    return known is not None and abs(now - known.asked_at) < FRESH


def one_name(name: str) -> str:
    """Return the name of a status or tag as Inbox compares it: without case and accents."""
    plain = "".join(c for c in normalize("NFKD", name.casefold()) if not combining(c))
    return plain.strip()


def bar_of(
    known: Acquaintance, rules: SkipRules, now: float, handles: Mapping[str, str]
) -> Obstacle | None:
    """Return why a campaign does not write to a person, None if it may. `handles`: of account
    links, for people."""
    asked = f"asked on {_day(known.asked_at)}"
    if known.state in ("suspended", "notFound"):
        word = "suspended" if known.state == "suspended" else "deleted or switched off"
        return Obstacle(
            SkipReason.ACCOUNT_GONE, f"the account is {word} ({asked})", word="account gone"
        )
    talk, within = known.talk, rules.talked_within
    if talk is not None and within is not None and talk.at > now - within:
        link = f"@{handles[talk.link]}" if talk.link in handles else talk.link
        who = f"they wrote to {link}" if talk.inbound else f"{link} wrote to them"
        free_at = talk.at + within
        detail = f"{who} on {_day(talk.at)}; free from {_day(free_at)} ({asked})"
        return Obstacle(SkipReason.IN_TALKS, detail, free_at, "in talks")
    if rules.assigned and known.assignee:
        return Obstacle(SkipReason.ASSIGNED, f"assigned to a member ({asked})", word="assigned")
    if known.status and one_name(known.status) in rules.statuses:
        return Obstacle(
            SkipReason.STATUS, f"is {known.status} in Inbox ({asked})", word=known.status
        )
    for tag in known.tags:
        if one_name(tag) in rules.tags:
            return Obstacle(
                SkipReason.TAG, f"has the tag {tag} in Inbox ({asked})", word=f"tag {tag}"
            )
    return None


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
