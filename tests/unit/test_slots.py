"""Send slots: what does not go after all leaves nothing behind."""

from __future__ import annotations

import asyncio
import math

from runner.sending.slots import SendSlots


def test_a_message_that_is_turned_back_before_its_time_is_asked_about_no_more() -> None:
    held: set[str] = set()
    asked: list[str] = []

    def holds_back(_sender: str, _campaign: int, recipient: str) -> bool:
        asked.append(recipient)
        return recipient in held

    async def play() -> None:
        slots = SendSlots(1, holds_back, lambda _: math.inf)
        waiting = asyncio.create_task(slots.acquire("a", 1, "ada", 60.0, early=30.0))
        await asyncio.sleep(0)
        held.add("ada")
        slots.turn_back()
        assert await waiting is None
        asked.clear()
        slots.turn_back()
        assert slots.waiting == 0

    asyncio.run(play())
    assert asked == []
