"""One call of the program, as far as it has to be known when it fails."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from runner.passwords import HIDDEN, hide_password


@dataclass(slots=True)
class Invocation:
    """One command line. `resume` is the command that goes on after an interruption; `campaigns`
    and `state` tell where the ledger, and so the place for a bug's log, may be."""

    words: list[str]
    resume: str = ""
    campaigns: tuple[Path, ...] = ()
    state: str | None = None
    secrets: set[str] = field(default_factory=set)

    def about(self, campaigns: tuple[Path, ...], state: str | None) -> None:
        """Remember which campaigns this call is about."""
        self.campaigns, self.state = campaigns, state
        self.resume = self.command(*map(str, campaigns))

    def command(self, *words: str) -> str:
        """Return a command line to paste, on the ledger of this call, without the password of a
        database: what is shown may be kept in a log, or passed on."""
        shown = hide_password(self.state or "").replace(f":{HIDDEN}@", "@")
        return shlex.join(["run-campaign", *words, *(["--state", shown] if shown else [])])
