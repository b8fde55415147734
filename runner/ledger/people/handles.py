"""Handles: the ids that were found for them, kept until a person has them asked for again."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, select, text

from runner.ledger.people import erased
from runner.ledger.schema import handle, note, set_note
from runner.ledger.statements import Prepared, given, texts_of
from runner.message.erased import of_handle
from runner.message.handle import HandleAnswer, KeptHandle

_CHANGES = "handles"


def kept(connection: Connection, platform: str, *, rehearsal: bool) -> dict[str, KeptHandle]:
    """Return every handle of a platform that was asked for, by its form for comparing.
    `rehearsal`: those that a stand-in of the API has answered."""
    found = _KEPT.run(connection, platform=platform, rehearsal=rehearsal)
    return {row.handle: _kept(row) for row in map(KeptHandle._make, found)}


def kept_among(
    connection: Connection, handles: Collection[str], platform: str | None, *, rehearsal: bool
) -> list[KeptHandle]:
    """Return those of these handles that were asked for, of one platform or any (None)."""
    names = json.dumps(sorted(handles))
    found = _AMONG.run(connection, handles=names, rehearsal=rehearsal)
    return [_kept(KeptHandle._make(row[:-1])) for row in found if platform in (None, row[-1])]


def _kept(row: KeptHandle) -> KeptHandle:
    return row._replace(answer=HandleAnswer(row.answer))


_COLUMNS = [
    handle.c.handle,
    handle.c.answer,
    handle.c.id,
    handle.c.shown,
    handle.c.name,
    handle.c.source,
    handle.c.asked_at,
    handle.c.before,
]
_KEPT = Prepared(
    lambda _: select(*_COLUMNS).where(
        handle.c.platform == given("platform"), handle.c.rehearsal == given("rehearsal")
    )
)
_AMONG = Prepared(
    lambda database: select(*_COLUMNS, handle.c.platform).where(
        handle.c.handle.in_(texts_of("handles", database)),
        handle.c.rehearsal == given("rehearsal"),
    )
)


def handles_of(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the handles of people, as the platform spells them, by the ids that were found for
    them."""
    found = _OF_IDS.run(connection, ids=json.dumps(sorted(ids)), answer=HandleAnswer.FOUND.value)
    return {row.id: row.shown for row in found}


_OF_IDS = Prepared(
    lambda database: select(handle.c.id, handle.c.shown).where(
        handle.c.id.in_(texts_of("ids", database)), handle.c.answer == given("answer")
    )
)


def keep(
    connection: Connection, answers: Sequence[KeptHandle], platform: str, *, rehearsal: bool
) -> None:
    """Keep answers, in place of earlier ones to the same questions. A handle of a person who was
    erased is never asked for again."""
    gone = erased.people(connection)
    rows, names = [], []
    for each in answers:
        if gone and (gone.has_id(each.id) or gone.has_handle(platform, each.handle)):
            names.append(of_handle(platform, each.handle))
        else:
            rows.append({**each._asdict(), "platform": platform, "rehearsal": rehearsal})
    if names:
        erased.add(connection, names, max(each.asked_at for each in answers))
    if rows:
        connection.execute(_KEEP, rows)
        set_note(connection, _CHANGES, str(int(changes(connection) or 0) + 1))


def changes(connection: Connection) -> str:
    """Read a text that differs whenever an answer was kept."""
    return note(connection, _CHANGES)


_KEEP = text(
    "INSERT INTO handle (rehearsal, platform, handle, answer, id, before, shown, name, source,"
    " asked_at) VALUES (:rehearsal, :platform, :handle, :answer, :id, :before, :shown, :name,"
    " :source, :asked_at)"
    " ON CONFLICT (rehearsal, platform, handle) DO UPDATE SET answer = excluded.answer,"
    " id = excluded.id, before = excluded.before, shown = excluded.shown, name = excluded.name,"
    " source = excluded.source, asked_at = excluded.asked_at"
)
