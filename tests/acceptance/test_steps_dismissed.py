"""Follow-ups after an answer that was none, as a person says."""

from __future__ import annotations

import pytest

from .support import LINK, Project, people, until

ONE_STEP = """\
steps:
  - {name: nudge, after: 1s, text: "Hi again {{ first_name }}"}
replies: {poll: 10s}
"""


@pytest.fixture(params=["v2"])
def version(request: pytest.FixtureRequest) -> str:
    """Steps are for v2 only."""
    found: str = request.param
    return found


@pytest.mark.slow
def test_steps_go_on_after_an_automatic_answer(project: Project) -> None:
    [id] = people(1)
    project.write([id], more=ONE_STEP)
    running = project.start(project.campaign, "--yes")
    until(lambda: len(project.api.accepted) == 1, "the first message")
    act = {"accountLinkId": LINK, "platformId": id, "write": "I am out of office"}
    project.api.ask("act", act)
    assert running.wait().code == 0
    assert project.counts() == {"sent": 1, "skipped": 1}
    assert project.api.recipients == [id]
    project.ok("replies", project.campaign, "--not-a-reply", id)
    project.ok(project.campaign, "--yes")
    assert project.counts() == {"sent": 2}
    assert project.api.recipients == [id, id]
