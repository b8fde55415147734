"""A pacer restored from the ledger: a restart gets no fresh window."""

from __future__ import annotations

from collections.abc import Sequence

from runner.clock import Clock
from runner.ledger.ledger import Ledger
from runner.ledger.messages import usage
from runner.pacing.pacer import Pacer
from runner.pacing.windows import DAY


def restore_pacer(
    pacer: Pacer,
    ledger: Ledger,
    lanes: Sequence[str],
    clock: Clock,
    *,
    timeout: float,
    rehearsal: bool = False,
    server: float | None = None,
    with_holds: bool = True,
) -> Pacer:
    """Give a new pacer back what the ledger says was used of its limits, and return it.

    `lanes`: of the requests, sends are those of the pacer's senders wherever they were made;
    `timeout`: of one request, seconds; `rehearsal`: of rehearsals instead of real sends.

    `server`: the time by the server's clock (Unix seconds), None before it has been asked. With it
    ages are right however our clock has been set since, and two days are read: a day more than the
    longest window, since the clock may have been set within a run too. Without it our clock is all
    there is, and a day of requests will do. Pauses drawn by an earlier run are kept by the server's
    clock, and restored with it alone. `with_holds=False`: for a start, which asks the API who it is
    in spite of a hold.
    """
    wall, now = clock.now(), clock.boot()
    since = server_since = wall - DAY
    sends_since, gained = wall - 2 * DAY, 0.0
    if server is not None:
        ahead = [ledger.read(usage.server_ahead, lane) for lane in lanes]
        gained = max((wall - server + each for each in ahead if each is not None), default=0.0)
        since = wall - 2 * DAY - max(0.0, gained)
        server_since = sends_since = min(server, wall) - 2 * DAY
    requests = [
        request
        for lane in (lanes if pacer.team else ())
        for request in ledger.read(usage.past_requests, lane, since, server_since)
    ]
    pacer.restore(
        requests,
        ledger.read(usage.past_sends, pacer.limited_senders, sends_since, rehearsal=rehearsal),
        now=now,
        wall=wall,
        timeout=timeout,
        server=server,
        gained=gained,
        days=ledger.read(usage.days_sent, pacer.warming_up, rehearsal=rehearsal),
    )
    for lane in lanes:
        for hold in ledger.read(usage.past_holds, lane, list(pacer.senders)) if with_holds else ():
            left = hold.left(wall, wall if server is None else server)
            pacer.restore_hold(left, hold.why, hold.sender or None, now=now)
        if server is not None:
            for sender, until in ledger.read(usage.past_gaps, lane).items():
                pacer.restore_gap(sender, until - server, now=now)
    return pacer
