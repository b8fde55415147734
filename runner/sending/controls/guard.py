"""The guard of a campaign: counts failures and says when to stop. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

RATE_OVER = 50
"""The newest messages that the failure rate is of."""

RATE_FLOOR = 20
"""Messages, or people who have answered, below which a rate says nothing."""


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """A guard's limits, at which it stops its campaign; None switches one off. `failure_rate`: more
    than this share of the last `RATE_OVER` messages; `opt_out_rate`: of the people who have
    answered since the campaign went on last."""

    consecutive_failures: int | None = 10
    failure_rate: float | None = 0.2
    in_doubt: int | None = 50
    opt_out_rate: float | None = 0.5

    def objection(self, replied: int, opted_out: int) -> str:
        """Return why a campaign has to stop of whose people so many have answered and opted out,
        empty while it need not."""
        rate = self.opt_out_rate
        if rate is None or replied < RATE_FLOOR or opted_out <= rate * replied:
            return ""
        return f"{opted_out} of {replied} people who answered opted out"


@dataclass(slots=True)
class CampaignGuard:
    """A campaign's messages in this run, as they ended. A message counts once, by its last outcome:
    one that was in doubt and is settled as sent is no failure."""

    limits: GuardLimits = field(default_factory=GuardLimits)
    _proven: bool = False  # a message was accepted
    _in_a_row: set[int] = field(default_factory=set)
    _last: dict[int, bool] = field(default_factory=dict)  # message: failed; oldest first
    _doubts: set[int] = field(default_factory=set)
    _failures_left: int | None = None

    def __post_init__(self) -> None:
        self._failures_left = self._until_it_stops()

    @property
    def failures(self) -> int:
        """Return messages that failed in a row."""
        return len(self._in_a_row)

    @property
    def failures_left(self) -> int | None:
        """Return failures more until this stops the campaign; None while all is well: a message was
        accepted, and none has failed since."""
        return None if self._proven and not self._in_a_row else self._failures_left

    def count_accepted(self, message: int) -> None:
        """Count a message that was accepted."""
        self._proven = True
        self._in_a_row.clear()
        self._doubts.discard(message)
        self._add(message, failed=False)

    def count_failed(self, message: int, *, in_doubt: bool, alone: bool = False) -> bool:
        """Count a message that was rejected, failed or is in doubt (`alone`: which says nothing
        about others); return whether that is one more in a row."""
        if in_doubt:
            self._doubts.add(message)
        else:
            self._doubts.discard(message)
        is_one_more = not alone and message not in self._in_a_row
        if not alone:
            self._in_a_row.add(message)
            self._add(message, failed=True)
        self._failures_left = self._until_it_stops()
        return is_one_more

    def count_settled(self, message: int, *, sent: bool) -> None:
        """Count a message that is no longer in doubt."""
        self._doubts.discard(message)
        if sent:
            self._in_a_row.discard(message)
            if message in self._last:
                self._last[message] = False
        self._failures_left = self._until_it_stops()

    def stop_reason(self) -> str:
        """Return why the campaign has to stop, empty while it need not."""
        limits, what = self.limits, "were rejected, failed or are in doubt"
        if limits.consecutive_failures is not None and self.failures >= limits.consecutive_failures:
            return f"{self.failures} messages in a row {what}"
        if limits.failure_rate is not None and _is_beyond(limits.failure_rate, self._window()):
            count, over = sum(self._last.values()), len(self._last)
            return f"{count} of the last {over} messages {what}"
        if limits.in_doubt is not None and len(self._doubts) >= limits.in_doubt:
            return f"{len(self._doubts)} messages of this run are in doubt"
        return ""

    def _add(self, message: int, *, failed: bool) -> None:
        self._last[message] = failed
        while len(self._last) > RATE_OVER:
            del self._last[next(iter(self._last))]

    def _window(self) -> list[bool]:
        return list(self._last.values())

    def _until_it_stops(self) -> int | None:
        limits = self.limits
        found: list[int] = []
        if limits.consecutive_failures is not None:
            found.append(limits.consecutive_failures - self.failures)
        if limits.in_doubt is not None:
            found.append(limits.in_doubt - len(self._doubts))
        if limits.failure_rate is not None:
            window = self._window()
            for more in range(1, RATE_OVER + 1):
                if _is_beyond(limits.failure_rate, (window + [True] * more)[-RATE_OVER:]):
                    found.append(more)
                    break
        return min(found, default=None)


def _is_beyond(rate: float, window: list[bool]) -> bool:
    return len(window) >= RATE_FLOOR and sum(window) > rate * len(window)
