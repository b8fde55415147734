"""Replies as a user meets them: who answered, who said stop, and who has to be read by a person."""

from __future__ import annotations

import csv
import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .scrape import address_of, scrape
from .support import LINK, Project, Running, people, until


@pytest.fixture(params=["v2"])
def version(request: pytest.FixtureRequest) -> str:
    """Replies are read on v2 only."""
    found: str = request.param
    return found


def says(project: Project, id: str, text: str) -> None:
    """Let a person write to us."""
    about = {"accountLinkId": LINK, "platformId": id}
    project.api.ask("act", about | {"write": text})


def reacts(project: Project, id: str, **act: Any) -> None:
    project.api.ask("act", {"accountLinkId": LINK, "platformId": id} | act)


def events(log: Path) -> list[Any]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def sent_to(project: Project, count: int, *, more: str = "") -> list[str]:
    ids = people(count)
    project.write(ids, more=more)
    project.ok(project.campaign, "--yes")
    return ids


@pytest.mark.slow
def test_who_has_answered_is_listed_and_counted(project: Project) -> None:
    ids = sent_to(project, 3)
    assert "0 have answered of 3" in project.ok("replies", project.campaign, "--no-read").out
    says(project, ids[0], "Sounds good, my number is 555-0100")
    reacts(project, ids[1], react="👍")
    log = project.folder / "events.jsonl"
    done = project.ok("replies", project.campaign, "--log-file", log)
    project.ok("replies", project.campaign, "--log-file", log)
    [told] = events(log)
    assert (told["event"], told["recipient"], told["step"]) == ("replied", ids[0], "1")
    assert "no-read" in project.ok("replies", "--no-read", "--log-file", log, code=2).err
    at_ledger = project.ok("replies", "--log-file", project.ledger, code=2).err
    assert "is the ledger" in at_ledger
    assert "1 has answered of 3 written to: 33 % (6.1–79 %); opted out: 0" in done.out
    assert ids[0] in done.out
    assert ids[1] not in done.out
    assert "replies read up to" in done.out
    [told] = project.ok("replies", project.campaign, "--json").json
    assert (told["recipient"], told["row"], told["messages"]) == (ids[0], 2, 1)
    assert told["opted_out_at"] is None
    status = project.ok("status", project.campaign)
    assert "1 has answered" in status.out
    assert "replies read up to" in status.out
    assert project.ok("status", project.campaign, "--json").json["replied"] == 1
    project.ok("report", project.campaign, "-o", project.folder / "report.json")
    told_of = json.loads((project.folder / "report.json").read_text())["answers"]
    assert (told_of["written_to"], told_of["replied"], told_of["opted_out"]) == (3, 1, 0)
    assert told_of["reply_rate"]["share"] == pytest.approx(1 / 3, abs=1e-5)
    page = project.ok("report", "--format", "md", "--by", "first_name").out
    assert "1 of 3 people written to have answered: 33 %" in page
    assert "| Person1 | 1 | 1 | 100 % (21–100 %) | 0 |" in page
    assert "| Person2 | 1 | 0 | 0 % (0–79 %) | 0 |" in page
    assert "| sender | written to | answered | share | opted out |" in page
    by_id = {row["recipient"]: row for row in project.exported()}
    assert by_id[ids[0]]["replied_at"] == told["replied_at"]
    assert by_id[ids[0]]["opted_out_at"] == by_id[ids[1]]["replied_at"] == ""
    assert b"555-0100" not in project.ledger.read_bytes()


@pytest.mark.slow
def test_stop_is_obeyed_in_every_campaign(project: Project) -> None:
    ids = sent_to(project, 3)
    says(project, ids[0], "STOP!")
    says(project, ids[1], "please stop by our booth")
    done = project.ok("replies", project.campaign)
    assert "opted out: “STOP!”" in done.out
    assert "to be read by a person" in done.out
    assert "suppress add ID" in done.out
    [listed] = [
        e for e in project.ok("suppress", "list", "--json").json if e["recipient"] == ids[0]
    ]
    assert listed["reason"] == "opted out: “STOP!”"
    autumn = project.campaign.with_name("autumn.yaml")
    autumn.write_text(project.campaign.read_text() + "contact_once_in: none\n")
    told = project.ok(autumn, "--yes", "--new-campaign").all
    assert project.api.recipients == [*ids, ids[2]]
    assert "1 skipped" in told
    assert "held: 1" in project.ok("status", autumn).out
    status = project.ok("status", project.campaign)
    assert "1 on hold until a person has read what they wrote; then suppress add" in status.out
    assert project.ok("status", project.campaign, "--json").json["to_read"] == 1
    assert "to be read" in project.ok("who", ids[1]).out
    project.ok("unhold", ids[1])
    assert "read what they wrote" not in project.ok("status", project.campaign).out
    assert "to be read" not in project.ok("who", ids[1]).out
    assert "to be read" not in project.ok("replies", project.campaign, "--no-read").out
    by_id = {row["recipient"]: row for row in project.exported()}
    assert by_id[ids[0]]["opted_out_at"] != ""


