"""What can be measured of a run, for whoever asks for figures. Nobody decides by them.

Nothing here is made unless somebody measures, and nothing of it is an event: the JSON log has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Purpose(StrEnum):
    """What a request was for."""

    SEND = "send"
    LOOK_UP = "look_up"  # asks about a message in doubt
    CHECK = "check"  # asks about the token, its senders and platforms


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """How a campaign stands in the ledger. `messages`: how many have which (status, reason), the
    rows that were skipped too; `brake`: what stops it, empty for nothing; times in Unix seconds."""

    campaign: str
    messages: Mapping[tuple[str, str], int]
    brake: str
    last_sent_at: float | None


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
    """How a lane stands that this process drives. `due`: by campaign, the queued messages that
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
    """One look at a run. `at`: when (Unix seconds); `took`: seconds that the look itself took."""

    at: float
    took: float
    campaigns: list[CampaignFigures] = field(default_factory=list)
    lanes: list[LaneFigures] = field(default_factory=list)


Look = Callable[[], "Future[RunFigures]"]
"""Has a look begun, from any thread. Raises RuntimeError when it is too late for one."""


class Measures(Protocol):
    """Somebody who measures. Told from any thread; never fails, and never waits."""

    def answered(self, purpose: Purpose, seconds: float, status: int) -> None:
        """A request that left was answered, or given up (`status` 0), after so long."""
        ...

    def committed(self, seconds: float) -> None:
        """A group of intents and outcomes is on disk; its transaction took so long."""
        ...

    def look_by(self, look: Look | None) -> None:
        """How to look at the run from here on; None: no more."""
        ...
