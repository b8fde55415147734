"""A run's options, and the surroundings that it takes from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from runner.channels.base import Token
from runner.clock import Clock
from runner.events import EventBus, Notice
from runner.ledger.ledger import Ledger, open_ledger
from runner.pacing.forecast import Forecast
from runner.planning.dates.start import Confirm
from runner.planning.preview import Preview
from runner.sending.controls.live_controls import CONTROL_INTERVAL

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """The command line's options of a run. Times in seconds.

    `at` and `token` serve a run against another address (the sandbox); `unpaced` then switches
    limits and schedule off, and progress of a `throwaway` ledger is not kept. `controls_every`: how
    often people's controls are looked for; `replies_every`: replies are read no more often;
    `plans`: files of approved plans.
    """

    state: str | None = None
    yes: bool = False
    accept: frozenset[str] = frozenset()
    accept_changes: bool = False
    new_campaign: bool = False
    rest_with: str = ""
    adopt: bool = False
    accept_old_ledger: bool = False
    wait: bool = False
    limit: int | None = None
    sends: bool = True  # else what is in doubt is settled, and nothing else
    only: frozenset[str] = frozenset()
    idle_after: float | None = None
    stop_after: float | None = None
    at: str | None = None
    token: Token | None = None
    unpaced: bool = False
    throwaway: bool = False
    controls_every: float = CONTROL_INTERVAL
    replies_every: float = 0.0
    plans: tuple[Path, ...] = ()


AskToSend = Callable[[Sequence[Preview], Forecast], bool]
"""Shows a person what is about to be sent and asks; True to go on."""


class RunCoroutine(Protocol):
    """A way to run a coroutine to its end, as `asyncio.run` does."""

    def __call__(self, main: Coroutine[Any, Any, T], /) -> T: ...


@dataclass(slots=True)
class Surroundings:
    """A run's clock, events and environment. `ask` and `confirm` are None if no person is asked.
    `run`: the event loop that the clock belongs to; `open_ledger`: opens the ledger for a run."""

    clock: Clock
    bus: EventBus
    environ: Mapping[str, str]
    ask: AskToSend | None = None
    confirm: Confirm | None = None
    run: RunCoroutine = asyncio.run
    open_ledger: Callable[[str], AbstractContextManager[Ledger]] = open_ledger

    def tell(self, text: str) -> None:
        """Tell a person something, in a line."""
        self.bus.emit(Notice(self.clock.now(), text))
