"""Kill the real runner again and again, under a mix of faults, and ask the sandbox who got what.

    python -m tests.soak --kills 1000 --version v2 --seed 7
    python -m tests.soak --kills 60 --plans

Kills come from outside at any time, and from within at the named points of
`tests/acceptance/dying`. People are put on the do-not-contact list while their messages are queued
or begun, copies of the ledger are started beside it, and some acceptances are about something else.
Several campaigns run side by side, each against a sandbox of its own. With `--plans` each is held
to an approved plan, and its files go beyond it before runs and under them. Exit 1 if anybody was
written to twice, although the list had them or with what the plan has not, is neither sent nor
named as in doubt, or if the ledger says what the sandbox does not. The seed fixes what is tried,
not how fast the machine is.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.support import TOKEN, Api, Project
from tests.approvals import HeldFiles
from tests.judge import LIES, Listed, Message, Verdict, forked, lies, messages_of, statuses
from tests.ledger_copies import copy_of, is_remembered_further, marks_of, put_in_place, remove
from tests.processes import COMMAND

DYING = Path(__file__).parent / "acceptance" / "dying"
FAULTS = (
    "accept_then_reset:rate=0.05",
    "reset_before:rate=0.03",
    "error_after:rate=0.03",
    "error_before:rate=0.03",
    "garbage:rate=0.02",
    "half:rate=0.02",
    "rate_limit:rate=0.01,retry_after=1",
    *(f"not_as_asked:what={what},rate=0.015" for what in ("link", "thread", "text")),
    "slow:seconds=0.03,rate=0.95",
)
STARTS: tuple[str, ...] = (
    *("schema.inside", "plan.written", "plan.finished", "tell.planned"),
    *(
        "take_lane.inside",
        "take_lane.committed",
        "recover_orphaned.inside",
        "recover_orphaned.committed",
    ),
)
SENDS: tuple[str, ...] = (
    *("claim.before", "claim.inside", "claim.committed", "body.half", "body.written"),
    *("send.answered", "record.before", "record.inside", "record.committed", "tell.sent"),
)
LOOKS: tuple[str, ...] = (
    *("lookup.before", "lookup.answered", "settle.inside", "settle.committed"),
    "count_requests.inside",
)
PEOPLE = 60
"""Recipients of one campaign."""

KILLS = 12
"""Runs of one campaign that are to be killed: then it may end."""

PATIENCE = 150.0
"""Seconds that a command may take to its end, once nothing goes wrong any more."""


@dataclass(slots=True)
class Soak:
    """What is to be done, and the figures so far. All campaigns change it, under `lock`."""

    version: str
    seed: int
    goal: int
    plans: bool = False  # each campaign is held to an approved plan
    outside: int = 0
    points: Counter[str] = field(default_factory=Counter)
    resolving: int = 0  # of all kills, those of `resolve`
    refused: int = 0  # of ledgers and their copies
    beyond: int = 0  # runs whose files went beyond the plan
    campaigns: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    kind: type[Campaign] = field(default_factory=lambda: Campaign)
    begun: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def kills(self) -> int:
        return self.outside + self.points.total()

    @property
    def done(self) -> bool:
        return self.kills >= self.goal

    def line(self) -> str:
        rate = self.kills / (time.monotonic() - self.begun)
        return (
            f"{self.version}: {self.kills} kills ({self.outside} from outside, "
            f"{self.points.total()} at {len(self.points)} named points; {self.resolving} hit "
            f"resolve), {self.campaigns} campaigns, {self.verdict} ({self.refused} refused); "
            + (f"{self.beyond} runs of files beyond the plan; " if self.plans else "")
            + f"{rate:.1f} kills/s"
        )


@dataclass(slots=True)
class Campaign:
    """One campaign, brought to its end through kills."""

    soak: Soak
    number: int
    project: Project
    luck: random.Random
    listed: list[Listed] = field(default_factory=list)
    held: HeldFiles | None = None  # to an approved plan

    @property
    def name(self) -> str:
        return f"soak-{self.number}"

    @property
    def everyone(self) -> list[str]:
        """Ids that no other campaign of the soak has."""
        return [f"9{self.number:06d}{each:06d}111111" for each in range(1, PEOPLE + 1)]

    def live(self, *, resend: bool) -> None:
        """From its files to its last verdict."""
        self._write(resend=resend)
        if self.soak.plans:
            self._approve()
        self._let_go_wrong()
        for _ in range(KILLS):
            if self.luck.random() < 0.2 and self._messages():
                self._start_copies()
            else:
                self._kill_one()
            messages = self._messages()
            found = lies(messages, self.project.api.accepted)
            with self.soak.lock:
                self.soak.verdict.note(found)
            waiting = [m for m in messages if m.status in ("queued", "sending", "in_doubt")]
            if self.soak.done or (messages and not waiting):
                break
        self.project.api.faults()
        self._end()
        doubtful = self._doubtful()
        if doubtful and self.luck.random() < 0.5:
            self._settle_by_word(doubtful)
            doubtful = self._doubtful()
        messages = self._messages()
        accepted = self.project.api.accepted
        unapproved = self.held.unapproved(accepted) if self.held else ()
        with self.soak.lock:
            self.soak.campaigns += 1
            self.soak.verdict.note({"unapproved": unapproved})
            self.soak.verdict.close(self.everyone, messages, accepted, doubtful, self.listed)
            sys.stdout.write(self.soak.line() + "\n")
            sys.stdout.flush()

    def _write(self, *, resend: bool) -> None:
        luck = self.luck
        settle = "2s" if resend else luck.choice(("0.1s", "1s"))
        self.project.write(
            self.everyone,
            concurrency=luck.choice((1, 2, 4, 16)),
            retry=f"settle: {settle}, absent: {'resend' if resend else 'hold'}, attempts: 100, "
            f"timeout: 3s, key_life: {luck.choice(('0s', '3s', '1h', '1h'))}",
            more=f"name: {self.name}\n",
        )

    def _approve(self) -> None:
        """Make the campaign's plan, which it is held to from now on."""
        outsider = f"9{self.number:06d}999999111111"
        self.held = HeldFiles(self.project.campaign, self.project.sheet, outsider)
        self.held.require()
        if code := self._run("plan", "-o", str(self.held.plan)):
            with self.soak.lock:
                self.soak.verdict.broken.append(f"{self.name}: plan, {code}: {self._said()}")

    def _kill_one(self) -> None:
        luck = self.luck
        known = statuses(self._messages())
        doubtful = bool(known["in_doubt"] + known["sending"])
        resolve = doubtful and luck.random() < 0.2
        settling = doubtful and (resolve or luck.random() < 0.6)
        die_at = self._point(settling) if luck.random() < 0.5 else ""
        words = [] if resolve else self._bounds()
        self._let_go_wrong()
        beyond = self.held if self.held and luck.random() < 0.3 else None
        early = beyond is not None and luck.random() < 0.5
        if beyond and early:
            beyond.go_beyond(luck)
        process = self._start("resolve" if resolve else "run", *words, die_at=die_at)
        if beyond and not early:
            time.sleep(luck.uniform(0.0, 0.6))
            beyond.go_beyond(luck)
        self._let_go_on(process, die_at)
        if known.total() and luck.random() < 0.3:
            self._put_on_list()
            if luck.random() < 0.7:
                self._let_go_on(process, die_at)
        self._reap(process, die_at, resolve=resolve)
        if beyond:
            beyond.take_back()
            with self.soak.lock:
                self.soak.beyond += 1

    def _reap(
        self, process: subprocess.Popen[bytes], die_at: str = "", *, resolve: bool = False
    ) -> int:
        """Kill a process, unless it has ended, and count that; how it ended."""
        soak = self.soak
        outside = process.poll() is None
        if outside:
            killed = os.killpg if self.luck.random() < 0.5 else os.kill
            killed(process.pid, signal.SIGKILL)
        code = process.wait()
        with soak.lock:
            if code == -signal.SIGKILL:
                soak.resolving += resolve
                if die_at and not outside:
                    soak.points[die_at.partition(":")[0]] += 1
                else:
                    soak.outside += 1
            elif code not in (0, 1, 4, 5):
                soak.verdict.broken.append(f"{self.name} ended with {code}:\n{self._said()}")
        return code

    def _messages(self) -> list[Message]:
        return messages_of(self.project.ledger, self.name)

    def _let_go_wrong(self) -> None:
        """Let the sandbox have its faults, in another order each time, for each draws by its place;
        and let some acceptances have the id of a message that the ledger has as sent."""
        luck, found = self.luck, self._messages()
        ids = [each.message_id for each in found if each.status == "sent" and each.message_id]
        wrong = [f"not_as_asked:what=id,id={id},rate=0.02" for id in luck.sample(ids, bool(ids))]
        *faults, slow = FAULTS  # which hits what none of the others does
        faults += wrong
        self.project.api.faults(*luck.sample(faults, len(faults)), slow)

    def _put_on_list(self) -> None:
        """Put people on the do-not-contact list whose messages are begun or queued; sometimes the
        command is killed, and given again."""
        luck, found = self.luck, self._messages()
        begun = [each.recipient for each in found if each.status == "sending"]
        queued = [each.recipient for each in found if each.status == "queued"]
        chosen = luck.sample(begun, min(len(begun), 2)) + luck.sample(queued, min(len(queued), 2))
        if not chosen:
            return
        words = ("add", *chosen, "--state", str(self.project.ledger))
        if luck.random() < 0.2:
            process = self._start("suppress", *words, said="list")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(luck.uniform(0.3, 2.0))
            self._reap(process)
        process = self._start("suppress", *words, said="list")
        code, at = process.wait(PATIENCE), time.time()
        said = self._said("list")
        if code == 0:
            told = frozenset(id for id in chosen if f" {id}" in said.replace(":", " "))
            self.listed.append(Listed(frozenset(chosen), at, told))
        else:
            with self.soak.lock:
                self.soak.verdict.broken.append(f"{self.name}: suppress add, {code}: {said}")

    def _start_copies(self) -> None:
        """Start the ledger and a copy of it, made before or while it runs. What has come furthest
        is the ledger from then on."""
        luck, ledger = self.luck, self.project.ledger
        copy = ledger.with_name("copy.db")
        live = luck.random() < 0.5
        if not live:
            copy_of(ledger, copy)
            before = self._messages()
        first = self._start("run", *self._bounds())
        if live:
            self._let_go_on(first, "")
            copy_of(ledger, copy)
            before = messages_of(copy, self.name)
            # What a copy of the last second does not know, nobody can: see docs/guarantee.md.
            deadline = time.monotonic() + 5.0
            while not (further := is_remembered_further(self.project, copy)):
                if time.monotonic() > deadline or first.poll() is not None:
                    break
                time.sleep(0.05)
            if not further:
                self._reap(first)
                remove(copy)
                return
        else:
            time.sleep(luck.choice((0.0, 0.0, 0.0, 0.3, 1.0)))
        second = self._start("run", "--state", str(copy), *self._bounds(), said="copy")
        self._let_go_on(second, "")
        self._let_go_on(first, "")
        codes = [self._reap(first), self._reap(second)]
        copies = [messages_of(each, self.name) for each in (ledger, copy)]
        if marks_of(copy) > marks_of(ledger):
            put_in_place(copy, ledger)
        remove(copy)
        with self.soak.lock:
            self.soak.verdict.copies += 1
            self.soak.refused += codes.count(1)
            self.soak.verdict.note({"forked": forked(before, copies)})

    def _bounds(self) -> list[str]:
        """Whom a run is to write to, and how many, in one of five: repeats are bounded too."""
        luck = self.luck
        match luck.randrange(10):
            case 0:
                return ["--limit", str(luck.choice((0, 1, 5)))]
            case 1:
                some = luck.sample(self.everyone, 8)
                return [word for id in some for word in ("--only", id)]
            case _:
                return []

    def _point(self, settling: bool) -> str:
        """A point and how often it is passed first, such as will mostly be reached."""
        luck = self.luck
        again = settling and self.soak.version == "v2" and luck.random() < 0.7
        kinds = ((SENDS if again else LOOKS),) if settling else (STARTS, SENDS, SENDS)
        kind = luck.choice(kinds)
        times = 1 if settling or kind is STARTS else luck.choice((1, 2, 3, 8))
        return f"{'again.' if again else ''}{luck.choice(kind)}:{times}"

    def _let_go_on(self, process: subprocess.Popen[bytes], die_at: str) -> None:
        """Wait for the moment to kill: while it starts and plans, when so many more have been
        accepted, or simply after a time. One that is to die by itself gets the time to."""
        luck = self.luck
        way = "dying" if die_at else luck.choice(("starting", "sending", "sending", "later"))
        within = {"starting": (0.0, 0.8), "dying": (8.0, 15.0)}.get(way, (1.0, 7.0))
        deadline = time.monotonic() + luck.uniform(*within)
        goal = self._accepted() + luck.choice((1, 2, 4, 8, 16))
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(luck.uniform(0.001, 0.03))
            if way == "sending" and self._accepted() >= goal:
                break

    def _accepted(self) -> int:
        accepted: int = self.project.api.ask("tally")["accepted"]
        return accepted

    def _start(
        self, command: str, *words: str, die_at: str = "", said: str = "said"
    ) -> subprocess.Popen[bytes]:
        """Start a command on the campaign: at home, from elsewhere, or over a symlink. `said`: the
        file for its output."""
        folder, outputs = self.project.folder, self.project.outputs
        link = outputs / "link"
        if not link.is_symlink():
            link.symlink_to(folder)
        campaign = self.project.campaign.relative_to(folder)
        place, path = self.luck.choice(
            ((folder, campaign), (outputs, folder / campaign), (outputs, link.name / campaign))
        )
        about = [] if command == "suppress" else [str(path)]
        new = ["--new-campaign"] if command == "run" else []
        dying = {"DIE_AT": die_at, "PYTHONPATH": str(DYING)} if die_at else {}
        with (outputs / said).open("wb") as stream:
            return subprocess.Popen(
                [*COMMAND, command, *about, *new, *words],
                cwd=place,
                env=self.project.environment(**dying),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _said(self, name: str = "said") -> str:
        return (self.project.outputs / name).read_text(errors="replace")[-2000:]

    def _run(self, command: str, *words: str) -> int:
        process = self._start(command, *words)
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return -1

    def _end(self) -> None:
        """Run it until it says that nothing is left to do."""
        codes = []
        for _ in range(5):
            codes.append(self._run("run"))
            if codes[-1] in (0, 4):
                return
        with self.soak.lock:
            self.soak.verdict.broken.append(f"{self.name} does not end, {codes}:\n{self._said()}")

    def _doubtful(self) -> set[str]:
        """Whom the command line names as in doubt."""
        self._run("status", "--json")
        return set(json.loads(self._said_whole())["in_doubt"])

    def _said_whole(self) -> str:
        return (self.project.outputs / "said").read_text()

    def _settle_by_word(self, doubtful: set[str]) -> None:
        """A person looks, and says the truth: then everybody has one message."""
        got = set(self.project.api.recipients)
        words = [word for id in doubtful for word in ("--sent" if id in got else "--not-sent", id)]
        self._run("resolve", *words)
        self._end()
        if left := self._doubtful():
            with self.soak.lock:
                self.soak.verdict.broken.append(f"{self.name}: in doubt by a clear word: {left}")


@contextmanager
def sandbox(seed: int, words: Sequence[str]) -> Iterator[Api]:
    """A sandbox without limits and special people."""
    free = [f"--per-{each}=none" for each in ("minute", "hour", "day")]
    with subprocess.Popen(
        [sys.executable, "-m", "runner.sandbox", "--token", TOKEN, "--no-specials", *free,
         "--seed", str(seed), *words],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield Api(process.stdout.readline().split()[-1])
        finally:
            process.terminate()


def one_after_another(soak: Soak, folder: Path, numbers: Iterator[int]) -> None:
    """Campaign after campaign in one ledger, each against a sandbox with habits of its own."""
    project = folder / "project"
    outputs = folder / "outputs"
    for each in (project, outputs):
        each.mkdir(parents=True)
    while not soak.done and not soak.verdict.broken:
        with soak.lock:
            number = next(numbers)
        luck = random.Random(f"{soak.version} {soak.seed} {number}")
        if soak.version == "v2":  # whatever its habits, the key holds
            resend = luck.random() < 0.5
            words = luck.choice(([], ["--key-used-by-4xx"], ["--compare", "bytes"]))
        else:  # absence may be taken for proof only where what was taken shows in time
            resend = luck.random() < 0.4
            words = luck.choice(([], [], ["--show-after", "0.5"], ["--accept-late", "0.3"]))
            words = [] if resend else words
        try:
            with sandbox(number, words) as api:
                there = Project(project, api, soak.version, outputs)
                soak.kind(soak, number, there, luck).live(resend=resend)
        except Exception:  # whatever it is, it is told and ends the soak
            with soak.lock:
                soak.verdict.broken.append(f"soak-{number}: {traceback.format_exc()}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--version", choices=("v1", "v2"), default="v2")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--side-by-side", type=int, default=(os.cpu_count() or 1) + 1)
    parser.add_argument("--plans", action="store_true", help="hold campaigns to approved plans")
    parser.add_argument("--steps", action="store_true", help="campaigns with follow-ups")
    asked = parser.parse_args()
    if asked.plans and asked.steps:
        parser.error("--plans and --steps are soaks of their own")
    soak = Soak(asked.version, asked.seed, asked.kills, asked.plans)
    words = LIES
    if asked.steps:
        steps = importlib.import_module("tests.soak_steps")  # which needs this one
        words = LIES | steps.STEP_LIES
        soak.verdict, soak.kind = steps.StepVerdict(), steps.StepCampaign
    numbers = iter(range(1, 10**6))
    with (
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(asked.side_by_side) as threads,
    ):
        begun = [
            threads.submit(one_after_another, soak, Path(folder) / str(each), numbers)
            for each in range(asked.side_by_side)
        ]
        for future in begun:
            future.result()
    for told in soak.verdict.broken:
        sys.stdout.write(told + "\n")
    for name, people in soak.verdict.found.items():
        if people:
            sys.stdout.write(f"{name} ({words[name]}): {', '.join(sorted(people))}\n")
    what = f"{'--steps ' if asked.steps else ''}--version {soak.version}"
    again = f"python -m tests.soak {what} --kills {soak.goal} --seed {soak.seed}"
    again += " --plans" * soak.plans
    sys.stdout.write(f"{soak.line()}; {again}\n")
    return 0 if soak.verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
