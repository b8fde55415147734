"""A long campaign at full speed while things go wrong: what the runner holds must not grow."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, linear_regression

from benchmarks.figures import number, table
from benchmarks.forgetful import Forgetful, forgetful
from benchmarks.processes import Process, Stuck
from benchmarks.projects import Project, row_of

Tell = Callable[[str], None]

A_SECOND = 2_600
"""Messages a second that the campaign is made long enough for."""

INSIDE = Path(__file__).parent / "inside"

WARM = 0.1
"""The first share of a run, in which caches fill: growth is reckoned from its end."""

REFUSED = 20
"""People whom the API refuses, spread over the campaign."""

NO_GUARD = "guard: {consecutive_failures: none, failure_rate: none, in_doubt: none}"
"""With this many faults a guard may rightly stop a campaign."""

CHEAP = (
    ("accept_then_reset", 997), ("reset_before", 1201), ("error_after:status=500", 1103),
    ("error_before:status=503", 1301), ("garbage", 1409), ("half", 1511), ("html", 1613),
    ("slow:seconds=0.3", 1709),
)  # fmt: skip
"""Faults that hold up their own message only, and one in how many messages has each."""

DEAR = ("rate_limit:retry_after=1", "platform_rate_limit:retry_after=1", "unconfirmed", "stall")
"""Faults that hold up everybody, or a message for long."""

BAD_WORDS = ("Traceback", "Warning", "destroyed", "never retrieved", "never awaited")
"""What Python says of tasks, errors and files that were left behind."""


@dataclass(frozen=True, slots=True)
class Size:
    """How long it lasts. `seconds`: None for until everybody is written to; `dear`: one in how
    many messages has each of the dear faults; `stretch`: messages until the API goes away and
    comes back, of which it then remembers `tail`; `every`: seconds between two looks; `patience`:
    `retry.timeout` and `retry.settle`."""

    rows: int
    seconds: int | None = None
    dear: int = 30_011
    stretch: int = 150_000
    tail: int = 40_000
    every: float = 2.0
    patience: str = "5s"

    def faults(self) -> list[str]:
        """The rules, as the sandbox takes them."""
        rules = [*CHEAP, *((name, self.dear + 2 * at) for at, name in enumerate(DEAR))]
        return [f"{name}{',' if ':' in name else ':'}every={often}" for name, often in rules]

    def refused(self) -> list[str]:
        return [row_of(self.rows * at // REFUSED + 1)[0] for at in range(REFUSED)]


@dataclass(frozen=True, slots=True)
class Look:
    """What the runner held when so many messages had been accepted. `rss` in bytes."""

    messages: int
    rss: int
    files: int
    threads: int
    tasks: int | None


@dataclass(frozen=True, slots=True)
class Endured:
    """What a run came to. `accepted` and `doubled` by the sandbox's own record, `counts` by the
    ledger; `seconds`: from the first message to the end."""

    looks: Sequence[Look]
    seconds: float
    accepted: int
    doubled: int
    counts: dict[str, int]
    hits: Counter[str]
    returns: int  # of the API
    said: str
    unproven: int = 0  # of the refused, in doubt still

    def rss_at(self, share: float) -> int:
        """Bytes held when that share of the messages was sent."""
        wanted = self.looks[-1].messages * share
        return min(self.looks, key=lambda look: abs(look.messages - wanted)).rss

    def between(self, share: float, other: float) -> list[Look]:
        """The looks while it sent that part of its messages."""
        last = self.looks[-1].messages
        return [look for look in self.looks if share * last <= look.messages < other * last]

    def slope(self) -> float:
        """Bytes more for each 1,000 messages, by least squares, once warm."""
        warm = self.between(WARM, 1)
        line = linear_regression([look.messages for look in warm], [look.rss for look in warm])
        return 1000 * line.slope

    def growth(self) -> float:
        """Bytes more for each message, from the first third to the last, once it has begun: looks
        come by time, and a machine that is slow to begin has many of them then."""
        first, last = self.between(0.1, 1 / 3), self.between(2 / 3, 1)
        apart = fmean(look.messages for look in last) - fmean(look.messages for look in first)
        return (fmean(look.rss for look in last) - fmean(look.rss for look in first)) / apart


def endure(folder: Path, size: Size, tell: Tell) -> Endured:
    """Let the installed `run-campaign` send a campaign of this size."""
    outcomes = [f"{who}=contentRejected" for who in size.refused()]
    words = [f"--fault={rule}" for rule in size.faults()]
    words += [f"--recipient={outcome}" for outcome in outcomes]
    try:
        with forgetful(folder / "api", words, size.tail) as api:
            project = Project(folder / "project", api.base)
            retry = f"retry: {{timeout: {size.patience}, settle: {size.patience}}}"
            project.write(size.rows, more=f"{retry}\n{NO_GUARD}\n")
            project.run(project.campaign, "--yes", "--limit", "0")
            tell(f"planned {size.rows:,} messages")
            return _sent(project, api, size, tell)
    finally:
        shutil.rmtree(folder / "project", ignore_errors=True)
        shutil.rmtree(folder / "api", ignore_errors=True)


def _sent(project: Project, api: Forgetful, size: Size, tell: Tell) -> Endured:
    tasks = project.folder / "tasks.txt"
    inside = {"PYTHONPATH": str(INSIDE), "BENCH_TASKS": str(tasks)}
    until = [] if size.seconds is None else ["--stop-after", f"{size.seconds}s"]
    warned = {"PYTHONWARNINGS": "always::ResourceWarning"}
    process = project.start(project.campaign, "--yes", *until, env=inside | warned)
    looks: list[Look] = []
    began, told, replaced = time.monotonic(), time.monotonic(), 0
    with process.or_killed():
        while process.alive:
            time.sleep(size.every)
            messages = api.count()
            look = _look(process, messages, tasks) if messages else None
            if look is None:
                began = began if looks else time.monotonic()
                continue
            looks.append(look)
            if time.monotonic() - told > 60:
                told = time.monotonic()
                tell(f"{messages:,} messages, {look.rss / 1e6:.1f} MB, {look.files} files")
            if messages - replaced > size.stretch:
                replaced = messages
                api.replace()
        seconds = time.monotonic() - began
        said = _ended(process, project)
    api.only()
    if _code(_counts(project.ledger)):  # what was in doubt when time was up
        with project.start(project.campaign, "--yes", "--limit", "0").or_killed() as process:
            said += _ended(process, project)
    api.stop()
    return Endured(
        looks,
        seconds,
        accepted=len(api.people),
        doubled=len(api.people) - len(set(api.people)),
        counts=_counts(project.ledger),
        hits=api.hits,
        returns=api.times - 1,
        said=said,
        unproven=_in_doubt(project.ledger, size.refused()),
    )


def _ended(process: Process, project: Project) -> str:
    """What it said until its end, which has to be the one that its messages call for."""
    while process.alive:
        time.sleep(0.05)
    return process.wait(_code(_counts(project.ledger))).out


def _look(process: Process, messages: int, tasks: Path) -> Look | None:
    """What it holds now; None when it has ended. The tasks are those of the look before."""
    proc = Path(f"/proc/{process.popen.pid}")
    try:
        counted = int(tasks.read_text()) if tasks.exists() else None
        os.kill(process.popen.pid, signal.SIGUSR2)  # `send_signal` would reap it
        lines = (line.partition(":") for line in (proc / "status").read_text().splitlines())
        status = {name: value.split() for name, _, value in lines}
        files = len(os.listdir(proc / "fd"))
        rss = int(status["VmRSS"][0]) * 1024
        return Look(messages, rss, files, int(status["Threads"][0]), counted)
    except (OSError, KeyError):
        return None


def _counts(ledger: Path) -> dict[str, int]:
    with closing(sqlite3.connect(ledger)) as connection:
        return dict(connection.execute("select status, count(*) from message group by status"))


def _in_doubt(ledger: Path, people: Sequence[str]) -> int:
    """How many of these people are in doubt. Of those whom the API refuses some may be: when the
    first try had no answer, a refusal of the second does not disprove it."""
    with closing(sqlite3.connect(ledger)) as connection:
        found = connection.execute("select recipient from message where status = 'in_doubt'")
        return len({who for (who,) in found} & set(people))


def _code(counts: dict[str, int]) -> int:
    """The exit code that a run with these messages has to have."""
    return 4 if any(counts.get(each) for each in ("in_doubt", "sending", "failed")) else 0


def wrong_with(endured: Endured) -> list[str]:
    """What must not have happened: a person written to twice, or something left behind."""
    found = [f"it said {word!r}" for word in BAD_WORDS if word in endured.said]
    sent = endured.counts.get("sent", 0)
    if endured.doubled:
        found.append(f"{endured.doubled} were written to twice")
    if endured.accepted - endured.doubled != sent:
        found.append(f"the ledger knows {sent} as sent, {endured.accepted} were accepted")
    settled = {**endured.counts, "in_doubt": endured.counts.get("in_doubt", 0) - endured.unproven}
    if _code(settled):
        found.append(f"not settled: {endured.counts}")
    return found


def as_text(endured: Endured) -> str:
    """The part of the page: figures, and what happened meanwhile."""
    looks = endured.between(WARM, 1)
    told = [look.tasks for look in looks if look.tasks is not None]
    row = [
        f"{endured.accepted:,}",
        number(endured.seconds / 60, 2),
        number(endured.looks[-1].messages / endured.seconds),
        *(f"{endured.rss_at(share) / 1e6:.1f}" for share in (WARM, 0.5, 1)),
        f"{endured.slope():,.0f}",
        *(f"{min(each)} … {max(each)}" for each in (
            [look.files for look in looks], [look.threads for look in looks], told,
        )),
    ]  # fmt: skip
    head = (
        "messages", "minutes", "a second", "memory at 10 %, MB", "at 50 %", "at 100 %",
        "bytes more per 1,000 messages", "files", "threads", "tasks",
    )  # fmt: skip
    hits = ", ".join(f"{name} {count:,}" for name, count in sorted(endured.hits.items()))
    return (
        f"{table(head, [row])}\n\nObservations: {len(endured.looks)}. By the sandbox's own record "
        f"{endured.accepted:,} messages were accepted, {endured.doubled} of them for someone who "
        f"had one already; the ledger knows {endured.counts.get('sent', 0):,} as sent and "
        f"{endured.counts.get('rejected', 0)} as rejected{_left(endured)}. The API went away "
        f"and came back "
        f"{endured.returns} times. Faults: {hits}."
    )


def _left(endured: Endured) -> str:
    return f", and {endured.unproven} in doubt whom the API refuses" if endured.unproven else ""


def measure(folder: Path, minutes: float, tell: Tell) -> str:
    """The part of the page about a long run. Raises Stuck when anything was wrong."""
    seconds = round(60 * minutes)
    endured = endure(folder, Size(A_SECOND * seconds, seconds), tell)
    block = as_text(endured)
    if wrong := wrong_with(endured):
        raise Stuck(f"{'; '.join(wrong)}\n{block}\n{endured.said[-3000:]}")
    return block
