"""What is shown: dry runs, help, JSON, terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping
from contextlib import suppress
from fcntl import ioctl
from select import select

import pytest

from tests.processes import COMMAND, start

from .support import LINK, PATIENCE, Project, everything_in, people, until

COMMANDS = [
    [],
    ["run"],
    ["test"],
    ["check"],
    ["senders"],
    ["status"],
    ["retry"],
    ["resolve"],
    ["suppress", "add"],
    ["suppress", "remove"],
    ["suppress", "list"],
    ["suppress", "import"],
    ["suppress", "export"],
    ["export"],
    ["db", "backup"],
    ["db", "upgrade"],
    ["sandbox"],
    ["init"],
    ["demo"],
    ["completion"],
]


def test_a_dry_run_asks_nobody_and_changes_nothing(both: Project) -> None:
    ids = people(30)
    both.write([*ids, "", "@name", ids[0]])
    before = everything_in(both.folder)
    done = both.ok(both.campaign, "--dry-run", INBOX_API_TOKEN="")
    assert "Hi Person1, shall I send the notes?" in done.out
    assert "and 20 more" in done.out
    for told in (
        "row 32: no_id",
        "row 33: bad_id",
        f"row 34 {ids[0]}: duplicate",
        "30 messages to send",
        f"from {LINK}",
    ):
        assert told in done.out
    assert everything_in(both.folder) == before

    both.ok(both.campaign, "--limit", "2")
    both.api.faults()
    asked, before = both.api.ask("requests"), everything_in(both.folder)
    again = both.ok(both.campaign, "--dry-run")
    assert "28 messages to send" in again.out
    assert "already sent: 2" in again.out
    assert everything_in(both.folder) == before
    assert both.api.ask("requests") == asked


def test_a_dry_run_as_json_and_as_tables(project: Project) -> None:
    ids = people(3)
    project.write([*ids, "x"])
    told = project.ok(project.campaign, "--dry-run", "--json").json
    assert told["campaign"] == "spring"
    assert told["counts"]["to_send"] == 3
    assert [each["recipient"] for each in told["messages"]] == ids
    assert told["skipped"][0]["row"] == 5
    assert told["skipped"][0]["reason"] == "bad_id"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}Z", told["finish_at"])
    assert "binds" in told
    one = project.ok(project.campaign, "--dry-run", "--json", "--only", ids[1]).json
    assert [each["row"] for each in one["messages"]] == [3]

    for name in ("preview.jsonl", "preview.csv", "preview.html"):
        project.ok(project.campaign, "--dry-run", "--output", name)
    lines = (project.folder / "preview.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["would"] for row in rows] == ["send"] * 3 + ["skip"]
    assert rows[0]["first_name"] == "Person1"
    refused = project.ok(project.campaign, "--dry-run", "--output", "campaigns/spring.yaml", code=2)
    assert "overwrite" in refused.err


def test_status_as_json(project: Project) -> None:
    project.write([*people(2), people(1, "0404")[0], ""])
    project.ok(project.campaign)
    told = project.ok("status", project.campaign, "--json").json
    assert told["campaign"] == "spring"
    assert told["total"] == 4
    assert told["in_doubt"] == []
    assert {name: count for name, count in told["counts"].items() if count} == {
        "sent": 2,
        "rejected": 1,
        "skipped": 1,
    }
    assert project.ok("status", "--json").json == told


def test_status_is_watched_until_ctrl_c(project: Project) -> None:
    project.write(people(1))
    project.ok(project.campaign)
    running = project.start("status", project.campaign, "--watch")
    until(lambda: running.out.count("spring: 1 sent") > 1, "it to be drawn twice")
    running.interrupt()
    assert running.wait().code == 0


def test_without_words_it_says_what_there_is(project: Project) -> None:
    for words in ([], ["suppress"], ["db"]):
        done = project.ok(*words, code=2)
        assert "Usage: run-campaign" in done.all
        assert "error" not in done.all


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help(project: Project, words: list[str]) -> None:
    told = project.ok(*words, "--help").out
    assert told.startswith("Usage: run-campaign")
    assert max(map(len, told.splitlines())) <= 80
    if words:
        assert "Examples:\n" in told
        assert f"run-campaign {words[0]}" in told
    else:
        assert all(command[0] in told for command in COMMANDS if command)
        assert project.ok("--version").out.startswith("run-campaign ")


class Terminal:
    """A command on a terminal of its own."""

    def __init__(
        self, project: Project, *words: str, columns: int = 80, env: Mapping[str, str] = {}
    ) -> None:
        self._ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._process = start(
            [*COMMAND, *words],
            cwd=project.folder,
            env=project.environment(**{"TERM": "xterm-256color", **env}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self.shown = ""

    def _read(self) -> bool:
        """Take what is shown next; False at the end."""
        ready, _, _ = select([self._ours], [], [], PATIENCE)
        assert ready, f"nothing more is shown after: {self.shown!r}"
        more = b""
        with suppress(OSError):  # how Linux says that the other side is closed
            more = os.read(self._ours, 65536)
        self.shown += more.decode(errors="replace")
        return bool(more)

    def read_until(self, text: str) -> None:
        while text not in self.shown:
            assert self._read(), self.shown

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C, as often as a person would: Python can miss one that comes in the very moment
        before it begins to wait for a line."""
        while self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)

    def end(self) -> int:
        """Read all that is still shown; the exit code."""
        while self._read():
            pass
        os.close(self._ours)
        return self._process.wait()

    @property
    def lines(self) -> list[str]:
        """What was shown, without what steers the terminal."""
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown)
        return re.split(r"[\r\n]+", plain)


