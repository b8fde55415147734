"""Two processes at one ledger, seen from inside one of them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import threading
from pathlib import Path

import pytest

from runner.errors import LaneHeld
from runner.ledger import locks
from runner.ledger.campaigns import registry
from runner.ledger.ledger import open_ledger
from runner.ledger.locks import hold_lane_file
from tests.support import LANE


def test_a_new_ledger_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # not yet in WAL mode: SQLite itself does not wait for this
    threading.Timer(0.2, other.execute, ["COMMIT"]).start()
    with open_ledger(str(file)) as ledger:
        assert ledger.read(registry.campaigns) == []
    other.close()


def told_to_a_second(folder: Path) -> str:
    with (
        pytest.raises(LaneHeld) as refused,
        hold_lane_file(folder, LANE, "autumn", 2.0, 0.0),
    ):
        raise AssertionError("two have the lane")
    return str(refused.value)


def test_who_has_just_taken_a_lane_is_waited_for_to_say_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    with hold_lane_file(folder, LANE, "spring", 1.0, 0.0):
        (holder,) = folder.glob("*.json")
        name = holder.read_text()
        dead = {"pid": 2**22 + 1, "host": socket.gethostname(), "since": 0.0, "what": "killed"}
        holder.write_text(json.dumps(dead))  # what a killed run has left
        threading.Timer(0.2, holder.write_text, [name]).start()
        told = told_to_a_second(folder)
    assert f"process {os.getpid()} on {socket.gethostname()}" in told
    assert "since 1970-01-01T00:00:01Z (spring)" in told


def test_a_killed_owner_is_never_said_to_hold_a_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "NAMED_SECONDS", 0.05)
    folder = tmp_path / "locks"
    with hold_lane_file(folder, LANE, "spring", 1.0, 0.0):
        (holder,) = folder.glob("*.json")
        holder.write_text("{half of it")
        assert "has not recorded its name yet" in told_to_a_second(folder)


def test_whoever_waits_gets_the_lane_although_a_cleaner_removed_its_lock(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    got = threading.Event()

    def wait_for_it() -> None:
        with hold_lane_file(folder, LANE, "autumn", 2.0, -1.0):
            got.set()

    with hold_lane_file(folder, LANE, "spring", 1.0, 0.0):
        waiting = threading.Thread(target=wait_for_it, daemon=True)
        waiting.start()
        # At once: whoever waits makes a new lock in what is still there.
        shutil.rmtree(folder.rename(tmp_path / "removed"))
        assert got.wait(60.0)
    waiting.join(10.0)
