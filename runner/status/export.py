"""The full export: one line per recipient and row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import chain
from pathlib import Path

from runner.clock import iso
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.queries import exports
from runner.ledger.queries.exports import ExportRow
from runner.message.status import MessageStatus
from runner.tables import writer

EXPORT_COLUMNS = (
    "row",
    "recipient",
    "status",
    "reason",
    "sender",
    "step",
    "message_id",
    "thread_id",
    "attempts",
    "sent_at",
    "content",
    "replied_at",
    "opted_out_at",
    "variant",
    "not_before",
)
"""The public columns of an export; the prospect's own follow."""

CellsOf = Callable[[str], Iterable[str]]
"""Returns the cells of a row from the ledger's JSON of them."""


class _OtherColumns(Exception):
    """A row has other columns than the first one: it was planned from another sheet."""


def export(
    ledger: Ledger,
    campaign: CampaignRow,
    target: Path,
    statuses: Collection[MessageStatus] = (),
    *,
    excel: bool = False,
) -> int:
    """Write one line per row and step to `target` (.csv, .jsonl, .xlsx, .html), in the order
    of the sheet; return how many. `excel`: a .csv that suits Excel."""
    writer.refuse_ending(target, excel=excel)
    write_table = partial(writer.write_table, excel=excel)
    with ledger.reading() as connection:
        # Closed before the connection is, also where a row cannot be written.
        with closing(exports.export_rows(connection, campaign.id, statuses)) as rows:
            first = next(rows, None)
            if first is None:
                return _write(write_table, target, [], rows, lambda _: [])
            names = list(json.loads(first.columns))
            with suppress(_OtherColumns):
                same = _cells_of_same(names)
                return _write(write_table, target, names, chain([first], rows), same)
        names = exports.export_names(connection, campaign.id, statuses)
        with closing(exports.export_rows(connection, campaign.id, statuses)) as rows:
            return _write(write_table, target, names, rows, _cells_of_any(names))


def _write(
    write_table: Callable[..., None],
    target: Path,
    own: Sequence[str],
    rows: Iterable[ExportRow],
    cells_of: CellsOf,
) -> int:
    """Write an export with the columns `own` of the sheet; return how many rows it has."""
    names = [name if name not in EXPORT_COLUMNS else f"{name} (sheet)" for name in own]
    written = 0

    def lines() -> Iterator[list[str | int | None]]:
        nonlocal written
        for row in rows:
            written += 1
            yield [*_public(row), *cells_of(row.columns)]

    write_table(target, [*EXPORT_COLUMNS, *names], lines())
    return written


def _cells_of_any(names: Sequence[str]) -> CellsOf:
    """Read the cells of `names` of each row, empty where it has no such column."""

    def cells_of(columns: str) -> Iterable[str]:
        found = json.loads(columns)
        return [found.get(name, "") for name in names]

    return cells_of


def _cells_of_same(names: Sequence[str]) -> CellsOf:
    """Read the cells of rows that have exactly these columns. Raises _OtherColumns for another."""
    # Texts without a backslash stand in JSON as they are: so nearly all rows are read in less than
    # half the time.
    keys = (re.escape(json.dumps(name, ensure_ascii=False)) for name in names)
    plain = re.compile("{" + ",".join(rf'{key}:"([^"\\]*+)"' for key in keys) + "}").fullmatch

    def cells_of(columns: str) -> Iterable[str]:
        if found := plain(columns):
            return found.groups()
        cells: dict[str, str] = json.loads(columns)
        if list(cells) != names:
            raise _OtherColumns
        return cells.values()

    return cells_of


def _public(row: ExportRow) -> list[str | int | None]:
    reason = f"{row.reason}: {row.detail}" if row.reason and row.detail else row.reason
    return [
        row.row,
        row.recipient,
        row.status,
        reason,
        row.sender,
        row.step,
        row.message_id,
        row.thread_id,
        row.attempts,
        iso(row.sent_at),
        row.content,
        iso(row.replied_at),
        iso(row.opted_out_at),
        row.variant,
        iso(row.not_before) if row.status is MessageStatus.QUEUED and row.not_before else "",
    ]
