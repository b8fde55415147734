"""Threads of version 2, from the JSON of the API."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

from runner.channels.base import ThreadState
from runner.channels.v2.inbox_v2_conversations import ConversationsV2

AT = "2026-12-02T10:00:00.000Z"
WHOLE: dict[str, Any] = {
    "id": "t1",
    "accountLinkId": "link1",
    "contactId": "c1",
    "assigneeId": None,
    "restrictions": [],
    "syncing": False,
    "lastMessage": {"id": "m1", "direction": "outbound", "createdAt": AT},
    "contact": {"id": "c1", "profiles": [{"platformId": "101"}, {"platformId": 102}, "odd"]},
}
STATE = ThreadState(
    sender="link1",
    people=("c1", "101", "102"),
    last_id="m1",
    syncing=False,
    last_inbound=False,
    last_at=1_796_205_600.0,
    assignee="",
    restricted=False,
)
INBOUND = {"id": "m2", "direction": "inbound", "createdAt": AT}
NO_LAST = {"last_id": "", "last_inbound": None, "last_at": None}


def state_of(answer: object) -> ThreadState | None:
    reader = Mock(look=AsyncMock(return_value=answer))
    return asyncio.run(ConversationsV2(reader).thread("t1"))


def test_a_thread_as_the_api_shows_it() -> None:
    assert state_of(WHOLE) == STATE


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"lastMessage": INBOUND}, {"last_id": "m2", "last_inbound": True}),
        ({"lastMessage": None}, NO_LAST),
        ({"lastMessage": [INBOUND]}, NO_LAST),
        ({"lastMessage": INBOUND | {"direction": "sideways"}},
         {"last_id": "m2", "last_inbound": None}),
        ({"lastMessage": INBOUND | {"direction": True}}, {"last_id": "m2", "last_inbound": None}),
        ({"lastMessage": INBOUND | {"createdAt": "soon"}},
         {"last_id": "m2", "last_inbound": True, "last_at": None}),
        ({"lastMessage": INBOUND | {"id": ["m2"]}}, {"last_id": "", "last_inbound": True}),
        ({"syncing": True}, {"syncing": True}),
        ({"syncing": "false"}, {"syncing": True}),
        ({"syncing": None}, {"syncing": True}),
        ({"assigneeId": "kim"}, {"assignee": "kim"}),
        ({"assigneeId": {"id": "kim"}}, {"assignee": None}),
        ({"assigneeId": ""}, {"assignee": None}),
        ({"restrictions": ["message:send", "thread:typing"]}, {"restricted": True}),
        ({"restrictions": ["message:edit"]}, {"restricted": False}),
        ({"restrictions": None}, {"restricted": None}),
        ({"restrictions": "message:send"}, {"restricted": None}),
    ],
)  # fmt: skip
def test_what_is_odd_in_a_thread_is_not_guessed_at(
    changed: dict[str, Any], told: dict[str, Any]
) -> None:
    assert state_of(WHOLE | changed) == STATE._replace(**told)


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("lastMessage", NO_LAST),
        ("syncing", {"syncing": True}),
        ("assigneeId", {"assignee": None}),
        ("restrictions", {"restricted": None}),
    ],
)
def test_what_is_missing_in_a_thread_is_not_guessed_at(missing: str, told: dict[str, Any]) -> None:
    thread = {name: value for name, value in WHOLE.items() if name != missing}
    assert state_of(thread) == STATE._replace(**told)


def test_an_empty_answer_lets_nothing_go() -> None:
    found = state_of([])
    assert found == ThreadState("", (), "", syncing=True, assignee=None, restricted=None)
