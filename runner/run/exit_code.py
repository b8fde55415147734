"""The result of a run, and the exit code that it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.message.status import MessageStatus
from runner.status.status import Status

if TYPE_CHECKING:
    pass


_S = MessageStatus


@dataclass(slots=True)
class RunResult:
    """A run's end."""

    statuses: list[Status] = field(default_factory=list)
    declined: bool = False
    interrupted: bool = False
    drained: bool = False  # ended early: --limit, --stop-after, --until-idle
    guarded: bool = False
    paused: bool = False  # a person has paused or cancelled a campaign
    halted: bool = False  # a whole lane stopped; else only senders did
    stopped: list[str] = field(default_factory=list)  # what a person must see to

    @property
    def exit_code(self) -> int:
        """Return the process's exit code."""
        if self.interrupted:
            return 130
        if self.guarded:
            return 5
        if self.stopped:
            return 1
        if self.paused:
            return 6
        open_ = (_S.FAILED, _S.IN_DOUBT, _S.SENDING)
        if any(status.counts[each] for status in self.statuses for each in open_):
            return 4
        if any(status.blocked for status in self.statuses):
            return 4
        return 0
