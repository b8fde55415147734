"""What is known of this call of the program, for whatever has to be said when it fails."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Call:
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
        """A command line to paste, on the ledger of this call."""
        state = ["--state", self.state] if self.state else []
        return shlex.join(["run-campaign", *words, *state])

    def command_to_share(self, *words: str) -> str:
        """The same without the password of a database: for what is passed on to others."""
        line = re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1@", self.command(*words))
        return re.sub(r"([?&]password=)[^&\s']*", r"\1***", line)
