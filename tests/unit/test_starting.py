"""Whether a start was missed, by what the campaign and its people's zones say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from runner.campaign.schema import Campaign
from runner.errors import RunnerError
from runner.ledger.ledger import Ledger
from runner.message.prospect import Prospect
from runner.planning.dates.eta import hours_of
from runner.planning.dates.start import confirm_late_start
from runner.planning.draft import Draft
from tests.support import recipient

LONDON, LOS_ANGELES, TOKYO = "Europe/London", "America/Los_Angeles", "Asia/Tokyo"
START = "2026-03-06 20:00"  # a Friday night: closed in London until Monday, noon in Los Angeles
WORK = ({"days": "mon-fri", "from": "09:00", "to": "17:30"},)


@dataclass
class People:
    """An audience with these zones of its own."""

    zones: Sequence[str]
    timezone: str | None = "timezone"

    def rows(self) -> list[Prospect]:
        return [Prospect(n, recipient(n), {}, zone) for n, zone in enumerate(self.zones, 2)]


@dataclass
class Drafted:
    """What is asked of a draft here."""

    campaign: Campaign
    audience: People
    row: None = None


def drafted(*zones: str, **schedule: Any) -> Draft:
    told = {"name": "spring", "senders": ("a1",), "prospects": "x.csv", "message": "Hi"}
    of = {"timezone": LONDON, "start": START, "windows": WORK, **schedule}
    of = {key: value for key, value in of.items() if value is not None}
    campaign = Campaign.model_validate({**told, "schedule": of})
    return cast(Draft, Drafted(campaign, People(zones)))


def at(*parts: int) -> float:
    year, month, day, hour = parts
    return datetime(year, month, day, hour, tzinfo=ZoneInfo(LONDON)).timestamp()


def is_asked(draft: Draft, now: float) -> bool:
    nothing = cast(Ledger, None)  # the campaign is not in it yet
    try:
        return not confirm_late_start([draft], nothing, now, yes=False, confirm=None)
    except RunnerError:
        return True


@pytest.mark.parametrize(
    ("zones", "day", "hour", "asked"),
    [
        (["", ""], 9, 10, False),  # nothing was to be sent before Monday, 09:00
        (["", ""], 9, 12, True),
        (["", LOS_ANGELES], 9, 8, True),  # Friday noon was missed
        (["", LOS_ANGELES], 6, 21, False),
        ([TOKYO], 9, 8, True),  # Monday has begun there at midnight in London
        ([TOKYO], 9, 1, False),
    ],
)
def test_a_start_is_missed_where_the_first_was_to_be_sent(
    zones: list[str], day: int, hour: int, asked: bool
) -> None:
    assert is_asked(drafted(*zones), at(2026, 3, day, hour)) is asked


def test_no_grace_at_all_and_no_start_at_all() -> None:
    now = at(2026, 3, 6, 20)
    always = ({"days": "mon-sun", "from": "00:00", "to": "24:00"},)
    assert not is_asked(drafted("", windows=always, grace="0s"), now)
    assert is_asked(drafted("", windows=always, grace="0s"), now + 1)
    assert not is_asked(drafted("", start=None), now)


def test_a_start_that_is_set_anew_holds_for_a_campaign_that_has_begun() -> None:
    """Its messages do not go before it, whatever was sent already."""
    hours = hours_of(drafted(""))
    assert hours is not None
    assert hours.begins == at(2026, 3, 6, 20)
