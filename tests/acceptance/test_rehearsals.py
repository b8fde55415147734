"""What is sent to a sandbox lies apart from the real campaign of that name, and counts for nothing.

`real` makes the sandbox a gateway to the real API, by another name of this machine.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.ledger.ledger import open_ledger
from tests.support import make_old

from .conftest import StartApi
from .support import Project, people

NEW = "--new-campaign"


def write(project: Project, *, real: bool, more: str = "", ids: int = 3, limits: str = "") -> None:
    project.real = real
    project.address = project.api.base.replace("127.0.0.1", "localhost") if real else ""
    project.write(people(ids), more=more)
    if limits:
        text = project.campaign.read_text()
        project.campaign.write_text(text.replace("per_hour: none, per_day: none, gap", limits, 1))


@pytest.mark.slow
def test_from_rehearsal_to_the_real_thing(both: Project) -> None:
    write(both, real=False)
    told = both.ok(both.campaign).all
    assert "spring (SANDBOX): " in told
    assert sorted(both.api.recipients) == people(3)
    write(both, real=True)
    shown = both.ok(both.campaign, "--dry-run").out
    assert "3 messages" in shown
    assert "SANDBOX" not in shown
    told = both.ok(both.campaign).all
    assert "SANDBOX" not in told
    assert sorted(both.api.recipients) == sorted(people(3) * 2), (
        "everybody is written to by the real one"
    )
    both.ok(both.campaign)
    write(both, real=False)
    both.ok(both.campaign)
    assert len(both.api.recipients) == 6, "and each of the two goes on as itself"
    whole = both.ok("status").out
    assert "spring (SANDBOX): 3 sent" in whole
    assert "spring: 3 sent" in whole


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_rehearsal_counts_for_nothing(
    project: Project, kind: str, request: pytest.FixtureRequest
) -> None:
    state = [] if kind == "sqlite" else ["--state", request.getfixturevalue("new_database")]
    limit = "per_hour: 4, per_day: 4, gap"
    write(project, real=False, limits=limit)
    project.ok(project.campaign, *state)
    write(project, real=True, limits=limit)
    other = project.campaign.with_name("autumn.yaml")
    other.write_text(project.campaign.read_text())
    told = project.ok(other, *state).all
    assert "contacted" not in told
    assert "3 sent" in told
    # And what is real counts for no rehearsal.
    write(project, real=False, limits=limit)
    rehearsed = project.campaign.with_name("winter.yaml")
    text = project.campaign.read_text().replace("spring.csv", "winter.csv")
    rehearsed.write_text("contact_once_in: none\n" + text)
    sheet = project.sheet.read_text().splitlines()
    project.sheet.with_name("winter.csv").write_text("\n".join(sheet[:2]) + "\n")
    told = project.ok(rehearsed, *state).all
    assert "1 sent" in told


def test_one_rehearsal_counts_for_another(project: Project) -> None:
    write(project, real=False)
    project.ok(project.campaign)
    other = project.campaign.with_name("autumn.yaml")
    other.write_text(project.campaign.read_text())
    assert "contacted by spring (SANDBOX) on" in project.ok(other, "--dry-run", NEW, code=1).out


def test_a_rehearsal_is_bound_to_no_sandbox(project: Project, start_api: StartApi) -> None:
    write(project, real=False)
    project.ok(project.campaign, "--limit", "1")
    again = start_api("--per-minute", "none")
    project.campaign.write_text(project.campaign.read_text().replace(project.api.base, again.base))
    project.ok(project.campaign)
    assert again.recipients == people(3)[1:]


def test_a_ledger_of_rehearsals_may_be_deleted(project: Project) -> None:
    write(project, real=False)
    project.ok(project.campaign)
    for file in project.folder.glob("state.db*"):
        file.unlink()
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == sorted(people(3) * 2)


def test_a_ledger_of_rehearsals_in_another_place_is_another_one(project: Project) -> None:
    """The API tells by the key: nobody is written to twice."""
    write(project, real=False)
    project.ok(project.campaign)
    other = project.outputs / "other.db"
    told = project.ok(project.campaign, "--state", other, code=1).err
    assert "another ledger has used this campaign's name" in told
    assert sorted(project.api.recipients) == people(3)


def test_a_rehearsal_hides_no_lost_ledger(project: Project) -> None:
    write(project, real=True)
    project.ok(project.campaign)
    for file in project.folder.glob("state.db*"):
        file.unlink()
    for real in (False, True):
        write(project, real=real)
        told = project.ok(project.campaign, code=1).err
        assert "is gone: this machine remembers 3 sends of spring" in told
    assert sorted(project.api.recipients) == people(3)


def test_a_rehearsal_of_an_old_copy_hides_nothing(project: Project) -> None:
    write(project, real=True)
    project.ok(project.campaign, "--limit", "1")
    copy = project.ledger.read_bytes()
    project.ok(project.campaign)
    project.ledger.write_bytes(copy)
    write(project, real=False)
    assert "is an old copy" in project.ok(project.campaign, code=1).err
    assert sorted(project.api.recipients) == people(3)


def test_it_is_called_so_wherever_it_is_shown(project: Project, tmp_path: Path) -> None:
    write(project, real=False)
    assert "spring (SANDBOX)" in project.ok(project.campaign, "--dry-run").out
    project.ok(project.campaign)
    assert "spring (SANDBOX)" in project.ok("status", project.campaign).out
    told = project.ok("status", project.campaign, "--json").json
    assert (told["campaign"], told["sandbox"]) == ("spring", True)
    page = tmp_path / "page.html"
    project.ok("report", project.campaign, "-o", page)
    assert "spring (SANDBOX)" in page.read_text()
    write(project, real=True)
    told = project.ok(project.campaign, "--dry-run", "--json").json
    assert (told["campaign"], told["sandbox"]) == ("spring", False)


def test_no_campaign_is_called_as_a_rehearsal_or_a_test_is(project: Project) -> None:
    write(project, real=True, more='name: "spring (SANDBOX)"\n')
    assert "name: ends with (SANDBOX)" in project.ok(project.campaign, code=2).err
    write(project, real=True, more='name: "spring (test)"\n')
    assert "name: ends with (test)" in project.ok(project.campaign, code=2).err


def test_a_gateway_does_not_forget_whom_a_rehearsal_wrote_to(project: Project) -> None:
    """Whoever reached the real API by an address of this machine before there were rehearsals."""
    write(project, real=True)
    project.ok(project.campaign, "--limit", "1")
    with open_ledger(str(project.ledger)) as ledger, ledger.writing() as connection:
        make_old(connection, 7)
    project.ok("db", "upgrade", "--state", project.ledger)
    told = project.ok(project.campaign, code=1).err
    assert "was begun at http://localhost:" in told
    assert "as a rehearsal, which counts for nothing" in told
    assert len(project.api.recipients) == 1
    write(project, real=False)
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == people(3), "as a rehearsal it goes on"


def test_an_upgrade_keeps_what_is_real(project: Project) -> None:
    write(project, real=True)
    project.ok(project.campaign, "--limit", "1")
    with open_ledger(str(project.ledger)) as ledger, ledger.writing() as connection:
        make_old(connection, 7)
    with closing(sqlite3.connect(project.ledger)) as raw, raw:
        for column in ("campaign.origin", "attempt.lane", "lane.id"):
            table, name = column.split(".")
            real = f"replace({name}, 'http://localhost:', 'https://inboxapp.com:')"
            raw.execute(f"UPDATE {table} SET {name} = {real}")
    project.ok("db", "upgrade", "--state", project.ledger)
    before = project.ok("status", "--json").json
    assert (before["campaign"], before["sandbox"], before["counts"]["sent"]) == ("spring", False, 1)
    with closing(sqlite3.connect(project.ledger)) as connection:
        [(lane,)] = connection.execute("SELECT id FROM lane").fetchall()
        assert "|" not in lane
        assert connection.execute("SELECT DISTINCT lane FROM attempt").fetchall() == [(lane,)]


def test_a_rehearsal_without_limits_waits_for_no_warm_up(project: Project) -> None:
    write(project, real=True, limits="ramp: {start: 1, step: 1}, per_hour: 1, gap")
    told = project.ok(project.campaign, "--sandbox", "--stop-after", "20s").out
    assert "accepted 3 messages to 3 people" in told
