"""A ledger that a refused first run has made is removed, and no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runner.errors import RunnerError
from runner.ledger.copies import staleness
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import decisions
from runner.project.first_ledger import removed_if_unused
from runner.project.ledgers.old_copies import allow_changes


def refused(folder: Path, act: Callable[[Ledger], object] = lambda _: None) -> Path:
    """The place of the ledger of a run that was refused after it had done something with it."""
    file = folder / "state.db"
    environ = {"RUN_CAMPAIGN_MEMORY": str(folder / "memory")}
    with pytest.raises(RunnerError):
        _run(file, environ, act)
    return file


def _run(file: Path, environ: Mapping[str, str], act: Callable[[Ledger], object]) -> None:
    with removed_if_unused(str(file), environ), open_ledger(str(file)) as ledger:
        allow_changes(ledger, environ, 1.0)
        act(ledger)
        raise RunnerError("the API refuses the token")


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.rglob("*") if each.is_file())


def test_nothing_is_left_of_a_refused_first_run(tmp_path: Path) -> None:
    assert not refused(tmp_path).exists()
    assert files(tmp_path) == []


def test_a_ledger_that_was_there_stays(tmp_path: Path) -> None:
    with open_ledger(str(tmp_path / "state.db")):
        pass
    assert refused(tmp_path).exists()


def test_what_a_person_has_said_stays(tmp_path: Path) -> None:
    def suppress(ledger: Ledger) -> None:
        ledger.write(decisions.suppress, ["7"], "asked", 1.0)

    assert refused(tmp_path, suppress).exists()


def test_one_that_took_the_place_of_a_lost_one_stays(tmp_path: Path) -> None:
    def accept(ledger: Ledger) -> None:
        ledger.write(staleness.accept, staleness.ProgressMarks(), ["spring"], 1.0)

    assert refused(tmp_path, accept).exists()


def test_one_that_another_process_has_open_stays(tmp_path: Path) -> None:
    others: list[Ledger] = []

    def join(_: Ledger) -> None:
        others.append(open_ledger(str(tmp_path / "state.db")))
        others[0].read(staleness.ledger_id)

    assert refused(tmp_path, join).exists()
    others[0].write(decisions.suppress, ["7"], "asked", 1.0)  # and it can still be used
    others[0].close()
