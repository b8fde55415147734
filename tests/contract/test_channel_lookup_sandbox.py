"""Look-ups on v1, which has no key, against a sandbox that makes them hard."""

from __future__ import annotations

import pytest

from runner.message.outcome import Absent, Found, Unclear
from tests.contract.channel_support import PERSON, SENDER, look, open_sandbox, send

MANGLED = {"links": "See https://a.example", "nfd": "Zoë", "strip": "Hi ", "spaces": "Hi  there"}


@pytest.mark.parametrize("order", ["newest", "oldest", "mixed"])
async def test_on_the_third_page_whatever_the_order(order: str) -> None:
    async with open_sandbox("v1", v1_order=order, page=3) as (sandbox, channel):
        for number in range(4):
            sandbox.write_elsewhere(SENDER, PERSON.id, f"No. {number}", ago=60.0 * (4 - number))
        since = channel.server_now()
        assert isinstance(await look(channel, not_before=since), Absent)
        await send(channel)
        for number in range(6):
            sandbox.receive(SENDER, PERSON.id, f"Reply {number}")
        [entry] = sandbox.accepted
        found = Found(entry["message_id"], entry["thread_id"])
        assert await look(channel, not_before=since) == found


@pytest.mark.parametrize("mangle", MANGLED)
async def test_however_a_text_is_changed_it_is_unclear(mangle: str) -> None:
    async with open_sandbox("v1", mangle=mangle) as (_, channel):
        await send(channel, text=MANGLED[mangle])
        found = await look(channel, text=MANGLED[mangle])
        assert isinstance(found, Unclear)
        assert "text differs" in found.reason


async def test_accepted_and_then_failed_is_unclear() -> None:
    async with open_sandbox("v1") as (sandbox, channel):
        await send(channel)
        sandbox.fail(sandbox.accepted[0]["message_id"])
        assert isinstance(await look(channel), Unclear)


@pytest.mark.parametrize("at", [1, 2], ids=["thread", "page"])
async def test_syncing_is_unclear(at: int) -> None:
    async with open_sandbox("v1", f"syncing:at={at}") as (sandbox, channel):
        sandbox.write_elsewhere(SENDER, PERSON.id, "Long ago", ago=3600.0)
        assert await look(channel) == Unclear("syncing")
        assert isinstance(await look(channel), Absent)


async def test_shown_late_is_absent_first() -> None:
    """Absence is no proof: why `retry.absent` holds unless it is told to resend."""
    now = [1_800_000_000.0]
    async with open_sandbox("v1", show_after=30.0, clock=lambda: now[0]) as (sandbox, channel):
        await send(channel)
        assert isinstance(await look(channel, not_before=now[0] - 1), Absent)
        now[0] += 30.0
        [entry] = sandbox.accepted
        found = Found(entry["message_id"], entry["thread_id"])
        assert await look(channel, not_before=entry["at"] - 1) == found


@pytest.mark.parametrize(
    ("origin", "ago", "kind"),
    [("internal", 600.0, Absent), ("external", 600.0, Absent), ("api", 600.0, Unclear)]
    + [(origin, 0.0, Unclear) for origin in ("internal", "external")],
)
async def test_the_same_text_from_elsewhere_is_no_proof(
    origin: str, ago: float, kind: type[Absent | Unclear]
) -> None:
    async with open_sandbox("v1") as (sandbox, channel):
        sandbox.write_elsewhere(SENDER, PERSON.id, "Hi", origin=origin, ago=ago)
        assert isinstance(await look(channel), kind)
        await send(channel)
        [entry] = sandbox.accepted
        assert await look(channel) == Found(entry["message_id"], entry["thread_id"])
