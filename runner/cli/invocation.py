"""What is known of this call of the program, for whatever has to be said when it fails."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from runner.passwords import HIDDEN, hide_password


@dataclass(slots=True)
class Call:
    """One command line. `resume` is the command that goes on after an interruption; `campaigns`
    and `state` tell where the ledger, and so the place for a bug's log, may be."""

    words: list[str]
    resume: str = ""
    campaigns: tuple[Path, ...] = ()
    state: str | None = None
    secrets: set[str] = field(default_factory=set)

    def about(self, campaigns: tuple[Path, ...], state: str | None, *, runs: bool = False) -> None:
        """Remember which campaigns this call is about. What goes on with it is the same command;
        of one that `runs` the campaigns, to run them: what came before that is done by then."""
        self.campaigns, self.state = campaigns, state
        again = [_without_password(word) for word in self.words]
        self.resume = (
            self.command(*map(str, campaigns)) if runs else shlex.join(["run-campaign", *again])
        )

    def command(self, *words: str) -> str:
        """A command line to paste, on the ledger of this call. Without the password of a database:
        what is shown may be kept in a log, or passed on."""
        shown = _without_password(self.state or "")
        return shlex.join(["run-campaign", *words, *(["--state", shown] if shown else [])])


def _without_password(word: str) -> str:
    return hide_password(word).replace(f":{HIDDEN}@", "@")
