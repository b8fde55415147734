"""Kill the real runner again and again while people answer, and ask the sandbox who wrote what.

    python -m tests.soak_replies --kills 1000 --seed 7

Campaigns with follow-ups run one after another, each against a sandbox of its own. Its people
answer, opt out, write twice, edit, delete, react and type; colleagues go on with some; some wrote
before us. Its feed is late, short, doubled, full of holes, or forgets events. Runs and `replies`
are killed from outside at any time, and from within before and after each effect of reading, at the
named points of `tests/acceptance/dying`. Exit 1 if a reply is lost, invented or counted twice, if
an opt-out is not obeyed, or if anybody gets a message twice or a follow-up after they have
answered. The seed fixes what is tried, not how fast the machine is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.acceptance.support import DYING, LINK, TOKEN, Api, Project
from tests.judge import Listed, unwanted
from tests.processes import COMMAND
from tests.soak import sandbox

PEOPLE = 40
"""Recipients of one campaign."""

KILLS = 20
"""Processes of one campaign that are to be killed: then it may end."""

PATIENCE = 600.0
"""Seconds that a command may take to its end, once nothing goes wrong any more."""

UNSEEN = 3.0
"""Seconds before a follow-up in which an answer may come too late to be seen: no API sends on the
condition that nobody has answered."""

MOMENT = 0.01
"""Seconds by which the API's times are cut off at most."""

SHOWN_WITHIN = 2.0
"""Seconds after which the feed shows an answer at the latest: what was written later than that
before the last reading may be for the next one."""

LONG_BEFORE = 5.0
"""Seconds before our first message from which on nothing may be taken for a reply."""

STOPS = ("stop", "STOP!", "Please unsubscribe", "Bitte abmelden, danke", "désabonner", "Basta.")
FAULTS = (
    "accept_then_reset:rate=0.04",
    "reset_before:rate=0.02",
    "reset_before:on=any,rate=0.02",
    "error_before:on=any,rate=0.03",
    "error_before:on=lookup,rate=0.05",
    "garbage:on=lookup,rate=0.02",
    "slow:seconds=0.05,on=any,rate=0.9",
)
FEEDS: tuple[dict[str, Any], ...] = (
    {},
    {"delay": 1.0},
    {"page": 5, "double_every": 3},
    {"hole_every": 4, "double_every": 5, "page": 7},
    {"kept": 40, "page": 8},
    {"kept": 40, "page": 8, "refuse_old": True},
)
EFFECTS = ("obey", "hold_unsure", "keep", "end_for", "keep_other_ids")
PLACE = ("advance", "mend", "forget_open")
ASKED = ("received", "text", "thread", "newest")
POINTS = (
    *(f"hear.{effect}.{when}" for effect in (*EFFECTS, *PLACE) for when in ("before", "after")),
    *(f"hear.{question}.{when}" for question in ASKED for when in ("before", "after")),
    *("hear.inside", "hear.committed", "hear.tear.before", "hear.tear.after"),
    *("hear.was_read_back.before", "hear.was_read_back.after", "tell.replied", "tell.opted_out"),
)
STEPS = """\
steps:
  - {name: nudge, after: 2s, text: "Hi again {{ first_name }}"}
  - {name: last, after: 2s, text: "The last one, {{ first_name }}"}
replies: {poll: 10s}
guard: {opt_out_rate: none}
"""


LIES = {
    "lost": "a reply that does not count",
    "invented": "no reply, and it counts",
    "counted twice": "a reply that counts twice, or is told twice",
    "not obeyed": "opted out, and not on the list",
    "unwanted": "written to after their opt-out was on disk",
    "answered": "a follow-up after they had answered",
    "doubled": "the same message twice",
    "stuck": "a message that waits for nothing",
}


@dataclass(frozen=True, slots=True)
class Written:
    """A message from the other side, by the sandbox."""

    id: str
    person: str
    at: float
    text: str


