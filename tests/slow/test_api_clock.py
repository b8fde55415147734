"""The API's `Date` is evidence, not truth: a wrong one stops no later run and frees no limit."""

from __future__ import annotations

import pytest

from tests.acceptance.clocks import Clocks
from tests.acceptance.front import Front
from tests.acceptance.support import Project, people

DAY = 86400.0


def limited(project: Project, per_hour: int, count: int) -> None:
    project.write(people(count))
    text = project.campaign.read_text()
    project.campaign.write_text(text.replace("per_hour: none", f"per_hour: {per_hour}", 1))


@pytest.mark.parametrize("ahead", [20 * 365 * DAY, 100 * 365 * DAY, -26 * 3600.0])
def test_a_wait_that_was_asked_for_under_a_wrong_date_ends(
    both: Project, front: Front, ahead: float
) -> None:
    both.write(people(2))
    both.api.faults("rate_limit:retry_after=2,times=1")
    front.ahead = ahead
    both.ok(both.campaign, "--stop-after", "1s")
    front.ahead = None
    both.ok(both.campaign)
    assert sorted(both.api.recipients) == people(2)


@pytest.mark.parametrize("ahead", [-26 * 3600.0, 40 * DAY, 100 * 365 * DAY])
def test_what_was_sent_under_a_wrong_date_uses_its_place_of_the_hour(
    both: Project, front: Front, ahead: float
) -> None:
    limited(both, 3, 6)
    front.ahead = ahead
    both.ok(both.campaign, "--limit", "3")
    front.ahead = None
    both.run(both.campaign, "--until-idle")
    assert len(both.api.recipients) == 3


@pytest.mark.parametrize("ahead", [-26 * 3600.0, 40 * DAY])
def test_what_was_sent_before_a_wrong_date_uses_its_place_of_the_hour(
    both: Project, front: Front, ahead: float
) -> None:
    limited(both, 3, 6)
    both.ok(both.campaign, "--limit", "3")
    front.ahead = ahead
    both.run(both.campaign, "--until-idle")
    assert len(both.api.recipients) == 3


@pytest.mark.parametrize(
    ("sent_at", "asked_at"), [(-40 * DAY, 0.0), (40 * DAY, 0.0), (0.0, 40 * DAY), (0.0, -40 * DAY)]
)
def test_contact_once_in_holds_whatever_a_machines_clock_says(
    project: Project, sent_at: float, asked_at: float
) -> None:
    clocks = Clocks(project.outputs)
    project.write(people(1))
    clocks.set(wall=sent_at)
    assert project.run(project.campaign, **clocks.env).code == 0
    other = project.campaign.with_name("autumn.yaml")
    other.write_text(project.campaign.read_text())
    clocks.set(wall=asked_at)
    project.run(other, "--new-campaign", **clocks.env)
    assert project.api.recipients == people(1)
