"""A lane driven for thousands of messages: whatever goes wrong, nothing is kept of those sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from runner.message.outcome import Deferred, InDoubt, Outcome, Scope
from runner.sending.controls.guard import GuardLimits
from runner.sending.lane import Lane
from runner.sending.reconciler import Reconciler
from tests.lane import Setting
from tests.virtual import ScriptedApi, VirtualClock

MANY = 2_000
FAULTS: tuple[Callable[[], Outcome], ...] = (
    lambda: InDoubt("timeout"),
    lambda: Deferred("rateLimited", "429", scope=Scope.LANE, after=1.0),
    lambda: Deferred("platformRateLimited", "429", scope=Scope.SENDER, after=1.0),
    lambda: Deferred("connection", "refused", scope=Scope.LANE, written=False),
)


def faulty(first: list[str], tasks: dict[int, int]) -> Callable[..., Outcome | None]:
    """Every 50th message meets one of `FAULTS` at first, but for those about the middle and the
    end, where `tasks` are counted."""

    def script(_api: ScriptedApi, person: str, _body: bytes, _key: str) -> Outcome | None:
        number = int(person)
        if number in (MANY // 2, MANY) and number not in tasks:
            tasks[number] = len(asyncio.all_tasks())
        quiet = number % (MANY // 2) > 0.9 * MANY // 2 or number % (MANY // 2) == 0
        if quiet or number % 50 or person in first:
            return None
        first.append(person)
        return FAULTS[number // 50 % len(FAULTS)]()

    return script


def test_a_lane_leaves_no_task_behind_and_has_no_more_at_its_end_than_half_way(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    tasks: dict[int, int] = {}
    kept: list[Reconciler] = []
    run = Reconciler.run

    async def watched(reconciler: Reconciler) -> None:
        kept.append(reconciler)
        await run(reconciler)

    def without_guard(lane: Lane, _clock: VirtualClock) -> None:
        none = GuardLimits(consecutive_failures=None, failure_rate=None, in_doubt=None)
        for campaign in lane.campaigns:
            lane.stops.guard_of(campaign).limits = none

    monkeypatch.setattr(Reconciler, "run", watched)
    api = ScriptedApi(script=faulty(seen, tasks))
    setting = make(range(1, MANY + 1), api=api, concurrency=8, before=without_guard)
    told = setting.drive()
    assert setting.counts() == {"sent": MANY}
    assert len(api.accepted) == len(set(api.accepted)) == MANY
    assert len(seen) > 30
    # One for each message under way, so that the last ones are fewer; settling, and who drives.
    assert tasks[MANY] <= tasks[MANY // 2] <= 2 * 8 + 2
    assert told.left == 0
    # Nor a word on any message that was in doubt or told to wait.
    [reconciler] = kept
    assert told.lane.backoff.limited == {}
    assert not reconciler._cases
