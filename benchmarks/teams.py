"""Generated campaigns of several teams on one ledger, and the commands that run on them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import RUN_CAMPAIGN, Process, Ran, start
from benchmarks.projects import LINK, TEXT, row_of

APART = 1_000_000
"""Between the ids of two teams' people."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many teams, messages of each, and messages of each a second (0: as fast as it goes)."""

    lanes: int
    rows: int
    pace: float = 0

    @property
    def messages(self) -> int:
        return self.lanes * self.rows


@dataclass(slots=True)
class Teams:
    """Campaigns of several teams against `base`, and the commands on them and one ledger."""

    folder: Path
    base: str
    size: Size
    state: str = ""
    started: int = 0

    @property
    def campaigns(self) -> list[Path]:
        return [self.folder / f"team{number}.yaml" for number in range(self.size.lanes)]

    def write(self) -> None:
        """Write every team's campaign and people."""
        self.folder.mkdir(parents=True, exist_ok=True)
        gap = f"{1 / self.size.pace:g}s" if self.size.pace else "none"
        for team, campaign in enumerate(self.campaigns):
            sender = f"{LINK[:-4]}{team:04}"  # as its token ends: a sender is one team's
            campaign.write_text(
                f"api: {{base_url: {self.base}/api/v2, token: '${{{_variable(team)}}}'}}\n"
                f"senders:\n  - {{id: {sender}, per_day: none, per_hour: none, gap: {gap}}}\n"
                f"prospects: team{team}.csv\n"
                f"message: {json.dumps(TEXT)}\n"
                "limits: {per_minute: none, per_hour: none, per_day: none}\n"
                "schedule: {timezone: UTC}\n"
            )
            people = (row_of(team * APART + each) for each in range(self.size.rows))
            lines = ["x_user_id,first_name,company", *map(",".join, people)]
            campaign.with_suffix(".csv").write_text("\n".join(lines) + "\n")

    def start(self, *words: str | Path) -> Process:
        """Start `run-campaign` with these words, on any core."""
        self.started += 1
        tokens = {_variable(team): f"tok-bench-{team:04}" for team in range(self.size.lanes)}
        memory = str(self.folder / f"memory-{self.state.rpartition('bench_')[2][:8]}")
        own = {"RUN_CAMPAIGN_STATE": self.state, "RUN_CAMPAIGN_MEMORY": memory}
        return start(
            [*RUN_CAMPAIGN, *words], self.folder, env=own | tokens, name=f"output-{self.started}"
        )

    def run(self, *words: str | Path) -> Ran:
        """Run `run-campaign` to its end."""
        with self.start(*words).or_killed() as process:
            return process.wait()


def _variable(team: int) -> str:
    return f"TEAM_{team}_TOKEN"
