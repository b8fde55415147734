"""A run that is killed while follow-ups wait: what the next one does with them."""

from __future__ import annotations

from collections import Counter

from tests.acceptance.fleet import kill
from tests.acceptance.support import LINK, Project, people, until


def test_follow_ups_of_a_killed_run_go_once_in_the_next(project: Project) -> None:
    ids = people(5)
    steps = """\
steps:
  - {name: nudge, after: 3s, text: "Hi again {{ first_name }}"}
  - {name: last, after: 1s, text: "The last one, {{ first_name }}"}
replies: {poll: 10s}
"""
    project.write(ids, more=steps)
    running = project.start(project.campaign, "--yes")
    until(lambda: project.counts().get("sent") == 5, "the first messages")
    kill(running)
    assert len(project.api.accepted) == 5
    # Whoever answers while no run is there is heard before the next one sends.
    for id, act in ((ids[0], {"write": "Sounds good"}), (ids[1], {"colleague": "Mine"})):
        project.api.ask("act", {"accountLinkId": LINK, "platformId": id} | act)
    again = project.start(project.campaign, "--yes")
    until(lambda: project.counts().get("sent", 0) > 5, "the first nudge", 40)
    kill(again)
    done = project.ok(project.campaign, "--yes")
    assert Counter(project.api.recipients) == {id: 1 if id in ids[:2] else 3 for id in ids}, (
        done.all
    )
    rows = {(each["recipient"], each["step"]): each for each in project.exported()}
    assert rows[ids[0], "nudge"]["reason"].startswith("replied")
    assert rows[ids[1], "last"]["reason"].startswith("colleague")
