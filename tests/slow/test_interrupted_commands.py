"""Commands that change the ledger, or write a file, and are killed in the middle: all or nothing,
and the same command again does it."""

from __future__ import annotations

import http.client
import json
import resource
import shutil
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import create_engine, text

from runner.ledger import schema
from runner.ledger.engine import ledger_url
from runner.ledger.ledger import open_ledger
from tests.acceptance.browser import FORM, Browser
from tests.acceptance.support import DYING, Done, Project, Running, link_of, people
from tests.processes import COMMAND

PEOPLE = people(30)
CHANGES = ("message", "suppression", "brake", "word", "action", "attempt", "submission")


@dataclass
class Planned:
    """A campaign in a ledger at `state`: one sent, one in doubt, one rejected, others queued."""

    project: Project
    state: str

    def start(self, *words: str | Path, **more: Any) -> Running:
        return self.project.start(*words, RUN_CAMPAIGN_STATE=self.state, **more)

    def run(self, *words: str | Path, **more: Any) -> Done:
        return self.start(*words, **more).wait()

    def ok(self, *words: str | Path) -> Done:
        done = self.run(*words)
        assert done.code == 0, done.all
        return done

    def killed_at(self, point: str, *words: str | Path) -> None:
        """Run a command that gets to this point and no further."""
        done = self.run(*words, DIE_AT=point, PYTHONPATH=str(DYING))
        assert done.code == -signal.SIGKILL, f"{point} was not reached: {done.all}"

    def content(self) -> dict[str, list[Any]]:
        """All that a person can change, straight from the ledger."""
        engine = create_engine(ledger_url(self.state))
        with engine.connect() as connection:
            found = {
                name: [*map(tuple, connection.execute(text(f"select * from {name} order by 1, 2")))]
                for name in CHANGES
            }
        engine.dispose()
        return found

    def counts(self) -> Counter[str]:
        """Messages by status."""
        return Counter(row[STATUS] for row in self.content()["message"])

    def entries(self) -> list[str]:
        """What was done, by the audit's entries."""
        return [row[WHAT] for row in self.content()["action"]]


STATUS = [column.name for column in schema.message.c].index("status")
WHAT = [column.name for column in schema.action.c].index("what")


@pytest.fixture
def planned(project: Project, location: str) -> Planned:
    """On SQLite and PostgreSQL."""
    found = Planned(project, location)
    with open_ledger(location) as ledger:
        project.write([PEOPLE[0], *people(1, "0404"), *PEOPLE[1:]], concurrency=1)
        found.run(project.campaign, "--limit", "2")
        project.api.faults("stall:accept=no")
        running = found.start(project.campaign)
        project.api.until_stalled(1)
        running.process.kill()
        running.wait()
        project.api.faults()
        with ledger.writing() as connection:  # as the next run finds it: its run is gone
            changed = text("update message set status = 'in_doubt' where status = 'sending'")
            connection.execute(changed)
    assert found.counts() == {"sent": 1, "rejected": 1, "in_doubt": 1, "queued": 28}
    return found


def _killed_at(point: str, project: Project, *words: str | Path) -> None:
    Planned(project, str(project.ledger)).killed_at(point, *words)


WRITTEN = "results.csv", "results.jsonl", "results.html", "results.xlsx"


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("point", ["table.row:20", "table.rows"])
def test_an_export_is_whole_or_absent(project: Project, name: str, point: str) -> None:
    project.write(PEOPLE)
    project.ok(project.campaign, "--limit", "0")
    target = project.folder / name
    before = set(project.folder.iterdir())
    words = ("export", project.campaign, "-o", target)
    _killed_at(point, project, *words)
    left = set(project.folder.iterdir()) - before
    assert not target.exists()
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in left)
    project.ok(*words)
    assert set(project.folder.iterdir()) == before | {target}, "what the killed one left is there"
    # One that is there already stays as it was.
    whole = target.read_bytes()
    _killed_at(point, project, *words)
    assert target.read_bytes() == whole


def test_an_export_leaves_alone_what_another_is_writing(project: Project) -> None:
    project.write(PEOPLE)
    project.ok(project.campaign, "--limit", "0")
    beside = project.folder / ".results.csv.20261130"
    beside.write_text("of a person's own")
    project.ok("export", project.campaign, "-o", "results.csv")
    assert beside.read_text() == "of a person's own"


def test_a_backup_is_whole_or_absent(project: Project) -> None:
    project.write(PEOPLE)
    project.ok(project.campaign, "--limit", "0")
    target = project.folder / "copies" / "copy.db"
    target.parent.mkdir()
    _killed_at("backup.copied", project, "db", "backup", target)
    assert not target.exists()
    assert list(target.parent.iterdir())
    project.ok("db", "backup", target)
    assert [*target.parent.iterdir()] == [target], "what the killed one left is there"


