"""The stops of campaigns and senders, and their releases. Every one is kept; the strongest since
the last release counts.

A person pauses, cancels and resumes; a guard stops its campaign until it is run again; the API
stops a sender, or everything, until the next run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, exists, func, insert, select

from runner.ledger.locks import lock_claims
from runner.ledger.schema import brake, message, note, run, set_note
from runner.ledger.statements import Prepared, given, is_one_of


class BrakeKind(StrEnum):
    """The kinds of stops, and the release."""

    PAUSED = "paused"  # by a person, until they resume it
    CANCELLED = "cancelled"  # the same, and what was queued is withdrawn
    GUARDED = "guarded"  # by the campaign's guard, until it is run again
    STOPPED = "stopped"  # a sender, or all of a run by an answer of the API: until the next run
    RELEASED = "released"  # goes on


BY_A_PERSON = frozenset({BrakeKind.PAUSED, BrakeKind.CANCELLED})

_STRENGTH = (
    BrakeKind.RELEASED,
    BrakeKind.STOPPED,
    BrakeKind.GUARDED,
    BrakeKind.PAUSED,
    BrakeKind.CANCELLED,
)
"""The kinds from weak to strong. Since the last release the strongest counts: a run's own never
takes the place of a person's."""


@dataclass(frozen=True, slots=True)
class Brake:
    """A stop of a campaign or a sender, or a release. `id` grows with time; 0: not in the ledger
    yet."""

    kind: BrakeKind
    at: float
    by: str = ""
    why: str = ""
    id: int = 0
    campaign: int | None = None


_later = brake.alias()
_SINCE_RELEASE = ~exists().where(
    _later.c.campaign == brake.c.campaign,
    _later.c.kind == BrakeKind.RELEASED,
    _later.c.id > brake.c.id,
)
"""The condition that nothing has released a brake's campaign since, but perhaps this row itself."""

STOPPED_BY_A_PERSON = exists().where(
    brake.c.campaign == message.c.campaign, brake.c.kind.in_(BY_A_PERSON), _SINCE_RELEASE
)
"""The condition that a message's campaign is paused or cancelled. Made once: every claim needs
it."""

_LATEST = Prepared(
    lambda database: (
        select(
            brake.c.campaign, brake.c.kind, brake.c.set_at, brake.c.said_by, brake.c.why, brake.c.id
        )
        .where(is_one_of(brake.c.campaign, "campaigns", database), _SINCE_RELEASE)
        .order_by(brake.c.id)
    )
)


def latest(connection: Connection, campaigns: Collection[int]) -> dict[int, Brake]:
    """Read the brake that counts of each campaign, a release too; none for one that never
    stopped."""
    brakes: dict[int, Brake] = {}
    rows = _LATEST.rows(connection, campaigns=json.dumps(sorted(campaigns)))
    for campaign, kind, set_at, said_by, why, id in rows:
        each = Brake(BrakeKind(kind), set_at, said_by, why, id, campaign)
        before = brakes.setdefault(campaign, each)
        if _STRENGTH.index(each.kind) > _STRENGTH.index(before.kind):
            brakes[campaign] = each
    return brakes


def active(connection: Connection, campaigns: Collection[int]) -> dict[int, Brake]:
    """Read what stops campaigns now."""
    brakes = latest(connection, campaigns)
    return {id: each for id, each in brakes.items() if each.kind is not BrakeKind.RELEASED}


def released_at(connection: Connection, campaign: int) -> float:
    """Return when a campaign went on last after something had stopped it (Unix s), 0 for never."""
    [(at,)] = _RELEASED_AT.rows(connection, campaign=campaign)
    return at or 0.0


_RELEASED_AT = Prepared(
    lambda _: select(func.max(brake.c.set_at)).where(
        brake.c.campaign == given("campaign"), brake.c.kind == BrakeKind.RELEASED.value
    )
)


