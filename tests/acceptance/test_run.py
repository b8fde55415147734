"""The promise: each prospect once, whatever happens to the runner."""

from __future__ import annotations

import json
import shlex
import signal

import pytest

from .support import LINK, OTHER_LINK, Project, people, until


def test_everybody_once_and_a_rerun_sends_nothing(both: Project) -> None:
    ids = people(12)
    both.write(ids, senders=(LINK, OTHER_LINK))
    first = both.ok(both.campaign)
    assert "12 sent" in first.out
    assert sorted(both.api.recipients) == ids

    again = both.ok(both.campaign)
    assert "unchanged" in again.out
    assert sorted(both.api.recipients) == ids

    rows = both.exported()
    got = {(row["recipient"], row["message_id"], row["thread_id"]) for row in rows}
    accepted = both.api.accepted
    assert got == {(one["person"], one["message_id"], one["thread_id"]) for one in accepted}
    assert {row["content"] for row in rows} == {one["content"] for one in accepted}
    assert {row["first_name"] for row in rows} == {f"Person{n}" for n in range(1, 13)}


@pytest.mark.slow
def test_killed_half_way_and_resumed(both: Project) -> None:
    ids = people(12)
    both.write(ids, concurrency=1)  # so that nothing but the accepted one is under way
    pidfile = both.outputs / "runner.pid"
    both.api.faults(f"accept_then_kill:at=6,pidfile={pidfile}", "slow:seconds=0.1")
    running = both.start(both.campaign)
    pidfile.write_text(str(running.process.pid))
    assert running.wait().code == -signal.SIGKILL
    assert 0 < len(both.api.recipients) < 12

    both.api.faults()
    told = both.ok("status", both.campaign)
    assert "killed" in told.out
    resumed = both.ok(both.campaign)
    assert "12 sent" in resumed.out
    assert sorted(both.api.recipients) == ids
    by_id = {one["person"]: one["message_id"] for one in both.api.accepted}
    assert {row["recipient"]: row["message_id"] for row in both.exported()} == by_id


@pytest.mark.slow
def test_ctrl_c_once_drains_and_says_how_to_go_on(both: Project) -> None:
    ids = people(12)
    both.write(ids, concurrency=2)
    both.api.faults("slow:seconds=1")  # it is interrupted long before the last of them
    running = both.start(both.campaign)
    until(lambda: len(both.api.recipients) >= 2, "two accepted")
    running.interrupt()
    stopped = running.wait()
    assert stopped.code == 130, stopped.all
    counts = both.counts()
    assert counts["sent"] == len(both.api.recipients) < 12
    assert set(counts) == {"sent", "queued"}

    both.api.faults()
    *_, command = stopped.out.strip().splitlines()[-1].partition("to go on: run-campaign ")
    both.ok(*shlex.split(command))
    assert sorted(both.api.recipients) == ids


@pytest.mark.slow
def test_ctrl_c_twice_leaves_doubt_that_the_key_or_a_person_settles(both: Project) -> None:
    ids = people(4)
    both.write(ids, concurrency=2)
    both.api.faults("stall:accept=no")
    running = both.start(both.campaign, "--log-format", "json")
    both.api.until_stalled(2)
    running.interrupt()
    until(lambda: "Ctrl-C again" in running.out, "the word about a second Ctrl-C")
    running.interrupt()
    assert running.wait().code == 130

    both.api.faults()
    if both.version == "v2":
        both.ok(both.campaign)
    else:
        # v1 has no key: absence is not proof, a person decides.
        held = both.ok(both.campaign, code=4)
        assert "2 in doubt: run-campaign resolve" in held.out
        listed = both.ok("resolve", both.campaign, "--list", code=4)
        doubts = both.ok("status", both.campaign, "--json").json["in_doubt"]
        assert len(doubts) == 2
        assert all(id in listed.out for id in doubts)
        wrong = both.ok("resolve", both.campaign, "--not-sent", ids[3] + "9", code=2)
        assert "is not in doubt" in wrong.err
        both.ok("resolve", both.campaign, "--not-sent", doubts[0], code=4)
        both.ok("resolve", both.campaign, "--all-not-sent")
        both.ok(both.campaign)
    assert sorted(both.api.recipients) == ids


