"""Projects, processes and the sandbox's control endpoints."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.clock import SystemClock
from runner.events import EventBus
from runner.run.exit_code import RunResult
from runner.run.preparation.options import Options, Surroundings
from runner.run.run import run_campaigns
from tests.processes import COMMAND, ROOT, Process, start

OTHER_TOKEN = "tok-of-another-team-3b8e41d7c05f-never-to-be-seen"
TOKEN = "tok-5f0c7a1e9b3d4c68a2e7-never-to-be-seen"
LINK = "df6jbw4h36qm5d9iu2sgn7kx"
OTHER_LINK = "k2v7q9x4m1n8b3c6z5l0p7ty"
PATIENCE = 60.0
DYING = Path(__file__).parent / "dying"
"""Makes a process kill itself at a named point: see there."""


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """What `condition` gives as soon as it gives something; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for: {what}")
        time.sleep(0.02)
    return found


def start_module(*words: str) -> Process:
    """Start a module of ours that serves, and tells where on a line of its output."""
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    return start([sys.executable, "-m", *words], cwd=ROOT, env=env, stdout=subprocess.PIPE)


@contextmanager
def sandbox(*words: str) -> Iterator[Api]:
    """A sandbox process with options, of the team with `TOKEN` unless they name another."""
    with start_module("runner.sandbox", "--token", TOKEN, *words) as process:
        try:
            assert process.stdout is not None
            yield Api(process.stdout.readline().split()[-1])
        finally:
            process.terminate()


def people(count: int, ending: str = "1111") -> list[str]:
    """X ids of people whom the sandbox treats as usual, or by their last four digits."""
    return [f"90000000000{number:04d}{ending}" for number in range(1, count + 1)]


