"""Channels: the API's versions behind one interface.

A channel turns a message into request bytes, sends them, looks a message up, and maps every
foreign answer to an `Outcome` or a `LookupResult` at this one border. It knows HTTP, and neither
the ledger nor pacing. `ChannelError` out of a channel stops the run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from urllib.parse import quote

from runner.message.outcome import LookupResult, Outcome
from runner.message.prospect import Recipient
from runner.passwords import HIDDEN, SHORTEST


class Token:
    """An API token that never shows: `repr`, `str` and logs see stars; `reveal()` gives it."""

    __slots__ = ("_pattern", "_raw", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        spelled = "|".join(re.escape(each) for each in {value, quote(value, safe="")} if each)
        self._pattern = re.compile(spelled, re.IGNORECASE) if spelled else None
        self._raw = re.compile(spelled.encode(), re.IGNORECASE) if spelled else None

    def reveal(self) -> str:
        return self._value

    def scrub(self, text: str) -> str:
        """Return `text` with every occurrence of the token starred out, in capitals or
        percent-encoded too."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def may_be_in(self, body: bytes) -> bool:
        """Return whether the texts of a JSON body may hold the token: it does, or it has escapes,
        or is not in UTF-8."""
        if self._raw is None or len(self._value) < SHORTEST:
            return False
        return b"\\" in body or b"\0" in body or self._raw.search(body) is not None

    def __repr__(self) -> str:
        return "Token(***)"

    __str__ = __repr__


class AskLater(Exception):
    """A question is to be asked again later. `after`: in how many seconds; None if the answer does
    not say."""

    def __init__(self, why: str, after: float | None) -> None:
        super().__init__(why)
        self.after = after


class Quota(NamedTuple):
    """The team's request limits as an answer has them: `remaining` requests of a window's `limit`,
    and in how many seconds there are more; None when that was not said, or not understood."""

    limit: int
    remaining: int
    more_in: float | None = None


class Answer(NamedTuple):
    """The result of one send. `status` is HTTP's, 0 when there was no answer; `server_at` is the
    answer's own `Date` in Unix seconds; `quota` is None when it names none that can be;
    `stamped_at` is when the message of an acceptance was written, by the API's word."""

    outcome: Outcome
    status: int = 0
    request_id: str = ""
    server_at: float | None = None
    quota: Quota | None = None
    stamped_at: float | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """The marks by which a look-up recognises a message: `not_before` is the first attempt's start
    by the server's clock (Unix seconds); `stamped_from` is the earliest that its message can be
    stamped, as far as acceptances of that time have shown how the clocks are apart, None where
    none has; `message_id` is the id that an unconfirmed answer gave."""

    sender: str
    recipient: Recipient
    text: str
    not_before: float
    message_id: str = ""
    stamped_from: float | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """The team that the token belongs to."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class AccountLink:
    """A connected account. `can_send` is None where the API version does not tell."""

    id: str
    platform: str
    username: str
    name: str
    status: str
    pause_reasons: tuple[str, ...] = ()
    can_send: bool | None = None


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform of the team. `characters`: longest text allowed, None for no limit."""

    platform: str
    characters: int | None
    can_send: bool


Hear = Callable[[Quota | None], None]
"""Told what the answer to a question said of the team's request limits."""

Gate = Callable[[], AbstractAsyncContextManager[Hear | None]]
"""Entered around every request that is not a send: waits for a permit of the team and counts. Gives
whom to tell what the answer says of the limits, if anybody."""

HeldBack = Callable[[], bool]
"""A function that says whether a body that is about to be written must not leave after all."""


def never() -> bool:
    """Hold nothing back."""
    return False


Taken = Callable[[str], Awaitable[bool]]
"""A function that says whether an API message id already belongs to a row of the ledger."""


ASKED_AT: ContextVar[float] = ContextVar("asked_at", default=math.inf)
"""The time at which the task that runs has last asked the API something (boot seconds), once it had
its turn."""


class UnreadableFeed(Exception):
    """The other side's messages cannot be read now: `str()` says why. `status`: HTTP's, of a
    refusal, or 200 of one message that was given but makes no sense."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


class Received(NamedTuple):
    """An event of a message that the team has received. `at`: the event's time by the server's
    clock, no earlier than the message's (Unix s)."""

    message_id: str
    thread_id: str
    at: float
    seq: int


class EventPage(NamedTuple):
    """A page of events. `last_seq`: the number of the last one that was read, None for none."""

    received: list[Received]
    last_seq: int | None
    has_more: bool


class OldestEvent(NamedTuple):
    """The oldest event that is kept: its number, and its time by the server's clock (Unix s)."""

    seq: int
    at: float


class InboundText(NamedTuple):
    """A message of a thread. `at`: by the server's clock (Unix s); `ours`: our own side wrote
    it."""

    id: str
    at: float
    text: str
    ours: bool = False


class ThreadState(NamedTuple):
    """A thread. `people`: every id of the person, of all their profiles; `last_id`: its newest
    message, `last_inbound`: whether the other side wrote that, `last_at`: when (Unix s);
    `syncing`: older messages are still coming; `assignee`: empty for nobody; `restricted`: nothing
    may be sent in it. None: not told."""

    sender: str
    people: tuple[str, ...]
    last_id: str
    syncing: bool
    last_inbound: bool | None = None
    last_at: float | None = None
    assignee: str | None = None
    restricted: bool | None = None


class Conversations(Protocol):
    """The other side of the team's conversations. Each method raises UnreadableFeed where it cannot
    be read now, and LaneEnding."""

    async def received(self, after: int | None) -> EventPage: ...

    async def oldest(self) -> OldestEvent | None: ...

    async def text(self, message_id: str) -> InboundText | None: ...

    async def thread(self, thread_id: str) -> ThreadState | None: ...

    async def newest(self, thread_id: str) -> list[InboundText] | None: ...


class Channel(Protocol):
    """One version of the API, for one token."""

    version: str
    origin: str
    """`scheme://host[:port]`: what a campaign is bound to, whatever the version."""
    base_url: str
    """The address of this version, without a slash at the end."""
    idempotent: bool
    """True where the same bytes under the same key can be sent again without a second message."""
    conversations: Conversations | None
    """The other side, None where the version does not tell of it."""
    ends_at: float | None
    """The announced end of this version (Unix seconds); None for none."""

    def compose(self, sender: str, recipient: Recipient, text: str, thread: str = "") -> bytes:
        """Return the exact request body; the same input gives the same bytes, always. `thread`: to
        be sent in this one, which is there already."""
        ...

    def server_now(self) -> float:
        """Return Unix seconds by the server's clock, as far as its answers have told."""
        ...

    async def send(
        self, body: bytes, key: str, deadline: float | None, held_back: HeldBack = never
    ) -> Answer:
        """Send once. `deadline` (boot-time seconds) and `held_back` are looked at again in the step
        that writes the body: past the one, or if the other says so, nothing is written. Never
        raises for what an answer or the network says."""
        ...

    async def look_up(self, lookup: Lookup, taken: Taken) -> LookupResult:
        """Ask whether a message is there. Never raises for what an answer or the network says."""
        ...

    async def team(self) -> Team: ...

    async def account_links(self) -> list[AccountLink]: ...

    async def platforms(self) -> list[Platform]: ...

    async def close(self) -> None: ...
