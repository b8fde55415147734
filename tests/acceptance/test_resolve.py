"""What is in doubt, shown to a person, settled by their word, and the word taken back."""

from __future__ import annotations

import pytest

from .support import Project, people

TEXT = "Hi {{ first_name }}, shall I send the notes?"


@pytest.fixture
def doubtful(on_v1: Project) -> tuple[Project, list[str]]:
    """Three messages, aborted under way: the API never took them, and nobody can prove it."""
    ids = people(3)
    on_v1.write(ids, text=TEXT, concurrency=3)
    on_v1.api.faults("stall:accept=no")
    running = on_v1.start(on_v1.campaign)
    on_v1.api.until_stalled(3)
    running.process.kill()
    running.process.wait()
    on_v1.api.faults()
    on_v1.ok(on_v1.campaign, code=4)
    return on_v1, ids


def test_what_is_under_way_is_in_doubt_once_its_run_has_died(on_v1: Project) -> None:
    on_v1.write(people(3), text=TEXT, concurrency=3)
    on_v1.api.faults("stall:accept=no")
    running = on_v1.start(on_v1.campaign)
    on_v1.api.until_stalled(3)
    told = on_v1.ok("status", on_v1.campaign).out
    assert "3 being sent" in told
    assert "in doubt" not in told
    assert "nothing is in doubt" in on_v1.ok("resolve", on_v1.campaign, "--list").out
    running.process.kill()
    running.process.wait()
    told = on_v1.ok("status", on_v1.campaign).out
    assert "being sent" not in told
    assert "3 in doubt: run-campaign resolve" in told
    listed = on_v1.ok("resolve", on_v1.campaign, "--list", code=4).out
    assert listed.startswith("3 messages were under way when the run died; to ask the API:")
    assert "nothing is in doubt" not in listed


def test_the_list_says_who_what_when_why_and_where(doubtful: tuple[Project, list[str]]) -> None:
    project, ids = doubtful
    listed = project.ok("resolve", project.campaign, "--list", code=4).out
    for number, id in enumerate(ids, 1):
        assert f"{id}  tried " in listed
        assert f"row {number + 1}: first_name Person{number}" in listed
        assert f"Hi Person{number}, shall I send the notes?" in listed
    assert "retry.absent: hold" in listed
    assert listed.count("look into the thread of") == 3
    assert "--sent" in listed
    assert "--not-sent" in listed


@pytest.mark.slow
def test_a_word_is_taken_back_until_the_next_run(doubtful: tuple[Project, list[str]]) -> None:
    project, ids = doubtful
    before = project.ok("resolve", project.campaign, "--list", code=4).out
    said = project.ok(
        "resolve", project.campaign, "--sent", ids[0], "--not-sent", ids[1], code=4
    ).out
    assert "--undo-all" in said
    project.ok("resolve", project.campaign, "--undo", ids[0], code=4)
    assert project.ok("status", project.campaign, "--json").json["in_doubt"] == [ids[0], ids[2]]
    project.ok("resolve", project.campaign, "--undo-all", code=4)
    assert project.ok("resolve", project.campaign, "--list", code=4).out == before

    wrong = project.ok("resolve", project.campaign, "--undo", ids[0], code=2)
    assert "was not resolved in" in wrong.err
    both_at_once = project.ok("resolve", project.campaign, "--undo-all", "--list", code=2)
    assert "choose one" in both_at_once.err

    project.ok("resolve", project.campaign, "--all-not-sent")
    project.ok(project.campaign)
    late = project.ok("resolve", project.campaign, "--undo", ids[0])
    assert "too late" in late.out
    late = project.ok("resolve", project.campaign, "--undo-all")
    assert "nothing to undo" in late.out
    assert sorted(project.api.recipients) == ids

    project.ok("suppress", "add", ids[2], "--reason", "asked", LOGNAME="bob")
    acts = [
        (each["what"], each["count"], each["recipients"], each["why"])
        for each in reversed(project.ok("history", "--json").json)
    ]
    assert acts == [
        ("sent", 1, [ids[0]], ""),
        ("not_sent", 1, [ids[1]], ""),
        ("undo", 1, [ids[0]], ""),
        ("undo", 1, [ids[1]], ""),
        ("not_sent", 3, ids, ""),
        ("suppress", 1, [ids[2]], "asked"),
    ]
    newest, *_ = project.ok("history").out.splitlines()
    assert newest.split()[1:] == ["-", "suppress", ids[2], "bob", "cli", "asked"]
    assert ids[2] not in project.ok("history", project.campaign).out
