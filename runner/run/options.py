"""A run's options, and the surroundings that it takes from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.channels.base import Token
from runner.clock import Clock
from runner.events import EventBus, Notice
from runner.pacing.forecast import Forecast
from runner.planning.preview import Preview
from runner.planning.start import Confirm


@dataclass(frozen=True, slots=True)
class Options:
    """The command line's options of a run. Times in seconds.

    `at` and `token` serve a run against another address (the sandbox); `unpaced` then switches
    limits and schedule off, and progress of a `throwaway` ledger is not kept.
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


AskToSend = Callable[[Sequence[Preview], Forecast], bool]
"""Shows a person what is about to be sent and asks; True to go on."""


@dataclass(slots=True)
class Surroundings:
    """A run's clock, events and environment. `ask` and `confirm` are None if no person is asked."""

    clock: Clock
    bus: EventBus
    environ: Mapping[str, str]
    ask: AskToSend | None = None
    confirm: Confirm | None = None

    def tell(self, text: str) -> None:
        """Tell a person something, in a line."""
        self.bus.emit(Notice(self.clock.now(), text))
