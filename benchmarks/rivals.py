"""What people would use instead: a plain script, a careful script, and mailmerge."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.figures import number, spread, table
from benchmarks.processes import CLIENT_CORE, Process, Stuck, start
from benchmarks.projects import TOKEN, Project, row_of
from benchmarks.sending import Case, durable, measured
from benchmarks.tools import HERE, Sink, slow_sync

Tell = Callable[[str], None]

OURS, PLAIN, CAREFUL, MAILMERGE = "run-campaign", "plain script", "careful script", "mailmerge"
PACKAGES = ("mailmerge==2.3.0", "aiosmtpd==1.4.6")
LEAST_LEFT = 0.4
"""Senders are killed when this share is accepted: some are then under way, and many to come."""


def script_words(project: Project, at_once: int, careful: bool) -> list[str]:
    """What starts the script on a project."""
    words = [sys.executable, str(HERE / "plain_script.py"), project.base, str(project.sheet)]
    return [*words, "people.db", str(at_once), TOKEN, *(["careful"] if careful else [])]


def script(case: Case, sink: Sink, folder: Path, rows: int, careful: bool) -> float:
    """Messages a second of the script."""
    project = Project(folder / "script", sink.base)
    project.write(rows)
    words = script_words(project, case.at_once, careful)
    env = slow_sync(folder / "bin", case.sync)
    begin = partial(start, words, project.folder, env=env, core=CLIENT_CORE)
    try:
        return measured(begin, sink, rows, case.latency).rate
    finally:
        shutil.rmtree(project.folder)


def rates(sink: Sink, folder: Path, rounds: int, seconds: float, tell: Tell) -> str:
    """Messages a second against the sink, in turns."""
    cases = [Case(20, 64), Case(20, 64, sync=5)]
    found: dict[tuple[str, Case], list[float]] = defaultdict(list)
    for turn in range(rounds):
        for case in cases:
            rows = case.rows(seconds)
            few = max(2 * case.at_once, rows // 8 if case.sync else rows)  # or it takes a minute
            found[OURS, case].append(durable(case, sink, folder, rows).rate)
            found[PLAIN, case].append(script(case, sink, folder, few, careful=False))
            found[CAREFUL, case].append(script(case, sink, folder, few, careful=True))
        tell(f"rivals: round {turn + 1}")
    rows_ = [
        [name, *(spread(found[name, case]) for case in cases)] for name in (OURS, PLAIN, CAREFUL)
    ]
    head = ("20 ms, 64 at once, messages a second", "this disk", "sync +5 ms")
    return table(head, rows_) + f"\n\nRounds: {rounds}."


# Killed half way ----------------------------------------------------------------------------------


def until(condition: Callable[[], bool], what: str, seconds: float = 120.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Stuck(f"waited too long for: {what}")
        time.sleep(0.01)


@contextmanager
def sandbox() -> Iterator[str]:
    """The stand-in API, which keeps its own list of what it accepted."""
    words = [sys.executable, "-m", "runner.sandbox", "--per-minute", "none", "--per-hour", "none"]
    words += ["--per-day", "none", "--token", TOKEN, "--no-specials", "--latency", "0.05"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


def accepted(base: str) -> list[str]:
    """Whom the sandbox has accepted messages for, in order."""
    with urllib.request.urlopen(f"{base}/sandbox/accepted", timeout=30) as answer:
        return [str(entry["person"]) for entry in json.load(answer)]


def _to_its_end(begin: Callable[[], Process]) -> float:
    with begin().or_killed() as process:
        return process.wait().seconds


def killed(
    name: str, begin: Callable[[], Process], list_: Callable[[], list[str]], people: list[str]
) -> list[str]:
    """Kill a sender when a part is accepted and start it again: a table's row of who got what."""
    with begin().or_killed():
        until(lambda: len(list_()) >= len(people) * LEAST_LEFT, f"{name} to send a part")
    _to_its_end(begin)
    got = Counter(list_())
    twice = sum(count > 1 for count in got.values())
    return [name, str(len(people)), str(twice), str(sum(id not in got for id in people))]


