"""A person's word from a host that has no campaign file, on a ledger that all hosts share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.cli.main import main
from runner.ledger.ledger import open_ledger
from tests.support import make_campaign, make_queue


@pytest.fixture
def state(new_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)  # where no campaign file is
    with open_ledger(new_database) as ledger:
        make_queue(ledger, make_campaign(ledger), [1, 2, 3])
        make_campaign(ledger, "autumn")
    return new_database


def test_a_campaign_is_paused_looked_at_and_cancelled_by_the_name_of_its_file(
    state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pause", "spring.yaml", "--state", state]) == 0
    assert "spring: paused by" in capsys.readouterr().out
    assert main(["status", "spring.yaml", "--json", "--state", state]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["queued"] == 3
    assert main(["cancel", "elsewhere/spring.yaml", "--yes", "--state", state]) == 0
    assert "cancelled 3 queued messages" in capsys.readouterr().out


def test_a_file_of_which_the_ledger_knows_nothing_is_told(
    state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pause", "sprong.yaml", "--state", state]) == 1
    told = capsys.readouterr().err
    assert "campaign sprong is not in the ledger" in told
    assert "it knows: spring, autumn" in told


def test_what_needs_the_file_says_that_it_is_not_there(
    state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "spring.yaml", "--state", state]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_a_ledger_in_a_file_wants_the_campaign_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pause", "spring.yaml", "--state", str(tmp_path / "state.db")]) == 2
    assert "there is no such file" in capsys.readouterr().err
