"""The migration of ids into Unicode NFC: an older ledger may hold an accented letter as two
characters. It needs no new schema, and so is done when a ledger is opened."""

from __future__ import annotations

from collections.abc import Iterable
from unicodedata import normalize

from sqlalchemy import Connection, delete, select, update

from runner.ledger.schema import campaign, message, note, set_note, suppression
from runner.message.status import MessageStatus

_NOTE = "ids"
_DONE = "nfc"


def compose_ids(connection: Connection) -> None:
    """Bring the ids of a ledger into Unicode NFC, once: sheets and lists come in it.

    Only platforms other than X have ids outside ASCII. Of two messages to one person, which the
    two forms were taken for, the one that was tried keeps the id; the next plan takes the other
    one out, since the sheet has it no more.
    """
    each = campaign.c
    others = (each.platform != "twitter") & (each.id_type == "platform")
    campaigns = connection.execute(select(each.id).where(others)).scalars().all()
    listed = _decomposed(connection.execute(select(suppression.c.recipient)).scalars())
    if not (campaigns or listed) or note(connection, _NOTE) == _DONE:
        return
    _compose_list(connection, listed)
    for id in campaigns:
        if _compose_messages(connection, id):
            connection.execute(update(campaign).where(each.id == id).values(fingerprint=None))
    set_note(connection, _NOTE, _DONE)


def _decomposed(ids: Iterable[str]) -> list[str]:
    return [id for id in ids if not id.isascii() and normalize("NFC", id) != id]


def _compose_list(connection: Connection, ids: list[str]) -> None:
    each = suppression.c.recipient
    for id in ids:
        meant = normalize("NFC", id)
        if connection.execute(select(each).where(each == meant)).first() is None:
            connection.execute(update(suppression).where(each == id).values(recipient=meant))
        else:
            connection.execute(delete(suppression).where(each == id))


def _compose_messages(connection: Connection, id: int) -> bool:
    columns = (message.c.id, message.c.step, message.c.recipient, message.c.attempts)
    of = message.c.campaign == id
    old = [
        row
        for row in connection.execute(select(*columns).where(of)).all()
        if not row.recipient.isascii() and normalize("NFC", row.recipient) != row.recipient
    ]
    for row in old:
        meant = normalize("NFC", row.recipient)
        same = of & (message.c.step == row.step) & (message.c.recipient == meant)
        twin = connection.execute(select(message.c.id, message.c.attempts).where(same)).first()
        if twin is None:
            _rename(connection, row.id, meant)
        elif row.attempts and not twin.attempts:
            _rename(connection, twin.id, f"{row.recipient} ")  # no id ends in a space
            _rename(connection, row.id, meant)
            _rename(connection, twin.id, row.recipient)
            _require_plan(connection, twin.id)
        else:
            _require_plan(connection, row.id)
    return bool(old)


def _rename(connection: Connection, id: int, recipient: str) -> None:
    connection.execute(update(message).where(message.c.id == id).values(recipient=recipient))


def _require_plan(connection: Connection, id: int) -> None:
    """Let a queued message wait for the next plan."""
    queued = (message.c.id == id) & (message.c.status == str(MessageStatus.QUEUED))
    connection.execute(update(message).where(queued).values(unplanned=True))
