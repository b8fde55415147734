"""True time, and the processes that live in it: each can freeze and die at any step it takes."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.virtual import Killed, VirtualLoop

EPOCH = 1_800_000_000.0
"""Unix seconds at which a history begins."""

MOST_SECONDS = 5 * 86400.0
"""True time that one drive may take; more is a livelock."""

MOST_TURNS = 20_000
"""Turns of one process's loop; more is a livelock."""


class Livelock(AssertionError):
    """A process that does not come to an end."""


@dataclass(slots=True)
class World:
    """What is true, whoever knows it."""

    luck: random.Random
    now: float = 0.0  # true seconds since the history began
    skew: float = 0.0  # how far the machine's wall clock is off
    jumped: bool = False  # whether anybody ever set that clock
    figures: Counter[str] = field(default_factory=Counter)
    story: list[str] | None = None  # None: nobody listens

    def tell(self, who: str, text: str) -> None:
        if self.story is not None:
            self.story.append(f"{self.now:12.3f}  {who:8} {text}")

    def set_clock(self, skew: float) -> None:
        """Somebody sets the wall clock."""
        self.skew, self.jumped = skew, True
        self.tell("clock", f"set to {skew:+.0f} s")


class WorldLoop(VirtualLoop):
    """A process's loop: its time is the world's, less what the machine slept."""

    def __init__(self, process: Process) -> None:
        self._process = process
        super().__init__()

    @property
    def passed(self) -> float:
        return self._process.world.now - self._process.slept

    @passed.setter
    def passed(self, value: float) -> None:
        self._process.pass_until(value + self._process.slept)


@dataclass(slots=True)
class Process:
    """One run of the program. `dies_at`: the step it is killed at. `happens`: what comes upon it
    at a step, while it can do nothing."""

    world: World
    name: str
    dies_at: int | None = None
    happens: dict[int, Callable[[Process], None]] = field(default_factory=dict)
    booted: float = 0.0  # true time when the machine was started
    slept: float = 0.0  # seconds that the loop's clock stood still
    steps: int = 0
    turns: int = 0
    dead: bool = False
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.world.now
        self.booted = self.world.now - self.world.luck.uniform(0.0, 1e5)

    # The clock that the program is given.

    def now(self) -> float:
        return EPOCH + self.world.now + self.world.skew

    def boot(self) -> float:
        return self.world.now - self.booted

    def pass_until(self, at: float) -> None:
        """Let true time pass."""
        self.world.now = max(at, self.world.now)
        self.turns += 1
        if self.dead:
            return
        if self.turns > MOST_TURNS:
            raise Livelock(f"{self.name} has turned {self.turns} times, {self.steps} steps")
        if self.world.now - self.began > MOST_SECONDS:
            raise Livelock(f"{self.name} has run for {self.world.now - self.began:.0f} s")

    def step(self, what: str) -> None:
        """A point where the process may freeze or die. Nothing that is dead takes a step."""
        if self.dead:
            raise Killed
        self.steps += 1
        if self.steps == self.dies_at:
            self.dead = True
            self.world.figures["kills"] += 1
            self.world.tell(self.name, f"is killed where it {what}")
            raise Killed
        if (happening := self.happens.pop(self.steps, None)) is not None:
            self.world.tell(self.name, f"is held up where it {what}")
            with _no_loop_running():
                happening(self)

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run to its end, which may be its death."""
        with _no_loop_running():
            loop = WorldLoop(self)
            task = loop.create_task(main())
            try:
                loop.run_until_complete(task)
            except Killed:
                pass
            finally:
                self.dead = True
                self._bury(loop, task)

    def _bury(self, loop: WorldLoop, main: asyncio.Task[None]) -> None:
        """Clear away what a dead process had under way; no time passes."""
        died_at = self.world.now
        loop.set_exception_handler(lambda _loop, _context: None)
        for _ in range(1000):
            if not (left := asyncio.all_tasks(loop)):
                break
            for task in left:
                task.cancel()
            with contextlib.suppress(Killed):
                loop.run_until_complete(asyncio.wait(left))
            for task in (main, *left):
                if task.done() and not task.cancelled():
                    task.exception()  # seen here, so that nobody warns that it was not
        loop.close()
        self.world.now = died_at


@contextlib.contextmanager
def _no_loop_running() -> Any:
    """Another process's loop can run inside this one's step: it is frozen meanwhile."""
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
