"""A server that takes messages as v1 and v2 of the Inbox API do, and keeps its own list of them.

Written from the API's facts alone; of `runner` it knows nothing.
"""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from tests.simulation.habits import SEEN_BY, Habits, Weather
from tests.simulation.world import EPOCH, World

LINK = "df6jbw4h36qm5d9iu2sgn7kx"


@dataclass(slots=True)
class Kept:
    """A message that the server has accepted. `mark`: who wrote it, for the judge alone."""

    id: str
    person: str
    content: str
    at: float  # true time of acceptance
    shows_at: float
    mark: str = ""
    origin: str = "api"
    confirmed: bool = True
    inbound: bool = False  # from the other side
    written: float = 0.0  # true time at which its request left


class Event(NamedTuple):
    """A message of the other side in the team's events."""

    seq: int
    kept: Kept


@dataclass(slots=True)
class Reply:
    """An answer, and when it leaves. `at` None: never."""

    status: int
    body: object
    at: float | None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Request:
    """A POST on its way: written at `written`, at the server at `arrives`."""

    version: str
    key: str  # as the header says; empty on v1
    body: bytes
    mark: str
    weather: Weather
    written: float
    arrives: float = 0.0
    reply: Reply | None = None


@dataclass(slots=True)
class Key:
    """What the server knows of an idempotency key."""

    body: bytes
    since: float
    running: str = ""  # the id of the message being sent
    kept: Kept | None = None
    reply: Reply | None = None  # to be given again
    used_up: bool = False


class Happening(Protocol):
    """What comes to pass at its time. `mark`: of a request that may still become a message."""

    mark: str

    def __call__(self, at: float) -> None: ...


