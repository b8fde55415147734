"""The binding of a campaign to an API and a team."""

from __future__ import annotations

from sqlalchemy import (
    Connection,
    select,
    update,
)

from runner.errors import LedgerError
from runner.ledger.schema import campaign


def bind(connection: Connection, id: int, origin: str, team: str) -> None:
    """Bind a campaign to its API origin and team, or raise LedgerError for another than it is bound
    to. A rehearsal is bound to none, and goes on with any sandbox."""
    row = connection.execute(
        select(campaign.c.name, campaign.c.origin, campaign.c.team, campaign.c.rehearsal)
        .where(campaign.c.id == id)
        .with_for_update()
    ).one()
    if row.origin is None or row.rehearsal:
        connection.execute(
            update(campaign).where(campaign.c.id == id).values(origin=origin, team=team)
        )
    elif (row.origin, row.team) != (origin, team):
        what, old, new = (
            ("API", row.origin, origin) if row.origin != origin else ("team", row.team, team)
        )
        raise LedgerError(
            f"campaign {row.name} was begun on {what} {old}, this is {new}",
            f"use the token and base_url it was begun with, or another `name:` for a new campaign "
            f"(whom {row.name} has written to would be written to again)",
        )
