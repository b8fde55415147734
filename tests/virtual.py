"""A loop whose time jumps to the next timer, and a scripted API: hours in milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from runner.channels.base import (
    AccountLink,
    Answer,
    Conversations,
    HeldBack,
    Lookup,
    Platform,
    Taken,
    Team,
    never,
)
from runner.ledger.ledger import Ledger
from runner.message.outcome import (
    HELD_BACK,
    TOO_LATE,
    Absent,
    Accepted,
    Deferred,
    Found,
    InDoubt,
    LookupResult,
    Outcome,
)
from runner.message.prospect import Recipient

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: a wait is a jump of the loop's time."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("everything waits and no timer is set: a deadlock")
        self.loop.passed += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which time passes only when everything waits."""

    passed: float = 0.0

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.passed

    def run_in_executor(  # type: ignore[override]  # one thread is enough
        self, executor: Any, func: Any, *args: Any
    ) -> Any:
        """Run it here, so that nothing depends on a second thread's pace."""
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(func(*args))
        except BaseException as error:
            done.set_exception(error)
        return done


@dataclass(slots=True)
class VirtualClock:
    """Reads the loop's time; `skew` is how far the wall clock was set by hand."""

    loop: VirtualLoop
    started: float = 1_800_000_000.0
    skew: float = 0.0
    frozen: float = 0.0  # boot time that passed while the process could not run

    def now(self) -> float:
        return self.started + self.boot() + self.skew

    def boot(self) -> float:
        return self.loop.time() + self.frozen


def run_virtually(make: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in virtual time; `make` gets the clock."""
    loop = VirtualLoop()
    main = loop.create_task(make(VirtualClock(loop)))
    try:
        return loop.run_until_complete(main)
    finally:
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            with contextlib.suppress(Killed):  # others may die while the first one's death is told
                loop.run_until_complete(asyncio.wait(left))
        if not main.cancelled():
            main.exception()  # seen here, so that nobody warns that it was not
        loop.close()


class InlineLedger(Ledger):
    """Commits at once in the calling thread, so that nothing depends on a second thread's pace."""

    async def commit(self, batch: Any, item: Any, within: float = 0.0) -> Any:
        await asyncio.sleep(0)
        return self.write(batch, [item])[0]


Script = Callable[["ScriptedApi", str, bytes, str], Outcome | None]
"""Decides a send: (api, recipient, body, key) -> an outcome, or None to be accepted."""


@dataclass(slots=True)
class ScriptedApi:
    """The server's side: what it accepted, by key and by person."""

    idempotent: bool = True
    latency: float = 0.1
    script: Script | None = None
    accepted: list[str] = field(default_factory=list)
    by_key: dict[str, str] = field(default_factory=dict)
    sends: list[tuple[float, str]] = field(default_factory=list)
    shows: bool = True

    def accept(self, person: str, key: str) -> Accepted:
        """Take a message, or replay the earlier one of its key."""
        if self.idempotent and key in self.by_key:
            return Accepted(self.by_key[key], "t", replay=True)
        self.accepted.append(person)
        self.by_key[key] = f"m{len(self.accepted)}"
        return Accepted(self.by_key[key], "t")

    @property
    def doubled(self) -> list[str]:
        return sorted({who for who in self.accepted if self.accepted.count(who) > 1})


class ScriptedChannel:
    """A channel onto a `ScriptedApi`, with the real one's manners about deadlines."""

    origin = "https://api.example"
    base_url = "https://api.example/api/v2"
    ends_at: float | None = None
    conversations: Conversations | None = None

    def __init__(self, api: ScriptedApi, clock: VirtualClock, version: str = "v2") -> None:
        self.api, self.clock, self.version = api, clock, version
        self.idempotent = api.idempotent

    def compose(self, sender: str, recipient: Recipient, text: str, thread: str = "") -> bytes:
        return f"{sender} {recipient.id} {text}".encode()

    def server_now(self) -> float:
        return self.clock.started + self.clock.boot()  # nobody sets the server's clock by hand

    async def send(
        self, body: bytes, key: str, deadline: float | None, held_back: HeldBack = never
    ) -> Answer:
        if held_back():
            return Answer(Deferred(HELD_BACK, "held back", written=False))
        if deadline is not None and self.clock.boot() > deadline:
            return Answer(Deferred(TOO_LATE, "too late", written=False))
        person = body.decode().split(" ")[1]
        self.api.sends.append((self.clock.boot(), person))
        outcome = self.api.script(self.api, person, body, key) if self.api.script else None
        if outcome is None:
            outcome = self.api.accept(person, key)
        await asyncio.sleep(self.api.latency)
        status = 0 if isinstance(outcome, Deferred) and not outcome.written else 201
        return Answer(outcome, 0 if isinstance(outcome, InDoubt) else status)

    async def look_up(self, lookup: Lookup, taken: Taken) -> LookupResult:
        await asyncio.sleep(self.api.latency)
        if self.api.shows and lookup.recipient.id in self.api.accepted:
            return Found(f"found-{lookup.recipient.id}", "t")
        return Absent("not there")

    async def team(self) -> Team:
        return Team("team1", "Team")

    async def account_links(self) -> list[AccountLink]:
        return []

    async def platforms(self) -> list[Platform]:
        return []

    async def close(self) -> None:
        return None


class Killed(KeyboardInterrupt):
    """The process died here. A KeyboardInterrupt, since only such leave an event loop at once."""
