"""Whoever a colleague talks to is not written to (`skip_known`)."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from .support import LINK, OTHER_LINK, Api, Project, people, until

ADA, BEN, CHLOE, DAVID, ELENA, FARID = people(6)
DAY = 86_400.0
RULES = "skip_known: {talked_within: 90d, assigned: true, status: [customer], tags: [VIP]}\n"


def knows(api: Api, *people: dict[str, Any]) -> None:
    api.ask("people", {"people": [*people]})


def person(id: str, **more: Any) -> dict[str, Any]:
    return {"platformId": id, **more}


def wrote(api: Api, id: str, ago: float = DAY, link: str = OTHER_LINK, **how: Any) -> str:
    """A colleague wrote to somebody, by hand."""
    about = {"accountLinkId": link, "platformId": id, "content": "SECRET of a colleague"}
    found: str = api.ask("outbound", {**about, "ago": ago, "origin": "internal", **how})["threadId"]
    return found


def skipped(project: Project) -> dict[str, str]:
    return {
        row["recipient"]: f"{row['reason']}"
        for row in project.exported()
        if row["status"] == "skipped"
    }


def asked(project: Project) -> dict[str, int]:
    counts = project.api.ask("requests")["counts"]
    return {
        name: sum(n for what, n in counts.items() if what.startswith(f"GET /api/v2/{name} "))
        for name in ("contacts", "threads")
    }


def age(project: Project, seconds: float) -> None:
    """Make every answer older."""
    with sqlite3.connect(project.ledger) as ledger:
        ledger.execute("update acquaintance set asked_at = asked_at - ?", (seconds,))
        ledger.execute("update campaign set fingerprint = ''")


@pytest.fixture
def known(project: Project) -> Project:
    """A team that talks to Ada and Ben, and to nobody else; statuses and tags are there."""
    project.write([ADA, BEN, CHLOE, DAVID, ELENA, FARID], more=RULES)
    knows(
        project.api,
        person(CHLOE, status="Customer"),
        person(DAVID, tags=["vip", "other"]),
        person(ELENA, assigned=True),
    )
    wrote(project.api, ADA)
    return project


def test_each_rule_keeps_its_people_from_being_written_to(known: Project) -> None:
    known.api.ask("inbound", {"accountLinkId": LINK, "platformId": BEN, "content": "SECRET of Ben"})
    done = known.ok(known.campaign, "--yes")
    assert known.api.recipients == [FARID]
    told = "known to Inbox: 5 of 6 · in talks 2"
    assert told in done.all
    assert "Customer 1" in done.all
    found = skipped(known)
    assert {id: why.split(":")[0] for id, why in found.items()} == {
        ADA: "in_talks",
        BEN: "in_talks",
        CHLOE: "status",
        DAVID: "tag",
        ELENA: "assigned",
    }
    assert "@acmesales wrote to them on " in found[ADA]
    assert "they wrote to @acmecorp on " in found[BEN]
    assert "is Customer in Inbox" in found[CHLOE]
    assert b"SECRET" not in known.ledger.read_bytes()
    assert "SECRET" not in done.all


def test_six_people_are_asked_about_in_two_requests_and_once_a_day(known: Project) -> None:
    known.ok(known.campaign, "--yes")
    assert asked(known) == {"contacts": 1, "threads": 1}
    known.ok(known.campaign, "--yes")
    assert asked(known) == {"contacts": 1, "threads": 1}
    age(known, DAY)
    known.ok(known.campaign, "--yes")
    assert asked(known) == {"contacts": 2, "threads": 2}


def test_an_old_talk_an_import_and_an_empty_thread_are_none(project: Project) -> None:
    project.write([ADA, BEN], more="skip_known: {talked_within: 30d}\n")
    wrote(project.api, ADA, ago=31 * DAY)
    knows(project.api, person(BEN))
    done = project.ok(project.campaign, "--yes")
    assert "known to Inbox: 2 of 2\n" in done.all
    assert project.api.recipients == [ADA, BEN]


def test_archived_threads_and_requests_count(project: Project) -> None:
    project.write([ADA, BEN, CHLOE], more="skip_known: {talked_within: 30d}\n")
    project.api.ask("thread", {"id": wrote(project.api, ADA), "archived": True})
    project.api.ask("inbound", {"accountLinkId": LINK, "platformId": BEN, "content": "Hi"})
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == [CHLOE]


def test_threads_of_our_own_campaigns_do_not_count(project: Project) -> None:
    project.write([ADA, BEN], more="contact_once_in: none\nskip_known: {talked_within: 30d}\n")
    project.ok(project.campaign, "--yes")
    age(project, DAY)  # or what Inbox said before the first message would be believed
    text = project.campaign.read_text()
    project.campaign.write_text(f"name: second\n{text}")
    project.ok(project.campaign, "--yes", "--new-campaign")
    assert project.api.recipients == [ADA, BEN, ADA, BEN]


def test_a_colleague_who_goes_on_in_a_thread_of_ours_counts(project: Project) -> None:
    project.write([ADA, BEN], more="contact_once_in: none\nskip_known: {talked_within: 30d}\n")
    project.ok(project.campaign, "--yes")
    wrote(project.api, ADA, ago=0.0, link=LINK)
    age(project, DAY)
    text = project.campaign.read_text()
    project.campaign.write_text(f"name: second\n{text}")
    project.ok(project.campaign, "--yes", "--new-campaign")
    assert project.api.recipients == [ADA, BEN, BEN]


def test_an_account_that_is_gone_is_not_written_to(project: Project) -> None:
    project.write([ADA, BEN, CHLOE], more="skip_known: {talked_within: 30d}\n")
    knows(
        project.api,
        person(ADA, accountStatus="suspended"),
        person(BEN, accountStatus="notFound"),
    )
    done = project.ok(project.campaign, "--yes")
    assert "account gone 2" in done.all
    assert project.api.recipients == [CHLOE]
    assert {why.split(":")[0] for why in skipped(project).values()} == {"account_gone"}


def test_whoever_is_free_again_is_written_to_at_a_later_run(known: Project) -> None:
    known.ok(known.campaign, "--yes")
    knows(known.api, person(ELENA, assigned=False), person(CHLOE))
    known.ok(known.campaign, "--yes")
    assert known.api.recipients == [BEN, FARID]
    age(known, DAY)
    known.ok(known.campaign, "--yes")
    assert known.api.recipients == [BEN, FARID, CHLOE, ELENA]


def test_an_unknown_status_is_an_error_before_anything_is_sent(project: Project) -> None:
    project.write([ADA], more="skip_known: {status: [Custommer]}\n")
    knows(project.api, person(BEN, status="Customer"))
    done = project.run(project.campaign, "--yes")
    assert done.code == 1
    assert "skip_known.status: the team has no Custommer" in done.err
    assert "there are: Customer" in done.err
    assert project.api.accepted == []


def test_a_kill_while_asking_keeps_the_answers(project: Project) -> None:
    ids = people(350)
    project.write(ids, more="skip_known: {talked_within: 30d}\n")
    project.api.faults("stall:on=lookup,at=3")
    running = project.start(project.campaign, "--yes")
    until(lambda: kept(project) >= 200, "two answers to be kept")
    running.process.kill()
    running.process.wait()
    project.api.faults()
    project.ok(project.campaign, "--yes")
    assert sorted(project.api.recipients) == sorted(ids)
    assert asked(project)["contacts"] <= 5


def kept(project: Project) -> int:
    if not project.ledger.exists():
        return 0
    with sqlite3.connect(f"file:{project.ledger}?mode=ro", uri=True) as ledger:
        try:
            [(count,)] = ledger.execute("select count(*) from acquaintance")
        except sqlite3.OperationalError:
            return 0
        return int(count)


def test_a_person_is_asked_about_again_before_a_first_message_a_day_later(
    project: Project,
) -> None:
    project.write([ADA, BEN], more="skip_known: {talked_within: 30d}\n")
    project.ok(project.campaign, "--yes", "--limit", "0")
    before = asked(project)["contacts"]
    wrote(project.api, ADA)
    with sqlite3.connect(project.ledger) as ledger:
        ledger.execute("update acquaintance set asked_at = asked_at - ?", (DAY,))
    # Workers and long runs plan once: what they ask is asked here by the run itself.
    project.ok(project.campaign, "--yes")
    assert asked(project)["contacts"] > before
    assert project.api.recipients == [BEN]


def test_it_is_of_v2(on_v1: Project) -> None:
    on_v1.write([ADA], more=RULES)
    done = on_v1.run(on_v1.campaign, "--yes")
    assert done.code == 2
    assert "skip_known: needs api.version v2: v1 is announced to end" in done.err


def test_a_rehearsal_asks_the_stand_in(project: Project) -> None:
    project.write([ADA, BEN], more=RULES)
    done = project.ok(project.campaign, "--sandbox")
    assert "known to Inbox: 0 of 2" in done.all
    assert "sandbox: accepted 2 messages" in done.all
