"""People who ask to be forgotten, as a user meets it: on both databases, and for good."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.processes import COMMAND

from .screen import Terminal
from .support import LINK, Project, everything_in, people, until


def says(project: Project, id: str, text: str) -> None:
    """Let a person write to us."""
    project.api.ask("act", {"accountLinkId": LINK, "platformId": id, "write": text})


def at(project: Project, location: str) -> Any:
    """Commands on a ledger that may be a database."""
    return partial(project.ok, RUN_CAMPAIGN_STATE=location)


def figures(ok: Any, project: Project) -> dict[str, Any]:
    told = ok("status", project.campaign, "--json").json
    return {key: told[key] for key in ("counts", "total", "replied")}


@pytest.mark.slow
def test_erased_for_good_with_every_count_as_it_was(project: Project, location: str) -> None:
    ok, ids = at(project, location), people(4)
    ada = ids[1]
    project.write(ids)
    ok(project.campaign, "--yes", "--limit", "3")
    says(project, ada, "stop")
    ok("replies", project.campaign)
    before = figures(ok, project)
    assert ok("who", ada, "--json").json[0]["records"]["suppression"][0]["recipient"] == ada
    assert ok("erase", "--check", ada, code=1).out.count("found in message.recipient") == 1

    kept = project.outputs / "for-support.txt"
    done = ok("erase", ada, "--yes", "--out", kept)
    assert "rows: message 1, attempt 1" in done.out
    assert f"stays, delete it yourself: {project.sheet}:3" in done.out
    assert "erased: 1 person" in done.out
    assert "nothing of them is found in the ledger any more" in done.out
    told = kept.read_text()
    assert told.startswith("thread ")
    assert "\nmessage " in told
    assert kept.stat().st_mode & 0o777 == 0o600
    assert figures(ok, project) == before
    assert ok("suppress", "list", "--json").json == []
    checked = ok("erase", "--check", ada).out
    assert f"{ada}: erased " in checked
    assert "not found in any table" in checked
    assert "erased" in ok("who", ada).out

    # A sheet that is read again does not bring them back, nor does anything else.
    project.sheet.write_text(project.sheet.read_text().replace("Person4", "Anna") + f"{ada},Ada\n")
    ok(project.campaign, "--yes", "--accept-changes")
    assert project.api.recipients == ids
    after = figures(ok, project)
    assert after["counts"]["sent"] == 4
    assert after["total"] == before["total"] + 1  # the row that is there twice
    assert "erased before: 1" in ok("suppress", "add", ada).out
    assert "erased before: 1" in ok("hold", ada).out
    (project.folder / "dnc.csv").write_text(f"x_user_id\n{ada}\n")
    assert "erased before: 1" in ok("suppress", "import", "dnc.csv").out
    assert (
        "was erased: nothing goes there"
        in ok("test", project.campaign, "--to", ada, "--yes", code=1).err
    )
    says(project, ada, "are you there?")
    ok("replies", project.campaign)
    ok(project.campaign, "--yes")
    assert project.api.recipients == ids
    assert "not found in any table" in ok("erase", "--check", ada).out
    thread = told.split()[1]
    [erasing] = [each for each in ok("history", "--json").json if each["what"] == "erase"]
    assert (erasing["recipients"], erasing["count"]) == ([], 1)
    if "://" not in location:
        of_ledger = everything_in(Path(location).parent)
        kinds = ("state.db", ".run-campaign")
        for name, content in of_ledger.items():
            if name.startswith(kinds):
                for word in (ada, thread, "Person2"):
                    assert word.encode() not in content, (name, word)


def test_who_is_only_planned_gets_nothing(project: Project) -> None:
    ids = people(3)
    project.write(ids)
    project.ok(project.campaign, "--yes", "--limit", "1")
    done = project.ok("erase", ids[1], "--yes")
    assert "taken out of the queue: 1 message" in done.out
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == [ids[0], ids[2]]
    exported = project.exported()
    assert [row["reason"] for row in exported] == ["", "erased", ""]
    assert exported[1]["recipient"].startswith("erased:")
    assert (exported[1]["first_name"], exported[1]["content"]) == ("", "")
    # What comes of the export names nobody any more.
    told = project.ok("suppress", "import", "results.csv").out
    assert "written to: 2 sent" in told


def test_someone_who_was_never_here_is_kept_out_too(project: Project) -> None:
    ids = people(2)
    project.write(ids[:1])
    project.ok(project.campaign, "--yes")
    assert "rows: none" in project.ok("erase", ids[1], "--yes").out
    project.write(ids)
    dry = project.ok(project.campaign, "--dry-run", "--json").out
    assert ids[1] not in dry
    assert "1 skipped" in project.ok(project.campaign, "--yes").all
    assert project.api.recipients == ids[:1]
    again = project.ok("erase", ids[1], "--yes")
    assert "was erased" in again.out
    assert "erased: 1 person" not in again.out


def test_a_new_plan_of_the_same_sheet_changes_no_count(project: Project) -> None:
    """Whatever the rows of the erased were: each stays one result, by whatever row it stands."""
    sent, missing, listed, elsewhere, rejected, new = people(6)
    rejected = people(1, "0404")[0]
    more = "suppress: dnc.csv\n"
    project.write([], text="Hi {{ first_name }}", more=more)
    where = "prospects: {source: spring.csv, where: {country: UK}}\n"
    text = project.campaign.read_text().replace("prospects: spring.csv\n", where)
    project.campaign.write_text(text)
    (project.campaign.parent / "dnc.csv").write_text(f"x_user_id\n{listed}\n")
    rows = [
        "x_user_id,first_name,country",
        f"{sent},Ann,UK",
        f"{sent},Ann,UK",
        f"{missing},,UK",
        f"{listed},Cid,UK",
        f"{elsewhere},Dan,US",
        f"{sent},Ann,US",
        f"{rejected},Eve,UK",
    ]
    project.sheet.write_text("\n".join(rows) + "\n")
    project.run(project.campaign, "--yes")
    before = figures(project.ok, project)
    gone = "\n".join(["x_user_id", sent, missing, listed, elsewhere, rejected])
    (project.folder / "gone.csv").write_text(gone + "\n")
    project.ok("erase", "--file", "gone.csv", "--yes", "--out", "ids.txt")
    assert figures(project.ok, project) == before
    project.sheet.write_text("\n".join([*rows, f"{new},New,UK"]) + "\n")
    project.run(project.campaign, "--yes")
    assert project.api.recipients[-1] == new
    after = figures(project.ok, project)
    before["counts"]["sent"] += 1
    before["total"] += 1
    assert after == before
    assert "not found in any table" in project.ok("erase", "--check", sent, missing, elsewhere).out


def test_nothing_is_erased_unasked_or_where_ids_would_be_lost(project: Project) -> None:
    ids = people(2)
    project.write(ids)
    project.ok(project.campaign, "--yes")
    refused = project.ok("erase", ids[0], "--yes", code=2)
    assert "keep them for its support: --out FILE" in refused.err
    unasked = project.ok("erase", ids[0], "--out", "ids.txt", code=2)
    assert "no terminal to ask at" in unasked.err
    there = project.ok("erase", ids[0], "--yes", "--out", "ids.txt", code=2)
    assert "exists already" in there.err
    for words in (("erase",), ("erase", "--check"), ("erase", "x", "--id", "a")):
        project.ok(*words, code=2)
    assert "not an id" in project.ok("erase", "12 34", code=2).err
    assert "takes ids or handles alone" in project.ok("erase", "1", "--check", "--yes", code=2).err
    assert project.ok("who", ids[0], "--json").json[0]["messages"][0]["status"] == "sent"


def test_a_person_is_asked_and_is_shown_the_ids(project: Project) -> None:
    ids = people(2)
    project.write(ids)
    project.ok(project.campaign, "--yes")
    words = [*COMMAND, "erase", ids[0]]
    env = project.environment()
    for answer, code in (("n", 1), ("y", 0)):
        with Terminal(words, folder=project.folder, env=env, columns=150, rows=40) as terminal:
            terminal.answer("Erase 1 person for good? This cannot be undone.", answer)
            assert terminal.wait() == code
            assert "at Inbox itself, for its support:" in terminal.text
            assert "thread " in terminal.text
            assert ("nothing was changed" in terminal.text) is (code == 1)
    assert project.ok("erase", "--check", ids[0]).code == 0


@pytest.mark.slow
def test_what_is_in_doubt_is_settled_first(on_v1: Project) -> None:
    ids = people(2)
    on_v1.write(ids, concurrency=2)
    on_v1.api.faults("stall:accept=no")
    running = on_v1.start(on_v1.campaign)
    on_v1.api.until_stalled(2)
    refused = on_v1.ok("erase", ids[0], "--yes", code=1)
    assert f"a message to {ids[0]} is being sent in spring" in refused.err
    running.process.kill()
    running.process.wait()
    on_v1.api.faults()
    on_v1.ok(on_v1.campaign, code=4)
    refused = on_v1.ok("erase", ids[0], "--yes", code=1)
    assert "is in doubt in spring: whether it was sent is not known yet" in refused.err
    assert "run-campaign resolve campaigns/spring.yaml" in refused.err
    on_v1.ok("resolve", on_v1.campaign, "--not-sent", ids[0], code=4)
    on_v1.ok("erase", ids[0], "--yes")
    assert "not found" in on_v1.ok("erase", "--check", ids[0]).out


def test_beside_a_live_run_nobody_erased_is_written_to(project: Project) -> None:
    ids = people(12)
    project.write(ids, concurrency=1)
    project.api.faults("slow:seconds=1")
    running = project.start(project.campaign, "--yes")
    until(lambda: project.api.recipients, "a message")
    told = project.ok("erase", ids[-1], "--yes", code=6)
    assert "taken out of the queue: 1 message" in told.out
    assert "once it has ended, run the same command again" in told.err
    project.api.faults()
    assert running.wait().code == 0
    assert project.api.recipients == ids[:-1]
    again = project.ok("erase", ids[-1], "--yes")
    assert "nothing of them is found in the ledger any more" in again.out


def test_a_file_of_many(project: Project) -> None:
    ids = people(5)
    project.write(ids)
    project.ok(project.campaign, "--yes", "--limit", "2")
    (project.folder / "requests.csv").write_text(
        "name,who\n" + "".join(f"x,{i}\n" for i in ids[:3])
    )
    done = project.ok("erase", "--file", "requests.csv", "--id", "who", "--yes", "--out", "ids.txt")
    assert "erased: 3 people" in done.out
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == [*ids[:2], *ids[3:]]


def test_by_handle_and_never_asked_for_again(project: Project) -> None:
    ada, ben = people(2)
    known = {ada: "AdaAdler", ben: "ben_b"}
    profiles = [{"platformId": id, "username": name, "name": name} for id, name in known.items()]
    project.api.ask("people", {"people": profiles})
    project.write([])
    of = "prospects: {source: spring.csv, id: handle, id_type: username}\n"
    project.campaign.write_text(project.campaign.read_text().replace("prospects: spring.csv\n", of))
    rows = ["handle,first_name", "@adaadler,Ada", "@ben_b,Ben", "@nobody_1,Nobody"]
    project.sheet.write_text("\n".join(rows) + "\n")
    project.ok("handles", project.campaign)
    done = project.ok("erase", "https://x.com/AdaAdler", "@nobody_1", "--yes", "--out", "i.txt")
    assert "erased: 2 people" in done.out
    asked = project.ok("handles", project.campaign).out
    assert "1 handle: 1 with an id" in asked
    assert ada not in asked
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == [ben]
    assert "not found" in project.ok("erase", "--check", ada, "@adaadler", "@nobody_1").out
    exported = [json.loads(line) for line in _export(project).splitlines()]
    assert [row["reason"] for row in exported] == ["erased", "", "erased"]


def _export(project: Project) -> str:
    target = project.folder / "out.jsonl"
    project.ok("export", project.campaign, "-o", target)
    return target.read_text()


def test_a_log_of_ours_that_names_them_is_told(project: Project) -> None:
    ids = people(1)
    project.write(ids)
    project.ok(project.campaign, "--yes")
    log = project.folder / ".run-campaign" / "bug-1.log"
    log.write_text(f"KeyError: '{ids[0]}'")
    done = project.ok("erase", ids[0], "--yes", "--out", "ids.txt", code=4)
    assert f"still there: {log}" in done.out
    log.unlink()
    project.ok("erase", "--check", ids[0])
