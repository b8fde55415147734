"""Rehearsals: campaigns that were sent to a stand-in of the API on this machine.

They lie in the same ledger as real ones and count for nothing there: not as a contact, not for a
sender's limits, not as a use of the ledger that its copies must not forget.
"""

from __future__ import annotations

from sqlalchemy import Boolean, ColumnElement, Connection, and_, func, select, update
from sqlalchemy.sql import FromClause

from runner.ledger.schema import attempt, campaign, message, note, set_note
from runner.ledger.statements import given

_BEFORE = "rehearsed_before"
_LANE = "SANDBOX "
_its, _mine = campaign.alias(), campaign.alias()
"""Made once: an alias builds every column again, and each claim needs these."""


def lane_name(team: str, *, rehearsal: bool) -> str:
    """Return a lane's id: the team, however the API's address is spelled."""
    return f"{_LANE}{team}" if rehearsal else team


def team_of(lane: str) -> str:
    """Return the team of a lane."""
    return lane.removeprefix(_LANE)


def is_rehearsal(lane: str) -> bool:
    """Return whether a lane is one of rehearsals."""
    return lane.startswith(_LANE)


def is_of_lane(lane: str) -> ColumnElement[bool]:
    """Build the condition that a campaign is sent in a lane, and is no test."""
    return and_(
        campaign.c.team == team_of(lane),
        campaign.c.rehearsal.is_(is_rehearsal(lane)),
        ~campaign.c.is_test,
    )


def counts_for(other: FromClause, one: FromClause) -> ColumnElement[bool]:
    """Build the condition that a message of another campaign concerns this one: both are real or
    both rehearsals, and the other one is no test."""
    # `+ 0`: PostgreSQL would begin at all campaigns, and go through what each of them has sent.
    same_kind = (
        select(_its.c.id)
        .join(_mine, _its.c.rehearsal == _mine.c.rehearsal)
        .where(_its.c.id == other.c.campaign + 0, _mine.c.id == one.c.campaign, ~_its.c.is_test)
    )
    return same_kind.correlate(other, one).exists()


def attempt_is_of(rehearsal: str) -> ColumnElement[bool]:
    """Build the condition that an attempt was one of a rehearsal, or else that it was none.
    `rehearsal`: the name of the parameter that says which."""
    marked = func.substr(attempt.c.lane, 1, len(_LANE)) == _LANE
    return marked == given(rehearsal, Boolean)


def note_deleted(connection: Connection, before: int) -> None:
    """Note how many ledgers of rehearsals were deleted where this one lies: what a sandbox still
    knows of them is none of its own."""
    if not note(connection, _BEFORE):
        set_note(connection, _BEFORE, str(before))


def renew_keys(connection: Connection, id: int) -> None:
    """Give a rehearsal's new messages keys that no deleted ledger has used."""
    if before := int(note(connection, _BEFORE) or 0):
        new = message.c.campaign == id, message.c.attempts == 0, message.c.generation == 0
        connection.execute(update(message).where(*new).values(generation=before))
