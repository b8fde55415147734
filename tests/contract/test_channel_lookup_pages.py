"""How much of a thread a look-up reads before it believes that a message is not there."""

from __future__ import annotations

from typing import Any

import pytest

from runner.message.outcome import Absent, Found, Unclear
from tests.contract.channel_api import Talk, at, finding, ours, theirs
from tests.contract.channel_support import VERSIONS, Request

pytestmark = pytest.mark.parametrize("version", VERSIONS)


def pages(asked: list[Request]) -> int:
    return sum(request.path.endswith("/messages") for request in asked)


async def all_taken(message_id: str) -> bool:
    return True


async def test_it_reads_until_it_is_behind_the_attempt(version: str) -> None:
    messages = [theirs(version, f"x{n}", after=-n * 20) for n in range(1, 40)]
    found, asked = await finding(version, Talk(version, ours(version), *messages))
    assert found == Found("m1", "t1")
    assert pages(asked) == 2


async def test_absence_takes_more_than_two_messages_in_order(version: str) -> None:
    """v2 promises the newest first; of v1 nobody has said so."""
    old = [theirs(version, f"x{n}", after=-n * 20) for n in range(2, 40)]
    found, asked = await finding(version, Talk(version, *old))
    assert isinstance(found, Absent)
    assert pages(asked) == (19 if version == "v1" else 1)
    one_page_more = [theirs(version, f"y{n}", after=-n * 20) for n in range(40, 50)]
    found, asked = await finding(version, Talk(version, *old, *one_page_more))
    assert isinstance(found, Absent)
    assert pages(asked) == (20 if version == "v1" else 1)


ORDERS = {
    "oldest first": [-90, -80, -70, -60, 1, 2],
    "two that fall, then the new ones": [-50, -60, 2, -70, 1, -40],
    "two threads in one list": [-40, -50, -60, -70, 1, -80],
    "no order": [-40, -60, 2, -50, 1, -80],
    "equal times": [-60, -60, -70, -70, 1, 2],
}


@pytest.mark.parametrize("name", ORDERS)
async def test_found_whatever_the_order_of_the_list(version: str, name: str) -> None:
    """The message, one second old, is on the third page or before it."""
    if version == "v2":
        return  # documents its order
    times = ORDERS[name]
    messages = [theirs(version, f"x{n}", seconds) for n, seconds in enumerate(times)]
    place = times.index(1)
    messages[place] = ours(version)
    talk = Talk(version, *messages)
    talk.messages = messages
    assert (await finding(version, talk))[0] == Found("m1", "t1")
    assert isinstance((await finding(version, talk, taken=all_taken))[0], Absent)


async def test_a_taken_one_on_top_does_not_end_the_reading(version: str) -> None:
    """The other campaign's message, in equal words, came later and is listed first."""

    async def taken(message_id: str) -> bool:
        return message_id == "m2"

    old = [theirs(version, f"x{n}", after=-n * 40) for n in range(1, 5)]
    talk = Talk(version, ours(version, "m2", 9), *old, ours(version))
    found, _ = await finding(version, talk, taken=taken)
    assert found == Found("m1", "t1")


async def test_it_reads_all_when_the_order_is_not_newest_first(version: str) -> None:
    messages = [theirs(version, f"x{n}", after=-n * 20) for n in range(2, 20)]
    talk = Talk(version, ours(version), *messages, oldest_first=True)
    found, asked = await finding(version, talk)
    assert found == Found("m1", "t1")
    assert pages(asked) == 10


async def test_a_thread_too_long(version: str) -> None:
    messages = [theirs(version, f"x{n}", after=n) for n in range(60)]
    found, _ = await finding(version, Talk(version, *messages))
    assert found == Unclear("thread too long")


async def test_pages_that_do_not_end(version: str) -> None:
    def say(request: Request) -> Any:
        said = Talk(version, ours(version))(request)
        if request.path.endswith("/messages"):
            said["nextCursor"] = {"id": "1", "timestamp": at(0)} if version == "v1" else "1"
        return said

    found, asked = await finding(version, say)
    assert isinstance(found, Unclear)
    assert len(asked) < 8
