"""Follow-ups as a user meets them: whom they go to, and why they do not go to the others."""

from __future__ import annotations

from collections import Counter

import pytest

from .support import LINK, Project, people, until

AT_ONCE = """\
steps:
  - {name: nudge, after: 1s, text: "Hi again {{ first_name }}"}
  - {name: last, after: 1s, text: "The last one, {{ first_name }}"}
replies: {poll: 10s}
"""


@pytest.fixture(params=["v2"])
def version(request: pytest.FixtureRequest) -> str:
    """Steps are for v2 only."""
    found: str = request.param
    return found


def acts(project: Project, id: str, **act: object) -> None:
    project.api.ask("act", {"accountLinkId": LINK, "platformId": id} | act)


@pytest.mark.slow
def test_each_step_goes_once_and_only_to_those_who_have_not_answered(project: Project) -> None:
    ids = people(5)
    project.write(ids, more=AT_ONCE)
    running = project.start(project.campaign, "--yes")
    until(lambda: len(project.api.accepted) == 5, "the first messages")
    [thread] = [each["thread_id"] for each in project.api.accepted if each["person"] == ids[4]]
    project.api.ask("thread", {"id": thread, "restrictions": ["message:send"]})
    acts(project, ids[0], write="Sounds good")
    acts(project, ids[1], react="👍")
    acts(project, ids[2], colleague="Let me take this one")
    done = running.wait()
    assert done.code == 0, done.all
    counts = Counter(project.api.recipients)
    assert [counts[id] for id in ids] == [1, 3, 1, 3, 1]
    rows = {(each["recipient"], each["step"]): each for each in project.exported()}
    assert [rows[ids[3], step]["status"] for step in ("1", "nudge", "last")] == ["sent"] * 3
    assert (
        rows[ids[0], "nudge"]["reason"]
        == rows[ids[0], "last"]["reason"]
        == "replied: they have answered"
    )
    assert rows[ids[2], "nudge"]["reason"].startswith("colleague: ")
    assert rows[ids[2], "last"]["reason"].startswith("colleague: ")
    assert rows[ids[4], "nudge"]["reason"].startswith("restricted: ")
    assert rows[ids[4], "last"]["reason"].startswith("restricted: ")


@pytest.mark.slow
def test_weeks_of_follow_ups_are_rehearsed_in_seconds(project: Project) -> None:
    ids = people(6)
    steps = AT_ONCE.replace("after: 1s", "after: 3d", 1).replace("after: 1s", "after: 5d")
    project.write(ids, more=steps.replace("replies: {poll: 10s}\n", ""))
    answers = project.folder / "answers.yaml"
    answers.write_text(
        f'people:\n  "{ids[0]}": [{{after: 1d, write: Sounds good}}]\n'
        f'  "{ids[1]}": [{{after: 1d, to: 2, write: Stop}}]\n'
    )
    done = project.ok(project.campaign, "--sandbox", "--days", "10", "--people", answers)
    assert "written to after they answered: 0 · doubled: 0" in done.out
    [in_all] = [line.split() for line in done.out.splitlines() if line.startswith("  in all")]
    assert in_all[2:] == ["6", "9", "2", "1", "0"], done.out


@pytest.mark.slow
def test_the_tag_is_put_on_a_person_once_however_many_steps_they_get(project: Project) -> None:
    ids = people(2)
    project.write(ids, more=AT_ONCE + "tag: Spring 2026\n")
    project.ok(project.campaign, "--yes")
    assert Counter(project.api.recipients) == dict.fromkeys(ids, 3)
    counts = project.api.ask("requests")["counts"]
    assert counts["PUT /api/v2/contacts/{contactId}/tags/{tagRef} 204"] == 2


def test_a_rehearsal_ends_rather_than_wait_for_days(project: Project) -> None:
    project.write(people(2), more=AT_ONCE.replace("after: 1s", "after: 3d"))
    done = project.ok(project.campaign, "--sandbox")
    assert "accepted 2 messages to 2 people, nobody twice" in done.out
    assert "4 follow-ups would wait for days: rehearse them with --days N" in done.out
