"""`init`: a campaign by questions on a terminal, and the same by options."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from runner.audience.sample_people import SAMPLE_IDS
from tests.processes import COMMAND, ROOT

from .screen import Terminal
from .support import LINK, OTHER_LINK, TOKEN, Project, everything_in, people

HUBSPOT = "Record ID,First Name,Last Name,Email,X User ID\n"
TEXT = "Hi {{ first_name | first_word }}, shall I send the notes?\n"


@pytest.fixture
def sheet(project: Project) -> Path:
    """An export as a CRM writes it, outside the project."""
    path = project.folder / "HubSpot Export 1.csv"
    rows = [f"5{n},Person{n},Doe,p{n}@example.com,{id}\n" for n, id in enumerate(people(3))]
    path.write_text(HUBSPOT + "".join(rows) + "77,Nobody,Doe,n@example.com,\n")
    return path


def at_terminal(project: Project, *words: str, **env: str) -> Terminal:
    return Terminal(
        [*COMMAND, "init", *words, "--base-url", f"{project.api.base}/api/v2"],
        folder=project.folder,
        env=project.environment(INBOX_API_TOKEN="", **env),
        columns=100,
        rows=60,
    )


def editor(folder: Path, text: str) -> str:
    """An editor that writes `text` above the lines that it finds."""
    script = folder / "editor.py"
    script.write_text(
        "import pathlib, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "lines = path.read_text()\n"
        f"path.write_text({text!r} + lines[lines.index('------'):])\n"
    )
    return shlex.join([sys.executable, str(script)])


def test_a_person_is_asked_for_everything(project: Project, sheet: Path) -> None:
    with at_terminal(project, EDITOR=editor(project.folder, TEXT)) as terminal:
        terminal.answer("folder", "")
        terminal.answer("API token", "wrong-token")
        terminal.answer("API token", TOKEN, after="the API refuses the token")
        terminal.answer("send from", "@nobody")
        terminal.answer(
            "send from",
            "@acmesales, 1",
            after="@nobody: not one of the accounts; there are: @acmecorp, @acmesales",
        )
        terminal.answer("the sheet", "nowhere.csv")
        terminal.answer("the sheet", sheet.name, after="no such file")
        terminal.answer("holds the ids", "first_name", after="5  x_user_id   9000")
        terminal.answer("holds the ids", "", after="first_name has no ids: Person0 is a username")
        terminal.answer("first names", "", after="1 of the first 4 rows have no usable id")
        terminal.answer("the text", "e")
        terminal.answer("a name", "")
        assert terminal.wait() == 0
        shown = terminal.text
    assert TOKEN.encode() not in terminal.raw
    assert "Hi Person0, shall I send the notes?" in shown
    assert "3 messages to send" in shown
    assert "row 5: no_id" in shown
    assert "done about" in shown

    made = project.folder / "outreach"
    env = made / ".env"
    assert env.read_text() == f"INBOX_API_TOKEN='{TOKEN}'\n"
    assert env.stat().st_mode & 0o777 == 0o600
    env.write_text(env.read_text().replace(TOKEN, ""))  # which no other file may hold
    assert not list(made.rglob(".new-*"))
    campaign = made / "campaigns" / "hubspot-export-1.yaml"
    assert f"- {OTHER_LINK} # @acmesales\n  - {LINK} # @acmecorp\n" in campaign.read_text()
    assert (made / "templates" / "hubspot-export-1.j2").read_text() == TEXT
    assert (made / "campaigns" / "hubspot-export-1.csv").read_bytes() == sheet.read_bytes()
    done = project.ok("check", campaign)
    assert "3 ready to send" in done.out
    assert "nothing in the way" in done.out


@pytest.mark.slow
@pytest.mark.parametrize("at", ["API token", "the sheet", "first names", "the text"])
def test_an_interruption_leaves_nothing(project: Project, sheet: Path, at: str) -> None:
    before = everything_in(project.folder)
    answers = {
        "API token": TOKEN,
        "send from": "1",
        "the sheet": sheet.name,
        "holds the ids": "",
        "first names": "",
    }
    with at_terminal(project, "new") as terminal:
        for question, keys in answers.items():
            if question == at:
                break
            terminal.answer(question, keys)
        terminal.asked(at)
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert "nothing was written" in terminal.text
    assert everything_in(project.folder) == before
    assert not (project.folder / "new").exists()


def test_without_an_account_it_can_be_rehearsed(project: Project, sheet: Path) -> None:
    with at_terminal(project, "new", "--name", "first") as terminal:
        terminal.answer("API token", "")
        terminal.answer("platform", "")
        terminal.answer("the sheet", str(sheet))
        terminal.answer("holds the ids", "5")
        terminal.answer("first names", "-")
        terminal.answer("the text", "no such file")
        terminal.answer("the text", "s", after="cannot be read")
        assert terminal.wait() == 0
        assert "--to ID" not in terminal.text
        assert "no account yet" in terminal.text
        assert "everybody gets the same text" in terminal.text
    campaign = project.folder / "new" / "campaigns" / "first.yaml"
    done = project.ok(campaign, "--sandbox", "--accept", "same_text", INBOX_API_TOKEN="")
    assert "accepted 3 messages to 3 people, nobody twice" in done.out
    assert not (project.folder / "new" / ".env").exists()


def test_a_sheet_of_handles(project: Project, sheet: Path) -> None:
    """As CRMs export them: no id, and the handle in a column of its own."""
    lines = ["Record ID,First Name,X (Twitter) handle"]
    handles = ("@ada_novak", "", "https://x.com/ben_brooks", "cleo_clark")
    lines += [f"70{number},Person{number},{handle}" for number, handle in enumerate(handles)]
    sheet.write_text("\n".join(lines) + "\n")
    project.api.ask(
        "people",
        {"people": [{"platformId": people(1)[0], "username": "ada_novak", "contact": True}]},
    )
    with at_terminal(project) as terminal:
        terminal.answer("folder", "")
        terminal.answer("API token", TOKEN)
        terminal.answer("send from", "1")
        terminal.answer("the sheet", sheet.name)
        terminal.answer("ids or @handles", "", after="3  x_twitter_handle")
        terminal.answer("first names", "", after="1 of the first 4 rows have no usable handle")
        terminal.answer("the text", "s")
        terminal.answer("a name", "spring")
        terminal.answer("ask Inbox for the ids now?", "y")
        assert terminal.wait() == 0
        shown = terminal.text
    assert "3 handles: 1 with an id" in shown
    assert "Hi Person0," in shown
    assert "from @acmecorp" in shown
    assert "run-campaign handles campaigns/spring.yaml" in shown
    env = project.folder / "outreach" / ".env"
    env.write_text(env.read_text().replace(TOKEN, ""))  # which no other file may hold
    campaign = project.folder / "outreach" / "campaigns" / "spring.yaml"
    assert "id: x_twitter_handle\n  id_type: username\n" in campaign.read_text()
    told = project.ok("init", "other", "--sheet", sheet, "--sample-text", INBOX_API_TOKEN="").all
    assert "before it can be sent, its handles need ids" in told
    assert "ask Inbox" not in told


def test_the_same_by_options(project: Project, sheet: Path) -> None:
    (project.folder / "hello.j2").write_text(TEXT)
    url = f"{project.api.base}/api/v2"
    words = ("init", "new", "--sheet", sheet, "--base-url", url, "--template", "hello.j2")
    several = project.ok(*words, code=2)
    assert "--sender is not given" in several.err
    assert not (project.folder / "new").exists()
    done = project.ok(*words, "--sender", "@acmecorp")
    assert "Hi Person0" in done.out
    assert not (project.folder / "new" / ".env").exists()  # the environment has it
    again = project.ok(*words, "--sender", LINK, code=2)
    assert "hubspot-export-1.yaml is there already; choose another name: --name" in (
        again.err.replace("\n", "; ")
    )
    project.ok(*words, "--sender", LINK, "--name", "Second one")
    assert (project.folder / "new" / "campaigns" / "second-one.yaml").exists()

    (project.folder / "token").write_text(f"{TOKEN}\n")
    token = ("--token-file", "token", "--sender", LINK)
    base = ("init", "kept", "--sheet", sheet, "--base-url", url, "--sample-text")
    project.ok(*base, *token, INBOX_API_TOKEN="")
    env = project.folder / "kept" / ".env"
    assert env.stat().st_mode & 0o777 == 0o600
    for path in (env, project.folder / "token"):
        path.unlink()


def test_what_cannot_be_used_is_told_and_nothing_is_written(project: Project, sheet: Path) -> None:
    text = project.folder / "hello.j2"
    url = f"{project.api.base}/api/v2"
    words = ("init", "new", "--sheet", sheet, "--base-url", url, "--sender", LINK)
    before = everything_in(project.folder)
    text.write_text("Hi {{ firstname }}")
    assert "names firstname" in project.ok(*words, "--template", text, code=2).err
    assert "no ids: Doe" in project.ok(*words, "--sample-text", "--id", "Last Name", code=2).err
    assert "nosuch is not a column" in project.ok(*words, "--id", "nosuch", code=2).err
    refused = project.ok(*words, "--sample-text", code=1, INBOX_API_TOKEN="no-such-token")
    assert "refuses the token" in refused.err
    assert "no-such-token" not in refused.all
    text.unlink()
    assert everything_in(project.folder) == before
    assert not (project.folder / "new").exists()


def test_files_that_are_there_are_left_as_they_are(project: Project, sheet: Path) -> None:
    new = project.folder / "new"
    new.mkdir()
    (new / ".env").write_text("OTHER=1\n")
    (new / ".gitignore").write_text("*.log\n")
    (project.folder / "token").write_text(TOKEN)
    url = f"{project.api.base}/api/v2"
    words = ("init", "new", "--sheet", sheet, "--base-url", url, "--sample-text")
    done = project.ok(*words, "--sender", LINK, "--token-file", "token", INBOX_API_TOKEN="")
    (project.folder / "token").unlink()
    assert "write INBOX_API_TOKEN=… into it" in done.out
    assert ".gitignore does not name .env" in done.out
    assert (new / ".env").read_text() == "OTHER=1\n"
    assert (new / ".gitignore").read_text() == "*.log\n"


def test_the_sample_asks_nothing(project: Project) -> None:
    with Terminal(
        [*COMMAND, "init", "new", "--sample"],
        folder=project.folder,
        env=project.environment(INBOX_API_TOKEN=""),
    ) as terminal:
        assert terminal.wait() == 0
    assert os.listdir(project.folder / "new" / "campaigns")
    assert "--sample makes" in project.ok("init", "x", "--sample", "--sheet", "x.csv", code=2).err
    assert "name the new folder" in project.ok("init", code=2).err


def test_the_people_of_the_sample_are_written_to_in_rehearsals_alone(project: Project) -> None:
    sample = (ROOT / "runner" / "cli" / "sample" / "spring.csv").read_text()
    project.write([])
    project.sheet.write_text(sample)
    refused = project.ok(project.campaign, code=1)
    assert "error sample_people: " in refused.err
    assert "20 of the sample's people, who are made up" in refused.err
    assert "sample_people" in project.ok("check", project.campaign, code=1).out
    looked = project.ok(project.campaign, "--dry-run")
    assert "sample_people" in looked.err
    assert "The sample can be rehearsed: run-campaign" in looked.out
    assert "accepted" in project.ok(project.campaign, "--sandbox").out
    # One of them in a sheet of one's own is enough.
    project.write([*people(2), "9027716409318855217"])
    assert "1 of the sample's people" in project.ok(project.campaign, code=1).err
    assert project.api.recipients == []
    project.real = False
    project.write([*people(2), "9027716409318855217"])
    project.ok(project.campaign)
    assert len(project.api.recipients) == 3


def test_the_people_of_the_sample_are_all_known() -> None:
    sheets = (ROOT / "runner" / "cli" / "sample").glob("*.csv")
    text = "".join(each.read_text() for each in sheets)
    assert set(re.findall(r"^(\d{19}),", text, re.MULTILINE)) == SAMPLE_IDS


def test_an_editor_that_fails_loses_no_answer(project: Project, sheet: Path) -> None:
    env = {"EDITOR": "false"}
    with at_terminal(project, "new", "--sheet", str(sheet), "--name", "x", **env) as terminal:
        terminal.answer("API token", "")
        terminal.answer("platform", "")
        terminal.answer("holds the ids", "")
        terminal.answer("first names", "")
        terminal.answer("the text", "e")
        terminal.answer("the text", "s", after="Editing failed; set EDITOR")
        assert terminal.wait() == 0


def test_an_address_that_cannot_be_used_is_told_before_anything_is_asked(project: Project) -> None:
    with Terminal(
        [*COMMAND, "init", "new", "--base-url", "http://inbox.example/api/v2"],
        folder=project.folder,
        env=project.environment(INBOX_API_TOKEN=""),
    ) as terminal:
        assert terminal.wait() == 2
        assert "api.base_url" in terminal.text
        assert "API token" not in terminal.text