def test_a_person_is_asked_and_no_is_the_default(project: Project) -> None:
    project.write(people(3))
    terminal = Terminal(project, str(project.campaign))
    terminal.read_until("Send 3 messages? [y/N]")
    terminal.type("\n")
    assert terminal.end() == 0
    assert "nothing was sent" in terminal.shown
    assert project.api.recipients == []
    assert project.counts() == {}

    terminal = Terminal(project, str(project.campaign))
    terminal.read_until("[y/N]")
    terminal.interrupt()
    assert terminal.end() == 130
    assert "to go on: run-campaign" in " ".join(terminal.shown.split())

    terminal = Terminal(project, str(project.campaign))
    terminal.read_until("[y/N]")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert sorted(project.api.recipients) == people(3)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 80])
def test_the_display_fits_the_terminal(project: Project, columns: int) -> None:
    project.write([*people(8), people(1, "0404")[0]], concurrency=2)
    project.api.faults("slow:seconds=0.3")
    terminal = Terminal(project, str(project.campaign), "--yes", columns=columns)
    assert terminal.end() == 0
    drawn = [line for line in terminal.lines if "━" in line or "╌" in line]
    assert drawn
    assert max(map(len, drawn)) <= columns
    assert "8 sent" in terminal.shown


@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_plain_terminals_are_respected(project: Project, env: dict[str, str]) -> None:
    project.write(people(2))
    terminal = Terminal(project, str(project.campaign), "--yes", env=env)
    assert terminal.end() == 0
    colours = re.findall(r"\x1b\[(?:[34]\d|38)", terminal.shown)
    assert not colours
    if "TERM" in env:
        assert "\x1b" not in terminal.shown


def test_what_people_are_called_cannot_steer_the_terminal(project: Project) -> None:
    project.write(people(2), text="Hi {{ first_name }} {{ note }}")
    sheet = project.campaign.parent / "spring.csv"
    sheet.write_text(f"x_user_id,first_name,note\n{people(1)[0]},\x1b[2JEve[bold],\x07\u202ex\n")
    shown = project.ok(project.campaign, "--dry-run").out
    assert "\\x1b[2JEve[bold] \\x07\\u202ex" in shown
    assert "\x1b" not in shown
    project.ok("test", project.campaign, "--to", people(2)[1])
    assert project.api.accepted[0]["content"].startswith("Hi \x1b[2JEve[bold]")
