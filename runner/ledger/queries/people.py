"""The stories of people: all that the ledger has about one, in every campaign."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from runner.clock import Clock
from runner.ledger.erasure.records import as_json, campaign_names, known_as, records
from runner.ledger.people import holds
from runner.ledger.people.erased import erased_at, handle_erased_at
from runner.ledger.people.holds import HeldPerson
from runner.ledger.queries.message_lists import ListedMessage
from runner.ledger.queries.replied import IS_REPLY
from runner.ledger.queries.search import search
from runner.ledger.schema import inbound, suppression

WITHIN = 20.0
"""Seconds for which the cells of sheets are searched. Our own choice: a million rows."""


class HeardAnswer(NamedTuple):
    """An answer: when (Unix s, by the server's clock), its wish, and the words of an opt-out."""

    at: float
    wish: str
    words: str


class PersonMessage(NamedTuple):
    """A message to a person, or a row about them, with what they answered."""

    message: ListedMessage
    answers: tuple[HeardAnswer, ...]


class OnList(NamedTuple):
    """A person's place on the do-not-contact list: why, and since when (Unix s)."""

    why: str
    since: float


class Story(NamedTuple):
    """A person's messages, oldest first, what keeps any more from them now, when they were erased
    (Unix s), and all that is kept about them, for programs."""

    recipient: str
    messages: list[PersonMessage]
    listed: OnList | None
    hold: HeldPerson | None
    erased_at: float | None
    records: Mapping[str, Any]


def stories(
    connection: Connection, text: str, clock: Clock, handle_columns: Collection[str] | None = None
) -> list[Story]:
    """Return the stories of the people who are found by an id, the beginning of one, or a cell.
    `handle_columns`: names of columns of sheets that hold handles; with them also all records,
    for which whole tables are read."""
    found: dict[str, list[ListedMessage]] = {}
    for each in search(connection, text, clock, within=WITHIN).rows:
        found.setdefault(each.recipient, []).append(each)
    if not found:
        found = {text: []}
    told = []
    for id, messages in found.items():
        whole = {} if handle_columns is None else _records(connection, id, handle_columns)
        told.append(_story(connection, id, messages, clock.now(), whole))
    return [each for each in told if each.erased_at or any([*each[1:4], *each.records.values()])]


def _records(connection: Connection, id: str, handle_columns: Collection[str]) -> Mapping[str, Any]:
    person = known_as(connection, [id] if id else [])
    found = records(connection, person, handle_columns)
    return as_json(found, person, campaign_names(connection))


def _story(
    connection: Connection,
    id: str,
    messages: list[ListedMessage],
    now: float,
    whole: Mapping[str, Any],
) -> Story:
    on_list = select(suppression.c.reason, suppression.c.added_at)
    row = connection.execute(on_list.where(suppression.c.recipient == id)).one_or_none()
    hold = holds.hold_of(connection, id)
    return Story(
        id,
        [PersonMessage(each, _answers(connection, each.message)) for each in reversed(messages)],
        None if row is None else OnList(*row),
        hold if hold is not None and hold.lasts(now) else None,
        erased_at(connection, id) or (None if messages else handle_erased_at(connection, id)),
        whole,
    )


def _answers(connection: Connection, message: int | None) -> tuple[HeardAnswer, ...]:
    wanted = (
        select(inbound.c.at, inbound.c.wish, inbound.c.words)
        .where(inbound.c.answers == message, IS_REPLY)
        .order_by(inbound.c.at)
    )
    return tuple(HeardAnswer(*row) for row in connection.execute(wanted))