@dataclass(slots=True)
class Server:
    """The server. Nothing happens by itself: `advance` brings it up to the world's time."""

    world: World
    habits: Habits
    luck: random.Random
    kept: list[Kept] = field(default_factory=list)
    keys: dict[str, Key] = field(default_factory=dict)
    written: list[float] = field(default_factory=list)  # true times of requests, questions too
    views: dict[str, tuple[list[Kept], bool]] = field(default_factory=dict)  # of look-ups
    plain: bool = False  # look-ups show everything as it is
    events: list[Event] = field(default_factory=list)
    events_kept: int = 1000
    refuses_old: bool = False  # answers 400 to a place in the events that is no longer kept
    said_gone: set[str] = field(default_factory=set)  # people whose thread was told not to be there
    gone: set[str] = field(default_factory=set)  # people whose thread was deleted
    assigned: set[str] = field(default_factory=set)
    restricted: set[str] = field(default_factory=set)  # where nothing may be sent any more
    _coming: list[tuple[float, int, Happening]] = field(default_factory=list)
    _count: int = 0

    def number(self) -> int:
        self._count += 1
        return self._count

    def advance(self) -> None:
        """Let everything happen that was due by now."""
        while self._coming and self._coming[0][0] <= self.world.now + 1e-6:
            at, _, happen = heapq.heappop(self._coming)
            happen(at)

    def settle_all(self) -> None:
        """Let everything under way happen, and show it from here on as it is."""
        while self._coming:
            self.world.now = max(self.world.now, self._coming[0][0])
            self.advance()
        for kept in self.kept:
            kept.shows_at = min(kept.shows_at, self.world.now)
            kept.confirmed = True
        self.plain = True

    def busy_with(self, mark: str) -> bool:
        """Whether a request with this mark may still become a message."""
        return any(happen.mark == mark for *_, happen in self._coming)

    def post(self, request: Request, way: float) -> None:
        """A request is written; it arrives `way` seconds later."""
        request.arrives = self.world.now + way
        self.written.append(self.world.now)
        self._later(request.arrives, request, self._arrive)

    def _later(self, at: float, request: Request, then: Callable[[Request, float], None]) -> None:
        heapq.heappush(self._coming, (at, self.number(), _Due(request, then)))

    def _says(self, weather: float) -> bool:
        return weather > 0.0 and self.luck.random() < weather

    def _arrive(self, request: Request, at: float) -> None:
        weather = request.weather
        if self._says(weather.rate_limit):
            self._refuse(request, at, self._limited(request), uses_key=self.luck.random() < 0.3)
            return
        if self.habits.checks_first and self._says(weather.refusal):
            self._refuse(request, at, _no(request.version, self.luck), uses_key=False)
            return
        key = self._key(request, at)
        if key is not None:
            request.reply = self._again(key, request, at)
            return
        person = _person(request)
        if person in self.gone and b"threadId" in request.body:
            self._refuse(request, at, (404, "threadNotFound", {}, {}))
        elif person in self.restricted:
            self._refuse(request, at, (422, "threadRestricted", {"capability": "message:send"}, {}))
        elif person in self.habits.unavailable or self._says(weather.refusal):
            self._refuse(request, at, _no(request.version, self.luck))
        elif request.version == "v2" and self._says(weather.slowed):
            wait = self.luck.choice((None, 5, 60))
            details = {"retryAfterSeconds": wait}
            self._refuse(request, at, (429, "platformRateLimited", details, {}))
        elif self._says(weather.error_before):
            self._remember(request, at, self.habits.after_error, self._error(request, at))
        elif request.version == "v2" and self._says(weather.unconfirmed):
            self._unconfirmed(request, at)
        else:
            self._take(request, at)

    def _limited(self, request: Request) -> tuple[int, str, dict[str, Any], dict[str, str]]:
        wait = self.luck.choice(("", "0", "1", "30"))
        code = "rateLimited" if request.version == "v2" else "RATE_LIMITED"
        return 429, code, {"window": "minute", "limit": 300}, {"Retry-After": wait} if wait else {}

    def _key(self, request: Request, at: float) -> Key | None:
        key = self.keys.get(request.key) if request.key else None
        if key is None:
            return None
        if not key.running and at - key.since > self.habits.key_memory:
            del self.keys[request.key]
            return None
        return key

    def _again(self, key: Key, request: Request, at: float) -> Reply:
        """The answer to a key that is known: never a second message."""
        if key.body != request.body or key.used_up:
            return _error(request, at, 422, "idempotencyKeyReused", {})
        if key.running:
            return _error(request, at, 409, "sendInProgress", {"messageId": key.running})
        if key.reply is not None:
            return Reply(key.reply.status, key.reply.body, at + 0.05, key.reply.headers)
        assert key.kept is not None
        self.world.figures["replays"] += 1
        return Reply(200, _result(request.version, key.kept), at + 0.05)

    def _refuse(
        self,
        request: Request,
        at: float,
        refusal: tuple[int, str, dict[str, Any], dict[str, str]],
        *,
        uses_key: bool = True,
    ) -> None:
        status, code, details, headers = refusal
        reply = _error(request, at, status, code, details, headers)
        habit = self.habits.after_refusal
        if not uses_key or request.key in self.keys:
            habit = "free"
        elif code == "rateLimited" and habit == "replay":
            habit = "reused"  # "always safe to repeat": so it is not what a repeat is answered
        self._remember(request, at, habit, reply)

    def _remember(self, request: Request, at: float, habit: str, reply: Reply) -> None:
        """Answer a request that sent nothing; its key is then free, or replays, or used up."""
        if request.key and habit != "free":
            self.keys[request.key] = Key(
                request.body,
                at,
                reply=reply if habit == "replay" else None,
                used_up=habit == "reused",
            )
        request.reply = self._perhaps_silent(request, reply)

    def _error(self, request: Request, at: float) -> Reply:
        """A 5xx in one of its many forms."""
        codes = ((500, "internal"), (502, "platformError"), (503, "platformUnavailable"), (504, ""))
        status, code = self.luck.choice(codes)
        if not code or self.luck.random() < 0.3:
            return Reply(status, b"<html>bad gateway</html>", at + 0.05)
        return _error(request, at, status, code, {"retryAfterSeconds": self.luck.choice((None, 3))})

    def _perhaps_silent(self, request: Request, reply: Reply) -> Reply:
        return Reply(0, b"", None) if self._says(request.weather.silent) else reply

    def _unconfirmed(self, request: Request, at: float) -> None:
        """The server itself does not know: half of these were sent."""
        sent = self.luck.random() < 0.5
        id = f"m{self.number()}"
        reply = _error(request, at, 502, "sendUnconfirmed", {"messageId": id})
        if not sent:
            self._remember(request, at, self._habit_unconfirmed(), reply)
            return
        kept = self._accept(request, at, id)
        kept.confirmed = self.habits.unconfirmed_shows and self.luck.random() < 0.5
        habit = self.habits.after_unconfirmed
        self.keys[request.key] = Key(
            request.body,
            at,
            kept=kept,
            reply=reply if habit == "replay" else None,
            used_up=habit == "reused",
        )
        request.reply = self._perhaps_silent(request, reply)

    def _habit_unconfirmed(self) -> str:
        habit = self.habits.after_unconfirmed
        return "free" if habit == "result" else habit

    def _take(self, request: Request, at: float) -> None:
        """Accept a message, now or after some work; answer when it is done, or before."""
        weather = request.weather
        late = self._says(weather.slow)
        done = at + (self.luck.uniform(1.0, 50.0) if late else 0.05)
        id = f"m{self.number()}"
        if request.key:
            self.keys[request.key] = Key(request.body, at, running=id)
        error = self._error(request, at) if self._says(weather.error_after) else None
        if error is not None:
            error.at = self.luck.uniform(at, done)

        def finish(_: Request, now: float) -> None:
            kept = self._accept(request, now, id)
            if request.key:
                again = error if self.habits.after_sent_error == "replay" else None
                self.keys[request.key] = Key(request.body, at, kept=kept, reply=again)

        self._later(done, request, finish)
        status = 201 if request.version == "v2" else 200
        made = Kept(id, _person(request), "", done, done)
        taken = Reply(status, _result(request.version, made), done + 0.01)
        request.reply = self._perhaps_silent(request, error or taken)

    def _accept(self, request: Request, at: float, id: str) -> Kept:
        habits = self.habits
        shows_at = at + self.luck.uniform(0.0, habits.shows_after)
        if habits.punctual:
            shows_at = min(shows_at, max(at, request.written + SEEN_BY))
        if self._says(habits.never_shows):
            shows_at = float("inf")
        content = json.loads(request.body)["content"]
        kept = Kept(
            id, _person(request), content, at, shows_at, request.mark, written=request.written
        )
        if self.plain:
            kept.shows_at = at
        self.kept.append(kept)
        self.world.tell("server", f"accepts {id} for {kept.person}: {content!r}")
        return kept

    def accept_foreign(self, person: str, content: str, key: str) -> None:
        """Another program's send, under a key that this one will use too."""
        kept = Kept(f"m{self.number()}", person, content, -60.0, -60.0, key)
        self.kept.append(kept)
        target = {
            "type": "profile",
            "accountLinkId": LINK,
            "platform": "twitter",
            "platformId": person,
        }
        body = json.dumps(
            {"target": target, "content": content}, ensure_ascii=False, separators=(",", ":")
        )
        self.keys[key] = Key(body.encode(), -60.0, kept=kept)

    def clock(self) -> float:
        """Unix seconds by the server's clock."""
        return EPOCH + self.world.now + self.habits.skew


