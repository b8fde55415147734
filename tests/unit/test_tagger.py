"""Tags: what goes wrong with one, and the end of a run that puts them on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runner.channels.base import Token
from runner.channels.responses import Reply
from runner.channels.v2.inbox_v2_people import PeopleV2
from runner.errors import ChannelError
from runner.sending.inbox.tagger import Tagger, tagging
from runner.sending.lane import Lane
from runner.virtual.loop import VirtualLoop
from tests.lane import Setting


@pytest.mark.parametrize(("code", "fails"), [("contactNotFound", False), ("tagNotFound", True)])
def test_a_contact_that_is_gone_is_let_be(code: str, fails: bool) -> None:
    body = json.dumps({"code": code, "message": "not there", "details": {}}).encode()

    async def write(*_: object) -> Reply:
        return Reply(404, {}, body)

    @asynccontextmanager
    async def gate() -> AsyncIterator[None]:
        yield None

    http = SimpleNamespace(
        token=Token("t"), base="https://api.example", url=lambda *_: "", write=write
    )
    people = PeopleV2(cast(Any, http), cast(Any, gate), "twitter")
    if fails:
        with pytest.raises(ChannelError):
            asyncio.run(people.put_tag("c1", "t1"))
    else:
        asyncio.run(people.put_tag("c1", "t1"))


class _People:
    """Inbox, which never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def tag_id(self, _: str) -> str:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


def test_a_rehearsal_of_days_looks_seldom_for_what_is_to_be_tagged() -> None:
    """Else most of what it takes is to look, while follow-ups wait for days."""
    looked = 0

    def read(*_: object) -> list[object]:
        nonlocal looked
        looked += 1
        return []

    lane = cast(Lane, SimpleNamespace(undisturbed=True, ledger=SimpleNamespace(read=read)))
    tagger = Tagger(cast(PeopleV2, _People()), 1, "spring", "t", None)

    async def days() -> None:
        task = asyncio.create_task(tagger.run(lane))
        await asyncio.sleep(10 * 86400.0)
        tagger.sending_over.set()
        await task

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(days())
    assert looked < 10 * 24 + 3


@pytest.mark.parametrize("end", ["interrupt", "drain"])
def test_a_run_that_is_to_end_waits_for_no_tag(make: Callable[..., Setting], end: str) -> None:
    """By Ctrl-C, and by --stop-after."""
    setting = make([1])
    lanes: list[Lane] = []
    setting.before = lambda lane, _: lanes.append(lane)
    setting.drive()
    [lane] = lanes

    async def tag() -> None:
        people = _People()
        tagger = Tagger(cast(PeopleV2, people), setting.campaign, "spring", "t", None)
        async with asyncio.timeout(5.0):
            async with tagging([(lane, tagger)]):
                await people.asked.wait()
                asyncio.get_running_loop().call_soon(getattr(lane.stops, end))

    asyncio.run(tag())
