"""The real process killed at each step of its work, one by one. The judge is the sandbox's own
list; the ledger is read right after the death, before anything can mend it."""

from __future__ import annotations

import contextlib
import itertools
import signal
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.acceptance.support import DYING, Api, Project, sandbox, until

QUICK = "settle: 0.1s"
_numbers = itertools.count(1)


class Row(NamedTuple):
    """A message as it lies in the ledger, with what is known of its attempts."""

    status: str
    outcomes: tuple[str, ...] = ()
    message_id: str | None = None


@dataclass
class Scene:
    """Some people to write to, and runs that die."""

    project: Project
    everyone: list[str]

    @property
    def victim(self) -> str:
        return self.everyone[1]

    @property
    def got(self) -> dict[str, str]:
        """Whom the sandbox accepted a message for, and its id; fails when somebody has two."""
        mine = [entry for entry in self.project.api.accepted if entry["person"] in self.everyone]
        found = {entry["person"]: entry["message_id"] for entry in mine}
        assert len(found) == len(mine), "somebody was written to twice"
        return found

    def write(self, retry: str = QUICK) -> None:
        self.project.write(self.everyone, concurrency=1, retry=f"{retry}, timeout: 20s")

    def faults(self, rule: str, *, only_victim: bool) -> None:
        """Have the sandbox treat the victim's message by a rule, or everybody's."""
        chosen = f"recipient={self.victim}" if only_victim else ""
        self.project.api.faults(*([_joined(rule, chosen)] if rule else []))

    def dies(self, die_at: str, *words: str) -> list[Row]:
        """A command that gets to this point and no further; what it leaves."""
        dying = {"DIE_AT": die_at, "PYTHONPATH": str(DYING)}
        command, *rest = words or ("run",)
        done = self.project.run(command, self.project.campaign, *rest, **dying)
        assert done.code == -signal.SIGKILL, f"{die_at} was not reached: {done.all}"
        return self.left()

    def is_killed_once_accepted(self) -> list[Row]:
        """A run that is killed from outside, while the sandbox holds its answer to what it took."""
        before = len(self.got)
        goal = before + 1 + (before == 0)  # the first of all is answered
        running = self.project.start(self.project.campaign)
        until(lambda: len(self.got) == goal, "the sandbox to accept and not answer")
        running.process.kill()
        assert running.wait().code == -signal.SIGKILL
        return self.left()

    def left(self) -> list[Row]:
        """What lies in the ledger, and whether it can be true."""
        rows = rows_of(self.project.ledger)
        got = self.got
        for id, row in zip(self.everyone, rows, strict=bool(rows)):
            if row.status == "queued":
                assert id not in got, "a message that was accepted would be sent again"
            if row.status == "sent":
                assert row.message_id == got.get(id), "what is sent is not what was accepted"
        return rows

    def is_brought_to_its_end(self) -> list[Row]:
        """The plain command again, until nothing is left to do: everybody has one message, or is
        named as in doubt."""
        self.project.api.faults()
        last = self.project.run(self.project.campaign)
        rows, got = self.left(), self.got
        missing = sorted(set(self.everyone) - set(got))
        assert last.code == (4 if missing else 0), last.all
        for id, row in zip(self.everyone, rows, strict=True):
            assert row.status == ("sent" if id in got else "in_doubt")
        if missing:
            told = self.project.ok("status", self.project.campaign, "--json").json
            assert sorted(told["in_doubt"]) == missing
        return rows


def _joined(rule: str, *keys: str) -> str:
    name, _, rest = rule.partition(":")
    wanted = ",".join(each for each in (rest, *keys) if each)
    return f"{name}:{wanted}" if wanted else name


def rows_of(ledger: Path) -> list[Row]:
    """The messages in a ledger, straight from it; none while it has no tables."""
    with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        if not connection.execute("select 1 from sqlite_master where name = 'message'").fetchall():
            return []
        for (body,) in connection.execute("select body from attempt"):
            assert body, "an attempt without the bytes to repeat it"
        return [
            Row(status, tuple(outcomes.split()), message_id)
            for status, message_id, outcomes in connection.execute(
                "select status, message_id, coalesce((select group_concat(outcome, ' ') from"
                " (select outcome from attempt where message = message.id order by number)), '')"
                " from message order by id"
            )
        ]


