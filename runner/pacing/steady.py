"""How fast at most, hour after hour."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from runner.pacing import Pacer
from runner.pacing.windows import DAY, HOUR, Window


class Steady(NamedTuple):
    """Messages an hour, infinity for any number, and which limit makes it so, empty for none."""

    per_hour: float
    by: str


def steady(pacer: Pacer) -> Steady:
    """The most that all senders together may send in an hour by the limits per minute and per hour
    and by their pauses, were the team to ask for nothing else. Limits per day are left out: they
    say when it goes on, not how fast it goes."""
    each = [_of_sender(pacer, sender) for sender in pacer.senders]
    if len(each) == 1:
        together = each[0]
    else:
        total = sum(one.per_hour for one in each)
        together = Steady(total, "the senders' limits" if total < math.inf else "")
    return min([together, *_of_windows(pacer.team)], key=lambda found: found.per_hour)


def _of_sender(pacer: Pacer, sender: str) -> Steady:
    state = pacer.state_of(sender)
    gap = sum(state.gap) / 2
    pause = Steady(HOUR / gap, pacer.gap_name(sender)) if gap else Steady(math.inf, "")
    return min([*_of_windows(state.windows), pause], key=lambda found: round(found.per_hour, 6))


def _of_windows(windows: Iterable[Window]) -> list[Steady]:
    return [
        Steady(window.limit * HOUR / window.seconds, window.name)
        for window in windows
        if window.seconds < DAY
    ]
