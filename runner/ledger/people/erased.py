"""The people whom the ledger has erased: keyed hashes of their ids, handles and threads, and no
more, so that nobody of them is planned or written down again."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, select, text

from runner.ledger.schema import campaign, erased, message, meta, note, set_note
from runner.message.erased import NOBODY, PLACEHOLDER, ErasedPeople, keyed_hash, of_handle, of_id

_KEY = "erasing_key "
"""The notes with the keys, one of each ledger that has come into this one."""

KEY_BYTES = 32

TO_ERASE = "was erased by another id, or before it was known what was sent: run-campaign erase"
"""The reason on the do-not-contact list of people who have still to be erased, by a person."""

_ADD = text("INSERT INTO erased (hash, at) VALUES (:hash, :at) ON CONFLICT (hash) DO NOTHING")


def people(connection: Connection) -> ErasedPeople:
    """Read who was erased."""
    hashes = frozenset(connection.execute(select(erased.c.hash)).scalars())
    return ErasedPeople(_keys(connection), hashes) if hashes else NOBODY


def erased_at(connection: Connection, id: str) -> float | None:
    """Read when a person was erased (Unix s); None for one who was not."""
    return _since(connection, [of_id(id)])


def handle_erased_at(connection: Connection, handle: str, *platforms: str) -> float | None:
    """Read when the person of a handle was erased (Unix s); None for one who was not. `platforms`:
    none for those of all campaigns."""
    its = platforms or connection.execute(select(campaign.c.platform).distinct()).scalars().all()
    return _since(connection, [of_handle(platform, handle.removeprefix("@")) for platform in its])


def _since(connection: Connection, texts: Iterable[str]) -> float | None:
    keys = _keys(connection)
    made = [keyed_hash(key, text) for text in texts for key in keys]
    wanted = select(erased.c.at).where(erased.c.hash.in_(made)).order_by(erased.c.at).limit(1)
    at: float | None = connection.execute(wanted).scalar()
    return at


def without_erased(connection: Connection, ids: Iterable[str]) -> list[str]:
    """Return those of these ids that may be written down: not of people who were erased."""
    gone = people(connection)
    return [id for id in ids if not gone.has_id(id)]


def add(connection: Connection, texts: Iterable[str], at: float) -> ErasedPeople:
    """Keep the hashes of texts (`message.erased.of_id` and its like), and return who is erased
    now."""
    key = _own_key(connection)
    made = sorted({keyed_hash(key, text) for text in texts})
    if made:
        connection.execute(_ADD, [{"hash": each, "at": at} for each in made])
    return people(connection)


def take_over(connection: Connection, known: ErasedPeople, at: float) -> None:
    """Keep hashes that are known from elsewhere, with the keys that they were made under."""
    for key in set(known.keys) - {*_keys(connection)}:
        set_note(connection, f"{_KEY}of {key[:16]}", key)
    if known:
        values = [{"hash": each, "at": at} for each in sorted(known.hashes)]
        connection.execute(_ADD, values)


def is_erased() -> ColumnElement[bool]:
    """Build the condition that a message is an erased person's."""
    return message.c.recipient.startswith(PLACEHOLDER)


def _own_key(connection: Connection) -> str:
    name = _KEY + note(connection, "ledger_id")
    key = note(connection, name)
    if not key:
        key = secrets.token_hex(KEY_BYTES)
        set_note(connection, name, key)
    return key


def _keys(connection: Connection) -> tuple[str, ...]:
    wanted = select(meta.c.value).where(meta.c.key.startswith(_KEY, autoescape=True))
    return tuple(connection.execute(wanted.order_by(meta.c.key)).scalars())
