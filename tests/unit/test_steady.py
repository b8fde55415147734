"""How fast at most: what is shown beside the rate."""

from __future__ import annotations

import math

import pytest

from runner.campaign.schema import Limits
from runner.campaign.senders import Sender
from runner.pacing.capacity import sustained_rate
from runner.pacing.pacer import make_pacer

NONE = {"per_minute": "none", "per_hour": "none", "per_day": "none"}
FREE = {"per_hour": "none", "per_day": "none", "gap": "none"}
CAREFUL = {"per_hour": 20}


@pytest.mark.parametrize(
    ("limits", "senders", "most", "by"),
    [
        (NONE, [FREE], math.inf, ""),
        (NONE, [CAREFUL], 20.0, "20 an hour of a"),
        (NONE, [CAREFUL, CAREFUL], 40.0, "the senders' limits"),
        (NONE, [CAREFUL, FREE], math.inf, ""),
        (NONE, [{"per_hour": "none", "gap": "60s..120s"}], 40.0, "pause of 60 to 120 s of a"),
        ({}, [FREE], 10_000.0, "10,000 an hour of the team"),
        ({"per_minute": 1}, [FREE, CAREFUL], 60.0, "1 a minute of the team"),
        ({"per_hour": "none", "per_minute": "none"}, [FREE], math.inf, ""),
    ],
)
def test_the_strictest_steady_limit_is_told(
    limits: dict[str, object], senders: list[dict[str, object]], most: float, by: str
) -> None:
    each = [
        Sender.model_validate({"id": id} | said) for id, said in zip("abc", senders, strict=False)
    ]
    told = sustained_rate(make_pacer([Limits.model_validate(limits)], each))
    assert told.per_hour == pytest.approx(most)
    assert told.by == by
