"""Kill, freeze and cut off real workers again and again, and ask every team's sandbox who got what.

    python -m tests.soak_workers --workers 3 --lanes 20 --messages 1000 --rounds 8 --seed 7
    python -m tests.soak_workers --lanes 4 --messages 100 --rounds 15 --kinds kill --plans

Each round is a ledger of its own on a real PostgreSQL, with new teams and one kind of failure:
SIGKILL of workers, SIGSTOP and SIGCONT, an immediate restart of the database, or a connection to it
that is cut without a word. Meanwhile people are put on the do-not-contact list, and some answers
are about something else than what was sent. With `--plans` each campaign is held to an approved
plan, and files that go beyond it are submitted after each failure. Exit 1 if anybody was written to
twice, although the list had them or with what the plan has not, is neither sent nor named as in
doubt, or was taken as sent by such an answer. Times to take over are from the failure to the first
message of one of the worker's lanes by another.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.fleet import Fleet, go_on, kill, stop, teams
from tests.acceptance.strait import Strait
from tests.acceptance.support import Running, until
from tests.approvals import HeldFiles
from tests.judge import Listed, unwanted
from tests.postgresql import crash, new_database, own_server

KINDS = ("kill", "freeze", "crash", "cut")
LASTS = 40.0
"""Seconds that a round's messages take if nothing goes wrong."""

CONCURRENCY = 4
ACTS = (0.1, 0.4)
"""Shares of a round's messages after which something goes wrong."""

LISTED = 5
"""People who are put on the do-not-contact list before each failure and after it."""

AMISS = tuple(f"not_as_asked:what={what},rate=0.005" for what in ("link", "thread", "text"))
"""Acceptances that are about something else."""

PATIENCE = 300.0
"""Seconds in which a round has to come to its end."""


@dataclass(slots=True)
class Failure:
    """What went wrong, and which lanes had to be taken over for it."""

    at: float
    pid: int
    lanes: list[str]


@dataclass(slots=True)
class Figures:
    """What came of all rounds of a kind."""

    rounds: int = 0
    messages: int = 0
    doubled: int = 0
    lost: int = 0
    in_doubt: int = 0
    limited: int = 0
    unwanted: int = 0  # written to although the list had them
    believed: int = 0  # sent by an answer about something else
    listed: int = 0
    amiss: int = 0
    unapproved: int = 0  # sent what the approved plan does not have
    beyond: int = 0  # submissions of files that went beyond it, all refused
    took: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        wrong = self.doubled + self.lost + self.limited + self.unwanted + self.believed
        wrong += self.unapproved
        return not (wrong or self.broken)

    def __str__(self) -> str:
        took = "none"
        if self.took:
            took = f"median {statistics.median(self.took):.1f} s, longest {max(self.took):.1f} s"
        return (
            f"{self.rounds} rounds, {self.messages} messages, {self.doubled} doubled, "
            f"{self.lost} lost, {self.in_doubt} in doubt, {self.limited} answers 429; "
            f"{self.listed} put on the list, {self.unwanted} of them written to after that; "
            f"{self.amiss} answers about something else, {self.believed} believed; "
            f"{self.beyond} submissions beyond a plan refused, {self.unapproved} sent beyond one; "
            f"{len(self.took)} lanes taken over: {took}"
        )