@dataclass(slots=True)
class Soak:
    """What is to be done, and the figures so far."""

    seed: int
    goal: int
    outside: int = 0
    points: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    campaigns: int = 0
    people: int = 0
    replies: int = 0
    opted_out: int = 0
    accepted: int = 0
    in_doubt: int = 0  # at the end
    torn: int = 0
    found: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in LIES})
    broken: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    @property
    def kills(self) -> int:
        return self.outside + self.points.total()

    @property
    def good(self) -> bool:
        return not any(self.found.values()) and not self.broken

    def line(self) -> str:
        minutes = (time.monotonic() - self.begun) / 60
        return (
            f"{self.kills} kills ({self.outside} from outside, {self.points.total()} at "
            f"{len(self.points)} named points; {self.commands['replies']} of `replies`), "
            f"{self.campaigns} campaigns, {self.people} people, {self.accepted} messages, "
            f"{self.replies} replies, {self.opted_out} opt-outs, {self.in_doubt} in doubt at the "
            "end, "
            f"{self.torn} campaigns whose feed lost events: "
            + "".join(f"{name} {len(people)}, " for name, people in self.found.items())
            + f"{minutes:.1f} minutes"
        )


@dataclass(slots=True)
class Campaign:
    """One campaign, brought to its end through kills."""

    soak: Soak
    number: int
    project: Project
    luck: random.Random
    listed: list[Listed] = field(default_factory=list)

    @property
    def everyone(self) -> list[str]:
        return [f"9{self.number:06d}{each:06d}111111" for each in range(1, PEOPLE + 1)]

    @property
    def events(self) -> Path:
        return self.project.outputs / f"events-{self.number}.jsonl"

    def live(self) -> None:
        """From its files to its last verdict."""
        self._write()
        for _ in range(KILLS):
            self._kill_one()
            self._note_listed()
            if self.soak.kills >= self.soak.goal:
                break
        self.project.api.faults()
        if self._ends():
            self._judge()

    def _write(self) -> None:
        luck = self.luck
        self.project.write(
            self.everyone,
            concurrency=luck.choice((1, 2, 4, 16)),
            retry="settle: 0.5s, attempts: 100, timeout: 3s",
            more=f"name: soak-{self.number}\n{STEPS}",
        )
        feed = luck.choice(FEEDS)
        self.soak.torn += "kept" in feed
        self.project.api.ask("feed", feed)
        self.project.api.ask("answers", {"people": {id: self._acts() for id in self.everyone}})
        for id in luck.sample(self.everyone, 3):
            self._act(id, {"write": "stop"})  # before we wrote: no reply

    def _acts(self) -> list[dict[str, Any]]:
        """What a person will do, some time after our messages."""
        luck = self.luck

        def soon() -> float:
            return round(luck.choice((0.0, 0.05, luck.uniform(0.1, 9.0))), 2)

        stop, to = {"write": luck.choice(STOPS)}, luck.choice((1, 1, 2, 3))
        match luck.randrange(10):
            case 0 | 1:
                return [{**stop, "after": soon(), "to": to}]
            case 2:
                return [{"write": "Sounds good", "after": soon()}, {**stop, "after": soon()}]
            case 3:
                return [{"write": "please stop by our booth", "after": soon(), "to": to}]
            case 4:
                first = soon()
                edit = {"edit": "Yes, on Monday", "after": first + 0.3}
                return [{"write": "Yes", "after": first}, edit, {"delete": "self", "after": 9}]
            case 5:
                return [{"write": "Yes", "after": soon(), "to": to}] * 2
            case 6:
                return [{"react": "👍", "after": soon()}, {"type": True, "after": soon()}]
            case 7:
                return [{luck.choice(("colleague", "outside")): "Mine", "after": soon()}]
            case _:
                return []

    def _act(self, id: str, act: dict[str, Any]) -> None:
        self.project.api.ask("act", {"accountLinkId": LINK, "platformId": id} | act)

    def _kill_one(self) -> None:
        luck, soak = self.luck, self.soak
        command = luck.choice(("run", "run", "replies")) if self.project.ledger.exists() else "run"
        die_at = f"{luck.choice(POINTS)}:{luck.choice((1, 1, 1, 2))}" if luck.random() < 0.5 else ""
        self.project.api.faults(*luck.sample(FAULTS[:-1], len(FAULTS) - 1), FAULTS[-1])
        self._write_to_us()
        process = self._start(command, die_at)
        within = luck.uniform(8.0, 12.0) if die_at else luck.uniform(0.5, 4.0)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(within)
        outside = process.poll() is None
        if outside:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        if code == -signal.SIGKILL:
            soak.commands[command] += 1
            if outside:
                soak.outside += 1
            else:
                soak.points[die_at.partition(":")[0]] += 1
        elif code not in (0, 1, 4, 5):
            soak.broken.append(f"soak-{self.number}: {command} ended with {code}:\n{self._said()}")

    def _write_to_us(self) -> None:
        """Let some who have a message of ours answer now, so that there is something to read."""
        sent = sorted({entry["person"] for entry in self.project.api.accepted})
        for id in self.luck.sample(sent, min(len(sent), 2)):
            text = self.luck.choice(("Yes", "And one thing more", "stop this bill", *STOPS[:2]))
            self._act(id, {"write": text})

    def _start(self, command: str, die_at: str = "") -> subprocess.Popen[bytes]:
        new = ["--new-campaign", "--yes"] if command == "run" else []
        dying = {"DIE_AT": die_at, "PYTHONPATH": str(DYING)} if die_at else {}
        with (self.project.outputs / "said").open("wb") as stream:
            return subprocess.Popen(
                [*COMMAND, command, self.project.campaign, *new, "--log-file", self.events],
                cwd=self.project.folder,
                env=self.project.environment(**dying),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _said(self) -> str:
        return (self.project.outputs / "said").read_text(errors="replace")[-2000:]

    def _note_listed(self) -> None:
        """Note who is on the list now, when nothing is on its way any more."""
        time.sleep(0.2)
        people = frozenset(id for (id,) in self._ask("select recipient from suppression"))
        self.listed.append(Listed(people, time.time()))

    def _ends(self) -> bool:
        """Run it, and read, until nothing is left to do; whether that was so."""
        for command in ("run", "run", "replies", "run", "replies"):
            process = self._start(command)
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                code = -1
            if code not in (0, 4):
                self.soak.broken.append(
                    f"soak-{self.number}: {command} does not end, {code}:\n{self._said()}"
                )
                return False
            self._note_listed()
        return True

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        """Ask the ledger; nothing while it has no tables."""
        place = f"file:{self.project.ledger}?mode=ro"
        try:
            with contextlib.closing(sqlite3.connect(place, uri=True)) as connection:
                return connection.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []

    def _judge(self) -> None:
        soak, found = self.soak, self.soak.found
        mine = set(self.everyone)
        accepted = [entry for entry in self.project.api.accepted if entry["person"] in mine]
        written = list(self._written())
        begun: dict[str, float] = {}
        for entry in accepted:
            person, at = entry["person"], entry["at"]
            begun[person] = min(at, begun.get(person, at))
        known = self._known()
        doubtful = {id for (id,) in self._ask(DOUBTFUL)}
        soak.in_doubt += len(doubtful)
        kinds = dict(self._ask("select message_id, kind from inbound where answers is not null"))
        people = dict(self._ask(f"{ANSWERED} '9{self.number:06d}%'"))
        listed = {id for (id,) in self._ask("select recipient from suppression")}
        [(read_at,)] = self._ask("select max(read_at) from feed")
        said: Counter[str] = Counter()
        perhaps: Counter[str] = Counter()  # a moment before us: a reply by another clock
        for each in written:
            since = begun.get(each.person)
            if since is not None and since - each.at > MOMENT:
                perhaps[each.person] += since - each.at < LONG_BEFORE
            if since is not None and each.at >= since - MOMENT:
                soak.replies += 1
                said[each.person] += 1
                is_out = each.text in STOPS
                soak.opted_out += is_out
                if each.person in doubtful or each.at > read_at - SHOWN_WITHIN:
                    continue
                if kinds.get(each.id) != "reply" or people.get(each.id) != each.person:
                    found["lost"].add(f"{each.person} {each.id}")
                if is_out and each.person not in listed:
                    found["not obeyed"].add(each.person)
            elif kinds.get(each.id) and (since is None or each.at < since - LONG_BEFORE):
                found["invented"].add(f"{each.person} {each.id}")
        ids = {each.id for each in written}
        found["invented"] |= {id for id in people if id not in ids}
        found["counted twice"] |= {
            id for id, times in known.items() if times > said[id] + perhaps[id]
        }
        found["counted twice"] |= set(self._told_twice())
        found["unwanted"] |= unwanted(self.listed, accepted)
        found["answered"] |= set(_after_answer(accepted, written, begun))
        texts = Counter((entry["person"], entry["content"]) for entry in accepted)
        found["doubled"] |= {person for (person, _), times in texts.items() if times > 1}
        found["stuck"] |= {f"{id} {status}" for id, status in self._ask(STUCK)}
        soak.campaigns += 1
        soak.people += len(mine)
        soak.accepted += len(accepted)
        sys.stdout.write(soak.line() + "\n")
        sys.stdout.flush()

    def _known(self) -> dict[str, int]:
        """Return how many messages each person has written, as the command line lists them."""
        words = [*COMMAND, "replies", str(self.project.campaign), "--no-read", "--json"]
        around = self.project.environment()
        done = subprocess.run(
            words, cwd=self.project.folder, env=around, capture_output=True, check=True
        )
        return {each["recipient"]: each["messages"] for each in json.loads(done.stdout)}

    def _written(self) -> Iterable[Written]:
        """Yield all that was written to us, as the API shows it when nothing goes wrong."""
        threads = self._get("/threads?folder=all&limit=100&expand=profile")["data"]
        for thread in threads:
            page = self._get(f"/threads/{thread['id']}/messages?limit=100&order=asc")
            for each in page["data"]:
                if each["direction"] == "inbound":
                    at = datetime.fromisoformat(each["createdAt"]).timestamp()
                    person = thread["profile"]["platformId"]
                    yield Written(each["id"], person, at, each["content"])

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(f"{self.project.api.base}/api/v2{path}")
        request.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def _told_twice(self) -> Iterable[str]:
        told: Counter[tuple[str, str]] = Counter()
        for line in self.events.read_text().splitlines():
            with contextlib.suppress(ValueError):  # cut off by a kill
                event = json.loads(line)
                if event["event"] in ("replied", "opted_out"):
                    told[event["event"], event["reply_id"]] += 1
        return (f"{name} {id}" for (name, id), times in told.items() if times > 1)


ANSWERED = (
    "select inbound.message_id, recipient from inbound join message on message.id = inbound.answers"
    " where recipient like"
)
STUCK = (
    "select recipient, status from message"
    " where status in ('queued', 'waiting', 'sending') and recipient not in"
    " (select recipient from message where status = 'in_doubt')"
)
DOUBTFUL = "select recipient from message where status = 'in_doubt'"
"""People who are named as in doubt: nothing is repeated to who has opted out or is on hold."""


def _after_answer(
    accepted: Sequence[dict[str, Any]], written: Sequence[Written], begun: dict[str, float]
) -> Iterable[str]:
    """Yield who got a message although an answer of theirs could be seen."""
    for each in accepted:
        person, at = each["person"], each["at"]
        since = begun[person]
        if any(w.person == person and since <= w.at <= at - UNSEEN for w in written):
            yield f"{person} {each['content']}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    soak = Soak(asked.seed, asked.kills)
    number = 0
    with tempfile.TemporaryDirectory() as folder:
        while soak.kills < soak.goal and not soak.broken:
            number += 1
            luck = random.Random(f"replies {soak.seed} {number}")
            project, outputs = Path(folder) / str(number), Path(folder) / f"{number}-outputs"
            project.mkdir()
            outputs.mkdir()
            try:
                with sandbox(number, ()) as api:
                    Campaign(soak, number, _project(project, api, outputs), luck).live()
            except Exception:  # whatever it is, it is told and ends the soak
                soak.broken.append(f"soak-{number}: {traceback.format_exc()}")
    for told in soak.broken:
        sys.stdout.write(told + "\n")
    for name, people in soak.found.items():
        if people:
            sys.stdout.write(f"{name} ({LIES[name]}): {', '.join(sorted(people))}\n")
    again = f"python -m tests.soak_replies --kills {soak.goal} --seed {soak.seed}"
    sys.stdout.write(f"{soak.line()}; {again}\n")
    return 0 if soak.good else 1


def _project(folder: Path, api: Api, outputs: Path) -> Project:
    return Project(folder, api, "v2", outputs)


if __name__ == "__main__":
    sys.exit(main())
