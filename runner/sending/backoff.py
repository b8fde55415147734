"""Back-off: how long a sender, a team or a message waits after a refusal, such as the pause after a
429, or after a network error."""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.channels.base import Answer, Channel
from runner.clock import Clock
from runner.ledger.messages.claims import SendRequest
from runner.ledger.messages.usage import Hold
from runner.message.outcome import HELD_BACK, Deferred, InDoubt, Outcome, Scope
from runner.pacing.pacer import Pacer
from runner.pacing.windows import DAY
from runner.sending.controls.rate_limit_pause import LIMITED_FOR, rate_limit_delay

LONGEST_DELAY = 60.0
"""Seconds between tries while the network or the API is down; the wait doubles up to it."""


def backoff_delay(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row: 1, 2, 4 … `LONGEST_DELAY`."""
    return min(LONGEST_DELAY, 2.0 ** max(0, min(failures, 30) - 1))


@dataclass(slots=True)
class Backoff:
    """A lane's pauses, changed by these methods alone. `limited`: messages that were told 429,
    since when (boot seconds) and how often; `network_failures`: in a row."""

    pacer: Pacer
    clock: Clock
    limited: dict[int, tuple[float, int]] = field(default_factory=dict)
    network_failures: int = 0

    def apply(self, channel: Channel, request: SendRequest, answer: Answer) -> Hold | None:
        """Hold back the sender or the team that an answer tells to wait, or that has no network;
        return the hold that later runs have to keep too."""
        now = self.clock.boot()
        if answer.status:
            self.network_failures = 0
        match answer.outcome:
            case Deferred(scope=Scope.SENDER, stop="", after=after) if after:
                wait, sender = after, request.sender
                why = f"the platform slows {sender} down"
            case Deferred(scope=Scope.LANE, stop="", written=True, after=after):
                wait, sender = rate_limit_delay(after), ""
                why = "the API's request limit (429)"
            case Deferred(scope=Scope.LANE, stop="", detail=detail) if self.pacer.held_until <= now:
                self.network_failures += 1
                self.pacer.hold(now + backoff_delay(self.network_failures), f"network: {detail}")
                return None
            case _:
                return None
        self.pacer.hold(now + wait, why, sender or None)
        wait, set_at = min(wait, DAY), self.clock.now()
        return Hold(request.lane, sender, channel.server_now() + wait, why, wait, set_at)

    def retry_after(self, message: int, number: int, outcome: Outcome) -> tuple[float, bool]:
        """Return the seconds after which a message is due again (`number`: its attempt), 0 for as
        soon as the others, and whether this uses up one of its tries."""
        match outcome:
            case InDoubt(after=after):
                return backoff_delay(number) if after is None else after, False
            case Deferred(reason=reason) if reason == HELD_BACK:
                return 0.0, False  # what holds it back says until when
            case Deferred(written=False, scope=Scope.MESSAGE):
                return backoff_delay(number), False  # too late: this machine is slow
            case Deferred(scope=Scope.LANE, written=True, stop="", after=after):
                return self._after_rate_limit(message, after)
            case Deferred(scope=scope, stop=stop):
                # A wait of the team or the network says nothing about this message.
                return 0.0, scope is not Scope.LANE and not stop
            case _:
                return 0.0, False

    def forget(self, message: int) -> None:
        """Forget a message that is not tried again."""
        self.limited.pop(message, None)

    def _after_rate_limit(self, message: int, retry_after: float | None) -> tuple[float, bool]:
        """Return how long a message that was told 429 stays behind the others, and whether that
        counts: some are told to wait whatever the others are told."""
        now = self.clock.boot()
        since, times = self.limited.get(message, (now, 0))
        self.limited[message] = since, times + 1
        delay = rate_limit_delay(retry_after) + backoff_delay(times) if times else 0.0
        return delay, now - since > LIMITED_FOR
