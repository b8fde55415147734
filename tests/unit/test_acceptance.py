"""Acceptances of follow-ups: they are believed only in the thread that was asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.channels.acceptance import checked
from runner.channels.responses import Reply
from runner.message.outcome import NOT_AS_ASKED, Accepted, InDoubt

BODY = b'{"target":{"type":"thread","threadId":"t1"},"content":"Hi"}'


def outcome_of(message: dict[str, Any], thread: dict[str, Any]) -> object:
    said = json.dumps({"message": message, "thread": thread}).encode()
    return checked(Accepted("m1", "t1"), Reply(201, {}, said), BODY)[0]


@pytest.mark.parametrize(
    ("message", "thread"),
    [
        ({"id": "m1", "threadId": "t1", "content": "Hi"}, {"id": "t1"}),
        # The body names neither sender nor person: the thread says both.
        ({"threadId": "t1", "accountLinkId": "l1"}, {"id": "t1", "accountLinkId": "l1"}),
        ({"threadId": "t1"}, {"id": "t1", "contactId": "c1", "prospect": {"platformId": "101"}}),
        ({}, {}),
    ],
)
def test_an_acceptance_in_the_thread_is_believed(
    message: dict[str, Any], thread: dict[str, Any]
) -> None:
    assert outcome_of(message, thread) == Accepted("m1", "t1")


@pytest.mark.parametrize(
    ("message", "thread", "odd"),
    [
        ({"threadId": "t2"}, {"id": "t2"}, "in another thread"),
        ({"threadId": "t2"}, {}, "in another thread"),
        ({}, {"id": "t2"}, "in another thread"),
        ({"threadId": "t1"}, {"id": "t2"}, "in another thread"),
        ({"threadId": ["t1"]}, {"id": "t1"}, "in another thread"),
        ({"threadId": "t1", "content": "Hello"}, {"id": "t1"}, "with another text"),
    ],
)
def test_an_acceptance_of_something_else_is_in_doubt(
    message: dict[str, Any], thread: dict[str, Any], odd: str
) -> None:
    assert outcome_of(message, thread) == InDoubt(NOT_AS_ASKED, f"accepted, but {odd}")