@pytest.fixture(scope="module")
def shared_api() -> Iterator[Api]:
    """One sandbox for all: each test has people of its own."""
    with sandbox("--per-minute", "none") as api:
        yield api


@pytest.fixture
def api(shared_api: Api) -> Iterator[Api]:
    """Instead of a sandbox per test."""
    yield shared_api
    shared_api.faults()


def scene(project: Project, count: int = 3) -> Scene:
    number = next(_numbers)
    return Scene(project, [f"91{number:07d}{each:06d}1111" for each in range(1, count + 1)])


QUEUED = Row("queued")
SENDING = Row("sending", ("unknown",))


@dataclass(frozen=True)
class Point:
    """A step of a send. `leaves`: the status it leaves the message with, and how many attempts.
    `accepted`: whether the message is at the API then."""

    name: str
    leaves: Row
    accepted: bool
    fault: str = ""

    @property
    def label(self) -> str:
        return f"{self.name or 'outside'}-{self.fault.partition(':')[0]}".removesuffix("-")


POINTS = (
    Point("claim.before", QUEUED, False),  # it has its permit; nothing is written
    Point("claim.inside", QUEUED, False),  # the statements are executed, not committed
    Point("claim.committed", SENDING, False),
    Point("body.half", SENDING, False),
    Point("body.written", SENDING, False, "stall"),
    Point("body.written", SENDING, True, "accept_late:seconds=0"),  # once the process is gone
    Point("", SENDING, True, "stall:accept=yes"),  # accepted, not answered
    Point("send.answered", SENDING, True),
    Point("record.before", SENDING, True),
    Point("record.inside", SENDING, True),
    Point("record.committed", Row("sent", ("accepted",)), True),
    Point("tell.sent", Row("sent", ("accepted",)), True),
)


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.label)
def test_a_send_that_dies_at_each_of_its_steps(both: Project, point: Point) -> None:
    """At the second person's first send; then at the same step again: of the repeat under the same
    key (v2), or of the third person's send."""
    it = scene(both)
    it.write()
    it.faults(point.fault, only_victim=True)
    rows = it.dies(f"{point.name}:2") if point.name else it.is_killed_once_accepted()
    first, second, third = (row._replace(message_id=None) for row in rows)
    # Where a key makes it harmless, the first one's outcome shares the commit that is not made.
    shares = both.version == "v2" and point.name in ("claim.before", "claim.inside")
    assert first == Row("sent", ("accepted",)) or (shares and first == SENDING)
    assert second == point.leaves
    gone_ahead = both.version == "v2" and third in (SENDING, first)
    assert third == QUEUED or gone_ahead
    until(lambda: (it.victim in it.got) is point.accepted, "what the sandbox does with it")

    it.faults(point.fault, only_victim=False)
    doubtful = point.leaves == SENDING
    if not point.name:
        rows = it.is_killed_once_accepted()
    elif doubtful and both.version == "v2":
        rows = it.dies(f"again.{point.name}:1")
        assert rows[1].status == "in_doubt"
        assert set(rows[1].outcomes) == {"unknown"}
        assert len(rows[1].outcomes) == 2
    elif (doubtful or both.version == "v2") and third != first:
        rows = it.dies(f"{point.name}:1")
    assert not doubtful or rows[1].status in ("in_doubt", "sent")

    rows = it.is_brought_to_its_end()
    assert bool(set(it.everyone) - set(it.got)) is (
        both.version == "v1" and doubtful and not point.accepted
    )
    if point.accepted:
        assert evidence_of(both)[it.victim][-1:] == [
            "accepted" if not doubtful else "replayed" if both.version == "v2" else "found"
        ]


def evidence_of(project: Project) -> dict[str, list[str]]:
    """What each attempt's outcome is known by, per recipient."""
    found: dict[str, list[str]] = {}
    with contextlib.closing(
        sqlite3.connect(f"file:{project.ledger}?mode=ro", uri=True)
    ) as connection:
        for recipient, evidence in connection.execute(
            "select recipient, evidence from attempt join message on message.id = attempt.message"
            " order by message.id, number"
        ):
            found.setdefault(recipient, []).append(evidence)
    return found


