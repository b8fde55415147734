"""The search for a person in all campaigns: by id, and by the cells of the sheet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from unicodedata import normalize

from sqlalchemy import Column, ColumnElement, Connection, func, or_, select

from runner.clock import Clock
from runner.ledger.pagination import Page
from runner.ledger.queries.message_lists import (
    LISTED,
    ROWS_LISTED,
    ListedMessage,
    listed,
    row_listed,
)
from runner.ledger.queries.totals import is_own_result
from runner.ledger.schema import campaign, message, row_skip

BATCH = 10_000
"""Messages that are scanned between two readings of the clock. Our own choice."""


def search(
    connection: Connection, text: str, clock: Clock, *, limit: int = 50, within: float = 1.0
) -> Page[ListedMessage]:
    """Return messages and rows that have `text` as id, then as the beginning of the id, then
    anywhere in a cell, whatever its case; in each the newest first. `cut`: there may be more, for
    `limit` or `within` (seconds) was reached."""
    wanted = text.strip()
    give_up = clock.boot() + within
    found: dict[tuple[int, int | None, int], ListedMessage] = {}
    whole = False
    for piece in _pieces(connection, wanted, limit) if wanted else ():
        for each in piece:
            found.setdefault((each.campaign, each.message, each.row), each)
        if len(found) > limit or clock.boot() >= give_up:
            break
    else:
        whole = True
    return Page(tuple(found.values())[:limit], cut=not whole)


def _pieces(connection: Connection, text: str, limit: int) -> Iterator[list[ListedMessage]]:
    """Yield what is found, the surest first, then batch by batch of the ledger."""
    newest = LISTED.order_by(None).order_by(message.c.id.desc()).limit(limit + 1)
    exact = newest.where(message.c.recipient == normalize("NFC", text))
    from_here = newest.order_by(None).order_by(message.c.recipient, message.c.id.desc())
    # Not up to an end: where that is, is another question of each database's order of letters.
    beginning = from_here.where(message.c.recipient >= text)
    yield [listed(row) for row in connection.execute(exact)]
    told = (listed(row) for row in connection.execute(beginning))
    yield [each for each in told if each.recipient.startswith(text)]
    in_a_cell = _holds(connection, text)
    has_it = _told_by_cells(text)
    for part in _parts(connection, message.c.id):
        rows = connection.execute(newest.limit(None).where(part, in_a_cell(message.c.columns)))
        yield list(islice(filter(has_it, map(listed, rows)), limit + 1))
    ids = select(campaign.c.id).order_by(campaign.c.id.desc())
    for id in connection.execute(ids).scalars().all():
        of = row_skip.c.campaign == id
        for part in _parts(connection, row_skip.c.row, of):
            cells = or_(in_a_cell(row_skip.c.columns), in_a_cell(row_skip.c.recipient))
            rows = connection.execute(
                ROWS_LISTED.where(of, part, cells, is_own_result()).order_by(row_skip.c.row)
            )
            yield list(islice(filter(has_it, map(row_listed, rows)), limit + 1))


def _parts(
    connection: Connection, key: Column[int], *of: ColumnElement[bool]
) -> Iterator[ColumnElement[bool]]:
    """Yield conditions that cut a table into batches by its numbers, from the last one down."""
    last = connection.execute(select(func.max(key)).where(*of)).scalar()
    while last is not None and last >= 0:
        yield key.between(last - BATCH + 1, last)
        last -= BATCH


def _holds(connection: Connection, text: str) -> Callable[[Column[str]], ColumnElement[bool]]:
    """Return the condition that cells, as JSON, may hold a text. SQLite knows upper and lower case
    of ASCII only, so the usual ways to write another word are asked for."""
    sqlite = connection.dialect.name == "sqlite"
    more = sqlite and not text.isascii()
    ways = {text, text.lower(), text.upper(), text.title()} if more else {text}
    inside = [json.dumps(each, ensure_ascii=False)[1:-1] for each in ways]
    for sign in "!%_":
        inside = [each.replace(sign, f"!{sign}") for each in inside]

    def holds(column: Column[str]) -> ColumnElement[bool]:
        like = column.like if sqlite else column.ilike
        return or_(*(like(f"%{each}%", escape="!") for each in inside))

    return holds


def _told_by_cells(text: str) -> Callable[[ListedMessage], bool]:
    """Return a test whether a cell itself holds a text, and not the name of its column."""
    folded = text.casefold()

    def has_it(each: ListedMessage) -> bool:
        return any(
            folded in str(cell).casefold() for cell in (*each.columns.values(), each.recipient)
        )

    return has_it
