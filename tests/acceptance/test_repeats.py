"""A repeat of what is in doubt may be the first message to arrive: it is bounded as a send is."""

from __future__ import annotations

import time

import pytest

from .conftest import StartApi
from .support import LINK, OTHER_LINK, OTHER_TOKEN, Project, of_another_team, people, until

IDS = people(8)


@pytest.fixture
def killed(project: Project) -> Project:
    """A run was killed with four on the wire of which the API has taken none; four are queued."""
    project.write(IDS, concurrency=4)
    project.api.faults("stall")
    run = project.start(project.campaign)
    until(lambda: project.counts().get("sending") == 4, "four to be begun")
    run.process.kill()
    run.process.wait()
    project.api.faults()
    assert project.api.recipients == []
    return project


def test_only_those_named_are_repeated(killed: Project) -> None:
    killed.ok(killed.campaign, "--only", IDS[-1], code=4)
    assert killed.api.recipients == [IDS[-1]]
    killed.ok(killed.campaign, "--only", IDS[0], code=4)
    assert killed.api.recipients == [IDS[-1], IDS[0]]
    killed.ok(killed.campaign)
    assert sorted(killed.api.recipients) == IDS


def test_a_limit_counts_repeats(killed: Project) -> None:
    killed.ok(killed.campaign, "--limit", "0", code=4)
    assert killed.api.recipients == []
    for sent in (1, 3):
        killed.run(killed.campaign, "--limit", str(sent - len(killed.api.recipients)))
        assert len(killed.api.recipients) == sent
    killed.ok(killed.campaign)
    assert sorted(killed.api.recipients) == IDS


def test_nothing_goes_from_a_sender_that_the_file_no_longer_names(killed: Project) -> None:
    text = killed.campaign.read_text()
    killed.campaign.write_text(text.replace(LINK, OTHER_LINK).replace("settle: 1s", "settle: 0s"))
    killed.ok(killed.campaign, "--accept-changes", "--stop-after", "8s", code=4)
    assert sorted(killed.api.recipients) == IDS[4:]
    rows = killed.exported()
    assert {each["sender"] for each in rows if each["status"] == "sent"} == {OTHER_LINK}


def test_a_repeat_waits_for_its_senders_limits(killed: Project) -> None:
    text = killed.campaign.read_text()
    killed.campaign.write_text(text.replace("per_hour: none", "per_hour: 4", 1))
    done = killed.run(killed.campaign, "--until-idle")
    assert killed.api.recipients == [], done.all
    killed.campaign.write_text(text.replace("per_hour: none", "per_hour: 6", 1))
    killed.run(killed.campaign, "--until-idle")
    assert len(killed.api.recipients) == 2, "four of the six may have been sent already"


def test_resolve_repeats_what_is_in_doubt(killed: Project) -> None:
    killed.ok("resolve", killed.campaign)
    assert sorted(killed.api.recipients) == IDS[:4]


def test_a_limit_is_of_all_teams_of_a_run(project: Project, start_api: StartApi) -> None:
    other_api = start_api("--per-minute", "none", "--token", OTHER_TOKEN)
    project.write(people(12), concurrency=1)
    free = project.campaign.read_text()
    other = project.campaign.with_name("autumn.yaml")
    text = free.replace("spring.csv", "autumn.csv").replace(project.api.base, other_api.base)
    other.write_text(of_another_team(text))
    rows = "\n".join(f"{id},P" for id in people(12, "2111"))
    other.with_suffix(".csv").write_text(f"x_user_id,first_name\n{rows}\n")
    for limit in (5, 4):
        before = len(project.api.recipients + other_api.recipients)
        began = time.monotonic()
        project.ok(project.campaign, other, "--new-campaign", "--limit", str(limit))
        assert len(project.api.recipients + other_api.recipients) == before + limit
        # The next time one of them waits for an hour, until which the other has sent the rest.
        project.campaign.write_text(free.replace("per_hour: none", "per_hour: 1", 1))
    assert time.monotonic() - began < 30.0