@dataclass
class Api:
    """A sandbox process."""

    base: str

    def ask(self, what: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/sandbox/{what}", data)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    @property
    def accepted(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("accepted")
        return found

    @property
    def recipients(self) -> list[str]:
        """Whom messages were accepted for, in order; twice who was written to twice."""
        return [entry["person"] for entry in self.accepted]

    def faults(self, *rules: str) -> None:
        self.ask("faults", {"faults": list(rules)})

    def until_stalled(self, count: int) -> None:
        """Wait until so many requests have met the fault `stall`: what is claimed is not written
        yet, and could be accepted once there is another fault, or none."""
        until(lambda: self.ask("requests")["faults"].get("stall", 0) >= count, f"{count} to stall")


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def all(self) -> str:
        return self.out + self.err


@dataclass
class Running:
    """A command that runs."""

    process: Process
    files: tuple[Path, Path]

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    @property
    def out(self) -> str:
        return self.files[0].read_text()

    def wait(self) -> Done:
        code = self.process.wait(PATIENCE)
        return Done(code, *(path.read_text(errors="replace") for path in self.files))


def of_another_team(campaign: str) -> str:
    """A campaign file's text with the token of another team."""
    return campaign.replace("api: {", "api: {token: '${OTHER_TEAM_TOKEN}', ")


@dataclass
class Project:
    """A folder with a campaign, and commands that run there."""

    folder: Path
    api: Api
    version: str
    outputs: Path
    running: list[Running] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    address: str = ""  # what the campaign names instead of the API's own
    real: bool = True  # or a rehearsal, as an address of this machine is otherwise

    @property
    def campaign(self) -> Path:
        return self.folder / "campaigns" / "spring.yaml"

    @property
    def sheet(self) -> Path:
        return self.folder / "campaigns" / "spring.csv"

    @property
    def ledger(self) -> Path:
        return self.folder / "state.db"

    def write(
        self,
        ids: Sequence[str],
        *,
        text: str = "Hi {{ first_name }}, shall I send the notes?",
        senders: Sequence[str] = (LINK,),
        concurrency: int = 4,
        retry: str = "settle: 1s",
        more: str = "",
    ) -> None:
        """Write the campaign and its prospects, without limits."""
        free = "per_hour: none, per_day: none, gap: none"
        listed = "".join(f"  - {{id: {sender}, {free}}}\n" for sender in senders)
        limits = f"per_minute: none, per_hour: none, per_day: none, concurrency: {concurrency}"
        base = self.address or self.api.base
        self.campaign.parent.mkdir(exist_ok=True)
        self.campaign.write_text(
            f"api: {{version: {self.version}, base_url: {base}/api/{self.version}, "
            f"gateway: {str(self.real).lower()}}}\n"
            f"senders:\n{listed}"
            "prospects: spring.csv\n"
            f"message: {json.dumps(text)}\n"
            f"limits: {{{limits}}}\n"
            f"retry: {{{retry}}}\n{more}"
        )
        rows = [f"{id},Person{number}" for number, id in enumerate(ids, 1)]
        lines = "\n".join(["x_user_id,first_name", *rows])
        self.sheet.write_text(lines + "\n")

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        tokens = {"INBOX_API_TOKEN": TOKEN, "OTHER_TEAM_TOKEN": OTHER_TOKEN}
        plain = {"HOME": str(self.folder), "LC_ALL": "C.UTF-8", **tokens}
        return kept | plain | more

    def start(self, *words: str | Path, command: Sequence[str] = (), **env: str) -> Running:
        number = len(self.running)
        files = (self.outputs / f"{number}.out", self.outputs / f"{number}.err")
        with files[0].open("w") as out, files[1].open("w") as err:
            process = start(
                [*(command or COMMAND), *map(str, words)],
                cwd=self.folder,
                env=self.environment(**env),
                stdout=out,
                stderr=err,
            )
        self.running.append(Running(process, files))
        return self.running[-1]

    def run(self, *words: str | Path, command: Sequence[str] = (), **env: str) -> Done:
        """Run a command to its end."""
        return self.start(*words, command=command, **env).wait()

    def ok(self, *words: str | Path, code: int = 0, **env: str) -> Done:
        """Run a command whose exit code is known."""
        done = self.run(*words, **env)
        assert done.code == code, done.all
        return done

    def counts(self) -> dict[str, int]:
        """Messages per status, straight from the ledger; nothing while there is none."""
        if not self.ledger.exists():
            return {}
        try:
            connection = sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)
            try:
                found = connection.execute("select status, count(*) from message group by status")
                return dict(found.fetchall())
            finally:
                connection.close()
        except sqlite3.OperationalError:
            return {}  # not made yet

    def begun_ahead(self) -> int:
        """Wait until one is on the wire and whoever follows is begun, where a key allows it: how
        many those are. Nothing is being written to the ledger then."""
        ahead = int(self.version == "v2")

        def is_begun() -> bool:
            counts = self.counts()
            under_way = counts.get("sending") == 1 + ahead  # and none of them is being recorded
            return under_way and counts.get("sent", 0) == len(self.api.recipients) - 1

        until(is_begun, "the next one to be begun")
        return ahead

    def exported(self) -> list[dict[str, str]]:
        target = self.folder / "results.csv"
        self.ok("export", self.campaign, "-o", target)
        with target.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))


def in_process(
    project: Project,
    ask: Callable[[], None] = lambda: None,
    clock: SystemClock | None = None,
    *,
    accept_changes: bool = False,
) -> RunResult:
    """A run with a person at the terminal, who does `ask` before saying yes."""

    def answer(*_: object) -> bool:
        ask()
        return True

    around = Surroundings(
        clock or SystemClock(), EventBus(), {"INBOX_API_TOKEN": TOKEN}, ask=answer
    )
    options = Options(state=str(project.ledger), accept_changes=accept_changes)
    return run_campaigns([project.campaign], options, around)


def everything_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, byte by byte."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def link_of(running: Running, number: int = 0) -> str:
    """A link that the dashboard has printed."""

    def links() -> list[str]:
        return re.findall(r"^dashboard: (http://\S+)", running.out, re.M)

    until(lambda: len(links()) > number, "the link of the dashboard")
    return links()[number]