ACTS: list[tuple[tuple[str, ...], str, str]] = [
    (("suppress", "import", "list.csv"), "suppress", "suppress"),
    (("suppress", "add", *PEOPLE), "suppress", "suppress"),
    (("pause", "CAMPAIGN"), "pause", "pause"),
    (("cancel", "CAMPAIGN"), "cancel", "cancel"),
    (("retry", "CAMPAIGN", "--limit", "0"), "retry", "retry"),
    (("resolve", "CAMPAIGN", "--sent", PEOPLE[1]), "resolve", "sent"),
    (("resolve", "CAMPAIGN", "--all-not-sent"), "resolve", "not_sent"),
]


@pytest.mark.parametrize(("words", "point", "entry"), ACTS, ids=lambda each: str(each)[:20])
def test_an_act_and_its_entry_are_one(
    planned: Planned, words: tuple[str, ...], point: str, entry: str
) -> None:
    listed = "".join(f"{id}\n" for id in PEOPLE)
    (planned.project.folder / "list.csv").write_text(f"x_user_id\n{listed}")
    said = [planned.project.campaign if word == "CAMPAIGN" else word for word in words]
    before = planned.content()
    planned.killed_at("action.inside", *said)
    assert planned.content() == before
    planned.killed_at(f"{point}.committed", *said)
    changed = planned.content()
    assert planned.entries() == [entry]
    assert {name for name in CHANGES if changed[name] != before[name]} - {"action"}
    # Again it is done already: nobody is there twice, and it is written down once.
    planned.run(*said)
    assert planned.content()["suppression"] == changed["suppression"]
    assert planned.entries() == [entry]


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="there is no prlimit here")
def test_a_disk_that_fills_up_during_an_import_of_a_list(project: Project) -> None:
    project.write(PEOPLE)
    project.ok(project.campaign, "--limit", "0")
    planned = Planned(project, str(project.ledger))
    many = people(3000, "2222")
    (project.folder / "list.csv").write_text("\n".join(["x_user_id", *many]))
    before = planned.content()
    words = ("suppress", "import", "list.csv")
    done = planned.run(*words, command=["prlimit", "--fsize=150000", *COMMAND])
    assert done.code == 1, done.all
    assert "the disk of the ledger" in done.err
    assert "run the same command again" in done.err
    assert planned.content() == before
    assert "on the list: 3,000" in planned.ok(*words).out
    assert len(planned.content()["suppression"]) == 3000


def test_a_disk_that_is_full_under_the_dashboard(project: Project) -> None:
    project.write(PEOPLE)
    project.ok(project.campaign, "--limit", "0")
    planned = Planned(project, str(project.ledger))
    before = planned.content()
    dashboard = planned.start("dashboard", "--no-browser", "--port", "0")
    browser = Browser(link_of(dashboard))
    browser.enter()
    word = browser.form_word("/campaigns/1/pause")
    own = {"Origin": f"http://{browser.host}", "Content_Type": FORM["Content-Type"]}
    resource.prlimit(dashboard.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    answer = browser.ask("/campaigns/1/pause", "POST", urlencode({"word": word}), **own)
    assert answer.status == 409, answer.text
    assert "the disk of the ledger" in answer.text
    assert planned.content() == before
    resource.prlimit(dashboard.process.pid, resource.RLIMIT_FSIZE, (-1, -1))
    again = browser.ask("/campaigns/1/pause", "POST", urlencode({"word": word}), **own)
    assert again.status == 303
    assert planned.entries() == ["pause"]


@pytest.mark.parametrize(
    ("path", "point", "entry"),
    [
        ("/campaigns/1/pause", "pause", "pause"),
        ("/campaigns/1/cancel", "cancel", "cancel"),
        ("/campaigns/1/retry", "retry", "retry"),
        ("/messages/3/sent", "resolve", "sent"),
        ("/messages/3/not-sent", "resolve", "not_sent"),
        ("/do-not-contact/add", "suppress", "suppress"),
    ],
)
def test_what_is_done_in_the_dashboard_is_one_with_its_entry(
    planned: Planned, path: str, point: str, entry: str
) -> None:
    before = planned.content()
    _posted_to_one_that_dies(planned, path, "action.inside")
    assert planned.content() == before
    _posted_to_one_that_dies(planned, path, f"{point}.committed")
    changed = planned.content()
    assert planned.entries() == [entry]
    assert {name for name in CHANGES if changed[name] != before[name]} - {"action"}
    told = planned.ok("history", "--json").json
    assert [json.dumps(told).count('"dashboard"')] == [1]


def _posted_to_one_that_dies(planned: Planned, path: str, point: str) -> None:
    dying = {"DIE_AT": point, "PYTHONPATH": str(DYING)}
    dashboard = planned.start("dashboard", "--no-browser", "--port", "0", **dying)
    browser = Browser(link_of(dashboard))
    browser.enter()
    asked = f"{path}?{urlencode({'id': PEOPLE[9]})}" if "do-not" in path else path
    fields = {"word": browser.form_word(asked), "id": PEOPLE[9], "why": "asked"}
    own = {"Origin": f"http://{browser.host}", "Content_Type": FORM["Content-Type"]}
    with pytest.raises((http.client.HTTPException, OSError)):
        browser.ask(path, "POST", urlencode(fields), **own)
    assert dashboard.wait().code == -signal.SIGKILL
