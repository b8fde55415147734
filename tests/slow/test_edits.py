"""Files, folders and decisions that change between and during runs: nobody is written to twice, and
nobody who should not be."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

import pytest

from runner.clock import SystemClock
from runner.errors import ChangesError
from runner.events import Event, EventBus
from runner.run.preparation.options import Options, Surroundings
from runner.run.run import run_campaigns
from runner.templating.template import Template
from tests.acceptance.support import LINK, OTHER_LINK, TOKEN, Project, in_process, people, until
from tests.processes import COMMAND


@pytest.mark.parametrize("what", ["columns swapped", "row added", "suppressed"])
def test_an_edit_while_a_person_is_asked_sends_nothing(project: Project, what: str) -> None:
    ids = people(2)
    project.write(ids, more="suppress: [../no.csv]\n")
    (project.folder / "no.csv").write_text("x_user_id\n1\n")
    project.sheet.write_text(
        "x_user_id,first_name,account\n" + "".join(f"{id},Ann,7000{id[-6:]}\n" for id in ids)
    )

    def edit() -> None:
        if what == "columns swapped":
            text = project.sheet.read_text()
            project.sheet.write_text(text.replace("x_user_id,first_name,account", "a,b,x_user_id"))
        elif what == "row added":
            project.sheet.write_text(project.sheet.read_text() + f"{people(3)[2]},Zoe,1\n")
        else:
            (project.folder / "no.csv").write_text(f"x_user_id\n{ids[0]}\n")

    with pytest.raises(ChangesError, match="edited while"):
        in_process(project, edit)
    assert project.api.recipients == []


def test_each_row_is_rendered_once_though_a_person_is_asked(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = people(5)
    project.write(ids, text="Hi {{ first_name }}, {{ x_user_id }}")
    rendered: list[str] = []
    render = Template.render

    def counted(template: Template, columns: Mapping[str, str]) -> str:
        rendered.append(columns["x_user_id"])
        return render(template, columns)

    monkeypatch.setattr(Template, "render", counted)
    in_process(project)
    assert rendered == ids
    assert {one["person"]: one["content"] for one in project.api.accepted} == {
        id: f"Hi Person{number}, {id}" for number, id in enumerate(ids, 1)
    }


def test_what_the_ledger_learns_while_a_person_is_asked_counts(project: Project) -> None:
    ids = people(3)
    project.write(ids[:1], text="Hello {{ first_name }}")
    project.ok(project.campaign)
    project.write(ids, text="Hello {{ first_name }}")

    def suppress() -> None:
        project.ok("suppress", "add", ids[1], "--state", project.ledger)

    in_process(project, suppress)
    assert [(one["person"], one["content"]) for one in project.api.accepted] == [
        (ids[0], "Hello Person1"),
        (ids[2], "Hello Person3"),
    ]
    [skipped] = [row for row in project.exported() if row["recipient"] == ids[1]]
    assert skipped["reason"].startswith("suppressed")


def test_who_comes_back_into_the_queue_is_looked_at_again(project: Project) -> None:
    ids = people(3)
    project.write(ids, retry="attempts: 1", more="suppress: [../no.csv]\n")
    (project.folder / "no.csv").write_text("x_user_id\n1\n")
    project.api.faults("platform_rate_limit:retry_after=0")
    project.ok(project.campaign, code=4)
    project.api.faults()
    (project.folder / "no.csv").write_text(f"x_user_id\n1\n{ids[0]}\n")
    project.ok(project.campaign, code=4)
    project.sheet.write_text(project.sheet.read_text().replace(f"{ids[1]},Person2\n", ""))
    project.ok(project.campaign, code=4)
    project.ok("retry", project.campaign, "--accept-changes")
    assert project.api.recipients == [ids[2]]


def test_a_word_of_not_sent_obeys_the_file_as_it_is_now(project: Project) -> None:
    ids = people(3)
    project.write(ids, retry="settle: 1s, key_life: 1s")
    project.api.faults("unconfirmed:delivered=no")
    project.ok(project.campaign, code=4)
    project.api.faults()
    project.write(ids[1:], text="New {{ first_name }}", senders=(OTHER_LINK,))
    project.ok("resolve", project.campaign, "--all-not-sent")
    stopped = project.ok(project.campaign, code=1)
    assert f"sender {LINK} -> {OTHER_LINK}" in stopped.err
    project.ok(project.campaign, "--accept-changes")
    assert [(one["person"], one["sender"]) for one in project.api.accepted] == [
        (id, OTHER_LINK) for id in ids[1:]
    ]


def test_two_spellings_of_an_id_are_one_person(project: Project) -> None:
    plain, padded = "91234567890123456", "0091234567890123456"
    project.write([padded, plain])
    project.ok(project.campaign)
    project.write([plain, padded])
    project.ok(project.campaign, "--accept-changes")
    assert project.api.recipients == [plain]


def test_a_suppressed_id_is_known_in_any_spelling(project: Project) -> None:
    project.write(["0091234567890123456", people(1)[0]], more="suppress: [../no.csv]\n")
    (project.folder / "no.csv").write_text("x_user_id\n91234567890123456\n")
    project.ok(project.campaign)
    assert project.api.recipients == people(1)


def test_a_moved_project_with_a_renamed_campaign_is_known(project: Project) -> None:
    project.write(people(2))
    project.ok(project.campaign)
    moved = project.folder.with_name("moved")
    shutil.copytree(project.folder, moved)
    renamed = (moved / "campaigns" / "spring.yaml").rename(moved / "campaigns" / "autumn.yaml")
    refused = project.ok(renamed, code=1)
    assert "--new-campaign" in refused.err
    assert len(project.api.recipients) == 2


def test_a_ledger_by_another_name_is_still_held(project: Project) -> None:
    project.write(people(6), concurrency=1)
    project.api.faults("slow:seconds=2")
    link = project.outputs / "link.db"
    link.symlink_to(project.ledger)
    first = project.start(project.campaign)
    until(lambda: project.api.recipients, "the first message")
    second = project.ok(project.campaign, "--state", link, code=6)
    assert "another run holds this team" in second.err
    project.api.faults()
    assert first.wait().code == 0
    assert sorted(project.api.recipients) == people(6)


def test_two_first_runs_one_waiting(project: Project) -> None:
    project.write(people(6), concurrency=2)
    project.api.faults("slow:seconds=0.2")
    runs = [project.start(project.campaign, "--wait") for _ in range(2)]
    assert [run.wait().code for run in runs] == [0, 0]
    assert sorted(project.api.recipients) == people(6)


def test_a_person_in_doubt_elsewhere_is_told_of(project: Project) -> None:
    ids = people(1)
    project.write(ids, more="contact_once_in: none\n")
    project.api.faults("unconfirmed:delivered=no")
    project.ok(project.campaign, code=4)
    project.api.faults()
    other = project.campaign.with_name("autumn.yaml")
    other.write_text(project.campaign.read_text().replace("spring.csv", "autumn.csv"))
    other.with_suffix(".csv").write_text(project.sheet.read_text().replace("Person1", "Ann"))
    blocked = project.ok(other, code=4)
    command = f"run-campaign resolve {project.campaign}"
    told = f"1 wait for spring, in doubt about the same people: {command}"
    assert told in blocked.out
    assert told in project.ok("status", other).out
    assert told not in project.ok("status", project.campaign).out
    waits_for = [{"campaign": "spring", "sandbox": False, "count": 1, "command": command}]
    assert project.ok("status", other, "--json").json["waits_for"] == waits_for
    assert project.ok("status", project.campaign, "--json").json["waits_for"] == []
    here = project.run("status", "autumn.yaml", command=("env", "-C", "campaigns", *COMMAND))
    assert "in doubt about the same people: run-campaign resolve spring.yaml\n" in here.out
    assert project.api.recipients == []
    project.ok("resolve", project.campaign, "--all-not-sent", "--yes")
    assert "wait for spring" not in project.ok("status", other).out


def test_who_waits_for_several_campaigns_is_told_of_each(project: Project) -> None:
    ids = people(5)
    project.write(ids[:2], more="contact_once_in: none\n")
    project.api.faults("unconfirmed:delivered=no")
    project.ok(project.campaign, code=4)
    text, rows = project.campaign.read_text(), project.sheet.read_text()
    second = project.campaign.with_name("summer.yaml")
    second.write_text(text.replace("spring.csv", "summer.csv"))
    second.with_suffix(".csv").write_text(f"x_user_id,first_name\n{ids[2]},Ann\n")
    project.ok(second, code=4)
    project.api.faults()
    third = project.campaign.with_name("autumn.yaml")
    third.write_text(text.replace("spring.csv", "autumn.csv"))
    more = "".join(f"{id},Ben\n" for id in ids[2:])
    third.with_suffix(".csv").write_text(rows.replace("Person", "Cay") + more)
    project.ok(third, code=4)
    assert sorted(project.api.recipients) == ids[3:]
    said = project.ok("status", third, "--json").json["waits_for"]
    assert [(each["campaign"], each["count"]) for each in said] == [("spring", 2), ("summer", 1)]


def test_each_row_counts_once_however_the_selection_changes(project: Project) -> None:
    project.write(people(3))
    project.ok(project.campaign, "--limit", "1")
    text = project.campaign.read_text()
    where = "prospects: {source: spring.csv, where: {first_name: Person1}}"
    project.campaign.write_text(text.replace("prospects: spring.csv", where))
    project.ok(project.campaign, "--accept-changes")
    status = project.ok("status", project.campaign, "--json").json
    assert status["total"] == 3
    assert status["counts"]["sent"] == 1
    assert [row["row"] for row in project.exported()] == ["2", "3", "4"]


class FastClock(SystemClock):
    """A machine whose clock is two minutes ahead."""

    def now(self) -> float:
        return super().now() + 120.0


def test_v1_believes_the_servers_clock_from_the_first_message_on(on_v1: Project) -> None:
    ids = people(2)
    on_v1.write(ids, concurrency=1, retry="settle: 1s, absent: resend")
    on_v1.api.faults("accept_then_reset:at=1")
    in_process(on_v1, lambda: None, FastClock())
    assert sorted(on_v1.api.recipients) == ids


def test_v1_waits_its_time_from_when_an_answer_was_given_up(late_api: Project) -> None:
    ids = people(2)
    late_api.write(ids, concurrency=1, retry="timeout: 3s, settle: 3s, absent: resend")
    late_api.api.faults("accept_late:at=2,seconds=0.1")
    late_api.ok(late_api.campaign)
    assert sorted(late_api.api.recipients) == ids


def test_a_test_in_doubt_holds_nobody_up(on_v1: Project) -> None:
    ids = people(1)
    on_v1.write(ids)
    on_v1.api.faults("half:at=1,accept=no")
    on_v1.ok("test", on_v1.campaign, "--to", ids[0], code=4)
    on_v1.api.faults()
    on_v1.ok(on_v1.campaign)
    assert on_v1.api.recipients == ids


def test_rows_added_during_a_run_are_asked_about(on_v1: Project) -> None:
    """When it plans again, for what comes back and was passed over by its plan."""
    ids = people(3)
    on_v1.write(ids[:2], concurrency=1, retry="settle: 1s, absent: hold")
    on_v1.api.faults("half:at=1,accept=no")
    on_v1.ok(on_v1.campaign, code=4)
    on_v1.write(
        ids[:2], concurrency=1, retry="settle: 1s, absent: resend", text="Hello {{ first_name }}"
    )
    asked: list[str] = []

    def grow(event: Event) -> None:
        if event.name == "deferred":
            on_v1.sheet.write_text(on_v1.sheet.read_text() + f"{ids[2]},Zoe\n")

    def decline(*_: object) -> bool:
        asked.append("of Zoe" if "Zoe" in on_v1.sheet.read_text() else "")
        return False

    bus = EventBus()
    bus.watch(grow)
    around = Surroundings(SystemClock(), bus, {"INBOX_API_TOKEN": TOKEN}, ask=decline)
    run_campaigns([on_v1.campaign], Options(state=str(on_v1.ledger), accept_changes=True), around)
    assert asked == ["of Zoe"]
    assert len(on_v1.api.recipients) == 1


def test_a_refused_retry_does_not_stop_the_live_run(project: Project) -> None:
    ids = people(12)
    project.write(ids, concurrency=1)
    project.api.faults("slow:seconds=2")
    first = project.start(project.campaign, "--limit", "10")
    until(lambda: project.api.recipients, "the first message")
    project.ok("retry", project.campaign, code=6)
    project.api.faults()
    assert first.wait().code == 0
    assert len(project.api.recipients) == 10


def test_status_from_below_the_project_still_tells_when_it_is_done(project: Project) -> None:
    project.write(people(3))
    project.ok(project.campaign, "--limit", "1")
    here = project.run("status", command=["env", "-C", str(project.campaign.parent), *COMMAND])
    assert "done as fast as the API answers" in here.out


def test_a_mended_row_is_sent_by_the_next_run_and_a_removed_one_is_not(both: Project) -> None:
    ids = people(4)
    both.write(["", "1.23E+18", ids[2], ids[3]], text="Hi {{ first_name }}")
    first = both.ok(both.campaign, "--limit", "1")
    assert "no_id" in first.out
    both.write([ids[0], ids[1], ids[2]], text="Hi {{ first_name }}")
    both.ok(both.campaign, "--accept-changes")
    assert sorted(both.api.recipients) == ids[:3]
    left = {row["recipient"]: row["reason"] for row in both.exported() if row["status"] != "sent"}
    assert list(left) == [ids[3]]
    assert left[ids[3]].startswith("removed")
