"""Senders by the words that people have for them."""

from __future__ import annotations

import pytest

from runner.message.account import AccountName, sender_finder

LINKS = {
    "id1": AccountName("acme", "Acme Corp"),
    "id2": AccountName("acmesales", "Renée"),
    "id3": AccountName("third", "Acme Corp"),
    "other": AccountName("elsewhere", "Elsewhere"),
}


@pytest.mark.parametrize(
    ("cell", "id"),
    [
        ("id1", "id1"),
        ("ID1", "id1"),
        ("@ACME", "id1"),
        ("acme", "id1"),
        (" @acmesales ", "id2"),
        ("RENE\u0301E", "id2"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_names_of_senders(cell: str, id: str) -> None:
    assert sender_finder(["id1", "id2", "id3"], LINKS)(cell) == (id, "")


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("Acme Corp", "several senders are called Acme Corp"),
        ("elsewhere", "no sender of this campaign is called elsewhere"),
        ("nobody", "no sender of this campaign is called nobody"),
    ],
)
def test_what_names_no_sender(cell: str, why: str) -> None:
    found, told = sender_finder(["id1", "id2", "id3"], LINKS)(cell)
    assert found == ""
    assert told.startswith(why)


def test_names_that_were_never_asked_for_are_said_to_be_unknown() -> None:
    assert "once a run has asked Inbox" in sender_finder(["id1"], {})("acme")[1]
