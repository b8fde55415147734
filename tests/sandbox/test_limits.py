"""Request limits: sliding windows over both versions, and what a 429 says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.sandbox.quotas import Limits

from .client import Time
from .conftest import Start


@given(
    steps=st.lists(st.integers(0, 40), max_size=200),
    per_minute=st.integers(1, 6),
    per_hour=st.integers(1, 30),
)
def test_no_window_ever_holds_more_than_its_limit(
    steps: list[int], per_minute: int, per_hour: int
) -> None:
    limits = Limits(per_minute, per_hour, None)
    taken: list[int] = []
    now = 0
    for step in steps:
        now += step
        minute = sum(1 for at in taken if at > now - 60)
        hour = sum(1 for at in taken if at > now - 3600)
        full = limits.take(now)
        assert (full is None) == (minute < per_minute and hour < per_hour)
        if full is None:
            taken.append(now)
        else:
            assert Limits.take(limits, now) == full
            assert full.reset_at > now


def test_after_the_wait_a_request_gets_through() -> None:
    limits = Limits(2, 3, 4)
    for now in (0.0, 10.0, 60.0):
        assert limits.take(now) is None
    full = limits.take(69.0)
    assert full is not None
    assert (full.window, full.limit, full.reset_at) == ("hour", 3, 3600.0)
    assert limits.take(3599.9) is not None
    assert limits.take(3600.0) is None


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_nothing_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="limit per day must be 1 or more"):
        Limits(1, 1, limit)


async def test_both_versions_and_all_endpoints_share_one_budget(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock, per_minute=3)
    assert (await api.v1("GET", "/team")).headers["X-RateLimit-Remaining"] == "2"
    clock.now += 20.5
    assert (await api.v2("GET", "/team")).headers["X-RateLimit-Remaining"] == "1"
    sent = await api.send()
    assert sent.headers["X-RateLimit-Limit"] == "3"
    assert sent.headers["X-RateLimit-Remaining"] == "0"
    assert int(sent.headers["X-RateLimit-Reset"]) == int(clock.now - 20.5) + 60
    for _ in range(2):
        over = await api.v2("GET", "/team")
        assert (over.status, over.code) == (429, "rateLimited")
        assert over.headers["Retry-After"] == "40"
        assert over.json["details"] == {
            "window": "minute",
            "limit": 3,
            "resetAt": "2026-09-21T14:14:20.000Z",
        }
    old = await api.quick_send()
    assert (old.status, old.code) == (429, "RATE_LIMITED")
    assert len(api.sandbox.accepted) == 1
    clock.now += 39.5
    assert (await api.quick_send()).status == 200
    assert (await api.quick_send()).status == 429
    assert api.sandbox.requests["limited"] == 4


async def test_a_bad_token_uses_no_budget(start: Start) -> None:
    api = await start(per_minute=1)
    for _ in range(3):
        assert (await api.v2("GET", "/team", headers={"Authorization": ""})).status == 401
    assert (await api.v2("GET", "/team")).status == 200


async def test_limits_can_be_off(start: Start) -> None:
    api = await start(per_minute=None, per_hour=None, per_day=None)
    reply = await api.v2("GET", "/team")
    assert "X-RateLimit-Limit" not in reply.headers
