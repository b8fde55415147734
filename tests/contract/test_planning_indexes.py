"""A first plan makes some indexes when its rows are there: none may be missing afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages.plans import PlanWriter
from tests.support import make_campaign, make_queue


def _indexes(ledger: Ledger) -> dict[str, str]:
    with ledger.reading() as connection:
        found = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        )
        return {row.name: row.sql for row in found}


def test_a_first_plan_leaves_every_index(tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "state.db")) as ledger:
        before = _indexes(ledger)
        assert {"message_by_status", "message_queued", "message_by_recipient"} <= set(before)
        make_queue(ledger, make_campaign(ledger), [17, 18, 19])
        assert _indexes(ledger) == before
        make_queue(ledger, make_campaign(ledger, "autumn"), [20])
        assert _indexes(ledger) == before


def _refused(ledger: Ledger, row: CampaignRow) -> None:
    with ledger.writing() as connection:
        PlanWriter(connection, row)
        raise ZeroDivisionError


def test_so_does_one_that_is_refused(tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "state.db")) as ledger:
        before, row = _indexes(ledger), make_campaign(ledger)
        with pytest.raises(ZeroDivisionError):
            _refused(ledger, row)
        assert _indexes(ledger) == before
