"""A ledger in PostgreSQL that an older version has left."""

from __future__ import annotations

from runner.ledger.ledger import open_ledger
from runner.ledger.schema import SCHEMA_VERSION
from tests.support import make_old

from .support import Project, people


def test_an_older_ledger_is_upgraded_when_told_and_once(
    project: Project, new_database: str
) -> None:
    project.real = False  # as an older version's runs to this machine are taken
    project.write(people(3))
    project.ok(project.campaign, "--state", new_database, "--limit", "1")
    with open_ledger(new_database) as ledger, ledger.writing() as connection:
        make_old(connection, 3)
    refused = project.ok(project.campaign, "--state", new_database, code=1)
    told = f"has schema 3, this version needs {SCHEMA_VERSION}\nrun-campaign db upgrade, once all "
    assert told in refused.err
    assert len(project.api.recipients) == 1
    both = [project.start("db", "upgrade", "--state", new_database) for _ in range(2)]
    ended = [each.wait() for each in both]
    assert [each.code for each in ended] == [0, 0], ended
    said = [each.out.splitlines() for each in ended]
    assert sorted(lines[0].partition("data ")[2] for lines in said) == [
        f"brought from schema 3 to {SCHEMA_VERSION}",
        f"has schema {SCHEMA_VERSION}: up to date",
    ]
    assert all("ready for workers of version" in lines[1] for lines in said)
    project.ok(project.campaign, "--state", new_database)
    assert sorted(project.api.recipients) == people(3)
