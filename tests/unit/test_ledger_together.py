"""Two processes at one ledger, seen from inside one of them."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from runner.ledger import open_ledger, planning


def test_a_new_ledger_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # not yet in WAL mode: SQLite itself does not wait for this
    threading.Timer(0.2, other.execute, ["COMMIT"]).start()
    with open_ledger(str(file)) as ledger:
        assert ledger.read(planning.campaigns) == []
    other.close()
