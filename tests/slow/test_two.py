"""Two of anything at once. The judge is the sandbox's own list."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.clocks import BEFORE_THE_BODY, Clocks, wait_until_frozen, wake
from tests.acceptance.conftest import StartApi
from tests.acceptance.support import (
    OTHER_LINK,
    OTHER_TOKEN,
    Api,
    Done,
    Project,
    Running,
    of_another_team,
    people,
    until,
)

NEW = "--new-campaign"  # over the same people as another one


@contextlib.contextmanager
def a_live_run(project: Project, count: int = 3) -> Iterator[Running]:
    """A run in the middle of its second message, which goes on at the end of the block."""
    project.write(people(count), concurrency=1)
    project.api.faults("slow:at=2,seconds=60,phase=after")
    running = project.start(project.campaign)
    until(lambda: len(project.api.recipients) == 2, "the second to be accepted")
    yield running
    assert running.process.poll() is None, "the live run ended meanwhile"
    running.process.kill()
    running.process.wait()
    project.api.faults()
    project.ok(project.campaign)  # at once: nothing of the killed one is held
    assert sorted(project.api.recipients) == people(count)


def unmount(place: Path) -> None:
    subprocess.run(["umount", place], check=True, timeout=10)


def all_of(runs: list[Running]) -> list[Done]:
    return [run.wait() for run in runs]


def told_plainly(done: Done) -> bool:
    said = done.all.lower()
    return "traceback" not in said and "locked" not in said and "bug" not in said


def test_whatever_the_ledger_is_called_a_second_run_is_told_who_has_it(project: Project) -> None:
    elsewhere = project.folder.with_name("elsewhere")
    elsewhere.mkdir()
    linked = project.folder.with_name("linked")
    linked.symlink_to(project.folder)
    with a_live_run(project) as running:
        (elsewhere / "campaigns").symlink_to(project.campaign.parent)
        link = elsewhere / "link.db"
        link.symlink_to(project.ledger)
        relative = os.path.relpath(project.ledger, project.folder)
        runs = [
            project.start(project.campaign),
            project.start("campaigns/spring.yaml", "--state", relative),
            project.start(linked / "campaigns" / "spring.yaml"),
            project.start(elsewhere / "campaigns" / "spring.yaml"),
            project.start(project.campaign, "--state", link),
            project.start(project.campaign, "--state", linked / "state.db"),
        ]
        for done in all_of(runs):
            assert done.code == 6, done.all
            assert f"process {running.process.pid} on" in done.err
            assert "(spring)" in done.err
            assert "since 20" in done.err
        # A hard link has a WAL of its own: what is written under one name the other does not see.
        hard = elsewhere / "hard.db"
        hard.hardlink_to(project.ledger)
        refused = project.ok(project.campaign, "--state", hard, code=1)
        assert "a second name (a hard link)" in refused.err
        hard.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_ledger_mounted_elsewhere(project: Project) -> None:
    with a_live_run(project) as running, contextlib.ExitStack() as stack:
        folder, file = project.outputs / "mounted", project.outputs / "mounted.db"
        folder.mkdir()
        file.touch()
        for source, place in ((project.folder, folder), (project.ledger, file)):
            mounted = subprocess.run(
                ["mount", "--bind", source, place], check=False, capture_output=True, timeout=10
            )
            if mounted.returncode:
                pytest.skip(f"cannot mount here: {mounted.stderr!r}")
            stack.callback(unmount, place)
        held, alone = all_of(
            [
                project.start(project.campaign, "--state", folder / "state.db"),
                project.start(project.campaign, "--state", file),
            ]
        )
        assert held.code == 6, held.all
        assert f"process {running.process.pid} on" in held.err
        assert alone.code == 1, alone.all
        assert "mount the folder" in alone.err


def test_commands_beside_a_live_run_are_obeyed_or_refused(project: Project) -> None:
    with a_live_run(project, 5) as running:
        free = [
            project.start(*words)
            for words in (
                (project.campaign, "--dry-run"),
                (project.campaign, "--dry-run"),
                ("status", project.campaign, "--json"),
                ("export", project.campaign, "-o", project.outputs / "now.csv"),
                ("db", "backup", project.outputs / "copy.db"),
                ("suppress", "add", people(5)[4], "--state", project.ledger),
                ("check", project.campaign),
            )
        ]
        held = [
            project.start(*words)
            for words in (
                ("retry", project.campaign),
                ("resolve", project.campaign),
                ("test", project.campaign, "--to", people(9)[8], "--yes"),
                ("test", project.campaign, "--to", people(9)[8], "--yes"),
            )
        ]
        for done in all_of(free):
            assert done.code == 0, done.all
            assert told_plainly(done), done.all
        for done in all_of(held):
            assert done.code == 6, done.all
            assert f"process {running.process.pid} on" in done.err
        listed = project.ok("resolve", project.campaign, "--list", code=0)
        assert "nothing is in doubt" in listed.out
        project.ok("suppress", "remove", people(5)[4], "--state", project.ledger)


def test_started_at_the_same_instant_one_sends(both: Project) -> None:
    both.write(people(4), concurrency=2)
    done = all_of([both.start(both.campaign) for _ in range(4)])
    assert sorted(both.api.recipients) == people(4)
    # One that begins when another has ended finds nothing left to send.
    codes = {each.code for each in done}
    assert {0} <= codes <= {0, 6}, [each.all for each in done]
    assert all(told_plainly(each) for each in done)


def test_a_run_whose_lock_a_cleaner_removed_is_fenced(both: Project) -> None:
    ids = people(8)
    both.write(ids, concurrency=1)
    both.api.faults("slow:at=2,seconds=1,phase=after", "slow:seconds=0.3")
    first = both.start(both.campaign)
    until(lambda: len(both.api.recipients) == 2, "two to be accepted")
    both.begun_ahead()  # else it could be stopped while it has the ledger locked
    first.process.send_signal(signal.SIGSTOP)
    shutil.rmtree(both.folder / ".run-campaign")
    second = both.start(both.campaign)
    until(lambda: len(both.api.recipients) >= 3, "the second run to send")
    first.process.send_signal(signal.SIGCONT)
    stopped, done = first.wait(), second.wait()
    assert stopped.code == 1, stopped.all
    assert "another run has taken this team over" in stopped.err
    assert done.code == 0, done.all
    assert sorted(both.api.recipients) == ids


def test_two_teams_send_at_once_from_one_ledger(project: Project, start_api: StartApi) -> None:
    project.write(people(12), concurrency=2, more="contact_once_in: none\n")
    other_api: Api = start_api("--per-minute", "none", "--token", OTHER_TOKEN)
    other = project.campaign.with_name("autumn.yaml")
    text = project.campaign.read_text().replace(project.api.base, other_api.base)
    other.write_text(of_another_team(text.replace("spring.csv", "autumn.csv")))
    shutil.copy(project.campaign.with_name("spring.csv"), other.with_name("autumn.csv"))
    for api in (project.api, other_api):
        api.faults("slow:seconds=0.1")
    for done in all_of([project.start(each, NEW) for each in (project.campaign, other)]):
        assert done.code == 0, done.all
    assert sorted(project.api.recipients) == people(12)
    assert sorted(other_api.recipients) == people(12)


def test_two_campaigns_of_one_team_to_the_same_people_one_waiting(project: Project) -> None:
    ids = people(4)
    project.write(ids, senders=[OTHER_LINK], more="contact_once_in: none\n")
    other = project.campaign.with_name("autumn.yaml")
    other.write_text(project.campaign.read_text().replace("spring.csv", "autumn.csv"))
    shutil.copy(project.campaign.with_name("spring.csv"), other.with_name("autumn.csv"))
    for done in all_of([project.start(each, "--wait", NEW) for each in (project.campaign, other)]):
        assert done.code == 0, done.all
    assert sorted(project.api.recipients) == sorted(ids * 2)  # a new name is a new campaign


def test_two_ledgers_of_one_campaign_are_told_apart_by_the_key(project: Project) -> None:
    ids = people(6)
    project.write(ids, concurrency=1)
    project.api.faults("slow:seconds=0.2")
    states = [project.outputs / folder / "state.db" for folder in ("one", "two")]
    for state in states:
        state.parent.mkdir()
    done = all_of([project.start(project.campaign, "--state", state) for state in states])
    assert sorted(set(project.api.recipients)) == sorted(project.api.recipients)
    assert {each.code for each in done} <= {0, 1}
    told = [each for each in done if each.code == 1]
    assert told
    assert all("another ledger has used this campaign's name" in each.err for each in told)


def test_nobody_is_written_to_once_their_suppression_has_returned(both: Project) -> None:
    ids = people(6)
    both.write(ids, concurrency=1)
    clocks = Clocks(both.outputs, BEFORE_THE_BODY)
    running = both.start(both.campaign, **clocks.env)
    wait_until_frozen(running)  # the others have been read from the ledger
    both.ok("suppress", "add", ids[0], ids[2], ids[5], "--state", both.ledger)
    wake(running)
    assert running.wait().code == 0
    # The first one's intent was committed before.
    assert set(both.api.recipients) - {ids[0]} == {ids[1], ids[3], ids[4]}
    assert len(both.api.recipients) in (3, 4)


def test_a_word_of_not_sent_while_it_is_being_repeated_doubles_nobody(project: Project) -> None:
    ids = people(3)
    project.write(ids, concurrency=1)
    project.api.faults(f"reset_before:times=4,recipient={ids[0]}")
    clocks = Clocks(project.outputs, BEFORE_THE_BODY)
    clocks.marker.unlink()
    running = project.start(project.campaign, **clocks.env)
    until(lambda: project.counts().get("in_doubt"), "the first to be in doubt")
    until(lambda: len(project.api.recipients) == 2, "the others to be sent")
    clocks.marker.touch()
    wait_until_frozen(running)
    assert project.counts() == {"in_doubt": 1, "sent": 2}
    project.ok("resolve", project.campaign, "--not-sent", ids[0])
    project.api.faults()
    wake(running)
    assert running.wait().code == 0
    assert sorted(project.api.recipients) == ids
    assert project.counts() == {"sent": 3}
