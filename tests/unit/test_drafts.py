"""A campaign's files, read once for as long as their bytes stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.campaign.loader import load_campaign
from runner.errors import LedgerError
from runner.ledger.ledger import Ledger, open_ledger
from runner.planning.draft import Draft, make_draft, update_draft
from tests.support import SENDER, make_campaign


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(str(tmp_path / "state.db")) as ledger:
        yield ledger


def draft(folder: Path, ledger: Ledger) -> Draft:
    (folder / "spring.csv").write_text("x_user_id,first_name\n17,Ada\n")
    (folder / "spring.yaml").write_text(
        f"senders: [{SENDER}]\nprospects: spring.csv\nmessage: 'Hi {{{{ first_name }}}}'\n"
    )
    return make_draft(load_campaign(folder / "spring.yaml"), ledger)


def test_files_are_read_again_only_if_their_bytes_differ(tmp_path: Path, ledger: Ledger) -> None:
    first = draft(tmp_path, ledger)
    (tmp_path / "spring.csv").touch()
    assert update_draft(first, ledger).audience is first.audience
    (tmp_path / "spring.csv").write_text("x_user_id,first_name,city\n17,Ada,Rome\n")
    second = update_draft(first, ledger)
    assert second.audience.columns == ["x_user_id", "first_name", "city"]
    assert second.files != first.files


def test_what_the_ledger_knows_is_looked_up_again_in_any_case(
    tmp_path: Path, ledger: Ledger
) -> None:
    first = draft(tmp_path, ledger)
    assert first.row is None
    row = make_campaign(ledger)
    assert update_draft(first, ledger).row == row
    with ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE campaign SET id_type = 'inbox'")
    with pytest.raises(LedgerError, match="id_type"):
        update_draft(first, ledger)
