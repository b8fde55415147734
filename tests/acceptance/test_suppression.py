"""Do-not-contact lists of campaigns: what they protect before a run, and while it lives."""

from __future__ import annotations

import pytest

from .support import Project, people, until


def listed(project: Project, text: str, name: str = "dnc.csv") -> None:
    (project.campaign.parent / name).write_text(text)


def test_a_list_that_protects_nobody_stops_the_campaign(project: Project) -> None:
    ids = people(2)
    project.write(ids, more="suppress: dnc.csv\n")
    listed(project, f"x_user_id,name\n{ids[0]},Ann\n,Ben\n")
    done = project.run(project.campaign, "--yes")
    assert done.code == 1
    assert "row 3: has no id beside Ben" in done.all
    assert "row 3: has no id beside Ben" in project.run(project.campaign, "--dry-run").all
    assert project.api.recipients == []
    listed(project, f"record,x_user_id\n5101,{ids[0]}\n")
    assert "1 person, 1 of them in the sheet" in project.run(project.campaign, "--yes").all
    assert project.api.recipients == ids[1:]


def test_a_list_that_has_lost_its_people_is_asked_about(project: Project) -> None:
    ids = people(3)
    project.write(ids, more="suppress: dnc.csv\n")
    listed(project, "\n".join(["x_user_id", *ids[1:]]) + "\n")
    project.ok(project.campaign, "--yes")
    listed(project, "x_user_id\n")
    done = project.ok(project.campaign, "--yes", code=2)
    assert "list_shrank" in done.all
    assert project.api.recipients == ids[:1]
    project.ok(project.campaign, "--yes", "--accept", "list_shrank")
    assert sorted(project.api.recipients) == ids


def test_an_export_is_a_list_of_those_written_to(project: Project) -> None:
    ids = people(3)
    project.write(ids)
    project.ok(project.campaign, "--yes", "--limit", "2")
    project.ok("export", project.campaign, "-o", "who.csv")
    done = project.ok("suppress", "import", "who.csv")
    assert "written to: 2 sent" in done.all
    assert len(project.ok("suppress", "list", "--json").json) == 2
    (project.folder / "nobody.txt").write_text("nothing here\n")
    assert "nobody is found in it" in project.ok("suppress", "import", "nobody.txt", code=1).all


@pytest.mark.slow
def test_somebody_added_while_a_run_lives_gets_nothing(project: Project) -> None:
    ids = people(6)
    project.write(ids, more="suppress: dnc.csv\n")
    text = project.campaign.read_text().replace("gap: none", "gap: 1s")
    project.campaign.write_text(text)
    listed(project, f"x_user_id\n{people(9)[-1]}\n")
    running = project.start(project.campaign, "--yes")
    until(lambda: project.api.recipients, "a message")
    listed(project, f"x_user_id\n{people(9)[-1]}\n{ids[-1]}\n")
    done = running.wait()
    assert "1 person more" in done.all
    assert project.api.recipients == ids[:-1]


def test_a_list_that_cannot_be_read_any_more_stops_a_live_run(project: Project) -> None:
    ids = people(30)
    project.write(ids, more="suppress: dnc.csv\n")
    project.campaign.write_text(project.campaign.read_text().replace("gap: none", "gap: 1s"))
    listed(project, "x_user_id\n")
    running = project.start(project.campaign, "--yes")
    until(lambda: project.api.recipients, "a message")
    listed(project, "x_user_id\n@ada\n")
    done = running.wait()
    assert done.code == 5
    assert "@ada is a username" in done.all
    assert len(project.api.recipients) < 12
