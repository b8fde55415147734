"""The full export: one line per recipient and row."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from runner.clock import iso
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.queries import exports
from runner.ledger.queries.exports import ExportRow
from runner.message.status import MessageStatus
from runner.tables.writer import write_table

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
)
"""The public columns of an export; the prospect's own follow."""


def export(
    ledger: Ledger, campaign: CampaignRow, target: Path, statuses: Collection[MessageStatus] = ()
) -> int:
    """Write one line per recipient and row to `target` (.csv, .jsonl, .xlsx); return how many."""
    with ledger.reading() as connection:
        own = exports.export_names(connection, campaign.id, statuses)
        names = [name if name not in EXPORT_COLUMNS else f"{name} (sheet)" for name in own]
        written = 0

        def lines() -> Iterator[list[str | int | None]]:
            nonlocal written
            for row in exports.export_rows(connection, campaign.id, statuses):
                written += 1
                yield _public(row) + [row.columns.get(name, "") for name in own]

        write_table(target, [*EXPORT_COLUMNS, *names], lines())
    return written


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
    ]
