"""The measurements and figures of a run, for metrics. Nothing is decided by them.

Nothing here is made unless metrics are served, and nothing of it is an event: the JSON log has
none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Purpose(StrEnum):
    """The purpose of a request."""

    SEND = "send"
    LOOK_UP = "look_up"  # asks about a message in doubt
    CHECK = "check"  # asks about the token, its senders and platforms
    REPLIES = "replies"  # asks who has answered


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """A campaign as the ledger has it. `messages`: how many have which (status, reason), the
    rows that were skipped too; `brake`: what stops it, empty for nothing; `replied`, `opted_out`:
    people; times in Unix seconds."""

    campaign: str
    messages: Mapping[tuple[str, str], int]
    brake: str
    last_sent_at: float | None
    replied: int = 0
    opted_out: int = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """Permits of one window (`minute`, `hour` or `day`): of a sender, or of the whole team when
    `sender` is empty. `most`: how many the window allows; None where that changes by the day."""

    sender: str
    window: str
    left: int
    most: int | None = None


@dataclass(frozen=True, slots=True)
class LaneFigures:
    """A lane that this process drives. `due`: by campaign, the queued messages that
    neither limits nor schedule nor anything else makes wait; `senders`: whether each is stopped;
    `ends`: by (campaign, API version), when that version is announced to stop (Unix seconds)."""

    lane: str
    in_flight: int
    stopped: bool
    due: Mapping[str, int]
    limits: list[Limit]
    senders: Mapping[str, bool]
    ends: Mapping[tuple[str, str], float]


@dataclass(frozen=True, slots=True)
class RunFigures:
    """A run at the time `at` (Unix seconds). `took`: seconds that it took to read."""

    at: float
    took: float
    campaigns: list[CampaignFigures] = field(default_factory=list)
    lanes: list[LaneFigures] = field(default_factory=list)


ReadFigures = Callable[[], "Future[RunFigures]"]
"""Begins to read the figures, from any thread. Raises RuntimeError when the run is over."""


class Measures(Protocol):
    """A receiver of measurements. Called from any thread; never fails, and never waits."""

    def answered(self, purpose: Purpose, seconds: float, status: int) -> None:
        """Measure a request that left and was answered, or given up (`status` 0), after so long."""
        ...

    def committed(self, seconds: float) -> None:
        """Measure a transaction that put a group of intents and outcomes on disk."""
        ...

    def read_figures_by(self, read: ReadFigures | None) -> None:
        """Read the run's figures by this function from here on; None: no more."""
        ...