@pytest.mark.parametrize(
    ("before", "point", "leaves"),
    [
        ("send.answered:2", "claim.before", Row("in_doubt", ("unknown",))),
        ("body.half:2", "claim.inside", Row("in_doubt", ("unknown",))),
        ("body.half:2", "record.committed", Row("sent", ("unknown", "accepted"))),
        ("send.answered:2", "tell.sent", Row("sent", ("unknown", "accepted"))),
    ],
)
def test_a_repeat_that_dies_before_it_is_begun_or_once_it_is_known(
    project: Project, before: str, point: str, leaves: Row
) -> None:
    it = scene(project, 2)
    it.write()
    it.dies(before)
    rows = it.dies(f"again.{point}:1")
    assert rows[1]._replace(message_id=None) == leaves
    assert it.is_brought_to_its_end()[1].status == "sent"


IN_DOUBT = Row("in_doubt", ("unknown",))
FOUND = Row("sent", ("accepted",))


@dataclass(frozen=True)
class Look:
    """A step of a look-up that settles an accepted message; `again`: it can be died at twice."""

    version: str
    point: str
    leaves: Row
    again: bool = False


LOOKS = (
    Look("v1", "lookup.before", IN_DOUBT, again=True),
    Look("v1", "lookup.answered", IN_DOUBT),
    Look("v1", "settle.inside", IN_DOUBT, again=True),
    Look("v1", "settle.committed", FOUND),
    Look("v1", "tell.sent", FOUND),
    Look("v2", "lookup.answered", IN_DOUBT),
    Look("v2", "settle.inside", IN_DOUBT),
)


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look.version}-{look.point}")
def test_a_look_up_that_dies_at_each_of_its_steps(tmp_path: Path, api: Api, look: Look) -> None:
    (tmp_path / "project").mkdir()
    it = scene(Project(tmp_path / "project", api, look.version, tmp_path), 2)
    it.write(f"{QUICK}, key_life: 0s")  # so that v2 looks up too
    it.dies("send.answered:2")
    for _ in range(1 + look.again):
        rows = it.dies(f"{look.point}:1")
        assert rows[1]._replace(message_id=None) == look.leaves
    assert it.is_brought_to_its_end()[1].outcomes == ("accepted",)
    assert evidence_of(it.project)[it.victim] == ["found"]


def test_absence_that_dies_before_and_after_it_is_written_down(on_v1: Project) -> None:
    it = scene(on_v1, 2)
    it.write()
    it.dies("body.half:2")
    assert it.dies("settle.committed:1")[1] == IN_DOUBT
    it.write(f"{QUICK}, absent: resend")
    assert it.dies("settle.inside:1")[1] == IN_DOUBT
    assert it.dies("settle.committed:1")[1] == Row("queued", ("not_sent",))
    assert it.is_brought_to_its_end()[1].outcomes == ("not_sent", "accepted")


def test_a_person_s_word_that_dies_before_and_after_it_is_written_down(on_v1: Project) -> None:
    it = scene(on_v1, 2)
    it.write()
    it.dies("body.half:2")
    assert it.dies("lookup.answered:1", "resolve")[1] == IN_DOUBT
    said = ("resolve", "--not-sent", it.victim)
    assert it.dies("resolve.inside:1", *said)[1] == IN_DOUBT
    assert it.dies("resolve.committed:1", *said)[1] == Row("queued", ("not_sent",))
    assert it.is_brought_to_its_end()[1].outcomes == ("not_sent", "accepted")


def test_a_start_that_dies_again_and_again(project: Project) -> None:
    it = scene(project, 2)
    it.write()
    for die_at in ("schema.inside", "schema.inside", "plan.written", "plan.finished"):
        assert it.dies(die_at) == []
    for die_at in ("tell.planned", "bind.inside", "take_lane.inside"):
        assert it.dies(die_at) == [QUEUED, QUEUED]
    assert it.dies("take_lane.committed") == [QUEUED, QUEUED]
    assert it.got == {}
    it.is_brought_to_its_end()


def test_a_start_that_dies_while_it_takes_over_what_was_under_way(on_v1: Project) -> None:
    it = scene(on_v1, 2)
    it.write()
    it.dies("send.answered:2")
    for die_at in ("take_lane.committed", "recover_orphaned.inside", "recover_orphaned.inside"):
        assert it.dies(die_at)[1] == SENDING
    assert it.dies("recover_orphaned.committed")[1] == IN_DOUBT
    assert it.is_brought_to_its_end()[1].status == "sent"
