"""Settings of a sandbox. The defaults are one reading of what the public documents leave open."""

import asyncio
import time
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.sandbox.answers import NO_ANSWERS, Answers
from runner.sandbox.api.refusals import WORDINGS
from runner.sandbox.faults import Fault
from runner.sandbox.feed import FeedSettings
from runner.sandbox.people import SPECIALS, UNCONFIRMED, UNCONFIRMED_DELIVERED, made_up_id
from runner.sandbox.quotas import PER_DAY, PER_HOUR, PER_MINUTE

Clock = Callable[[], float]
"""Gives Unix seconds."""

MANGLERS: dict[str, Callable[[str], str]] = {
    "strip": str.strip,
    "spaces": lambda text: " ".join(text.split()),
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "nfd": lambda text: unicodedata.normalize("NFD", text),
    "links": lambda text: text.replace("https://", "https://t.co/"),
}
"""Ways in which a platform may change a text; whether it does is not documented."""

V1_ORDERS = ("newest", "oldest", "mixed")
"""Orders of v1's list of messages, which is not documented; ``mixed`` is the same every time."""

TOKEN = "sandbox-token"
"""The token of a sandbox that is given none."""

X_REQUESTS = 300
"""Requests that an app may make to X's users lookup in 15 minutes (xdevplatform/docs
x-api/fundamentals/rate-limits.mdx)."""

TEAM_ID = "hzcai5t59nn9vsck3rbuepyg"
"""The team of that token."""

SEND = "message:send"
CAPABILITIES = (SEND, "message:react", "message:reply", "thread:message-requests")
"""Capabilities of the sandbox's links (a placeholder list: the real one is not documented)."""


@dataclass
class AccountLink:
    """An account of the team: one sender. Change its fields while the sandbox runs, if need be.

    ``set_up=False`` gives 409 integrationSetupRequired. A link of a platform other than twitter
    shows on v2 only, since v1 is X only.
    """

    id: str
    username: str
    display_name: str
    platform_id: str
    platform: str = "twitter"
    status: str = "active"
    pause_reasons: list[str] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=lambda: list(CAPABILITIES))
    set_up: bool = True
    team: str = ""  # set by the sandbox that it belongs to
    created_at: str = "2026-08-30T09:00:00.000Z"
    synced_at: str | None = "2026-09-01T09:00:00.000Z"

    def __post_init__(self) -> None:
        if self.status not in LINK_STATUSES:
            raise ValueError(f"link {self.id}: status {self.status!r}; known: {LINK_STATUSES}")


LINK_STATUSES = ("active", "offline", "paused")


def default_links() -> list[AccountLink]:
    """Return the two senders of a sandbox that is given none."""
    return [
        AccountLink("df6jbw4h36qm5d9iu2sgn7kx", "acmecorp", "Acme Corp", "1566123362161725440"),
        AccountLink("k2v7q9x4m1n8b3c6z5l0p7ty", "acmesales", "Acme Sales", "1566123362161725441"),
    ]


@dataclass
class Options:
    """Every setting of a sandbox; all of them are keyword arguments of ``Sandbox``.

    Seconds throughout. ``characters`` is the sandbox's own number: that of X is not documented.
    """

    token: str = TOKEN
    faults: Iterable[Fault | str] = ()
    per_minute: int | None = PER_MINUTE
    per_hour: int | None = PER_HOUR
    per_day: int | None = PER_DAY
    record: Path | None = None
    seed: int = 0
    latency: float = 0.0
    keepalive: float = 3630.0  # of a connection that nothing is asked on; aiohttp's default
    clock: Clock = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    links: Iterable[AccountLink] | None = None
    contacts: Mapping[str, str] = field(default_factory=dict)
    characters: int | None = 10_000
    specials: Mapping[str, str] = field(default_factory=lambda: dict(SPECIALS))
    recipients: Mapping[str, str] = field(default_factory=dict)
    key_life: float | None = None
    key_used_by_4xx: bool = False
    replay_unconfirmed: bool = True
    compare: str = "value"
    mangle: str | Callable[[str], str] | None = None
    show_after: float = 0.0
    accept_late: float = 0.0
    v1_order: str = "newest"
    page: int | None = None
    advanced_api: bool = True
    workspace_locked: bool = False
    platforms_off: Collection[str] = ()
    tag_limit: int | None = None
    people: Iterable[Mapping[str, Any]] = ()
    meets_everyone: bool = False
    x_token: str = TOKEN
    x_requests: int = X_REQUESTS
    answers: Answers = NO_ANSWERS
    feed: FeedSettings = field(default_factory=FeedSettings)
    accepts: Callable[[], None] = lambda: None  # called with each send that was accepted

    def __post_init__(self) -> None:
        if self.compare not in ("value", "bytes"):
            raise ValueError(f"compare must be value or bytes, not {self.compare!r}")
        if isinstance(self.mangle, str) and self.mangle not in MANGLERS:
            raise ValueError(f"unknown mangle {self.mangle!r}; known: {', '.join(MANGLERS)}")
        if self.v1_order not in V1_ORDERS:
            known_orders = ", ".join(V1_ORDERS)
            raise ValueError(f"unknown order {self.v1_order!r}; known: {known_orders}")
        if self.page is not None and self.page < 1:
            raise ValueError(f"page must be a whole number from 1, not {self.page}")
        known = {*WORDINGS, UNCONFIRMED, UNCONFIRMED_DELIVERED, "sent"}
        for recipient, outcome in {**self.specials, **self.recipients}.items():
            if outcome not in known:
                raise ValueError(f"recipient {recipient}: unknown outcome {outcome!r}")

    @property
    def team_id(self) -> str:
        """Return the team whose token it is: another token is another team's."""
        return TEAM_ID if self.token == TOKEN else made_up_id("team", self.token)

    def mangled(self, text: str) -> str:
        """Return the text as the platform shows it afterwards."""
        if self.mangle is None:
            return text
        return MANGLERS[self.mangle](text) if isinstance(self.mangle, str) else self.mangle(text)

    def outcome(self, *ids: str) -> str:
        """Return the outcome of a send to someone with these ids: ``sent``, or a name as in
        SPECIALS."""
        for one in ids:
            if one in self.recipients:
                return self.recipients[one]
        return self.specials.get(ids[0][-4:], "sent")


def characters(text: str) -> int:
    """Count as ``limits.characters`` is described: an emoji, however composed, counts as one."""
    count = 0
    joined = flag = False
    for char in text:
        point = ord(char)
        if joined:
            joined = False
        elif flag and 0x1F1E6 <= point <= 0x1F1FF:
            flag = False
        elif point == 0x200D:
            joined = True
        elif not (unicodedata.combining(char) or 0xFE00 <= point <= 0xFE0F) and not (
            0x1F3FB <= point <= 0x1F3FF
        ):
            count += 1
            flag = 0x1F1E6 <= point <= 0x1F1FF
    return count
