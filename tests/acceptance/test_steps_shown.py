"""Follow-ups as a user sees them: before a run, at its end, in every list, and when the file is
edited between steps."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta

import pytest

from .browser import Browser
from .support import LINK, Project, link_of, people, until

STEPS = """\
steps:
  - {name: nudge, after: 1s, text: "Hi again {{ first_name }}"}
  - {name: last, after: 3d, text: "The last one, {{ first_name }}"}
replies: {poll: 10s}
"""


@pytest.fixture(params=["v2"])
def version(request: pytest.FixtureRequest) -> str:
    """Steps are for v2 only."""
    found: str = request.param
    return found


@pytest.mark.slow
def test_what_is_to_come_is_told_before_at_the_end_and_in_every_list(project: Project) -> None:
    ids = people(3)
    project.write(ids, more=STEPS)
    told = project.ok(project.campaign, "--dry-run").out
    assert "  then nudge, 1 s after the message before it: 3 at most" in told
    assert f"  {ids[0]}, if they never answer: the first " in told
    assert "    The last one, Person1" in told
    assert "done between now, if everybody answers, and about " in told
    found = project.ok(project.campaign, "--dry-run", "--json").json
    assert [each["step"] for each in found["sequence"]] == ["1", "nudge", "last"]
    assert [each["to_come"] for each in found["steps"]] == [3, 3]
    assert found["finish_earliest_at"] < found["finish_at"]
    table = project.folder / "plan.jsonl"
    project.ok(project.campaign, "--dry-run", "--output", table)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert [each["step"] for each in rows] == ["1", "nudge", "last"] * 3

    running = project.start(project.campaign, "--yes")
    until(lambda: len(project.api.accepted) == 3, "the first messages")
    running.process.kill()
    running.process.wait()
    project.api.ask("act", {"accountLinkId": LINK, "platformId": ids[0], "write": "Yes"})
    again = project.start(project.campaign, "--yes")
    until(lambda: len(project.api.accepted) == 5, "the follow-ups")
    until(lambda: project.counts().get("sent") == 5, "their outcomes")
    again.interrupt()
    ended = again.wait()
    assert ended.code == 130, ended.all
    assert "2 follow-ups to come to those who do not answer, the next due " in ended.all
    assert "interrupted; to go on: run-campaign " in ended.all

    status = project.ok("status", project.campaign, COLUMNS="40", NO_COLOR="1").out
    assert "  step nudge: 2 sent, 1 skipped (1 replied)" in status
    assert "  step last: 2 queued, 1 skipped (1 replied)" in status
    assert "  next follow-up (last): " in status
    found = project.ok("status", project.campaign, "--json").json
    assert [each["counts"]["sent"] for each in found["steps"]] == [3, 2, 0]
    first, last = found["steps"][2]["next_at"], found["finish_at"]  # of two, one after the other
    assert (
        timedelta()
        <= datetime.fromisoformat(last) - datetime.fromisoformat(first)
        < timedelta(hours=1)
    )
    story = project.ok("who", ids[1]).out
    assert "row 3, step nudge: sent " in story
    assert "row 3, step last: queued, due " in story
    report = project.ok("report", project.campaign, "--format", "md").out
    assert "| last | 3 d | 0 | 2 | 1 |" in report
    lines = {(each["recipient"], each["step"]): each for each in project.exported()}
    assert lines[ids[1], "last"]["not_before"] > lines[ids[1], "nudge"]["sent_at"]
    assert lines[ids[0], "last"]["not_before"] == ""
    dashboard = project.start("dashboard", "--no-browser", "--port", "0")
    browser = Browser(link_of(dashboard))
    browser.enter()
    page = browser.ask("/campaigns/1").text
    assert "next follow-up (last) " in page
    assert '<td>last</td>\n    <td data-label="After">3 d</td>' in page
    listed = browser.ask("/campaigns/1/queued").text
    assert re.search(r'data-label="Step">last, due <time', listed)
    [person] = re.findall(rf'href="(/messages/\d+)">{ids[1]}<', listed)
    assert re.search(r"step last, due <time.*step nudge</a>", browser.ask(person).text, re.DOTALL)
    dashboard.interrupt()
    dashboard.wait()
    idle = project.ok(project.campaign, "--yes", "--until-idle").all
    assert "nothing to send now, then 2 follow-ups at most" in idle
    assert "2 follow-ups to come to those who do not answer, the next due " in idle
    assert "taken out of the queue: 1 " in project.ok("suppress", "add", ids[1]).all
    assert "cancelled 1 queued message\n" in project.ok("cancel", project.campaign, "--yes").out


def test_an_edit_between_steps_is_told_before_anything_changes(project: Project) -> None:
    ids = people(2)
    steps = STEPS.replace("after: 1s", "after: 2d")
    project.write(ids, more=steps)
    project.ok(project.campaign, "--yes", "--until-idle")
    project.write(ids, more=steps.replace("after: 2d", "after: 4d"))
    moved = "step nudge comes 4 d after the message before it now, not 2 d: for 2 people"
    assert moved in project.ok(project.campaign, "--dry-run").out
    project.write(ids, more=steps.replace("name: last", "name: bye"))
    refused = project.ok(project.campaign, "--yes", code=1).all
    assert "step bye is new, and would go to 2 people written to already: 2 before it" in refused
    assert "step last is gone from the file, and 2 people would not get it: 2 before" in refused
    before = {(each["step"], each["status"]) for each in project.exported()}
    assert ("last", "waiting") in before
    told = project.run(project.campaign, "--dry-run").all
    assert "gone from the file: not written to" not in told  # nobody is gone
    project.ok(project.campaign, "--yes", "--until-idle", "--accept-changes")
    rows = {(each["step"], each["status"]): each["reason"] for each in project.exported()}
    assert ("bye", "waiting") in rows
    assert rows["last", "skipped"].startswith("removed: ")
    assert project.ok("status", project.campaign, "--json").json["counts"]["waiting"] == 2
    assert (
        "cancelled 4 queued and waiting messages"
        in project.ok("cancel", project.campaign, "--yes").out
    )


def test_all_that_is_kept_has_its_durations_as_seconds(project: Project) -> None:
    [ada] = people(1)
    project.write([ada], more='steps: [{name: nudge, after: 3d, text: "{{ first_name }}?"}]\n')
    project.ok(project.campaign, "--yes", "--until-idle")
    [told] = project.ok("who", ada, "--json").json
    nudge = told["records"]["message"][1]
    assert (nudge["after"], nudge["held"]) == (3 * 86400.0, 0.0)
