"""Rows of a sheet about people who were erased: nothing of them is planned or written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runner.audience.handles import CellHandle, read_handle
from runner.audience.prospects import Audience
from runner.message.erased import ErasedPeople
from runner.message.prospect import Prospect, RowSkip
from runner.message.status import SkipReason

_OF_THE_ROW = (SkipReason.DUPLICATE, SkipReason.NOT_SELECTED)
"""Reasons that are a row's own, and say nothing of a person."""


def without_erased(
    rows: Iterable[Prospect | RowSkip], audience: Audience, people: ErasedPeople
) -> Iterator[Prospect | RowSkip]:
    """Yield rows, those about erased people as skipped ones without cells. They keep what was made
    of their ids, by which they are known as the rows that they were."""
    for row in rows:
        placeholder = _placeholder(row, audience, people)
        if not placeholder:
            yield row
            continue
        its_own = isinstance(row, RowSkip) and row.reason in _OF_THE_ROW
        reason = row.reason if isinstance(row, RowSkip) and its_own else SkipReason.ERASED
        recipient = row.recipient and row.recipient._replace(id=placeholder)
        yield RowSkip(row.row, reason, "", {}, recipient)


def _placeholder(row: Prospect | RowSkip, audience: Audience, people: ErasedPeople) -> str:
    """Return what stands in place of the id of an erased person; empty for another's row."""
    if row.recipient is not None:
        return people.placeholder(row.recipient.id) if people.has_id(row.recipient.id) else ""
    if not audience.by_handle:
        return ""
    platform = audience.campaign.api.platform
    read = read_handle(row.columns[audience.id_column], platform)
    if isinstance(read, CellHandle) and read.handle and people.has_handle(platform, read.handle):
        return people.handle_placeholder(platform, read.handle)
    return ""
