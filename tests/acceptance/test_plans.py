"""Approved plans as a user meets them: a ceiling of what is sent, by which nobody is named."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .conftest import MakeFleet
from .support import LINK, OTHER_LINK, Done, Project, people, until

TEXT = "Hi {{ first_name }}, shall I send the notes?"
NUDGE = "steps: [{name: nudge, after: 3d, text: 'Still open, {{ first_name }}?'}]\n"


def plan_of(project: Project) -> Path:
    return project.folder / "plans" / "spring.plan.json"


def approve(project: Project, *words: str) -> dict[str, Any]:
    """Make the plan of the campaign as it is now."""
    plan_of(project).parent.mkdir(exist_ok=True)
    project.ok("plan", project.campaign, "-o", plan_of(project), *words)
    found: dict[str, Any] = json.loads(plan_of(project).read_text())
    return found


def send(project: Project, *words: str, code: int = 0) -> Done:
    return project.ok(
        project.campaign, "--yes", "--plan", plan_of(project), *words, code=code
    )  # fmt: skip


def edit(project: Project, before: str, after: str) -> None:
    text = project.campaign.read_text()
    assert before in text
    project.campaign.write_text(text.replace(before, after))


def rows_of(project: Project) -> list[str]:
    return project.sheet.read_text().splitlines()


def write_rows(project: Project, rows: list[str]) -> None:
    project.sheet.write_text("\n".join(rows) + "\n")


def refused(project: Project, *words: str) -> str:
    """What is told of a run that is refused before the API is asked anything."""
    before = len(project.api.recipients), project.api.ask("requests")
    done = send(project, *words, code=1)
    assert (len(project.api.recipients), project.api.ask("requests")) == before
    assert "as approved in" in done.err or "than approved in" in done.err
    return done.err


def test_a_plan_names_nobody_and_is_made_again_to_the_byte(project: Project) -> None:
    ids = people(5)
    project.write(ids, more=NUDGE)
    first = approve(project)
    text = plan_of(project).read_text()
    assert not [word for word in (*ids, "Person", str(project.folder)) if word in text]
    assert (first["campaign"], first["counts"]["people"]) == ("spring", 5)
    assert first["counts"]["steps"] == {"1": 5, "nudge": 5}
    assert first["texts"]["message"] == TEXT
    assert first["messages"] == sorted(first["messages"])
    head, *rows = rows_of(project)
    write_rows(project, [head, *reversed(rows)])
    approve(project)
    assert plan_of(project).read_text() == text
    send(project, "--limit", "2", "--until-idle")
    approve(project)
    assert plan_of(project).read_text() == text
    plan_of(project).unlink()
    assert approve(project)["key"] != first["key"]


def test_what_is_planned_is_sent_in_any_order_and_once(project: Project) -> None:
    ids = people(6)
    project.write(ids)
    approve(project)
    head, *rows = rows_of(project)
    write_rows(project, [head, *reversed(rows)])
    send(project, "--limit", "2")
    write_rows(project, [head, *rows])
    send(project)
    send(project)
    assert sorted(project.api.recipients) == ids


def test_killed_half_way_it_goes_on_within_the_plan(project: Project) -> None:
    ids = people(20)
    project.write(ids, more="require_plan: ../plans/spring.plan.json\n")
    approve(project)
    project.api.faults("slow:seconds=0.3")
    running = project.start(project.campaign, "--yes")
    until(lambda: len(project.api.recipients) >= 3, "three accepted")
    running.process.kill()
    running.process.wait()
    project.api.faults()
    rows = rows_of(project)
    write_rows(project, [rows[0], *reversed(rows[1:])])
    project.ok(project.campaign, "--yes")
    assert sorted(project.api.recipients) == ids


def test_several_campaigns_have_a_plan_each(project: Project) -> None:
    ids = people(4)
    project.write(ids[:2])
    approve(project)
    other = project.campaign.with_name("summer.yaml")
    other.write_text(project.campaign.read_text().replace("spring.csv", "summer.csv"))
    project.sheet.with_name("summer.csv").write_text(
        "\n".join([rows_of(project)[0], *(f"{id},Ann" for id in ids[2:])]) + "\n"
    )
    both = (project.campaign, other, "--yes", "--plan", plan_of(project))
    told = project.ok(*both, code=2).err
    assert "--plan: none of the plans is of campaign summer" in told
    plan = plan_of(project).with_name("summer.plan.json")
    project.ok("plan", other, "-o", plan)
    project.ok(*both, "--plan", plan)
    assert sorted(project.api.recipients) == ids


def test_one_fewer_passes(project: Project) -> None:
    ids = people(6)
    project.write(ids)
    approve(project)
    write_rows(project, rows_of(project)[:-1])
    send(project)
    assert sorted(project.api.recipients) == ids[:-1]


def test_one_more_is_refused_by_name(project: Project) -> None:
    ids = people(7)
    project.write(ids[:6])
    approve(project)
    project.write(ids)
    told = refused(project)
    assert f"row 8, {ids[6]}: is not in it" in told
    assert "1 message to 1 person not as approved" in told
    send(project, "--limit", "0", code=1)
    approve(project)
    send(project)
    assert sorted(project.api.recipients) == ids


def test_a_changed_comma_is_refused(project: Project) -> None:
    ids = people(8)
    project.write(ids)
    approve(project)
    project.write(ids, text=TEXT.replace(",", ";"))
    told = refused(project)
    assert told.count("another text (step 1)") == 5
    assert "… and 3 more" in told


def test_a_changed_cell_is_refused_also_half_way(project: Project) -> None:
    ids = people(4)
    project.write(ids)
    approve(project)
    send(project, "--limit", "1")
    rows = rows_of(project)
    write_rows(project, [row.replace("Person", "person") for row in rows])
    assert "another text" in refused(project, "--accept-changes")
    write_rows(project, rows)
    send(project)
    assert sorted(project.api.recipients) == ids


def test_another_sender_is_refused_by_name(project: Project) -> None:
    project.write(people(3))
    approve(project)
    project.write(people(3), senders=(LINK, OTHER_LINK))
    told = refused(project)
    assert f"senders.{OTHER_LINK}.per_hour is none, nothing is approved of it" in told
    edit(project, "prospects: spring.csv", "prospects: {source: spring.csv, sender: owner}")
    head, *rows = rows_of(project)
    write_rows(project, [f"{head},owner", *(f"{row},{LINK}" for row in rows)])
    approve(project)
    write_rows(
        project,
        [f"{head},owner", *(f"{row},{LINK}" for row in rows[1:]), f"{rows[0]},{OTHER_LINK}"],
    )
    told = refused(project)
    assert f"row 4, {people(1)[0]}: sender {OTHER_LINK}, and {LINK} is approved" in told


def test_a_new_step_is_refused_and_a_shorter_wait(project: Project) -> None:
    project.write(people(3))
    approve(project)
    project.write(people(3), more=NUDGE)
    assert "steps.nudge.after is 259200, nothing is approved of it" in refused(project)
    approve(project)
    project.write(people(3), more=NUDGE.replace("3d", "1d"))
    assert "steps.nudge.after is 86400, approved: 259200" in refused(project)
    project.write(people(3), more=NUDGE.replace("Still", "Yet"))
    assert "another text (step nudge)" in refused(project)
    project.write(people(3), more=NUDGE.replace("3d", "4d"))
    send(project, "--until-idle")
    assert sorted(project.api.recipients) == people(3)


def test_everybody_stays_in_their_own_time_zone(project: Project) -> None:
    schedule = (
        "schedule: {timezone: Europe/London, "
        'windows: [{days: mon-sun, from: "00:00", to: "24:00"}]}\n'
    )
    project.write(people(2), more=schedule)
    edit(project, "prospects: spring.csv", "prospects: {source: spring.csv, timezone: zone}")
    head, first, second = rows_of(project)
    write_rows(project, [f"{head},zone", f"{first},Asia/Tokyo", f"{second},"])
    approve(project)
    assert "Tokyo" not in plan_of(project).read_text()
    edit(project, ", timezone: zone}", "}")
    told = refused(project)
    assert f"row 2, {people(1)[0]}: no time zone of their own, and another is approved" in told
    assert "row 3" not in told
    edit(project, "spring.csv}", "spring.csv, timezone: zone}")
    write_rows(project, [f"{head},zone", f"{first},Asia/Tokyo", f"{second},America/New_York"])
    assert "row 3" in refused(project)
    write_rows(project, [f"{head},zone", f"{second},Europe/London", f"{first},Asia/Tokyo"])
    send(project)
    before = plan_of(project).read_text()
    approve(project)
    assert plan_of(project).read_text() == before


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("concurrency: 4", "concurrency: 5", "limits.concurrency is 5, approved: 4"),
        ("concurrency: 4", "concurrency: 3", ""),
    ],
)
def test_a_looser_limit_is_refused_and_a_tighter_one_is_not(
    project: Project, before: str, after: str, told: str
) -> None:
    project.write(people(2))
    approve(project)
    edit(project, before, after)
    if told:
        assert told in refused(project)
    else:
        send(project)


def test_what_was_queued_without_a_plan_is_held_to_it(project: Project) -> None:
    ids = people(4)
    project.write(ids[:2])
    approve(project)
    project.write(ids)
    project.ok(project.campaign, "--yes", "--limit", "1")
    assert "is not in it" in refused(project)
    assert len(project.api.recipients) == 1


@pytest.mark.slow
def test_a_required_plan_needs_no_option_and_cannot_be_gone_round(project: Project) -> None:
    ids = people(3)
    required = "require_plan: ../plans/spring.plan.json\n"
    project.write(ids, more=required)
    done = project.ok(project.campaign, "--yes", code=2)
    assert "the approved plan cannot be read" in done.err
    assert f"make one: run-campaign plan {project.campaign} -o " in done.err
    approve(project)
    other = plan_of(project).with_name("other.plan.json")
    project.write(people(4), more=required)
    project.ok("plan", project.campaign, "-o", other)
    assert "--plan names another" in project.ok(
        project.campaign, "--yes", "--plan", other, code=2
    ).err  # fmt: skip
    assert "is not in it" in project.ok(project.campaign, "--yes", code=1).err
    dry = project.ok(project.campaign, "--dry-run", code=1)
    assert "is not in it" in dry.err
    assert "is not in it" in project.ok(project.campaign, "--sandbox", "--yes", code=1).err
    project.write(ids, more=required)
    project.ok(project.campaign, "--sandbox", "--yes")
    project.ok(project.campaign, "--yes", "--limit", "1")
    project.ok("retry", project.campaign, "--yes")
    assert sorted(project.api.recipients) == ids
    project.write(ids, more="require_plan:\n")
    assert "require_plan: is empty" in project.ok(project.campaign, "--yes", code=2).err


def test_a_base_that_changed_is_an_edit_that_was_not_approved(project: Project) -> None:
    project.write(people(3))
    base = project.folder / "teams" / "acme.yaml"
    base.parent.mkdir()
    base.write_text(project.campaign.read_text().replace("prospects: spring.csv\n", ""))
    project.campaign.write_text("extends: ../teams/acme.yaml\nprospects: spring.csv\n")
    approve(project)
    text = base.read_text()
    base.write_text(text.replace("Hi ", "Hey "))
    assert "another text" in refused(project)
    base.write_text(text.replace("concurrency: 4", "concurrency: 9"))
    assert "limits.concurrency is 9" in refused(project)
    base.write_text(text + "require_plan: ../plans/spring.plan.json\n")
    project.ok(project.campaign, "--yes")
    assert sorted(project.api.recipients) == people(3)


def test_variants_are_those_of_the_plan_whoever_is_gone(project: Project) -> None:
    ids = people(30)
    project.write(ids)
    variants = {"variants": {"plain": {"text": TEXT}, "question": {"text": f"{TEXT}?"}}}
    edit(project, f"message: {json.dumps(TEXT)}", f"message: {json.dumps(variants)}")
    assert approve(project)["counts"]["variants"] == {"plain": 15, "question": 15}
    shown = project.ok("plan", project.campaign, "--diff", plan_of(project)).all
    assert shown.count("for 10 % against 15 % you need 683 each") == 2  # on the page and beside it
    head, *rows = rows_of(project)
    write_rows(project, [head, *reversed(rows[3:])])
    send(project)
    assert sorted(project.api.recipients) == ids[3:]
    got = Counter(row["variant"] for row in project.exported())
    assert sum(got.values()) == 27
    edit(project, '"question"', '"other"')
    write_rows(project, [head, *rows])
    assert "variant" in refused(project, "--accept", "variant_gone")


def test_whom_other_campaigns_keep_out_today_may_be_written_to_later(project: Project) -> None:
    ids = people(3)
    project.write(ids[:1])
    project.ok(project.campaign, "--yes")
    project.write(ids, more="name: summer\n")
    assert approve(project)["counts"]["people"] == 3
    send(project, "--new-campaign")
    assert sorted(project.api.recipients) == sorted([ids[0], *ids[1:]])
    edit(project, "name: summer", "name: summer\ncontact_once_in: none")
    assert "contact_once_in is none, approved: 2592000" in refused(project)


def test_handles_without_an_id_are_not_in_a_plan(project: Project) -> None:
    ada, ben = people(2)
    project.write([])
    edit(project, "prospects: spring.csv",
         "prospects: {source: spring.csv, id: handle, id_type: username}")  # fmt: skip
    write_rows(project, ["handle,first_name", "ada,Ada", "ben,Ben"])
    known = [{"platformId": ada, "username": "ada", "name": "Ada"}]
    project.api.ask("people", {"people": known})
    project.ok("handles", project.campaign)
    assert approve(project)["counts"]["people"] == 1
    send(project, "--limit", "0")
    known = [{"platformId": ben, "username": "ben", "name": "Ben"}]
    project.api.ask("people", {"people": known})
    project.ok("handles", project.campaign, "--again")
    assert f"row 3, {ben}: is not in it" in refused(project)


@pytest.mark.slow
def test_the_same_on_postgresql(project: Project, new_database: str) -> None:
    ids, state = people(5), ("--state", new_database)
    project.write(ids[:4], more=NUDGE)
    project.ok(project.campaign, "--yes", *state, "--limit", "0")
    approve(project, *state)
    send(project, *state, "--limit", "1", "--until-idle")
    before = plan_of(project).read_text()
    approve(project, *state)
    assert plan_of(project).read_text() == before
    project.write(ids, more=NUDGE)
    assert f"{ids[4]}: is not in it" in refused(project, *state)
    project.write(ids[:3], more=NUDGE)
    send(project, *state, "--until-idle", "--accept-changes")
    assert sorted(project.api.recipients) == ids[:3]


def test_a_check_tells_what_a_plan_does_not_have(project: Project) -> None:
    required = "require_plan: ../plans/spring.plan.json\n"
    project.write(people(2), more=required)
    assert "cannot be read" in project.ok("check", project.campaign, code=1).out
    approve(project)
    assert "ok       within the approved plan " in (project.ok("check", project.campaign).out)
    project.write(people(3), more=required)
    told = project.ok("check", project.campaign, code=1).out
    assert f"\n           row 4, {people(3)[-1]}: is not in it -> nothing was sent" in told


def test_who_is_suppressed_is_not_in_a_plan(project: Project) -> None:
    ids = people(3)
    project.write(ids)
    project.ok("suppress", "add", ids[1], "--state", project.ledger)
    assert approve(project)["counts"]["people"] == 2
    project.ok("suppress", "remove", ids[1], "--state", project.ledger)
    assert f"{ids[1]}: is not in it" in refused(project)


def test_files_that_are_no_plan_are_told(project: Project) -> None:
    project.write(people(1))
    plan_of(project).parent.mkdir()
    for text, told in (
        ("no", "is not a plan"),
        ("{}", "is not a plan"),
        ('{"format": "run-campaign plan 9"}', "another version"),
    ):
        plan_of(project).write_text(text)
        assert told in send(project, code=2).err
        assert told in project.ok("plan", project.campaign, "-o", plan_of(project), code=2).err
    assert project.api.recipients == []
    done = project.ok("plan", project.campaign, "-o", project.sheet, code=2)
    assert "is not a plan" in done.err
    plan_of(project).unlink()
    approve(project)
    project.write(people(1), more="name: summer\n")
    assert "none of the plans is of campaign summer" in send(project, code=2).err


def test_the_difference_is_told_in_markdown(project: Project) -> None:
    project.write(people(6))
    empty = project.folder / "none.json"
    empty.write_text("")
    told = project.ok("plan", project.campaign, "--diff", empty).out
    assert "people who are new: **6**" in told
    approve(project)
    told = project.ok("plan", project.campaign, "--diff", plan_of(project)).out
    assert told == "## Plan of spring\n\nNothing differs from the approved plan.\n"
    project.write(people(8)[1:], text=TEXT.replace("shall", "may"), concurrency=8)
    told = project.ok("plan", project.campaign, "--diff", plan_of(project)).out
    assert "- people who are new: **2**" in told
    assert "- people who are gone: 1" in told
    assert "- people with another text, sender, variant, step or time zone: **5**" in told
    assert "| people | 6 | 7 (+1) |" in told
    assert "| `limits.concurrency` | `4` | `8` | **looser** |" in told
    assert f"```diff\n-{TEXT}\n+{TEXT.replace('shall', 'may')}\n```" in told
    assert not [id for id in people(8) if id in told]


def test_workers_get_only_what_is_approved(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(1, 4)
    [team] = fleet.teams
    file = fleet.file(team)
    plan = fleet.folder / "team.plan.json"
    fleet.ok("plan", file, "-o", plan)
    file.write_text(file.read_text() + "require_plan: ../team.plan.json\n")
    sheet = file.with_suffix(".csv")
    rows = sheet.read_text()
    sheet.write_text(f"{rows}90099990001111,Eve\n")
    refused = fleet.ok("submit", file, "--yes", code=1)
    assert "is not in it" in refused.err
    assert fleet.ask("select count(*) from submission") == [(0,)]
    sheet.write_text(rows)
    fleet.submit()
    assert fleet.ask("select count(*) from message where status = 'queued'") == [(4,)]
