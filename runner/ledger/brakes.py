"""What stops a campaign or a sender: who, when and why. Every one is kept; the newest counts.

A person pauses, cancels and resumes; a guard stops its campaign until it is run again; the API
stops a sender until its next run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select

from runner.ledger.decisions import withdraw
from runner.ledger.notes import note, set_note
from runner.ledger.schema import brake, run


class BrakeKind(StrEnum):
    """What happened to a campaign or a sender."""

    PAUSED = "paused"  # by a person, until they resume it
    CANCELLED = "cancelled"  # the same, and what was queued is withdrawn
    GUARDED = "guarded"  # by the campaign's guard, until it is run again
    STOPPED = "stopped"  # a sender, until its next run
    RELEASED = "released"  # goes on


BY_A_PERSON = frozenset({BrakeKind.PAUSED, BrakeKind.CANCELLED})


@dataclass(frozen=True, slots=True)
class Brake:
    """What stops a campaign or a sender. `id` grows with time; 0: not in the ledger yet."""

    kind: BrakeKind
    at: float
    by: str = ""
    why: str = ""
    id: int = 0


def latest(connection: Connection, campaigns: Collection[int]) -> dict[int, Brake]:
    """What happened last to each campaign, a release too; nothing for one that never stopped."""
    newest = (
        select(func.max(brake.c.id))
        .where(brake.c.campaign.in_(campaigns))
        .group_by(brake.c.campaign)
    )
    return {
        row.campaign: Brake(BrakeKind(row.kind), row.set_at, row.said_by, row.why, row.id)
        for row in connection.execute(select(brake).where(brake.c.id.in_(newest)))
    }


def standing(connection: Connection, campaigns: Collection[int]) -> dict[int, Brake]:
    """What stops campaigns now."""
    found = latest(connection, campaigns)
    return {id: each for id, each in found.items() if each.kind is not BrakeKind.RELEASED}


def stopped_senders(connection: Connection, senders: Collection[str]) -> dict[str, Brake]:
    """Which of these senders stand still since their last run, and why."""
    newest = (
        select(func.max(brake.c.id)).where(brake.c.sender.in_(senders)).group_by(brake.c.sender)
    )
    wanted = select(brake).where(brake.c.id.in_(newest), brake.c.kind != BrakeKind.RELEASED)
    return {
        row.sender: Brake(BrakeKind(row.kind), row.set_at, row.said_by, row.why, row.id)
        for row in connection.execute(wanted.order_by(brake.c.sender))
    }


def pause(connection: Connection, campaign: int, at: float, by: str) -> Brake | None:
    """Pause a campaign; what stops it already by a person's word, if anything does."""
    before = standing(connection, [campaign]).get(campaign)
    if before is not None and before.kind in BY_A_PERSON:
        return before
    _put(connection, campaign, BrakeKind.PAUSED, at, by)
    return None


def cancel(connection: Connection, campaign: int, at: float, by: str) -> int:
    """Withdraw what a campaign has in the queue, and let nothing more of it go; how many."""
    withdrawn = withdraw(connection, campaign)
    before = standing(connection, [campaign]).get(campaign)
    if before is None or before.kind is not BrakeKind.CANCELLED:
        _put(connection, campaign, BrakeKind.CANCELLED, at, by)
    return withdrawn


def release(connection: Connection, campaign: int, at: float, by: str) -> Brake | None:
    """Let a campaign go on; what had stopped it, if anything had."""
    before = standing(connection, [campaign]).get(campaign)
    if before is not None:
        _put(connection, campaign, BrakeKind.RELEASED, at, by)
    return before


def _put(
    connection: Connection, campaign: int, kind: BrakeKind, at: float, by: str, why: str = ""
) -> None:
    connection.execute(
        insert(brake).values(campaign=campaign, kind=kind, set_at=at, said_by=by, why=why)
    )


@dataclass(frozen=True, slots=True)
class Halt:
    """A campaign that its guard stopped, or a sender that the API did: one of the two."""

    at: float
    why: str
    campaign: int | None = None
    sender: str | None = None


def halt(connection: Connection, halts: Sequence[Halt]) -> list[None]:
    """Keep what a run itself has stopped (a batch). A person's word stands above a guard's."""
    for each in halts:
        if each.campaign is not None:
            before = standing(connection, [each.campaign]).get(each.campaign)
            if before is None or before.kind not in BY_A_PERSON:
                _put(connection, each.campaign, BrakeKind.GUARDED, each.at, "", each.why)
        else:
            connection.execute(
                insert(brake).values(
                    sender=each.sender, kind=BrakeKind.STOPPED, set_at=each.at, why=each.why
                )
            )
    return [None] * len(halts)


def release_senders(connection: Connection, senders: Iterable[str], at: float) -> None:
    """A new run of these senders begins: what stopped them before is to show itself again."""
    found = stopped_senders(connection, list(senders))
    if found:
        connection.execute(
            insert(brake),
            [{"sender": id, "kind": BrakeKind.RELEASED, "set_at": at} for id in found],
        )


def _driven_key(lane: str) -> str:
    return f"driven {lane}"


def tell_driven(connection: Connection, lane: str, run_id: int, campaigns: Iterable[int]) -> None:
    """Write down which campaigns the lane's owner drives."""
    told = {"run": run_id, "campaigns": sorted(campaigns)}
    set_note(connection, _driven_key(lane), json.dumps(told))


def is_driven(connection: Connection, lane: str, campaign: int) -> bool:
    """Whether the lane's last owner drives this campaign and has not ended. It may have died."""
    said = json.loads(note(connection, _driven_key(lane)) or '{"run": 0, "campaigns": []}')
    alive = select(run.c.id).where(run.c.id == said["run"], run.c.ended_at.is_(None))
    return campaign in said["campaigns"] and connection.execute(alive).first() is not None
