"""Exports of campaigns whose rows were planned from sheets with different columns."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from runner.ledger import schema
from runner.ledger.ledger import Ledger
from runner.status.export import EXPORT_COLUMNS, export
from tests.support import make_campaign, make_queue

LAST = {"name": 'say "hi"\\', "added": "=1"}


@pytest.mark.parametrize("where", ["message", "skipped row"])
def test_a_later_row_may_have_other_columns(ledger: Ledger, tmp_path: Path, where: str) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1, 2, 3])
    message = schema.message
    with ledger.writing() as connection:
        ids = connection.execute(select(message.c.id).order_by(message.c.id)).scalars().all()
        cells = [{"name": "Ada", "row": "x"}, {"row": "y", "name": "B"}, {"name": "C", "row": "z"}]
        if where == "message":
            cells[2] = LAST
        else:
            values = {"row": 99, "reason": "no_id", "detail": "", "columns": json.dumps(LAST)}
            connection.execute(insert(schema.row_skip).values(campaign=row.id, **values))
        for id, each in zip(ids, cells, strict=True):
            connection.execute(
                update(message).where(message.c.id == id).values(columns=json.dumps(each))
            )
    count = export(ledger, row, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as stream:
        header, *lines = csv.reader(stream)
    own = len(EXPORT_COLUMNS)
    assert header == [*EXPORT_COLUMNS, "name", "row (sheet)", "added"]
    found = [line[own:] for line in lines]
    assert found[:2] == [["Ada", "x", ""], ["B", "y", ""]]
    assert found[-1] == ['say "hi"\\', "", "'=1"]
    assert len(found) == count == (3 if where == "message" else 4)