def kills(folder: Path, rows: int, tell: Tell) -> list[list[str]]:
    """Rows of who got what from each sender that was killed and started again."""
    people = [row_of(number)[0] for number in range(rows)]
    found = []
    for name in (OURS, PLAIN, CAREFUL):
        with sandbox() as base:
            project = Project(folder / "killed", base)
            project.write(rows)
            if name == OURS:
                begin = partial(project.start, project.campaign, "--yes")
            else:
                words = script_words(project, 16, name == CAREFUL)
                begin = partial(start, words, project.folder)
            found.append(killed(name, begin, partial(accepted, base), people))
            shutil.rmtree(project.folder)
        tell(f"killed: {found[-1]}")
    return found


# mailmerge ----------------------------------------------------------------------------------------


def environment(folder: Path) -> Path | None:
    """A Python environment with mailmerge and an SMTP server; None where it cannot be installed."""
    home = folder / "rivals"
    if not (home / "bin" / "mailmerge").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", home], check=True, capture_output=True)
            pip = [str(home / "bin" / "pip"), "install", "--quiet", *PACKAGES]
            subprocess.run(pip, check=True, capture_output=True)
        except subprocess.CalledProcessError:
            return None
    return home / "bin"


@contextmanager
def smtp_sink(binaries: Path, folder: Path) -> Iterator[int]:
    """An SMTP server that writes down whom it accepted mail for; its port."""
    words = [binaries / "python", HERE / "smtp_sink.py", folder / "accepted.txt"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def write_mailmerge(folder: Path, rows: int, port: int) -> list[str]:
    """A mail merge of so many people; their addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mailmerge_template.txt").write_text(
        "TO: {{email}}\nSUBJECT: Your talk\nFROM: Ada <ada@example.com>\n\n"
        "Hi {{first_name}}, saw your talk at {{company}}. Shall I send the notes?\n"
    )
    (folder / "mailmerge_server.conf").write_text(
        f"[smtp_server]\nhost = 127.0.0.1\nport = {port}\nratelimit = 0\n"
    )
    people = [row_of(number) for number in range(rows)]
    lines = [f"{id}@example.com,{name},{company}\n" for id, name, company in people]
    sheet = folder / "mailmerge_database.csv"
    sheet.write_text("email,first_name,company\n" + "".join(lines))
    return [f"{id}@example.com" for id, _, _ in people]


def mailmerge(folder: Path, rows: int, rounds: int, tell: Tell) -> tuple[str, list[str] | None]:
    """mailmerge's messages a second, as a line; and its row of who got what when killed."""
    binaries = environment(folder)
    if binaries is None:
        return f"mailmerge: {' and '.join(PACKAGES)} could not be installed here.", None
    place = folder / "mailmerge"
    place.mkdir(exist_ok=True)
    words = [str(binaries / "mailmerge"), "--no-dry-run", "--no-limit", "--output-format", "text"]
    got = place / "accepted.txt"
    try:
        with smtp_sink(binaries, place) as port:
            people = write_mailmerge(place, rows, port)
            begin = partial(start, words, place)
            found = []
            for _ in range(rounds):
                got.write_text("")
                found.append(rows / _to_its_end(begin))
            got.write_text("")
            row = killed(MAILMERGE, begin, lambda: got.read_text().split(), people)
        tell(f"mailmerge: {number(median(found))} a second, {row}")
        return f"mailmerge, against an SMTP server on this machine: {spread(found)} a second.", row
    finally:
        shutil.rmtree(place)


def measure(sink: Sink, folder: Path, rounds: int, seconds: float, rows: int, tell: Tell) -> str:
    """The part of the page about what people would use instead."""
    fast = rates(sink, folder, rounds, seconds, tell)
    line, row = mailmerge(folder, rows, rounds, tell)
    found = [*kills(folder, rows, tell), *([row] if row else [])]
    head = ("killed and started again", "people", "written to twice", "never written to")
    return f"{fast}\n\n{line}\n\n{table(head, found)}"