def stopped_senders(connection: Connection, senders: Collection[str]) -> dict[str, Brake]:
    """Read what has stopped these senders since their last run; none for one that may send."""
    newest = (
        select(func.max(brake.c.id)).where(brake.c.sender.in_(senders)).group_by(brake.c.sender)
    )
    wanted = select(brake).where(brake.c.id.in_(newest), brake.c.kind != BrakeKind.RELEASED)
    return {
        row.sender: Brake(BrakeKind(row.kind), row.set_at, row.said_by, row.why, row.id)
        for row in connection.execute(wanted.order_by(brake.c.sender))
    }


def pause(connection: Connection, campaign: int, at: float, by: str) -> Brake | None:
    """Pause a campaign, unless a person has stopped it already; return that brake then. Whatever is
    claimed after this is committed has seen it."""
    lock_claims(connection)
    before = active(connection, [campaign]).get(campaign)
    if before is not None and before.kind in BY_A_PERSON:
        return before
    add(connection, campaign, BrakeKind.PAUSED, at, by)
    return None


def release(
    connection: Connection,
    campaign: int,
    at: float,
    by: str,
    unless: Collection[BrakeKind] = (),
) -> Brake | None:
    """Let a campaign go on, and return what had stopped it, if anything had. `unless`: the kinds
    that this does not end; then None."""
    lock_claims(connection)
    before = active(connection, [campaign]).get(campaign)
    if before is None or before.kind in unless:
        return None
    add(connection, campaign, BrakeKind.RELEASED, at, by)
    return before


def add(
    connection: Connection, campaign: int, kind: BrakeKind, at: float, by: str, why: str = ""
) -> None:
    """Add a brake, or a release, of a campaign."""
    connection.execute(
        insert(brake).values(campaign=campaign, kind=kind, set_at=at, said_by=by, why=why)
    )


@dataclass(frozen=True, slots=True)
class Halt:
    """A stop by the run itself: of a campaign or a sender, one of the two."""

    at: float
    why: str
    campaign: int | None = None
    sender: str | None = None
    kind: BrakeKind = BrakeKind.STOPPED


def halt(connection: Connection, halts: Sequence[Halt]) -> list[None]:
    """Add what a run itself has stopped (a batch)."""
    rows = [
        {
            "campaign": each.campaign,
            "sender": each.sender,
            "kind": each.kind,
            "set_at": each.at,
            "why": each.why,
        }
        for each in halts
    ]
    connection.execute(insert(brake), rows)
    return [None] * len(halts)


def release_senders(connection: Connection, senders: Iterable[str], at: float) -> None:
    """Release senders as a new run of them begins: what stopped them before is to show itself
    again."""
    stopped = stopped_senders(connection, list(senders))
    if stopped:
        connection.execute(
            insert(brake),
            [{"sender": id, "kind": BrakeKind.RELEASED, "set_at": at} for id in stopped],
        )


def _driven_key(lane: str) -> str:
    return f"driven {lane}"


def record_driven(
    connection: Connection, lane: str, run_id: int, acknowledged: Mapping[int, int]
) -> None:
    """Write down which campaigns the lane's owner drives, and the newest brake that it has
    acknowledged of each."""
    heard = {str(campaign): id for campaign, id in acknowledged.items()}
    set_note(connection, _driven_key(lane), json.dumps({"run": run_id, "heard": heard}))


def acknowledged_by_driver(connection: Connection, lane: str, campaign: int) -> int | None:
    """Read the newest brake of a campaign that its live run has acknowledged; None when none drives
    it. The run may have died."""
    driven = json.loads(note(connection, _driven_key(lane)) or "{}")
    alive = select(run.c.id).where(run.c.id == driven.get("run", 0), run.c.ended_at.is_(None))
    acknowledged: int | None = driven.get("heard", {}).get(str(campaign))
    return acknowledged if connection.execute(alive).first() is not None else None


def is_driven_by(connection: Connection, lane: str, run_id: int) -> bool:
    """Return whether this run drives campaigns of a lane, by what it wrote down last."""
    driven = json.loads(note(connection, _driven_key(lane)) or "{}")
    return driven.get("run") == run_id and bool(driven.get("heard"))
