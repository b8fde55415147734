"""What the API's facts leave unknown, drawn by lot: a server's habits, and the weather of a run."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

KEY_LIFE = 3600.0
SETTLE = 120.0
TIMEOUT = 60.0
"""The campaign's `retry.key_life`, `retry.settle` and `retry.timeout`, seconds."""

SEEN_BY = 100.0
"""Seconds from writing a request until what it became is shown, where a server keeps to `settle`:
less than that, since a look-up can begin a few seconds before a frozen owner writes."""


@dataclass(slots=True)
class Habits:
    """How one server behaves where nothing is documented."""

    key_memory: float = math.inf  # seconds that a key is remembered
    after_refusal: str = "free"  # what a key is after a 4xx: free | replay | reused
    after_error: str = "free"  # and after a 5xx that sent nothing
    after_sent_error: str = "result"  # a repeat of what was sent, but answered 5xx: result | replay
    after_unconfirmed: str = "replay"  # result | replay | reused
    checks_first: bool = False  # refuses a request before it looks at its key
    unconfirmed_shows: bool = True  # the message that a sendUnconfirmed named can be read
    punctual: bool = True  # what is accepted shows within SEEN_BY of being written
    shows_after: float = 2.0  # seconds, at most
    never_shows: float = 0.0  # chance
    alters: str = ""  # how texts look when they are read back: trimmed | links | failed
    syncing: float = 0.0  # chance that a look-up says that it is incomplete, and is
    list_lags: float = 0.0  # chance that the newest message is missing in its list
    page: int = 100
    order: str = "newest"  # newest | oldest | any
    skew: float = 0.0  # of the server's clock, seconds
    unavailable: set[str] = field(default_factory=set)  # people nobody can write to
    known: set[str] = field(default_factory=set)  # people who have a thread with older messages


def draw_habits(luck: random.Random, people: list[str], forgets: bool, punctual: bool) -> Habits:
    """A server's habits. `forgets`: keys sooner than the campaign assumes. `punctual`: what it
    accepts shows soon enough to be found after `retry.settle`."""
    known = {person for person in people if luck.random() < 0.3}
    after = ("free", "replay", "reused")
    return Habits(
        key_memory=luck.uniform(1.0, KEY_LIFE)
        if forgets
        # A repeat can be written a few seconds after its key was young enough.
        else luck.choice((math.inf, KEY_LIFE + 10.0, KEY_LIFE * luck.uniform(1.01, 3.0))),
        after_refusal=luck.choice(after),
        after_error=luck.choice(after),
        after_sent_error=luck.choice(("result", "result", "replay")),
        after_unconfirmed=luck.choice(("result", "replay", "reused")),
        checks_first=luck.random() < 0.4,
        unconfirmed_shows=luck.random() < 0.7,
        punctual=punctual,
        shows_after=luck.choice((0.0, 2.0, 30.0)) if punctual else luck.choice((200.0, 5000.0)),
        never_shows=0.0 if punctual else 0.2,
        alters=luck.choice(("", "", "", "trimmed", "links", "failed")),
        syncing=luck.choice((0.0, 0.0, 0.3)),
        list_lags=luck.choice((0.0, 0.0, 0.3)),
        page=luck.choice((1, 2, 100)),
        order=luck.choice(("newest", "newest", "oldest", "any")),
        skew=luck.choice((0.0, luck.uniform(-9000.0, 9000.0))),
        unavailable={person for person in people if luck.random() < 0.05},
        known=known,
    )


@dataclass(frozen=True, slots=True)
class Weather:
    """Chances of what can go wrong with one request of a run; calm by default."""

    unreachable: float = 0.0  # no connection
    lost_before: float = 0.0  # the request is lost after it was written
    stuck: float = 0.0  # the request is under way for up to a minute
    rate_limit: float = 0.0  # 429
    slowed: float = 0.0  # the platform slows the sender down (v2)
    refusal: float = 0.0  # a 4xx for this recipient, this time
    error_before: float = 0.0  # 5xx and nothing was sent
    error_after: float = 0.0  # 5xx and it was, or will be
    unconfirmed: float = 0.0  # sendUnconfirmed (v2)
    slow: float = 0.0  # accepted up to a minute later
    silent: float = 0.0  # no answer comes, whatever became of it
    reset: float = 0.0  # the connection breaks before the answer
    half: float = 0.0  # the answer breaks off
    question: float = 0.0  # a look-up fails
    disk: float = 0.0  # a commit fails, or seems to


def draw_weather(luck: random.Random) -> Weather:
    """Some weather: now and then calm, now and then a storm."""
    force = luck.choice((0.0, 0.3, 0.7, 0.7, 1.0, 1.5))

    def chance(most: float) -> float:
        return force * most * luck.choice((0.0, 0.5, 1.0))

    return Weather(
        unreachable=chance(0.1),
        lost_before=chance(0.15),
        stuck=chance(0.15),
        rate_limit=chance(0.15),
        slowed=chance(0.05),
        refusal=chance(0.12),
        error_before=chance(0.15),
        error_after=chance(0.2),
        unconfirmed=chance(0.1),
        slow=chance(0.25),
        silent=chance(0.15),
        reset=chance(0.2),
        half=chance(0.1),
        question=chance(0.3),
        disk=chance(0.03),
    )
