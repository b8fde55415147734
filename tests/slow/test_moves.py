"""Campaigns that move: to another version of the API and back, to other senders, names and places.
Whom they have written to stays written to."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from runner.clock import SystemClock
from runner.errors import RunnerError
from runner.events import EventBus
from runner.run.exit_code import RunResult
from runner.run.preparation.options import Options, Surroundings
from runner.run.run import run_campaigns
from tests.acceptance.front import Front, in_front_of
from tests.acceptance.support import LINK, OTHER_LINK, TOKEN, Project, in_process, people, until


def begin_with_doubts(project: Project, ids: Sequence[str], **more: Sequence[str]) -> None:
    """Four of six are tried, and the run is killed: the first was accepted and the second was not,
    but neither was answered."""
    project.write(ids, concurrency=1, retry="settle: 1h, key_life: 1ms", **more)  # type: ignore[arg-type]  # by name
    project.api.faults("accept_then_reset:at=1", "half:at=2,accept=no")
    running = project.start(project.campaign, "--limit", "4")
    wanted = {"in_doubt": 2, "sent": 2, "queued": 2}
    until(lambda: project.counts() == wanted, "two in doubt, two sent")
    running.process.kill()
    running.process.wait()
    project.api.faults()


def in_place(file: Path) -> RunResult:
    """A run in this process, with the ledger where it lies by itself."""
    around = Surroundings(SystemClock(), EventBus(), {"INBOX_API_TOKEN": TOKEN})
    return run_campaigns([file], Options(), around)


def doubted(project: Project) -> list[str]:
    found: list[str] = project.ok("status", project.campaign, "--json").json["in_doubt"]
    return found


@pytest.fixture
def behind(on_v1: Project) -> Iterator[tuple[Project, Front]]:
    """A project on v1 whose API can end."""
    with in_front_of(on_v1.api.base) as front:
        on_v1.address = front.base
        yield on_v1, front


def test_from_v1_to_v2_with_messages_in_doubt(behind: tuple[Project, Front]) -> None:
    project, front = behind
    ids = people(6)
    begin_with_doubts(project, ids)
    project.version = "v2"
    project.write(ids, retry="settle: 20ms")
    front.end = "gone"
    first = project.ok(project.campaign, code=4)
    assert "HTTP 410" in first.out
    assert "set api.version" not in first.out  # it is set
    for end, told in (
        ("not found", "HTTP 404"),
        ("moved", "HTTP 301"),
        ("a page", "could not be read"),
        ("silent", "got no answer"),
    ):
        front.end = end
        [status] = in_process(project).statuses
        assert [(each.recipient.id, told in each.detail) for each in status.in_doubt] == [
            (id, True) for id in ids[:2]
        ]
    keyed = {one["person"]: bool(one["key"]) for one in project.api.accepted}
    assert keyed == {ids[0]: False, ids[2]: False, ids[3]: False, ids[4]: True, ids[5]: True}
    listed = project.ok("resolve", project.campaign, "--list", code=4)
    assert f"({LINK}) with {ids[0]}" in listed.out
    front.end = ""
    project.ok(project.campaign, code=4)
    assert doubted(project) == ids[1:2]
    project.ok("resolve", project.campaign, "--not-sent", ids[1])
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == ids


def test_v1_ends_during_a_run_that_goes_on_with_v2(behind: tuple[Project, Front]) -> None:
    project, front = behind
    ids = people(8)
    project.write(ids, concurrency=1)
    project.api.faults("slow:seconds=0.5")
    running = project.start(project.campaign)
    until(lambda: project.api.recipients, "the first message")
    front.end = "gone"
    ended = running.wait()
    assert ended.code == 1
    assert "move to api.version v2" in ended.out
    again = project.ok(project.campaign, code=1)
    assert "/api/v1/team answers HTTP 410" in again.err
    project.api.faults()
    project.version = "v2"
    project.write(ids)
    project.ok(project.campaign)
    assert sorted(sent_from(project)) == ids


def test_from_v2_to_v1_with_messages_in_doubt(project: Project) -> None:
    ids = people(6)
    begin_with_doubts(project, ids)
    project.version = "v1"
    project.write(ids, text="New {{ first_name }}", retry="settle: 1s, key_life: 1h")
    project.ok(project.campaign, "--accept-changes")
    assert sorted(project.api.recipients) == ids
    sent = {one["person"]: (one["content"][:3], bool(one["key"])) for one in project.api.accepted}
    assert [sent[id] for id in ids] == [("Hi ", True)] * 4 + [("New", False)] * 2


def renamed(file: Path) -> Path:
    file.write_text("name: autumn\n" + file.read_text())
    return file


def with_its_file_renamed(file: Path) -> Path:
    return file.rename(file.with_name("autumn.yaml"))


def copied(file: Path) -> Path:
    return Path(shutil.copy(file, file.with_name("autumn.yaml")))


def copied_with_its_prospects(file: Path) -> Path:
    copy = copied(file)
    copy.write_text(copy.read_text().replace("spring.csv", "autumn.csv"))
    shutil.copy(file.with_name("spring.csv"), file.with_name("autumn.csv"))
    return copy


def renamed_with_its_prospects(file: Path) -> Path:
    copy = copied_with_its_prospects(file)
    file.unlink()
    file.with_name("spring.csv").unlink()
    return copy


def deeper(file: Path) -> Path:
    return Path(shutil.move(file.parent, file.parents[1] / "old" / "sent")) / "spring.yaml"


def in_a_folder_of_another_name(file: Path) -> Path:
    return file.parent.rename(file.parents[1] / "mailings") / "spring.yaml"


def deeper_under_campaigns(file: Path) -> Path:
    shutil.copytree(file.parent, file.parent / "old")
    return file.parent / "old" / "spring.yaml"


def out_of_campaigns(file: Path) -> Path:
    file.with_name("spring.csv").rename(file.parents[1] / "spring.csv")
    return file.rename(file.parents[1] / "spring.yaml")


def with_its_project(file: Path) -> Path:
    return file.parents[1].rename(file.parents[2] / "moved") / "campaigns" / "spring.yaml"


def with_other_prospects(file: Path) -> Path:
    file.with_name("spring.csv").rename(file.with_name("people.csv"))
    file.write_text(file.read_text().replace("spring.csv", "people.csv"))
    return file


OTHER_NAME = "is known as campaign spring; as autumn its people would be written to again"
OTHER_LEDGER = "knows campaign spring: its people would be written to again"


def test_what_was_moved_or_copied_is_known(on_v1: Project) -> None:
    for number, (move, told) in enumerate(
        {
            renamed: f"this file {OTHER_NAME}",
            with_its_file_renamed: f"spring.csv {OTHER_NAME}",
            copied: f"spring.csv {OTHER_NAME}",
            copied_with_its_prospects: f"what autumn.csv holds {OTHER_NAME}",
            renamed_with_its_prospects: f"what autumn.csv holds {OTHER_NAME}",
            deeper: OTHER_LEDGER,
            in_a_folder_of_another_name: OTHER_LEDGER,
            deeper_under_campaigns: "",
            out_of_campaigns: "",
            with_its_project: "",
            with_other_prospects: "",
        }.items()
    ):
        each = Project(on_v1.folder / str(number) / "project", on_v1.api, "v1", on_v1.outputs)
        each.folder.mkdir(parents=True)
        each.write([people(number + 1)[number]])
        in_place(each.campaign)
        file = move(each.campaign)
        if told:
            with pytest.raises(RunnerError, match=re.escape(told)):
                in_place(file)
        else:
            assert in_place(file).exit_code == 0
        assert on_v1.api.recipients == people(number + 1), move.__name__


@pytest.mark.parametrize("move", [renamed_with_its_prospects, deeper])
def test_what_was_moved_is_told_in_a_line_and_what_to_do(
    on_v1: Project, move: Callable[[Path], Path]
) -> None:
    on_v1.write(people(1))
    in_place(on_v1.campaign)
    done = on_v1.run(move(on_v1.campaign))
    assert done.code in (1, 2)
    what, instead = done.err.splitlines()
    assert OTHER_NAME in what or OTHER_LEDGER in what
    assert "--new-campaign" in instead or f"--state {on_v1.ledger}" in instead
    assert on_v1.api.recipients == people(1)


def test_copies_are_known_before_anything_was_sent(project: Project) -> None:
    project.write(people(2), more="contact_once_in: none\n")
    copy = Path(shutil.copy(project.campaign, project.campaign.with_name("spring2.yaml")))
    refused = project.ok(project.campaign, copy, code=1)
    assert "spring.csv is known as campaign spring; as spring2" in refused.err
    assert project.api.recipients == []
    project.ok(project.campaign, copy, "--new-campaign")
    assert sorted(project.api.recipients) == sorted(people(2) * 2)


def sent_from(project: Project) -> dict[str, str]:
    """Each person's sender, by the API's own list."""
    found = {one["person"]: one["sender"] for one in project.api.accepted}
    assert len(found) == len(project.api.accepted), "somebody was written to twice"
    return found


def test_a_sender_that_is_gone_from_the_file(both: Project) -> None:
    ids = people(6)
    begin_with_doubts(both, ids)
    both.write(ids, senders=(OTHER_LINK,), retry="settle: 1s")
    refused = both.ok(both.campaign, code=1)
    assert "2 messages that are not sent yet would change" in refused.err
    assert f"sender {LINK} -> {OTHER_LINK}" in refused.err
    both.run(both.campaign, "--accept-changes")
    left = ids[1:2]  # nothing goes from that sender any more
    assert doubted(both) == left
    assert sent_from(both) == {
        id: LINK if id in ids[:4] else OTHER_LINK for id in ids if id not in left
    }


def test_people_keep_their_sender_whatever_is_added_or_reordered(project: Project) -> None:
    ids = people(12)
    project.write(ids[:6])
    project.ok(project.campaign, "--limit", "2")
    project.write(ids, senders=(OTHER_LINK, LINK))
    text = project.campaign.read_text().replace("per_day: none", "per_day: 500", 1)
    project.campaign.write_text(text)
    project.ok(project.campaign)
    found = sent_from(project)
    assert sorted(found) == ids
    assert {found[id] for id in ids[:6]} == {LINK}
    assert {found[id] for id in ids[6:]} == {LINK, OTHER_LINK}


def test_who_says_no_while_in_doubt_gets_no_first_message(both: Project) -> None:
    ids = people(6)
    begin_with_doubts(both, ids)
    both.write(ids, retry="settle: 1s", more="suppress: [no.csv]\n")
    both.campaign.with_name("no.csv").write_text("\n".join(["x_user_id", *ids[:2]]) + "\n")
    in_process(both)
    assert doubted(both) == ids[1:2]
    assert sorted(sent_from(both)) == sorted({*ids} - {ids[1]})


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("x_user_id,", "inbox_id,", "prospects.id_type platform, the file says inbox"),
        ("api: {", "api: {platform: linkedin, ", "api.platform twitter, the file says linkedin"),
        ("127.0.0.1:", "localhost:", "was begun on API http://127.0.0.1:"),
    ],
)
def test_what_a_campaign_is_stays_as_it_was_begun(
    project: Project, before: str, after: str, told: str
) -> None:
    project.write(people(2))
    in_process(project)
    project.write(people(3))
    for path in (project.campaign, project.sheet):
        path.write_text(path.read_text().replace(before, after))
    with pytest.raises(RunnerError, match=re.escape(told)) as refused:
        in_process(project)
    assert "another `name:`" in refused.value.hint
    assert project.api.recipients == people(2)


def test_another_teams_token_sends_nothing(behind: tuple[Project, Front]) -> None:
    project, front = behind
    project.write(people(2))
    in_process(project)
    project.write(people(3))
    front.team = "anotherteam"
    refused = project.ok(project.campaign, code=1)
    assert "was begun on team" in refused.err
    assert "this is anotherteam" in refused.err
    assert project.api.recipients == people(2)


def test_an_address_with_another_path_is_the_same_campaign(
    behind: tuple[Project, Front],
) -> None:
    project, front = behind
    ids = people(6)
    project.version = "v2"
    project.address = front.base + "/old"
    begin_with_doubts(project, ids)
    project.address = front.base
    project.write(ids)
    in_process(project)
    assert sorted(sent_from(project)) == ids


def test_a_copy_of_a_project_writes_to_nobody_again_on_v2(project: Project) -> None:
    ids = people(6)
    project.write(ids)
    project.ok(project.campaign, "--limit", "2")
    copy = Project(project.outputs / "copy", project.api, "v2", project.outputs)
    shutil.copytree(project.folder, copy.folder)
    project.ok(project.campaign)
    refused = copy.run(copy.campaign)
    assert refused.code == 1
    assert len(refused.err.splitlines()) == 2
    assert sorted(project.api.recipients) == ids


def test_who_is_taken_off_the_sheet_while_in_doubt_gets_no_first_message(
    project: Project,
) -> None:
    ids = people(6)
    begin_with_doubts(project, ids)
    project.write(ids)
    sheet = project.campaign.with_name("spring.csv")
    kept = [line for line in sheet.read_text().splitlines() if not line.startswith(ids[1])]
    sheet.write_text("\n".join(kept) + "\n")
    in_process(project)
    assert sorted(sent_from(project)) == [ids[0], *ids[2:]]
    assert doubted(project) == ids[1:2]
