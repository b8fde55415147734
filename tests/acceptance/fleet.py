"""Workers as processes, their teams' sandboxes, and one ledger on PostgreSQL that they share."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg

from runner.sandbox.options import Options
from tests.teams import stray_token, token_of

from .support import LINK, OTHER_LINK, Api, Done, Project, Running, start_module, until

DEAD_AFTER = 3.0
"""Seconds without a sign of life after which these workers take each other for dead."""


@dataclass
class Team:
    """One team: its sandbox, and whom its campaign writes to."""

    number: int
    api: Api
    ids: list[str]

    @property
    def name(self) -> str:
        return f"team-{self.number}"

    @property
    def variable(self) -> str:
        return f"TOK_{self.number}"

    @property
    def token(self) -> str:
        return token_of(self.number)

    @property
    def sender(self) -> str:
        """Two teams never have the same; these do only where no limit of a sender is tried."""
        return (LINK, OTHER_LINK)[self.number % 2]

    @property
    def stray(self) -> str:
        """A token of another team, which this one's sandbox knows."""
        return stray_token(self.number)


@dataclass
class Verdict:
    """What the sandboxes' own lists say."""

    doubled: list[str]
    missing: list[str]
    limited: int

    @property
    def good(self) -> bool:
        return not self.doubled and not self.missing


