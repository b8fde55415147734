"""Ids of other platforms than X: one person, in whichever form Unicode stores a letter."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from unicodedata import normalize

import pytest

from .support import Project, people

JOSE, ZOE, ANGST = IDS = ["josé-1", "zoë-2", "ångst-3"]
KIND = ("--platform", "linkedin")


def other(id: str) -> str:
    return normalize("NFD", id)


def change(project: Project, *changes: tuple[str, str]) -> None:
    """Change a text of the campaign file."""
    text = project.campaign.read_text()
    for old, new in changes:
        text = text.replace(old, new)
    project.campaign.write_text(text)


@pytest.fixture
def elsewhere(project: Project) -> Project:
    """A campaign of another platform whose first message was sent. The sandbox has no sender there:
    it was to X, and the ledger is made to say otherwise."""
    numbers = people(3)
    project.write(numbers)
    project.ok(project.campaign, "--yes", "--limit", "1")
    with closing(sqlite3.connect(project.ledger)) as ledger, ledger:
        ledger.execute("update campaign set platform = 'linkedin', fingerprint = null")
        ledger.execute("update message set platform = 'linkedin'")
        for number, id in zip(numbers, IDS, strict=True):
            ledger.execute("update message set recipient = ? where recipient = ?", (id, number))
    change(project, ("api: {", "api: {platform: linkedin, "))
    rows = "".join(f"{id},Person{number}\n" for number, id in enumerate(IDS, 1))
    project.sheet.write_text(f"x_user_id,first_name\n{rows}")
    return project


def planned(project: Project, *words: str) -> list[str]:
    """Whom a run would write to."""
    said = project.run(project.campaign, "--dry-run", "--json", *words).json
    return sorted(each["recipient"] for each in said["messages"])


def test_whoever_was_written_to_is_known_in_the_other_form(elsewhere: Project) -> None:
    assert planned(elsewhere) == [ZOE, ANGST]
    elsewhere.sheet.write_text(other(elsewhere.sheet.read_text()))
    assert planned(elsewhere) == [ZOE, ANGST]
    assert planned(elsewhere, "--only", other(ZOE)) == [ZOE]


def test_the_list_protects_in_either_form(elsewhere: Project) -> None:
    done = elsewhere.ok("suppress", "add", other(ANGST), *KIND)
    assert "taken out of the queue: 1" in done.out
    (elsewhere.campaign.parent / "dnc.csv").write_text(f"platform_id\n{other(ZOE)}\n")
    change(elsewhere, ("prospects:", "suppress: dnc.csv\nprospects:"))
    assert planned(elsewhere) == []
    assert "removed: 1" in elsewhere.ok("suppress", "remove", other(ANGST)).out
    assert planned(elsewhere) == [ANGST]


def test_a_ledger_of_before_is_brought_into_one_form(elsewhere: Project) -> None:
    elsewhere.ok("suppress", "add", ZOE, *KIND)
    with closing(sqlite3.connect(elsewhere.ledger)) as ledger, ledger:
        for id in IDS:
            ledger.execute("update message set recipient = ? where recipient = ?", (other(id), id))
        ledger.execute("update suppression set recipient = ?", (other(ZOE),))
        ledger.execute("delete from meta where key = 'ids'")
    elsewhere.ok("suppress", "add", other(ZOE), *KIND)
    assert [each["recipient"] for each in elsewhere.ok("suppress", "list", "--json").json] == [ZOE]
    assert planned(elsewhere) == [ANGST]


def test_of_two_messages_to_one_person_the_sent_one_counts(elsewhere: Project) -> None:
    with closing(sqlite3.connect(elsewhere.ledger)) as ledger, ledger:
        # Taken for two people: one form was sent to, the other one is queued.
        ledger.execute("update message set recipient = ? where recipient = ?", (other(JOSE), JOSE))
        ledger.execute("update message set recipient = ? where recipient = ?", (JOSE, ZOE))
        ledger.execute("delete from meta where key = 'ids'")
    elsewhere.ok("suppress", "add", ZOE, *KIND)
    with closing(sqlite3.connect(elsewhere.ledger)) as ledger:
        found = dict(ledger.execute("select recipient, status from message").fetchall())
    assert found == {JOSE: "sent", other(JOSE): "queued", ANGST: "queued"}
    assert planned(elsewhere) == [ANGST]
