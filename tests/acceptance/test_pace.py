"""The pace of a run as a person sees it: warm-ups, and others who use the team's quota."""

from __future__ import annotations

import pytest

from .conftest import StartApi
from .support import LINK, Api, Project, people, until


@pytest.fixture
def api(start_api: StartApi, request: pytest.FixtureRequest) -> Api:
    """A sandbox without limits, or with so many requests a minute."""
    return start_api("--per-minute", getattr(request, "param", "none"))


def test_a_new_account_sends_its_first_days_share_and_says_why(project: Project) -> None:
    project.write(people(5))
    text = project.campaign.read_text()
    project.campaign.write_text(text.replace("gap: none", "gap: none, ramp: {start: 2, step: 1}"))
    project.ok(project.campaign, "--until-idle")
    assert project.counts() == {"sent": 2, "queued": 3}
    told = project.ok("status", project.campaign, "--json").json
    assert told["binds_now"] == f"warm-up of {LINK} (2 on its day 1)"
    assert told["next_at"] is not None
    assert "waits for warm-up of @acmecorp" in project.ok("status", project.campaign).out


@pytest.mark.parametrize("api", ["12"], indirect=True)
def test_what_the_api_says_is_left_is_kept_to(both: Project) -> None:
    """A quota far smaller than what the campaign allows itself."""
    both.write(people(30))
    running = both.start(both.campaign)
    until(lambda: "others use too" in running.out + running.files[1].read_text(), "a wait")
    running.interrupt()
    running.wait()
    requests = both.api.ask("requests")
    assert requests["limited"] == 0
    # What was under way, and begun ahead, may have been counted or not.
    assert requests["total"] >= 12 - 2 * 4