@dataclass
class Fleet(Project):
    """A project with a campaign for each team. `state`: the ledger's URL."""

    state: str = ""
    teams: list[Team] = field(default_factory=list)
    workers: list[Running] = field(default_factory=list)

    def environment(self, **more: str) -> dict[str, str]:
        """Every team's token and the ledger; a variable that is empty in `more` is taken away."""
        tokens = {team.variable: team.token for team in self.teams}
        found = super().environment(**({"RUN_CAMPAIGN_STATE": self.state} | tokens | more))
        return {name: value for name, value in found.items() if value}

    def file(self, team: Team) -> Path:
        return self.folder / "campaigns" / f"{team.name}.yaml"

    def write_teams(
        self, *, limits: str = "per_minute: none, per_hour: none, per_day: none", gap: str = "none",
        concurrency: int = 4, more: str = "",
    ) -> None:  # fmt: skip
        """Write each team's campaign and prospects."""
        (self.folder / "campaigns").mkdir(exist_ok=True)
        for team in self.teams:
            base = f"{team.api.base}/api/{self.version}"
            self.file(team).write_text(
                f"api: {{version: {self.version}, base_url: {base}, gateway: true, "
                f"token: '${{{team.variable}}}'}}\n"
                f"senders: [{{id: {team.sender}, per_hour: none, per_day: none, gap: {gap}}}]\n"
                f"prospects: {team.name}.csv\n"
                "message: Hi {{ first_name }}\n"
                f"limits: {{{limits}, concurrency: {concurrency}}}\n"
                f"retry: {{settle: 1s, timeout: 5s}}\n{more}"
            )
            rows = [f"{id},Person{number}" for number, id in enumerate(team.ids, 1)]
            sheet = self.file(team).with_suffix(".csv")
            sheet.write_text("\n".join(["x_user_id,first_name", *rows]) + "\n")

    def submit(self, *words: str, teams: Sequence[Team] = ()) -> Done:
        """Hand the campaigns (empty: all) to workers."""
        return self.ok("submit", *map(self.file, teams or self.teams), "--yes", *words)

    def worker(
        self,
        env: Mapping[str, str] = MappingProxyType({}),
        dead_after: float = DEAD_AFTER,
        words: Sequence[str] = (),
    ) -> Running:
        """Start a worker. `env`: what it has otherwise in its environment."""
        running = self.start("worker", "-v", "--dead-after", f"{dead_after:g}s", *words, **env)
        self.workers.append(running)
        return running

    def ask(self, query: str, *values: object) -> list[Any]:
        """Rows straight from the ledger."""
        url = self.state.replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def drivers(self) -> dict[int, list[str]]:
        """The process that took a lane last -> its lanes, of those with something queued."""
        found: dict[int, list[str]] = {}
        for pid, lane in self.ask(
            "select run.pid, lane.id from lane join run on run.id = lane.run"
            " where run.beat_at is not null and run.ended_at is null and exists (select 1"
            " from submission join message on message.campaign = submission.campaign"
            " where submission.lane = lane.id and message.status = 'queued')"
        ):
            found.setdefault(pid, []).append(lane)
        return found

    def driver(self) -> Running:
        """A worker that drives a lane with something queued, as soon as there is one."""
        mine = {each.process.pid: each for each in self.workers}
        pid = until(lambda: next(iter(self.drivers().keys() & mine.keys()), None), "a driver")
        return mine[pid]

    def team_of(self, lane: str) -> Team:
        return next(team for team in self.teams if Options(token=team.token).team_id == lane)

    def accepted(self) -> int:
        return sum(team.api.ask("tally")["accepted"] for team in self.teams)

    def everybody(self) -> int:
        return sum(len(team.ids) for team in self.teams)

    def slow(self, seconds: float) -> None:
        """Let each send take so long."""
        for team in self.teams:
            team.api.faults(*([f"slow:seconds={seconds}"] if seconds else []))

    def until_accepted(self, count: int) -> None:
        until(lambda: self.accepted() >= count, f"{count} to be accepted")

    def until_done(self, seconds: float = 60.0) -> None:
        """Wait until the ledger holds nothing that is still to be settled or sent."""
        left = "from message where status in ('queued', 'sending', 'in_doubt')"
        try:
            until(lambda: self.ask(f"select count(*) {left}")[0][0] == 0, "all to end", seconds)
        except AssertionError as error:
            error.add_note(f"left: {self.ask(f'select recipient, status, reason, detail {left}')}")
            error.add_note(f"lanes: {self.ask('select lane, next_at, trouble from submission')}")
            raise

    def doubts(self) -> int:
        """Attempts whose outcome nobody knows."""
        found: int = self.ask("select count(*) from attempt where outcome = 'unknown'")[0][0]
        return found

    def judge(self) -> Verdict:
        """What the sandboxes say of everybody."""
        got = Counter(person for team in self.teams for person in team.api.recipients)
        wanted = [id for team in self.teams for id in team.ids]
        return Verdict(
            sorted(person for person, count in got.items() if count > 1),
            sorted(id for id in wanted if not got[id]),
            sum(team.api.ask("requests")["limited"] for team in self.teams),
        )

    def lanes(self) -> dict[str, Mapping[str, Any]]:
        """What `lanes --json` says, by team."""
        told = self.ok("lanes", "--json").json
        return {self.team_of(each["lane"]).name: each for each in told}

    def end(self) -> list[Done]:
        """Tell all workers that live to end; how they ended."""
        alive = [each for each in self.workers if each.process.poll() is None]
        for each in alive:
            each.process.send_signal(signal.SIGTERM)
        return [each.wait() for each in alive]


@contextmanager
def teams(count: int, people: int, per_minute: int | None = None) -> Iterator[list[Team]]:
    """Teams with sandboxes in one process, each with so many people of its own."""
    words = [] if per_minute is None else ["--per-minute", str(per_minute)]
    with start_module("tests.teams", "--teams", str(count), *words) as process:
        try:
            assert process.stdout is not None
            bases = json.loads(process.stdout.readline())
            yield [
                Team(number, Api(base), [f"9{number:03d}{each:06d}1111" for each in range(people)])
                for number, base in enumerate(bases, 1)
            ]
        finally:
            process.terminate()


def stop(running: Running) -> None:
    """Freeze a process."""
    os.kill(running.process.pid, signal.SIGSTOP)


def go_on(running: Running) -> None:
    """Wake a frozen one."""
    os.kill(running.process.pid, signal.SIGCONT)


def kill(running: Running) -> None:
    """End a process at once."""
    running.process.kill()
    running.process.wait()
