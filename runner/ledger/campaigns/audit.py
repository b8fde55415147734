"""The acts of persons on campaigns and messages: who, when, from where, and what they changed.

Written in the transaction of the change itself, so that neither is there without the other.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, insert, or_, select

from runner.ledger.pagination import Page, page_of, parse_cursor
from runner.ledger.schema import action, campaign

CLI = "cli"
DASHBOARD = "dashboard"

NAMED_PEOPLE = 1000
"""People that one action names at most; `count` says how many there were. Our own choice."""


class Act(StrEnum):
    """The kinds of what a person can do."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    UNSUBMIT = "unsubmit"
    SENT = "sent"  # a message in doubt, resolved
    NOT_SENT = "not_sent"
    UNDO = "undo"  # of such a resolution
    RETRY = "retry"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    HOLD = "hold"
    UNHOLD = "unhold"
    NOT_A_REPLY = "not_a_reply"
    REST_WITH = "rest_with"  # one variant for all who are not written to yet
    ERASE = "erase"  # whom is not written down


@dataclass(frozen=True, slots=True)
class Action:
    """One act of a person at `at` (Unix s). `campaign` is None for the do-not-contact list and for
    holds, which are of the whole ledger. `count`: messages or people that it changed; `recipients`:
    the first `NAMED_PEOPLE` of them, where they were chosen one by one; `why`: a reason, or what
    was asked."""

    id: int
    at: float
    by: str
    via: str
    what: Act
    campaign: int | None
    campaign_name: str
    count: int
    recipients: tuple[str, ...]
    why: str


def record(
    connection: Connection,
    what: Act,
    *,
    at: float,
    by: str,
    via: str,
    campaign: int | None = None,
    count: int | None = None,
    recipients: Collection[str] = (),
    why: str = "",
) -> None:
    """Write down what a person did. `count`: where it is not that of the `recipients`."""
    detail: dict[str, Any] = {"recipients": list(islice(recipients, NAMED_PEOPLE)), "why": why}
    connection.execute(
        insert(action).values(
            at=at,
            said_by=by,
            via=via,
            what=what,
            campaign=campaign,
            changed=len(recipients) if count is None else count,
            detail=json.dumps(
                {key: value for key, value in detail.items() if value}, ensure_ascii=False
            ),
        )
    )


def actions(
    connection: Connection, campaign: int | None = None, *, after: str = "", limit: int = 100
) -> Page[Action]:
    """Read a page of what was done to a campaign, or to anything (None), newest first."""
    wanted = _ACTIONS.limit(limit)
    if campaign is not None:
        wanted = wanted.where(action.c.campaign == campaign)
    if after:
        [before] = parse_cursor(after, int)
        wanted = wanted.where(action.c.id < before)
    return page_of(_read(connection, wanted), limit, lambda each: (each.id,))


def actions_about(
    connection: Connection, campaign: int, recipient: str, limit: int = 100
) -> list[Action]:
    """Read what was done to one person's message, as far as it names them, newest first: in a
    campaign, on the do-not-contact list, and on hold."""
    name = json.dumps(recipient, ensure_ascii=False)
    about = or_(action.c.campaign == campaign, action.c.campaign.is_(None))
    wanted = _ACTIONS.where(about, action.c.detail.contains(name, autoescape=True)).limit(limit)
    return [each for each in _read(connection, wanted) if recipient in each.recipients]


_ACTIONS = (
    select(action, campaign.c.name)
    .join(campaign, campaign.c.id == action.c.campaign, isouter=True)
    .order_by(action.c.id.desc())
)


def _read(connection: Connection, wanted: Select[Any]) -> list[Action]:
    actions = []
    for row in connection.execute(wanted):
        detail = json.loads(row.detail)
        actions.append(
            Action(
                id=row.id,
                at=row.at,
                by=row.said_by,
                via=row.via,
                what=Act(row.what),
                campaign=row.campaign,
                campaign_name=row.name or "",
                count=row.changed,
                recipients=tuple(detail.get("recipients", ())),
                why=detail.get("why", ""),
            )
        )
    return actions