@pytest.mark.slow
def test_an_opt_out_during_a_run_is_obeyed_before_the_next_claim(project: Project) -> None:
    """Somebody who was written to by one campaign says stop while another is on its way to them."""
    ids = sent_to(project, 6)
    autumn = project.campaign.with_name("autumn.yaml")
    slow = project.campaign.read_text().replace("gap: none", "gap: 3s")
    autumn.write_text(slow + "contact_once_in: none\nreplies: {poll: 10s}\n")
    log = project.folder / "events.jsonl"
    running = project.start(autumn, "--yes", "--new-campaign", "--log-file", log)
    until(lambda: len(project.api.recipients) == 7, "a message of the second campaign")
    says(project, ids[5], "Please stop")
    done = running.wait()
    assert project.api.recipients.count(ids[5]) == 1
    told = [(each["event"], each["recipient"]) for each in events(log) if "reply_id" in each]
    assert told == [("replied", ids[5]), ("opted_out", ids[5])]
    assert "1 new reply; opted out, and written to no more: 1" in done.all


def test_what_was_answered_while_nothing_ran_is_read_before_the_first_message(
    project: Project,
) -> None:
    ids = sent_to(project, 2)
    says(project, ids[1], "unsubscribe")
    autumn = project.campaign.with_name("autumn.yaml")
    autumn.write_text(project.campaign.read_text() + "contact_once_in: none\n")
    project.ok(autumn, "--yes", "--new-campaign")
    assert project.api.recipients == [*ids, ids[0]]


def test_a_person_says_that_it_is_no_reply(project: Project) -> None:
    ids = sent_to(project, 2)
    says(project, ids[0], "I am out of office until Monday")
    says(project, ids[1], "Yes")
    project.ok("replies", project.campaign)
    done = project.ok("replies", project.campaign, "--not-a-reply", ids[0])
    assert "no longer counted as having answered: 1 of 1" in done.out
    told = project.ok("replies", project.campaign, "--json").json
    assert [each["recipient"] for each in told] == [ids[1]]
    assert project.ok("replies", project.campaign, "--not-a-reply", ids[0], code=1)
    assert "not_a_reply" in project.ok("history", "--json").out


def test_a_changed_list_is_tried_without_changing_anything(project: Project) -> None:
    ids = sent_to(project, 3)
    says(project, ids[0], "Ende Gelände")
    says(project, ids[1], "das ist ende gelände, Freunde")
    says(project, ids[2], "Ja")
    project.ok("replies", project.campaign)
    phrases = project.folder / "phrases.txt"
    phrases.write_text("ende gelände\n")
    done = project.ok("replies", project.campaign, "--as-if", phrases)
    assert [line.split()[0] for line in done.out.splitlines()] == ids[:2]
    assert "would be an opt-out" in done.out.splitlines()[0]
    assert "would be on hold" in done.out.splitlines()[1]
    assert project.ok("suppress", "list", "--json").json == []


def test_an_api_that_does_not_answer_leaves_what_is_known(project: Project) -> None:
    ids = sent_to(project, 2)
    says(project, ids[0], "Yes")
    project.ok("replies", project.campaign)
    project.api.faults("error_before:on=any,status=503")
    done = project.ok("replies", project.campaign, code=1)
    assert ids[0] in done.out
    assert "503" in done.err
    project.api.faults()


def test_a_rehearsals_people_put_nobody_on_the_list(project: Project) -> None:
    project.real = False
    ids = sent_to(project, 2)
    says(project, ids[0], "stop")
    says(project, ids[1], "stop by our booth")
    assert "opted out: “stop”" in project.ok("replies", project.campaign).out
    assert project.ok("suppress", "list", "--json").json == []
    assert project.ok("hold", "--list", "--json").json == []


def has_asked(project: Project, running: Running, total: int) -> bool:
    """Whether that many requests were made, or no more will be."""
    return project.api.ask("requests")["total"] >= total or running.process.poll() is not None


@pytest.mark.slow
def test_a_kill_while_it_reads_loses_nothing(project: Project) -> None:
    """SIGKILL after every so many requests, until all is read."""
    ids = sent_to(project, 40)
    for number, id in enumerate(ids):
        says(project, id, "stop" if number % 4 == 0 else "Yes")
    project.api.faults("slow:on=any,seconds=0.05,phase=before")
    for kill_after in range(1, 12):
        before = project.api.ask("requests")["total"]
        running = project.start("replies", project.campaign)
        until(partial(has_asked, project, running, before + 3 * kill_after), "requests")
        running.process.send_signal(signal.SIGKILL)
        running.wait()
    project.api.faults()
    project.ok("replies", project.campaign)
    told = project.ok("replies", project.campaign, "--json").json
    assert sorted(each["recipient"] for each in told) == ids
    assert {each["messages"] for each in told} == {1}
    listed = {each["recipient"] for each in project.ok("suppress", "list", "--json").json}
    assert set(ids[::4]) <= listed
    assert not set(ids) - set(ids[::4]) & listed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("replies: {poll: 1s}", "poll"),
        ("replies: {for: 400d}", "for"),
        ("replies: {stop: []}", "stop"),
        ("replies: {keep: 1d}", "keep: unknown key"),
    ],
)
def test_a_mistake_in_the_settings_is_named(project: Project, words: str, said: str) -> None:
    project.write(people(1), more=words + "\n")
    assert said in project.ok(project.campaign, "--dry-run", code=2).err