@dataclass(slots=True)
class Round:
    """One ledger, its teams and workers, and one kind of failure."""

    kind: str
    fleet: Fleet
    server: Any
    luck: random.Random
    dead_after: float
    straits: dict[int, Strait] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    listed: list[Listed] = field(default_factory=list)
    held: list[HeldFiles] = field(default_factory=list)  # to approved plans
    beyond: int = 0

    def approve(self) -> None:
        """Make each team's plan, which its campaign is held to from now on."""
        fleet = self.fleet
        for team in fleet.teams:
            file = fleet.file(team)
            held = HeldFiles(file, file.with_suffix(".csv"), f"9{team.number:03d}9999991111")
            held.require()
            fleet.ok("plan", file, "-o", held.plan)
            self.held.append(held)

    def live(self, workers: int, stack: ExitStack) -> None:
        """From handing in to the last message."""
        fleet = self.fleet
        fleet.submit()
        for _ in range(workers):
            self._start(stack)
        everybody = fleet.everybody()
        for share in ACTS:
            fleet.until_accepted(int(share * everybody))
            self._put_on_list()
            self._fail()
            self._put_on_list()
            self._go_beyond()
            if self.kind == "kill":
                self._start(stack)
        until(self._is_over, "the round to end", PATIENCE)

    def _go_beyond(self) -> None:
        """Submit a team's files after an edit that its plan does not have."""
        if self.held:
            held = self.luck.choice(self.held)
            held.go_beyond(self.luck)
            self.fleet.ok("submit", held.campaign, "--yes", code=1)
            held.take_back()
            self.beyond += 1

    def _start(self, stack: ExitStack) -> None:
        way = {}
        if self.kind == "cut":
            strait = stack.enter_context(Strait(self.fleet.state))
            way = {"RUN_CAMPAIGN_STATE": strait.url}
        running = self.fleet.worker(way, self.dead_after)
        if way:
            self.straits[running.process.pid] = strait

    def _put_on_list(self) -> None:
        """Put people on the do-not-contact list: of those who are begun, and of those who wait."""
        fleet, chosen = self.fleet, set[str]()
        for status in ("sending", "queued"):
            asked = "select recipient from message where status = %s order by random() limit %s"
            chosen |= {id for (id,) in fleet.ask(asked, status, LISTED)}
        if not chosen:
            return
        done = fleet.ok("suppress", "add", *sorted(chosen))
        at, said = time.time(), done.out.replace(":", " ").replace(",", " ").split()
        self.listed.append(Listed(frozenset(chosen), at, frozenset(chosen & set(said))))

    def _fail(self) -> None:
        """Let it go wrong for a worker that has something to do, or for all."""
        drivers = self.fleet.drivers()
        victims = [
            each
            for each in self.fleet.workers
            if each.process.poll() is None and drivers.get(each.process.pid)
        ]
        if self.kind == "crash":
            lanes = [lane for each in drivers.values() for lane in each]
            self.failures.append(Failure(time.time(), 0, lanes))
            crash(self.server)
            return
        if not victims:
            return
        victim = self.luck.choice(victims)
        pid = victim.process.pid
        self.failures.append(Failure(time.time(), pid, drivers[pid]))
        lasts = self.luck.uniform(1.2, 2.0) * self.dead_after
        if self.kind == "kill":
            kill(victim)
        elif self.kind == "freeze":
            self._for_a_while(stop, go_on, victim, lasts)
        else:
            strait = self.straits[pid]
            self._for_a_while(lambda _: strait.cut(), lambda _: strait.heal(), victim, lasts)

    def _for_a_while(
        self,
        begin: Callable[[Running], None],
        end: Callable[[Running], None],
        victim: Running,
        seconds: float,
    ) -> None:
        begin(victim)
        time.sleep(seconds)
        end(victim)

    def _is_over(self) -> bool:
        held = ("queued", "sending") if self.fleet.version == "v1" else (
            "queued", "sending", "in_doubt",
        )  # fmt: skip
        # What is in doubt of people on the list is never repeated: a person settles it.
        waits = (
            "select count(*) from message where status = any(%s) and not (status = 'in_doubt' and"
            " exists (select from suppression where suppression.recipient = message.recipient))"
        )
        # Later than this only replies are read.
        soon = "extract(epoch from clock_timestamp()) + 300"
        due = f"select count(*) from submission where next_at < {soon}"
        return self.fleet.ask(waits, list(held)) == [(0,)] and self.fleet.ask(due) == [(0,)]

    def figures(self, figures: Figures) -> None:
        """Add what the sandboxes say."""
        fleet = self.fleet
        verdict = fleet.judge()
        doubts = {
            row[0] for row in fleet.ask("select recipient from message where status = 'in_doubt'")
        }
        figures.rounds += 1
        figures.messages += fleet.everybody()
        figures.doubled += len(verdict.doubled)
        skipped = {
            row[0] for row in fleet.ask("select recipient from message where status = 'skipped'")
        }
        on_the_list = {person for each in self.listed for person in each.people}
        figures.lost += len(set(verdict.missing) - doubts - (skipped & on_the_list))
        accepted = [entry for team in fleet.teams for entry in team.api.accepted]
        figures.unwanted += len(unwanted(self.listed, accepted))
        figures.listed += len(on_the_list)
        amiss = {entry["person"] for entry in accepted if entry.get("amiss")}
        figures.amiss += len(amiss)
        taken = fleet.ask(
            "select recipient from message join attempt on attempt.message = message.id"
            " where attempt.evidence = 'accepted' and recipient = any(%s)",
            sorted(amiss),
        )
        figures.believed += len(taken)
        figures.in_doubt += len(doubts)
        figures.beyond += self.beyond
        for team, held in zip(fleet.teams, self.held, strict=False):
            figures.unapproved += len(held.unapproved(team.api.accepted))
        figures.limited += verdict.limited
        for failure in self.failures:
            for lane in failure.lanes:
                [(first,)] = fleet.ask(
                    "select min(attempt.started_at) from attempt join run on run.id = attempt.run"
                    " where attempt.lane = %s and attempt.started_at > %s and run.pid <> %s",
                    *(lane, failure.at, failure.pid),
                )
                if first is not None:
                    figures.took.append(first - failure.at)