class _Due:
    """What a request comes to, at its time."""

    def __init__(self, request: Request, then: Callable[[Request, float], None]) -> None:
        self._request, self._then = request, then
        self.mark = request.mark

    def __call__(self, at: float) -> None:
        self._then(self._request, at)


def _person(request: Request) -> str:
    body = json.loads(request.body)
    target = body.get("target", {})
    if "threadId" in target:
        return str(target["threadId"]).removeprefix("t")
    person: str = target["platformId"] if request.version == "v2" else body["externalPlatformId"]
    return person


def _no(version: str, luck: random.Random) -> tuple[int, str, dict[str, Any], dict[str, str]]:
    if version == "v2":
        code = luck.choice(("recipientUnavailable", "contentRejected", "threadRestricted"))
        return 422, code, {"reason": "no"}, {}
    return (*luck.choice(((404, "PROSPECT_NOT_FOUND"), (422, "INVALID"), (400, ""))), {}, {})


def _error(
    request: Request,
    at: float,
    status: int,
    code: str,
    details: dict[str, Any],
    headers: dict[str, str] | None = None,
) -> Reply:
    body: dict[str, Any] = {"code": code, "message": "no", "details": details, "requestId": "r1"}
    if request.version == "v1":
        body = {"error": {"code": code, "message": "no", "status": status}}
    return Reply(status, body, at + 0.05, headers or {})


def _result(version: str, kept: Kept) -> dict[str, Any]:
    thread = {"id": f"t{kept.person}", "platformId": None}
    if version == "v1":
        return {"message": {"id": kept.id, "threadId": thread["id"]}, "thread": thread}
    return {"message": {"id": kept.id, "threadId": thread["id"]}, "thread": thread}
