"""What Inbox says of people, as it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner.channels.base import Token
from runner.channels.v2.inbox_v2_people import PeopleV2
from runner.errors import ChannelError
from runner.ledger.ledger import Ledger
from runner.message.acquaintance import Acquaintance
from runner.sending.inbox.acquaintance_check import ask

WHEN = "2026-11-01T10:00:00.000Z"


def profile(id: str, **more: Any) -> dict[str, Any]:
    return {"platform": "twitter", "platformId": id, "accountStatus": "active", **more}


def contact(id: str, *profiles: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": id, "profiles": [*profiles], "statusId": None, "tagIds": [], **more}


def thread(id: str, of: str, last: Any = None, **more: Any) -> dict[str, Any]:
    last = {"id": "m", "direction": "inbound", "createdAt": WHEN} if last is None else last
    return {"id": id, "contactId": of, "accountLinkId": "link", "lastMessage": last, **more}


class _Api:
    """The API's answers, by the name of the list."""

    def __init__(self, **answers: list[dict[str, Any]]) -> None:
        self.answers = answers

    async def must(self, name: str, **_: Any) -> object:
        return {"data": self.answers[name], "nextCursor": None}

    def foreign(self, _: str, what: str = "") -> ChannelError:
        return ChannelError(what)


def asked(ids: Sequence[str], own: Collection[str] = (), **answers: Any) -> list[Acquaintance]:
    """Ask about people. `own`: the ids of our messages that are the last of their threads."""
    http = SimpleNamespace(token=Token("t"))
    people = PeopleV2(cast(Any, http), cast(Any, nullcontext), "twitter")
    people._ask = cast(Any, _Api(**answers))
    ledger = cast(Ledger, SimpleNamespace(read=lambda *_: frozenset(own)))
    return asyncio.run(ask(people, ids, ledger, 1.0))


def test_a_talk_with_a_contact_is_one_with_all_its_accounts() -> None:
    known = asked(
        ["1", "2"], contacts=[contact("c", profile("1"), profile("2"))], threads=[thread("t", "c")]
    )
    assert [each.talk is not None for each in known] == [True, True]


def test_two_contacts_of_one_account_are_both_asked_about() -> None:
    known = asked(
        ["1"],
        contacts=[contact("c", profile("1")), contact("d", profile("1"))],
        threads=[thread("t", "d")],
    )
    assert [each.talk is not None for each in known] == [True]


def test_a_thread_of_ours_counts_once_another_message_is_its_last() -> None:
    answers = {"contacts": [contact("c", profile("1"))], "threads": [thread("t", "c")]}
    assert asked(["1"], own=["m"], **answers)[0].talk is None
    assert asked(["1"], own=["n"], **answers)[0].talk is not None


@pytest.mark.parametrize(
    "answers",
    [
        {"threads": [thread("t", "c", {"id": "m", "direction": "inbound"})]},
        {"threads": [thread("t", "another")]},
        {"contacts": [contact("c", profile("1"), tagIds=["t1"])]},
        {"contacts": [contact("c", profile("1"), statusId="s1", status=None)]},
    ],
    ids=["a message without a time", "another's thread", "no tags", "no status"],
)
def test_what_cannot_be_understood_is_no_leave_to_write(answers: dict[str, Any]) -> None:
    answers = {"contacts": [contact("c", profile("1"))], "threads": [], **answers}
    with pytest.raises(ChannelError):
        asked(["1"], **answers)
