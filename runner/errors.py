"""The exceptions that end a command, sorted by what a person has to do about them.

    RunnerError                 expected; one line and a hint, exit 1
    ├── UsageError              wrong arguments, exit 2
    ├── CampaignError           the campaign file is wrong, exit 2; carries every problem found
    ├── AudienceError           the prospects file cannot be read as it stands
    ├── TemplateError           the template cannot be compiled or rendered
    ├── ChangesError            texts or rows differ from what was planned; needs --accept-changes
    ├── LedgerError             the ledger cannot be used
    │   ├── LedgerLocked        another process writes to it for too long
    │   ├── LedgerTooNew        made by a newer version of this program
    │   ├── OldLedger           an old copy was brought back; needs --accept-old-ledger
    │   └── Fenced              another owner took this lane over
    ├── LaneEnding              (within a run) the lane ends before this could begin
    ├── LaneHeld                another run drives this lane, exit 6
    ├── CampaignPaused          a person has paused or cancelled the campaign, exit 6
    ├── ForeignKeyUse           another ledger used this campaign's name at the API
    └── ChannelError            the API cannot be used at all (token, plan, address)

Anything else that reaches the top is a bug: exit 3, with the path of its log.
"""

from __future__ import annotations

from dataclasses import dataclass


class RunnerError(Exception):
    """An expected failure. `str()` is one line for people; `hint` says what to do instead."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(RunnerError):
    """The command line asks for something that cannot be."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file that a person wrote: where, what, and what instead."""

    file: str
    line: int
    path: str
    what: str
    instead: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        key = f"{self.path}: " if self.path else ""
        return f"{where}{key}{self.what}" + (f"; {self.instead}" if self.instead else "")


class CampaignError(RunnerError):
    """The campaign file has mistakes; `problems` has all of them, one line each."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class AudienceError(RunnerError):
    """The prospects file cannot be read, or lacks what the campaign needs."""


class TemplateError(RunnerError):
    """The template cannot be compiled, or needs what no row has."""


class ChangesError(RunnerError):
    """The files differ from what was planned, and no person has accepted it."""


class LedgerError(RunnerError):
    """The ledger cannot be read or written; nothing more is sent."""


class LedgerLocked(LedgerError):
    """Another program holds the ledger's write lock."""


class LedgerTooNew(LedgerError):
    """The ledger was made by a newer version."""


class OldLedger(LedgerError):
    """The ledger has come less far than this machine remembers of it."""


class Fenced(LedgerError):
    """Another owner has taken this lane over; this one sends nothing more."""


class LaneEnding(RunnerError):
    """The lane is ending: what has not begun is not begun. Never reaches a person."""


class LaneHeld(RunnerError):
    """Another run drives this lane."""

    exit_code = 6


class CampaignPaused(RunnerError):
    """A person has paused or cancelled the campaign that was to be run."""

    exit_code = 6


class CampaignGuarded(RunnerError):
    """The campaign that was to be run has been stopped by its guard since."""

    exit_code = 5


class ForeignKeyUse(RunnerError):
    """The API knows this campaign's keys from sends that this ledger has never made."""


class ChannelError(RunnerError):
    """The API cannot be used: bad address, bad token, or an answer that makes no sense. `status`:
    HTTP's, 0 where there was no answer; `code`: the API's own, empty where it gave none."""

    status = 0
    code = ""