def test_v1_reads_no_replies_and_says_so(project: Project) -> None:
    project.version = "v1"
    project.write(people(1), more="replies: {for: 7d}\n")
    told = project.ok(project.campaign, "--dry-run", code=2).err
    assert "replies are not read on v1" in told
    project.write(people(1))
    project.ok(project.campaign, "--yes")
    assert "replies are not read on v1" in project.ok("replies", project.campaign, code=1).err


def test_the_export_of_a_sheet_with_such_a_column_keeps_both(project: Project) -> None:
    ids = sent_to(project, 1)
    project.sheet.write_text(f"x_user_id,first_name,replied_at\n{ids[0]},Ann,never\n")
    project.ok(project.campaign, "--yes")
    target = project.folder / "results.csv"
    project.ok("export", project.campaign, "-o", target)
    with target.open(newline="") as stream:
        [row] = csv.DictReader(stream)
    assert row["replied_at"] == ""


def test_a_campaign_that_people_object_to_stops_until_it_is_run_again(project: Project) -> None:
    ids = people(26)
    project.write(ids)
    project.ok(project.campaign, "--yes", "--limit", "22")
    written_to = project.api.recipients
    for number, id in enumerate(written_to[:20]):
        says(project, id, "stop" if number < 11 else "Yes")
    done = project.ok(project.campaign, "--yes", code=5)
    assert "11 of 20 people who answered opted out" in done.all
    assert project.api.recipients == written_to
    assert "stopped by its guard" in project.ok("status", project.campaign).out
    project.ok(project.campaign, "--yes")  # the word to go on: only later answers count
    assert sorted(project.api.recipients) == ids


@pytest.mark.slow
def test_metrics_tell_how_many_have_answered_and_opted_out(project: Project) -> None:
    ids = sent_to(project, 4)
    for id, text in zip(ids, ("Yes", "stop", "stop by our booth"), strict=False):
        says(project, id, text)
    autumn = project.campaign.with_name("autumn.yaml")
    slow = project.campaign.read_text().replace("gap: none", "gap: 4s")
    autumn.write_text(slow + "contact_once_in: none\n")
    files = project.campaign, autumn
    running = project.start(*files, "--yes", "--new-campaign", "--metrics-port", "0")
    address = address_of(running)
    until(lambda: len(project.api.recipients) == 5, "a message of the second campaign")
    found = until(lambda: list(scrape(address).of("people_replied")), "its figures")
    assert {of["campaign"]: value for of, value in found} == {"spring": 3, "autumn": 0}
    assert scrape(address).value("people_opted_out", campaign="spring") == 1
    running.interrupt()
    running.wait()


@pytest.mark.slow
def test_who_has_answered_is_shown_beside_what_is_in_doubt(project: Project) -> None:
    """They wrote after the message that may not have gone: whether it did, the thread tells."""
    ids = sent_to(project, 2)
    autumn = project.campaign.with_name("autumn.yaml")
    autumn.write_text(project.campaign.read_text() + "contact_once_in: none\n")
    project.api.faults("unconfirmed:delivered=no")
    project.ok(autumn, "--yes", "--new-campaign", code=4)
    project.api.faults()
    assert "they have written" not in project.ok("resolve", autumn, "--list", code=4).out
    says(project, ids[0], "Thanks")
    project.ok("replies", project.campaign)
    listed = project.ok("resolve", autumn, "--list", code=4).out
    assert listed.count("they have written since") == 1


def test_one_persons_story(project: Project) -> None:
    ids = sent_to(project, 3)
    says(project, ids[0], "Who is this?")
    says(project, ids[0], "STOP")
    says(project, ids[1], "please stop by our booth")
    project.ok("replies", project.campaign)
    told = project.ok("who", ids[0]).out
    for part in ("Hi Person1", "spring, row 2: sent", "answered", "opted out: “STOP”"):
        assert part in told
    assert "on the do-not-contact list since" in told
    assert "on hold until unhold: “stop” is in what they answered" in project.ok("who", ids[1]).out
    [story] = project.ok("who", "Person3", "--json").json  # by a cell
    assert (story["recipient"], story["suppressed"], story["hold"]) == (ids[2], None, None)
    assert [each["status"] for each in story["messages"]] == ["sent"]
    [story] = project.ok("who", ids[0], "--json").json
    assert [each["wish"] for each in story["messages"][0]["answers"]] == ["", "opt_out"]
    assert "nobody is found" in project.ok("who", "4711", code=1).out
    project.ok("suppress", "add", "4711")
    assert "on the do-not-contact list" in project.ok("who", "4711").out