def one_round(asked: argparse.Namespace, number: int, kind: str, figures: Figures) -> None:
    """A round from its new ledger to its verdict."""
    luck = random.Random(f"{asked.seed} {number}")
    with ExitStack() as stack:
        server = stack.enter_context(own_server())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = stack.enter_context(teams(asked.lanes, asked.messages))
        outputs = folder / "outputs"
        outputs.mkdir()
        state = new_database(server.get_uri())
        fleet = Fleet(folder, found[0].api, asked.version, outputs, state=state, teams=found)
        fleet.write_teams(concurrency=CONCURRENCY)
        for team in fleet.teams:
            slow = f"slow:seconds={LASTS * CONCURRENCY / asked.messages}"
            team.api.faults(*AMISS, slow)
        try:
            fleet.ok("db", "upgrade")
            each = Round(kind, fleet, server, luck, asked.dead_after)
            if asked.plans:
                each.approve()
            each.live(asked.workers, stack)
            each.figures(figures)
            codes = [done.code for done in fleet.end()]
            if any(codes):
                figures.broken.append(f"round {number} ({kind}): workers ended with {codes}")
        except Exception as error:  # whatever it is, it is told
            figures.broken.append(f"round {number} ({kind}): {error!r}")
        finally:
            for running in fleet.running:
                running.process.kill()
                running.process.wait()
            traces = [each.all for each in (r.wait() for r in fleet.workers)]
            figures.broken += [text[-2000:] for text in traces if "Traceback" in text]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--lanes", type=int, default=20)
    parser.add_argument("--messages", type=int, default=1000, help="of each lane")
    parser.add_argument("--rounds", type=int, default=len(KINDS))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--version", choices=("v1", "v2"), default="v2")
    parser.add_argument("--dead-after", type=float, default=10.0, help="seconds")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--plans", action="store_true", help="hold campaigns to approved plans")
    asked = parser.parse_args()
    figures = {kind: Figures() for kind in asked.kinds}
    for number in range(1, asked.rounds + 1):
        kind = asked.kinds[(number - 1) % len(asked.kinds)]
        one_round(asked, number, kind, figures[kind])
        sys.stdout.write(f"{asked.version} {kind}: {figures[kind]}\n")
        sys.stdout.flush()
    for each in figures.values():
        for told in each.broken:
            sys.stdout.write(told + "\n")
    return 0 if all(each.good for each in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
