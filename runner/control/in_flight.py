"""The messages in flight when a person stops them: whether they can still leave."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from runner.clock import Clock
from runner.ledger.ledger import Ledger
from runner.ledger.messages import queue
from runner.ledger.messages.queue import OpenMessage
from runner.ledger.queries import totals
from runner.message.outcome import SEND_BY
from runner.message.status import MessageStatus

_S = MessageStatus

MOST_NAMED = 10
"""Recipients that are named; of more their number is told."""

POLL = 0.05
"""Seconds between two reads of the ledger."""

HELD_BACK_WITHIN = 1.0
"""Seconds within which a live run applies an action, and writes down what it held back."""

ORPHANED_AFTER = 120.0
"""Seconds after which a message that is still `sending` has no run any more: it was killed."""


@dataclass(frozen=True, slots=True)
class HeldBackResult:
    """The messages that were in flight: recipients of those that could not be held back, on their
    way already or perhaps sent; and how many were held back."""

    on_the_way: list[str]
    in_doubt: list[str]
    held_back: int

    @property
    def lines(self) -> list[str]:
        """Return lines that tell a person of them."""
        found = []
        if self.on_the_way:
            found.append(f"already on the way: {_some(self.on_the_way)}")
        if self.in_doubt:
            found.append(f"in doubt, perhaps sent: {_some(self.in_doubt)}")
        return found


def _some(ids: list[str]) -> str:
    more = len(ids) - MOST_NAMED
    return ", ".join(ids[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def wait_until_none_leaves(
    ledger: Ledger,
    clock: Clock,
    *,
    recipients: Collection[str] = (),
    campaign: int | None = None,
) -> HeldBackResult:
    """Wait until no message to these recipients, or of this campaign, can leave any more, after the
    ledger was told that none is to: until what was begun has come to an end, at most for the time
    that it may wait to be written (`SEND_BY`)."""
    before = ledger.read(queue.open_messages, recipients, campaign)
    give_up = time.monotonic() + SEND_BY + HELD_BACK_WITHIN
    now = before
    while any(_may_leave(each, clock.now()) for each in now) and time.monotonic() < give_up:
        time.sleep(POLL)
        now = ledger.read(queue.open_messages, recipients, campaign)
    ended = ledger.read(totals.statuses, [each.message for each in before])
    on_the_way, in_doubt, held_back = [], [], 0
    for each in before:
        match ended[each.message]:
            case _S.SENT | _S.SENDING if not _is_old(each, clock.now()):
                on_the_way.append(each.recipient)
            case _S.SENDING | _S.IN_DOUBT:
                in_doubt.append(each.recipient)
            case _S.SKIPPED | _S.QUEUED | _S.CANCELLED:
                held_back += 1
    return HeldBackResult(on_the_way, in_doubt, held_back)


def _may_leave(each: OpenMessage, now: float) -> bool:
    return each.begun_at is not None and not _is_old(each, now)


def _is_old(each: OpenMessage, now: float) -> bool:
    return each.begun_at is not None and now - each.begun_at > ORPHANED_AFTER
