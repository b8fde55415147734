"""Two campaigns of one ledger over the same people: who is written to, by the API's own list."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.clocks import Clocks
from tests.acceptance.conftest import StartApi
from tests.acceptance.front import Front
from tests.acceptance.support import OTHER_TOKEN, Project, of_another_team, people, until

DAY = 86400.0
NEW = "--new-campaign"


def another(project: Project, *, base: str = "", more: str = "") -> Path:
    """The campaign autumn, over the same people."""
    other = project.campaign.with_name("autumn.yaml")
    text = project.campaign.read_text().replace("spring.csv", "autumn.csv")
    if base:
        text = of_another_team(text.replace(project.api.base, base))
    other.write_text(text + more)
    other.with_suffix(".csv").write_text(project.sheet.read_text())
    return other


def test_nobody_is_written_to_by_two_campaigns_within_the_time(both: Project, front: Front) -> None:
    ids = people(3)
    both.write(ids[:2])
    both.ok(both.campaign)
    both.write(ids)
    other = another(both)
    shown = both.ok(other, "--dry-run", NEW).out
    assert shown.count("contacted by spring on") == 2
    both.ok(other, NEW)
    assert both.api.recipients == ids
    assert both.counts() == {"sent": 3, "skipped": 2}
    clocks = Clocks(both.outputs)
    front.ahead = 29 * DAY
    clocks.set(29 * DAY)
    assert "files unchanged" in both.run(other, "--only", ids[0], **clocks.env).all
    assert both.api.recipients == ids
    front.ahead = 31 * DAY
    clocks.set(31 * DAY)
    assert both.run(other, **clocks.env).code == 0  # its files are as they were
    assert both.api.recipients[3:] == ids[:2]
    other.write_text("name: winter\ncontact_once_in: none\n" + other.read_text())
    assert both.run(other, NEW, **clocks.env).code == 0
    assert sorted(both.api.recipients[5:]) == ids


def test_a_message_in_doubt_counts_until_it_is_known_not_to_be_sent(project: Project) -> None:
    ids = people(1)
    project.write(ids)
    project.api.faults("unconfirmed:delivered=no")
    project.ok(project.campaign, code=4)
    project.api.faults()
    other = another(project)
    project.ok(other, NEW)
    assert project.counts() == {"in_doubt": 1, "skipped": 1}
    assert project.api.recipients == []
    project.ok("resolve", project.campaign, "--not-sent", ids[0])
    project.ok(other)
    assert project.api.recipients == ids
    assert "contacted by autumn on" in project.ok(project.campaign, "--dry-run", code=1).out
    project.ok(project.campaign)
    assert project.api.recipients == ids
    assert project.counts() == {"sent": 1, "skipped": 1}


def test_two_campaigns_of_one_run_write_to_each_person_once(both: Project) -> None:
    ids = people(8)
    both.write(ids)
    both.ok(both.campaign, another(both), NEW)
    assert sorted(both.api.recipients) == ids
    assert both.counts() == {"sent": 8, "skipped": 8}


def test_two_teams_at_once_write_to_each_person_once(project: Project, start_api: StartApi) -> None:
    ids = people(12)
    project.write(ids, concurrency=3)
    other_api = start_api("--per-minute", "none", "--token", OTHER_TOKEN)
    other = another(project, base=other_api.base)
    for api in (project.api, other_api):
        api.faults("slow:seconds=0.1")
    runs = [project.start(each, NEW) for each in (project.campaign, other)]
    for run in runs:
        done = run.wait()
        assert done.code in (0, 4), done.all
    for each in (project.campaign, other):  # whoever waited for the other's answer
        project.ok(each)
    assert sorted(project.api.recipients + other_api.recipients) == ids
    assert project.counts() == {"sent": 12, "skipped": 12}


def test_who_is_read_ahead_is_passed_over_once_another_team_has_written(
    project: Project, start_api: StartApi
) -> None:
    """Planned and read as queued by a run, then written to by another run of the ledger."""
    ids = people(3)
    project.write(ids, concurrency=1)
    other_api = start_api("--per-minute", "none", "--token", OTHER_TOKEN)
    other = another(project, base=other_api.base)
    project.api.faults("slow:seconds=8,times=1")
    slow = project.start(project.campaign, NEW)
    until(lambda: project.counts().get("sending"), "the first to be under way")
    other.with_suffix(".csv").write_text(f"x_user_id,first_name\n{ids[2]},Zoe\n")
    project.ok(other, NEW)
    done = slow.wait()
    assert done.code == 0, done.all
    assert f"skipped: {ids[2]}: contacted: contacted by autumn on" in done.all
    assert project.api.recipients == ids[:2]
    assert other_api.recipients == [ids[2]]


def test_the_list_is_exported_and_read_back_without_loss(project: Project) -> None:
    x_id, formula, inbox = people(3)[0], people(3)[1], "k2v7q9x4m1n8b3c6z5l0p7ty"
    source = project.folder / "stop.csv"
    source.write_text(
        f"x_user_id,reason,date\n{x_id},asked by mail,2026-11-03\n{formula},'=1+1,\n"
        f"{people(3)[2]},,2026-11-04T12:00:00+02:00\n"
    )
    state = ("--state", project.ledger)
    project.ok("suppress", "import", source, *state)
    project.ok("suppress", "add", inbox, "--id-type", "inbox", *state)
    before = project.ok("suppress", "list", "--json").json
    told = {each["recipient"]: (each["reason"], each["added_at"]) for each in before}
    assert told[x_id] == ("asked by mail", "2026-11-03T00:00:00Z")
    assert told[formula][0] == "=1+1"
    assert told[people(3)[2]] == ("in stop.csv", "2026-11-04T10:00:00Z")
    file = project.folder / "list.csv"
    project.ok("suppress", "export", file)
    copy = ("--state", project.folder / "other.db")
    project.ok("suppress", "import", file, *copy)
    assert project.ok("suppress", "list", "--json", *copy).json == before
    project.write(people(3)[:1])
    shown = project.ok(project.campaign, "--dry-run", code=1).out
    assert "on the ledger's list since 2026-11-03: asked by mail" in shown
