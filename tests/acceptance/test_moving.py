"""A campaign whose ledger moves from its file into PostgreSQL while it is half done."""

from __future__ import annotations

import signal

import pytest

from .support import DYING, Project, everything_in, people, until


@pytest.fixture
def to(new_database: str) -> str:
    """A URL with a password, which this server does not ask for."""
    assert "://postgres:@" in new_database
    return new_database.replace("://postgres:@", "://postgres:geheim@")


def killed_half_way(project: Project, ids: list[str]) -> int:
    """How many messages were accepted before a run was killed."""
    project.write(ids, concurrency=4)
    # Accepted at once and answered late: it is killed long before the last, and none comes after.
    project.api.faults("slow:seconds=0.5,phase=after")
    running = project.start(project.campaign)
    until(lambda: len(project.api.recipients) >= 6, "six accepted")
    running.process.kill()
    running.process.wait()
    project.api.faults()
    return len(project.api.recipients)


@pytest.mark.slow
def test_a_killed_run_goes_on_in_postgresql(project: Project, to: str) -> None:
    ids = people(30)
    killed_half_way(project, ids)
    project.ok("suppress", "add", ids[-1])
    shown = project.ok("db", "move", "--to", to)
    assert "has moved to postgresql+psycopg://postgres:***@" in shown.out
    count = len(project.api.recipients)
    for words in ([project.campaign], ["suppress", "add", ids[-2]]):
        refused = project.ok(*words, code=1)
        assert "error: this ledger has moved to postgresql+psycopg://postgres:***@" in refused.err
        assert len(refused.err.strip().splitlines()) == 2
    assert "this ledger has moved to" in project.ok("status", "--json").err
    assert "this ledger has moved to" in project.ok(project.campaign, "--dry-run", code=1).all
    assert len(project.api.recipients) == count

    done = project.ok(project.campaign, "--state", to)
    assert sorted(project.api.recipients) == ids[:-1], done.all
    assert "29 sent" in done.out
    for name, content in everything_in(project.folder.parent).items():
        assert b"geheim" not in content, name


def test_what_was_paid_for_moves_too(project: Project, to: str) -> None:
    ada, ben, cleo = people(3)
    everybody = [
        {"platformId": ada, "username": "ada", "name": "Ada"},
        {"platformId": ben, "username": "ben", "name": "Ben", "contact": False},
        {"platformId": cleo, "username": "cleo", "name": "Cleo", "status": "Customer"},
    ]
    project.api.ask("people", {"people": everybody})
    project.write([], more="skip_known: {status: [Customer]}\n")
    of = "prospects: {source: spring.csv, id: handle, id_type: username}\n"
    campaign = project.campaign.read_text().replace("prospects: spring.csv\n", of)
    project.campaign.write_text(campaign)
    project.sheet.write_text("handle,first_name\nada,Ada\nben,Ben\ncleo,Cleo\n")
    via = ("handles", project.campaign, "--via", "x", "--x-url", project.api.base, "--yes")
    project.ok(*via, X_BEARER_TOKEN="sandbox-token")
    project.ok(project.campaign, "--yes", "--limit", "1")
    project.ok("db", "move", "--to", to)
    state = ("--state", to)
    asked, x = counts_of(project), project.api.ask("x")
    told = project.ok(*via, *state, X_BEARER_TOKEN="sandbox-token").all
    assert "asked for now" not in told
    project.ok(project.campaign, "--yes", *state)
    assert project.api.recipients == [ada, ben]
    assert project.api.ask("x") == x
    assert counts_of(project) == asked
    listed = project.ok("handles", project.campaign, "--list", *state).out
    assert ben in listed


def counts_of(project: Project) -> dict[str, int]:
    """Requests that ask who people are."""
    counts: dict[str, int] = project.api.ask("requests")["counts"]
    return {what: n for what, n in counts.items() if what.startswith("GET /api/v2/contacts ")}


@pytest.mark.slow
def test_a_move_killed_at_each_step_is_finished(project: Project, to: str) -> None:
    ids = people(12)
    killed_half_way(project, ids)
    for point in ("leave.committed", "bring.inside", "bring.committed"):
        dying = project.run("db", "move", "--to", to, DIE_AT=point, PYTHONPATH=str(DYING))
        assert dying.code == -signal.SIGKILL, (point, dying.all)
    refused = project.ok(project.campaign, code=1)
    assert "this ledger is being moved to postgresql" in refused.err
    project.ok("db", "move", "--to", to)
    project.ok(project.campaign, "--state", to)
    assert sorted(project.api.recipients) == ids
