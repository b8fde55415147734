"""The registry of campaigns in the ledger: found by name, and added."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    Connection,
    insert,
    select,
    update,
)

from runner.ledger.rehearsals import lane_name
from runner.ledger.schema import campaign


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign as the ledger knows it. `origin` and `team` are None before its first live run."""

    id: int
    name: str
    path: str
    source: str
    platform: str
    id_type: str
    origin: str | None
    team: str | None
    fingerprint: str | None
    rehearsal: bool
    stop_on: str = ""  # see `follow_up.stop_on_text`; empty: it has no steps

    @property
    def lane(self) -> str | None:
        """Return the lane it is bound to, None before its first live run."""
        if self.team is None:
            return None
        return lane_name(self.team, rehearsal=self.rehearsal)


_CAMPAIGN_COLUMNS = (
    campaign.c.id,
    campaign.c.name,
    campaign.c.path,
    campaign.c.source,
    campaign.c.platform,
    campaign.c.id_type,
    campaign.c.origin,
    campaign.c.team,
    campaign.c.fingerprint,
    campaign.c.rehearsal,
    campaign.c.stop_on,
)


def find_campaign(connection: Connection, name: str) -> CampaignRow | None:
    """Find the campaign of this name, None when the ledger has never planned it."""
    row = connection.execute(
        select(*_CAMPAIGN_COLUMNS).where(campaign.c.name == name)
    ).one_or_none()
    return CampaignRow(**row._mapping) if row else None


def campaigns(connection: Connection) -> list[CampaignRow]:
    """List every campaign but the tests, in the order they were first planned."""
    rows = connection.execute(
        select(*_CAMPAIGN_COLUMNS).where(~campaign.c.is_test).order_by(campaign.c.id)
    )
    return [CampaignRow(**row._mapping) for row in rows]


def obey_own_opt_outs(connection: Connection, id: int, *, alone: bool) -> None:
    """Let a campaign obey the opt-outs of its own team `alone`, or of all teams."""
    changed = campaign.c.id == id, campaign.c.own_opt_outs.is_not(alone)
    connection.execute(update(campaign).where(*changed).values(own_opt_outs=alone))


def add_campaign(
    connection: Connection,
    *,
    name: str,
    path: str,
    source: str,
    platform: str,
    id_type: str,
    at: float,
    is_test: bool = False,
    rehearsal: bool = False,
) -> CampaignRow:
    """Add a campaign's row; what it is bound to comes with its first live run."""
    connection.execute(
        insert(campaign).values(
            name=name,
            path=path,
            source=source,
            platform=platform,
            id_type=id_type,
            is_test=is_test,
            rehearsal=rehearsal,
            created_at=at,
        )
    )
    added = find_campaign(connection, name)
    assert added is not None
    return added
