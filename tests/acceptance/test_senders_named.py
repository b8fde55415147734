"""Sheets that name the sender of each row, and texts that name their sender."""

from __future__ import annotations

import json
from collections import Counter

from .support import LINK, OTHER_LINK, Project, people

ADA, BEN, CHLOE, DAVID = people(4)


def write(project: Project, rows: list[str], text: str = "Hi {{ first_name }}") -> None:
    project.write([], senders=(LINK, OTHER_LINK), text=text)
    named = "prospects: {source: spring.csv, sender: owner}\n"
    project.campaign.write_text(
        project.campaign.read_text().replace("prospects: spring.csv\n", named)
    )
    lines = ["x_user_id,first_name,Owner", *rows]
    project.sheet.write_text("\n".join(lines) + "\n")


def senders(project: Project) -> dict[str, str]:
    return {each["person"]: each["sender"] for each in project.api.accepted}


def test_a_column_names_the_sender_by_id_name_or_handle_in_any_case(project: Project) -> None:
    write(
        project,
        [f"{ADA},Ada,{OTHER_LINK}", f"{BEN},Ben,@AcmeSales", f"{CHLOE},Chloe,acme corp",
         f"{DAVID},David,ACMECORP"],
    )  # fmt: skip
    project.ok(project.campaign, "--yes")
    assert senders(project) == {ADA: OTHER_LINK, BEN: OTHER_LINK, CHLOE: LINK, DAVID: LINK}


def test_an_empty_cell_is_shared_out_as_ever_and_an_unknown_one_is_the_rows_reason(
    project: Project,
) -> None:
    ids = people(40)
    rows = [f"{id},Person," for id in ids[:30]] + [f"{id},Person,nobody" for id in ids[30:]]
    write(project, rows)
    done = project.ok(project.campaign, "--yes")
    assert "unknown_sender" in done.all
    assert sorted(senders(project)) == sorted(ids[:30])
    assert set(Counter(senders(project).values())) == {LINK, OTHER_LINK}
    reasons = {row["reason"] for row in project.exported() if row["status"] == "skipped"}
    assert reasons == {"unknown_sender: no sender of this campaign is called nobody"}


def test_a_text_names_its_sender_as_inbox_does(project: Project) -> None:
    text = "Hi {{ first_name }}, it is {{ sender.name }} (@{{ sender.handle }})"
    write(project, [f"{ADA},Ada,acmecorp", f"{BEN},Ben,acmesales"], text)
    project.ok(project.campaign, "--yes")
    assert [each["content"] for each in project.api.accepted] == [
        "Hi Ada, it is Acme Corp (@acmecorp)",
        "Hi Ben, it is Acme Sales (@acmesales)",
    ]
    # What was sent is not rendered again, and nothing is left to be changed.
    shown = project.ok(project.campaign, "--dry-run").out
    assert "nothing is left to send" in shown


def test_a_dry_run_before_inbox_was_asked_says_what_it_does_not_know(project: Project) -> None:
    write(project, [f"{ADA},Ada,acmecorp", f"{BEN},Ben,"], "{{ sender.name }}: hi {{ first_name }}")
    done = project.run(project.campaign, "--dry-run")
    assert "no sender is called acmecorp; names are known once a run has asked Inbox" in done.all
    assert "sender.name is empty" in done.all
    told = project.run("check", project.campaign)
    assert "2 ready to send" in told.out


def test_a_sheet_may_have_a_column_that_is_called_sender(project: Project) -> None:
    project.write([ADA], text="Hi from {{ sender }}, {{ sender | lower }}")
    project.sheet.write_text(f"x_user_id,sender\n{ADA},Kim\n")
    project.ok(project.campaign, "--yes")
    assert project.api.accepted[0]["content"] == "Hi from Kim, kim"


def test_it_is_of_v2(on_v1: Project) -> None:
    write(on_v1, [f"{ADA},Ada,acmecorp"])
    done = on_v1.run(on_v1.campaign, "--yes")
    assert done.code == 2
    assert "prospects.sender: needs api.version v2" in done.err


def rehearsed(out: str) -> dict[str, str]:
    """Who was written to by whom, by the events of a rehearsal."""
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    sent = [each for each in events if each["event"] == "sent"]
    return {each["recipient"]: each["sender"] for each in sent}


def test_a_rehearsal_calls_senders_as_inbox_has_told_the_ledger(project: Project) -> None:
    text = "Hi {{ first_name }}, it is {{ sender.name }}"
    write(
        project, [f"{ADA},Ada,acmecorp", f"{BEN},Ben,@AcmeSales", f"{CHLOE},Chloe,acmesale"], text
    )
    project.ok(project.campaign, "--yes", "--limit", "0")
    for words in (("--sandbox",), ("--sandbox", "--days", "2")):
        done = project.ok(project.campaign, *words, "--log-format", "json")
        assert "made up" not in done.all
        assert rehearsed(done.out) == {ADA: LINK, BEN: OTHER_LINK}
    assert project.api.recipients == []


def test_a_rehearsal_before_inbox_was_asked_takes_the_sheets_names_in_their_order(
    project: Project,
) -> None:
    rows = [f"{ADA},Ada,@ben", f"{BEN},Ben,{LINK}", f"{CHLOE},Chloe,Kim Lee", f"{DAVID},David,BEN"]
    write(project, rows)
    done = project.ok(project.campaign, "--sandbox", "--log-format", "json")
    assert f"made up: ben is {LINK}, Kim Lee is {OTHER_LINK}" in done.err
    assert rehearsed(done.out) == {ADA: LINK, BEN: LINK, CHLOE: OTHER_LINK, DAVID: LINK}
    assert not project.ledger.exists()
