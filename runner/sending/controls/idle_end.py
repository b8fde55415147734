"""The idle end of a lane (`--until-idle`, workers): it ends rather than wait for long."""

from __future__ import annotations

from runner.sending.lane import Lane


def end_if_idle(lane: Lane, seconds: float) -> bool:
    """Drain a lane that would wait for so long with nothing under way; return whether it did.
    `Lane.idle_after` says how long is too long, None for never."""
    is_busy = lane.in_flight.count or lane.in_flight.settling
    if lane.idle_after is None or is_busy or seconds <= lane.idle_after:
        return False
    lane.stops.end_idle(lane.clock.now() + seconds)
    return True
