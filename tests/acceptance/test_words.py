"""What people's terminals, editors and settings do to words."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.support import TOKEN, Project, people


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoding", "locale"), [("latin-1", "C.UTF-8"), ("ascii", "C"), ("cp1252:strict", "C.UTF-8")]
)
def test_what_a_terminal_cannot_show_stops_nothing(
    project: Project, encoding: str, locale: str
) -> None:
    ids = people(2)
    project.write(ids, text="Hi {{ first_name }}")
    project.sheet.write_text(project.sheet.read_text().replace("Person", "Zoë🌱"))
    words = {"PYTHONIOENCODING": encoding, "LC_ALL": locale}
    shown = project.run(project.campaign, "--dry-run", **words)
    assert shown.code == 0, shown.all
    as_json = project.run(project.campaign, "--dry-run", "--json", **words)
    assert len(as_json.json["messages"]) == 2
    done = project.run(project.campaign, "--yes", "--verbose", **words)
    assert done.code == 0, done.all
    assert project.run("status", **words).code == 0
    assert project.run("report", "--format", "md", **words).code == 0
    assert {entry["content"] for entry in project.api.accepted} == {
        "Hi Zoë🌱1",
        "Hi Zoë🌱2",
    }


def test_a_where_that_selects_nobody_ends_with_the_reason(project: Project) -> None:
    project.write(people(2))
    text = project.campaign.read_text()
    where = "prospects: {source: spring.csv, where: {first_name: [NO, 7]}}"
    project.campaign.write_text(text.replace("prospects: spring.csv", where))
    for words in (["--dry-run"], ["--yes"]):
        done = project.run(project.campaign, *words)
        assert done.code == 1
        assert "column first_name: prospects.where selects nobody; there are: Person1" in done.err
    found = project.run(project.campaign, "--dry-run", "--json").out
    assert json.loads(found)["findings"][0]["code"] == "nobody_selected"
    assert project.api.recipients == []


@pytest.mark.parametrize(
    "text",
    [
        f'\ufeff# spring team\r\nexport INBOX_API_TOKEN = "{TOKEN}"   # from Settings\r\n',
        f"\ufeffINBOX_API_TOKEN={TOKEN}\r\n",
        f"  INBOX_API_TOKEN: this is none\nINBOX_API_TOKEN = '{TOKEN}'\n",
        f"export INBOX_API_TOKEN={TOKEN} # from Settings",
    ],
    ids=["quoted", "plain", "with a line that is none", "with a comment"],
)
def test_a_token_is_read_however_an_editor_has_saved_it(project: Project, text: str) -> None:
    project.write(people(1))
    (project.folder / ".env").write_bytes(text.encode())
    done = project.run(project.campaign, "--yes", INBOX_API_TOKEN="")
    (project.folder / ".env").unlink()  # no file may hold the token
    assert done.code == 0, done.all
    assert "dotenv" not in done.err
    assert TOKEN not in done.all


def test_one_of_anything_is_told_in_the_singular(project: Project) -> None:
    project.write(people(1), more='steps: [{name: nudge, after: 1d, text: "{{ first_name }}?"}]\n')
    project.ok(project.campaign, "--yes", "--limit", "1", "--until-idle")
    assert (
        "1 line in" in project.ok("export", project.campaign, "-o", "r.csv", "--status", "sent").out
    )
    checked = project.ok("check", project.campaign).out
    assert "for 0 messages and 1 follow-up at most" in checked
    assert "cancelled 1 queued message\n" in project.ok("cancel", project.campaign, "--yes").out
    project.ok("suppress", "add", "901")
    assert "1 person in" in project.ok("suppress", "export", "list.csv").out
