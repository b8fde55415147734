"""Account links: what the API calls them, kept for sheets, texts and people that name them."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import Connection

from runner.ledger.schema import note, set_note
from runner.message.account import AccountName
from runner.message.key import REHEARSAL


def known(connection: Connection, *, rehearsal: bool) -> dict[str, AccountName]:
    """Return the account links that the API, or its stand-in in a `rehearsal`, has named."""
    kept = note(connection, _key(rehearsal))
    return {id: AccountName(*link) for id, link in json.loads(kept or "{}").items()}


def handles(connection: Connection, *, rehearsal: bool) -> dict[str, str]:
    """Return the handles of account links by their ids, without those that have none."""
    links = known(connection, rehearsal=rehearsal)
    return {id: link.handle for id, link in links.items() if link.handle}


def keep(connection: Connection, links: Mapping[str, AccountName], *, rehearsal: bool) -> None:
    """Keep what account links are called, beside those of other teams."""
    before = known(connection, rehearsal=rehearsal)
    value = json.dumps({**before, **links}, ensure_ascii=False, sort_keys=True)
    set_note(connection, _key(rehearsal), value)


def _key(rehearsal: bool) -> str:
    return f"account links{REHEARSAL if rehearsal else ''}"
