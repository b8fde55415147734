"""A PostgreSQL ledger that fails over to a standby with all that was written, or without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.acceptance.conftest import MakeFleet
from tests.acceptance.support import Done, Project, Running, people, until
from tests.postgresql import Standby, new_database, own_server, standby_of

PEOPLE = people(60)


@pytest.fixture
def primary() -> Iterator[Any]:
    """A server that a test ends."""
    with own_server() as found:
        yield found


@pytest.fixture
def standby(primary: Any) -> Iterator[Standby]:
    """What follows it, asynchronously unless a test says otherwise."""
    with standby_of(primary) as found:
        yield found


def until_accepted(project: Project, count: int) -> None:
    until(lambda: len(project.api.recipients) >= count, f"{count} to be accepted")


def stopped(done: Done, *told: str) -> None:
    assert done.code == 1, done.all
    assert "Traceback" not in done.all
    for words in told:
        assert words in done.err


def write(project: Project) -> None:
    project.write(PEOPLE, concurrency=2, retry="settle: 0.5s, timeout: 5s")
    project.api.faults("slow:seconds=0.1")


def begin(project: Project, state: str, least: int) -> Running:
    """Begin a run that has had some accepted."""
    write(project)
    running = project.start(project.campaign, "--state", state)
    until_accepted(project, least)
    return running


def each_once(project: Project, state: str, last: Done) -> None:
    """Nobody was written to twice, and who was not is named as in doubt."""
    got = project.api.recipients
    assert len(got) == len(set(got)), "somebody was written to twice"
    told = project.ok("status", project.campaign, "--state", state, "--json").json
    missing = set(PEOPLE) - set(got)
    assert missing <= set(told["in_doubt"])
    assert last.code == (4 if told["in_doubt"] else 0), last.all


def all_begun_is_there(project: Project, state: str) -> None:
    """Nobody who got a message stands in the queue of the server that has taken over."""
    with psycopg.connect(state.replace("+psycopg", "")) as connection:
        queued = connection.execute("SELECT recipient FROM message WHERE status = 'queued'")
        assert not {row[0] for row in queued} & set(project.api.recipients)


def attempts(state: str) -> int:
    """Return how many attempts the server has that takes changes now."""
    with psycopg.connect(state.replace("+psycopg", "")) as connection:
        found = connection.execute("SELECT count(*) FROM attempt").fetchone()
    assert found is not None
    return int(found[0])


def test_a_standby_that_lacks_the_newest_sends_is_an_old_copy(
    both: Project, primary: Any, standby: Standby
) -> None:
    state = standby.either(new_database(primary.get_uri()))
    running = begin(both, state, 6)
    standby.cut_off()
    until_accepted(both, len(both.api.recipients) + 6)
    standby.take_over()
    stopped(running.wait(), "the connection to", "run the same command again")
    before = len(both.api.recipients)
    for words in ((both.campaign,), ("pause", both.campaign), ("suppress", "add", PEOPLE[0])):
        done = both.run(*words, "--state", state)
        stopped(done, "is an old copy", "knows of a send at 20", "--accept-old-ledger")
    # A machine that has never seen the ledger hears of it too.
    elsewhere = {"RUN_CAMPAIGN_MEMORY": str(both.folder / "elsewhere")}
    stopped(both.run(both.campaign, "--state", state, **elsewhere), "knows of a send at 20")
    assert len(both.api.recipients) == before
    both.api.faults()
    accepted = both.run(both.campaign, "--state", state, "--accept-old-ledger")
    each_once(both, state, accepted)
    each_once(both, state, both.run(both.campaign, "--state", state))


def test_a_standby_that_lacks_a_persons_word_is_an_old_copy(
    project: Project, primary: Any, standby: Standby
) -> None:
    state = standby.either(new_database(primary.get_uri()))
    write(project)
    project.ok(project.campaign, "--state", state, "--limit", "1")
    standby.cut_off()
    project.ok("suppress", "add", PEOPLE[4], "--state", state)
    standby.take_over()
    # Commands of a machine that knows nothing of it count too, but they do not stand for it.
    elsewhere = {"RUN_CAMPAIGN_MEMORY": str(project.folder / "elsewhere")}
    for id in PEOPLE[10:13]:
        assert project.run("suppress", "add", id, "--state", state, **elsewhere).code == 0
    stopped(project.run(project.campaign, "--state", state), "knows of a change at 20")
    stopped(project.run(project.campaign, "--state", state, **elsewhere), "knows of a change at 20")
    assert len(project.api.recipients) == 1


def test_a_synchronous_standby_has_everything(
    both: Project, primary: Any, standby: Standby
) -> None:
    standby.confirm()
    state = standby.either(new_database(primary.get_uri()))
    running = begin(both, state, 6)
    standby.cut_off()
    until(standby.keeps_waiting, "a commit that is not confirmed")
    standby.take_over()
    stopped(running.wait(), "the connection to", "run the same command again")
    all_begun_is_there(both, state)
    both.api.faults()
    each_once(both, state, both.run(both.campaign, "--state", state))
    if both.version == "v2":
        assert sorted(both.api.recipients) == PEOPLE


def test_a_commit_whose_wait_for_the_standby_was_cancelled_is_none(
    on_v1: Project, primary: Any, standby: Standby
) -> None:
    """PostgreSQL tells it as a success, with a warning."""
    standby.confirm()
    state = standby.either(new_database(primary.get_uri()))
    running = begin(on_v1, state, 6)
    standby.cut_off()
    until(standby.keeps_waiting, "a commit that is not confirmed")

    def has_ended() -> bool:
        standby.stop_waiting()
        return running.process.poll() is not None

    until(has_ended, "the run to end")
    stopped(running.wait(), "was not confirmed by the database's standby")
    begun = attempts(state)
    standby.take_over()
    all_begun_is_there(on_v1, state)
    on_v1.api.faults()
    words = ["--state", state]
    if attempts(state) < begun:  # what was not confirmed had been seen in the ledger all the same
        stopped(on_v1.run(on_v1.campaign, *words), "is an old copy")
        words.append("--accept-old-ledger")
    each_once(on_v1, state, on_v1.run(on_v1.campaign, *words))


def test_workers_hear_what_those_of_another_host_miss(
    make_fleet: MakeFleet, primary: Any, standby: Standby
) -> None:
    """None of them can know how many the others have sent."""
    fleet = make_fleet(teams=2, people=300, uri=primary.get_uri(), concurrency=2)
    fleet.version = "v1"
    fleet.write_teams(concurrency=2)
    fleet.state = standby.either(fleet.state)
    fleet.slow(0.3)
    fleet.submit()
    for name in ("one", "two"):
        memory = {"RUN_CAMPAIGN_MEMORY": str(fleet.folder / name)}
        fleet.worker(memory, words=("--slots", "1"))  # else the first may take both lanes
    until(lambda: len(fleet.drivers()) == 2, "each to drive a lane")
    fleet.until_accepted(16)
    standby.cut_off()
    fleet.until_accepted(fleet.accepted() + 8)
    standby.take_over()
    for each in fleet.workers:
        stopped(each.wait(), "is an old copy", "knows of a send at 20")
    assert not fleet.judge().doubled
