"""A copy of the ledger is brought back: a snapshot, a synchronised folder, a restored backup."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from dataclasses import replace

import pytest

from tests.acceptance.clocks import Clocks, wait_until_frozen, wake
from tests.acceptance.support import Done, Project, people, until
from tests.ledger_copies import copy_of

OLD = "is an old copy"


def bring_back(project: Project, copy: str) -> None:
    for ending in ("", "-wal", "-shm"):
        project.ledger.with_name(f"state.db{ending}").unlink(missing_ok=True)
    shutil.copy(project.folder / copy, project.ledger)


@pytest.fixture
def restored(both: Project) -> Project:
    """Eight were to be written to, two were; a backup; one more person, and all but one of the
    rest were; then the backup is brought back."""
    ids = people(9)
    both.write(ids[:8])
    both.ok(both.campaign, "--limit", "2")
    both.ok("db", "backup", "copy.db")
    both.write(ids)
    chosen = [word for id in ids[2:] if id != ids[5] for word in ("--only", id)]
    both.ok(both.campaign, *chosen)
    assert len(both.api.recipients) == 8
    bring_back(both, "copy.db")
    return both


def test_an_old_copy_is_recognised_and_nothing_is_sent(restored: Project) -> None:
    ids = people(9)
    for words in (
        [restored.campaign],
        ["retry", restored.campaign],
        ["resolve", restored.campaign, "--all-not-sent"],
        ["suppress", "add", ids[5]],
        ["test", restored.campaign, "--to", ids[0]],
    ):
        done = restored.ok(*words, code=1)
        assert OLD in done.err, done.all
        assert "--accept-old-ledger" in done.err
    assert len(restored.api.recipients) == 8
    # Looking is allowed.
    restored.ok("status", restored.campaign)
    restored.ok("db", "backup", "another.db")


def test_an_accepted_copy_writes_to_nobody_twice(restored: Project) -> None:
    ids = people(9)
    done = restored.ok(restored.campaign, "--accept-old-ledger", code=4)
    assert sorted(restored.api.recipients) == sorted(set(ids) - {ids[5]})
    status = restored.ok("status", restored.campaign, "--json").json
    assert status["in_doubt"] == [ids[5]], done.all
    assert status["counts"]["sent"] == 8
    # Who is not shown to have it waits for a person; then they get it once.
    listed = restored.ok("resolve", restored.campaign, "--list", code=4)
    assert ids[5] in listed.out
    assert "old copy" in listed.out
    restored.ok("resolve", restored.campaign, "--all-not-sent")
    restored.ok(restored.campaign)
    assert sorted(restored.api.recipients) == sorted(ids)


def test_a_killed_accepted_run_is_gone_on_with_by_the_plain_command(restored: Project) -> None:
    ids = people(9)
    restored.api.faults("slow:seconds=0.3")
    running = restored.start(restored.campaign, "--accept-old-ledger")
    while "in_doubt" not in restored.counts():
        assert running.process.poll() is None, running.wait().all
    running.process.kill()
    running.process.wait()
    restored.api.faults()
    restored.ok(restored.campaign, code=4)
    assert sorted(restored.api.recipients) == sorted(set(ids) - {ids[5]})


def test_a_copy_that_is_not_behind_goes_on(project: Project) -> None:
    ids = people(3)
    project.write(ids)
    project.ok(project.campaign, "--limit", "2")
    project.ok("db", "backup", "copy.db")
    bring_back(project, "copy.db")
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == ids


def test_a_lost_change_by_hand_makes_a_copy_old_too(project: Project) -> None:
    ids = people(3)
    project.write(ids)
    project.ok(project.campaign, "--limit", "1")
    project.ok("db", "backup", "copy.db")
    project.ok("suppress", "add", ids[2])
    bring_back(project, "copy.db")
    assert OLD in project.ok(project.campaign, code=1).err
    assert project.api.recipients == ids[:1]


def test_a_ledger_that_is_gone_is_missed(both: Project) -> None:
    ids = people(4)
    both.write(ids[:3])
    both.ok(both.campaign, "--limit", "2")
    both.ledger.unlink()
    both.write(ids)
    missed = "is gone: this machine remembers 2 sends of spring"
    for _ in range(2):  # without a ledger, and with the empty one that the refused run has made
        assert missed in both.ok("check", both.campaign, "--offline", code=1).out
        assert missed in _told(both.ok(both.campaign, "--dry-run", code=1))
        assert missed in both.ok(both.campaign, code=1).err
    assert len(both.api.recipients) == 2
    both.ok(both.campaign, "--accept-old-ledger", code=4)  # who is not found waits for a word
    assert sorted(both.api.recipients) == ids[:2]
    assert both.counts() == {"sent": 2, "in_doubt": 2}
    both.ok("resolve", both.campaign, "--all-not-sent")
    both.ok(both.campaign)
    assert sorted(both.api.recipients) == ids


def _told(done: Done) -> str:
    return done.out + done.err


def test_another_machine_goes_on_with_the_same_care(on_v1: Project) -> None:
    """Nobody there can know that the copy is old; its owner says so."""
    ids = people(4)
    on_v1.write(ids)
    on_v1.ok(on_v1.campaign, "--limit", "2")
    on_v1.ok("db", "backup", "copy.db")
    on_v1.ok(on_v1.campaign)
    bring_back(on_v1, "copy.db")
    elsewhere = str(on_v1.folder / "another-machine")
    done = on_v1.ok(on_v1.campaign, "--accept-old-ledger", RUN_CAMPAIGN_MEMORY=elsewhere)
    assert "add them again" in done.all
    assert "erase them again" in done.all
    assert sorted(on_v1.api.recipients) == ids


def test_who_is_added_after_it_was_accepted_is_looked_up_first(on_v1: Project) -> None:
    ids = people(5)
    on_v1.write(ids[:3])
    on_v1.ok(on_v1.campaign, "--limit", "2")
    on_v1.ok("db", "backup", "copy.db")
    on_v1.write(ids)
    on_v1.ok(on_v1.campaign)
    bring_back(on_v1, "copy.db")
    on_v1.write(ids[:3])  # the folder was brought back, its sheet too
    on_v1.ok(on_v1.campaign, "--accept-old-ledger")
    on_v1.write(ids)
    on_v1.ok(on_v1.campaign)  # it is the ledger now: nothing more has to be said
    on_v1.ok("suppress", "add", ids[0])
    assert sorted(on_v1.api.recipients) == ids


def test_a_ledger_that_was_only_mislaid_is_old_when_it_comes_back(on_v1: Project) -> None:
    ids = people(3)
    on_v1.write(ids)
    on_v1.ok(on_v1.campaign, "--limit", "1")
    on_v1.ledger.rename(on_v1.folder / "mislaid.db")
    on_v1.ok(on_v1.campaign, "--accept-old-ledger", code=4)
    on_v1.ok("resolve", on_v1.campaign, "--all-not-sent")
    on_v1.ok(on_v1.campaign)
    bring_back(on_v1, "mislaid.db")
    refused = on_v1.ok(on_v1.campaign, code=1)
    assert "another has taken its place" in refused.err
    assert sorted(on_v1.api.recipients) == ids


def test_a_doubt_of_an_old_copy_is_not_repeated_under_a_key_that_was_given_up(
    project: Project,
) -> None:
    ids = people(1)
    project.write(ids)
    project.api.faults("reset_before:times=99,on=send")
    running = project.start(project.campaign)
    until(lambda: "in_doubt" in project.counts(), "a doubt")
    running.process.kill()
    running.process.wait()
    project.api.faults()
    project.ok("db", "backup", "copy.db")
    project.ok("resolve", project.campaign, "--not-sent", ids[0])
    project.write(ids, text="Hello {{ first_name }}")
    project.ok(project.campaign, "--accept-changes")
    bring_back(project, "copy.db")
    project.run(project.campaign, "--accept-old-ledger")
    assert project.api.recipients == ids


def test_whoever_waits_for_a_plan_gets_one(project: Project) -> None:
    """However it came about that the last plan left somebody out."""
    ids = people(2)
    project.write(ids)
    project.ok(project.campaign, "--limit", "1")
    with contextlib.closing(sqlite3.connect(project.ledger)) as connection, connection:
        connection.execute("UPDATE message SET unplanned = 1 WHERE status = 'queued'")
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == ids


def test_a_memory_that_cannot_be_kept_is_told_and_stops_nobody(project: Project) -> None:
    ids = people(2)
    project.write(ids)
    (project.folder / "memory").write_text("a file where a folder should be")
    done = project.ok(project.campaign, RUN_CAMPAIGN_MEMORY=str(project.folder / "memory"))
    assert "will not be recognised" in done.all
    assert sorted(project.api.recipients) == ids


def test_a_rehearsal_leaves_no_memory(project: Project) -> None:
    project.write(people(2))
    memory = project.folder / "memory"
    project.ok(project.campaign, "--sandbox", RUN_CAMPAIGN_MEMORY=str(memory))
    project.ok(project.campaign, "--dry-run", RUN_CAMPAIGN_MEMORY=str(memory))
    assert not memory.exists()


def copies_of(project: Project, count: int) -> list[Project]:
    """Make copies of the project with its ledger, in folders of their own: the machine is the same,
    and a run may be live."""
    made = []
    for number in range(count):
        folder = project.folder.with_name(f"copy-{number}")
        # The home there holds what a live run writes and renames.
        left_out = shutil.ignore_patterns("state.db*", ".local")
        shutil.copytree(project.folder, folder, ignore=left_out)
        copy_of(project.ledger, folder / "state.db")
        made.append(replace(project, folder=folder, running=project.running))
    return made


def test_of_copies_that_begin_in_one_moment_one_sends(both: Project) -> None:
    ids = people(12)
    both.write(ids)
    both.ok(both.campaign, "--limit", "2")
    home = {"HOME": str(both.folder)}
    all_of = [both, *copies_of(both, 4)]
    done = [each.wait() for each in [one.start(one.campaign, **home) for one in all_of]]
    assert sorted(each.code for each in done) == [0, 1, 1, 1, 1], [each.all for each in done]
    told = [each.err for each in done if each.code == 1]
    assert all(OLD in each or "is live on another copy" in each for each in told), told
    assert sorted(both.api.recipients) == ids


def go_further(copy: Project, original: Project) -> None:
    """Take a copy for the ledger, although a run of the original is live."""
    copy.ok("pause", copy.campaign, HOME=str(original.folder / "elsewhere"))  # so that it rests
    copy.run(copy.campaign, "--accept-old-ledger", HOME=str(original.folder))


def test_no_copy_of_a_ledger_begins_while_a_run_is_live(both: Project) -> None:
    """Made and started within the second in which nothing of what was sent since is written down:
    whoever the run writes to meanwhile, the copy has in its queue."""
    ids = people(200)
    both.write(ids, concurrency=8)
    both.api.faults("slow:seconds=0.5")
    run = both.start(both.campaign)
    until(lambda: len(both.api.recipients) >= 20, "20 to be accepted")
    home = {"HOME": str(both.folder)}
    [copy] = copies_of(both, 1)
    for words in ([copy.campaign], ["retry", copy.campaign], ["suppress", "add", ids[0]]):
        refused = copy.run(*words, **home)
        assert refused.code == 1, refused.all
        assert f"a run is live on another copy of this ledger: {both.ledger}" in refused.err
    both.ok("suppress", "add", ids[-1])  # by whatever path it is named
    link = both.folder / "link.db"
    link.symlink_to(both.ledger)
    both.ok("suppress", "add", ids[-2], "--state", link)
    both.api.faults()
    assert run.wait().code == 0
    assert sorted(both.api.recipients) == ids[:-2]
    assert OLD in copy.run(copy.campaign, **home).err


def test_a_run_that_was_killed_keeps_no_copy_from_going_on(both: Project) -> None:
    ids = people(4)
    both.write(ids)
    both.api.faults("stall")
    run = both.start(both.campaign)
    until(lambda: both.counts().get("sending") == 4, "four to be begun")
    memory = both.folder / ".local" / "state" / "run-campaign"
    assert len(list(memory.glob("*.live"))) == 1
    run.process.kill()
    run.process.wait()
    both.api.faults()
    [copy] = copies_of(both, 1)
    copy.run(copy.campaign, HOME=str(both.folder))
    assert not list(memory.glob("*.live"))
    assert OLD in both.run(both.campaign).err
    assert len(set(both.api.recipients)) == len(both.api.recipients)


def test_a_live_run_stops_once_a_copy_of_its_ledger_has_gone_further(both: Project) -> None:
    """Made in the middle of the run, so that nothing tells it from the original."""
    ids = people(40)
    both.write(ids, concurrency=1)
    # While it waits for this answer it comes no further: else the copy would be the older one.
    both.api.faults("slow:at=5,seconds=10,phase=after", "slow:seconds=0.1")
    run = both.start(both.campaign)
    until(lambda: len(both.api.recipients) == 5, "five to be accepted")
    both.begun_ahead()
    [copy] = copies_of(both, 1)
    go_further(copy, both)
    done = run.wait()
    assert done.code == 1, done.all
    assert OLD in done.err
    there = both.api.recipients
    assert len(there) < 40
    assert sorted(set(there)) == sorted(there)


def attempts(project: Project) -> int:
    with contextlib.closing(sqlite3.connect(project.ledger)) as connection:
        found: int = connection.execute("SELECT count(*) FROM attempt").fetchone()[0]
    return found


def test_a_live_run_claims_nothing_after_a_copy_of_its_ledger_has_gone_further(
    both: Project,
) -> None:
    """Not one message more, however fast it is."""
    both.write(people(400), concurrency=1)
    both.api.faults("slow:seconds=0.05")
    clocks = Clocks(both.outputs, "runner.sending.attempt:attempt")
    clocks.marker.unlink()
    run = both.start(both.campaign, **clocks.env)
    until(lambda: len(both.api.recipients) >= 3, "three to be accepted")
    clocks.marker.touch()
    wait_until_frozen(run)  # before the next claim
    before = attempts(both)
    [copy] = copies_of(both, 1)
    go_further(copy, both)
    both.api.faults()
    wake(run)
    done = run.wait()
    assert done.code == 1, done.all
    assert OLD in done.err
    assert attempts(both) == before
    assert len(both.api.recipients) <= before