def test_lost_answers_are_settled_in_the_same_run(both: Project) -> None:
    ids = people(6)
    both.write(ids)
    both.api.faults("accept_then_reset:every=3")
    done = both.ok(both.campaign, "--verbose")
    assert "6 sent" in done.out
    assert "it had been in doubt" in done.out
    assert sorted(both.api.recipients) == ids


def test_failed_ones_are_retried_by_a_command_that_the_run_names(project: Project) -> None:
    ids = people(3)
    project.write(ids, retry="attempts: 1")
    project.api.faults(f"platform_rate_limit:recipient={ids[1]},retry_after=0")
    failed = project.ok(project.campaign, code=4)
    assert f"1 failed: run-campaign retry {project.campaign}" in failed.out
    project.api.faults()
    again = project.ok("retry", project.campaign, "--status", "failed")
    assert "queued again: 1" in again.out
    assert sorted(project.api.recipients) == ids


def test_rejected_ones_are_told_and_retried(both: Project) -> None:
    ids = [*people(2), *people(1, "0404")]
    both.write(ids)
    assert "1 rejected" in both.ok(both.campaign).out
    none = both.ok("retry", both.campaign, "--reason", "another")
    assert "queued again: 0" in none.out
    again = both.ok("retry", both.campaign, "--only", ids[2], "--verbose")
    assert "queued again: 1" in again.out
    assert f"rejected: {ids[2]}" in again.out
    assert sorted(both.api.recipients) == ids[:2]


@pytest.mark.slow
def test_nobody_is_written_to_after_a_word_that_they_got_it(project: Project) -> None:
    ids = people(1)
    project.write(ids, retry="settle: 1s")
    project.api.faults("unconfirmed:delivered=no")
    project.ok(project.campaign, code=4)
    project.api.faults()
    project.ok("resolve", project.campaign, "--sent", ids[0])
    project.ok(project.campaign)
    assert project.api.recipients == []
    assert project.ok("status", project.campaign, "--json").json["counts"]["sent"] == 1


def test_changed_texts_stop_until_accepted(project: Project) -> None:
    ids = people(4)
    project.write(ids)
    project.ok(project.campaign, "--limit", "1")
    project.write(ids, text="Hello {{ first_name }}!")
    stopped = project.ok(project.campaign, code=1)
    assert "--accept-changes" in stopped.err
    assert "+ Hello Person" in stopped.err
    project.ok(project.campaign, "--accept-changes")
    texts = [one["content"] for one in project.api.accepted]
    assert [text.startswith("Hello") for text in texts] == [False, True, True, True]


def test_limit_only_and_json_events(project: Project) -> None:
    ids = people(5)
    project.write(ids)
    limited = project.ok(project.campaign, "--limit", "2", "--log-format", "json")
    events = [json.loads(line) for line in limited.out.splitlines()]
    assert [event["event"] for event in events if event["event"] == "sent"] == ["sent"] * 2
    assert events[-1]["event"] == "ended"
    assert "3 still queued" in limited.err
    project.ok(project.campaign, "--only", ids[4], "--quiet")
    assert sorted(project.api.recipients) == sorted([*ids[:2], ids[4]])


def test_several_campaigns_of_one_ledger(project: Project) -> None:
    ids = people(3)
    project.write(ids)
    other = project.campaign.with_name("autumn.yaml")
    other.write_text(project.campaign.read_text().replace("spring.csv", "autumn.csv"))
    (other.parent / "autumn.csv").write_text(f"x_user_id,first_name\n{people(4)[3]},Zoe\n")
    project.ok(project.campaign, other)
    assert sorted(project.api.recipients) == people(4)
    told = project.ok("status", "--json").json
    assert [each["campaign"] for each in told] == ["spring", "autumn"]
