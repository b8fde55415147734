"""The live view and `status --watch` on a real terminal, at the sizes that people have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.processes import COMMAND

from .screen import Terminal
from .support import LINK, OTHER_LINK, Project, people, until

COLOUR = re.compile(rb"\x1b\[[0-9;]*\b(3[0-8]|4[0-8]|9[0-7]|10[0-7])\b[0-9;]*m")
FILE = "campaigns/spring.yaml"
SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"


@contextmanager
def shown(
    project: Project, *words: object, columns: int = 80, rows: int = 24, **env: str
) -> Iterator[Terminal]:
    with Terminal(
        [*COMMAND, *map(str, words)],
        folder=project.folder,
        env=project.environment(**env),
        columns=columns,
        rows=rows,
    ) as terminal:
        yield terminal


def write(project: Project) -> None:
    """A campaign that is soon through but for what its second sender has to wait for: of every
    outcome one, and a name that is wider than its letters."""
    project.write(
        [*people(12), *people(3, "0404"), *people(3, "0598")],
        senders=[LINK, OTHER_LINK],
        more="name: 春のキャンペーン\nguard: {failure_rate: none}\n",
        retry="settle: 30s",
    )
    told = project.campaign.read_text()
    free = "per_hour: none, per_day: none, gap: none"
    for sender, limits in ((LINK, "per_hour: none, per_day: 900"), (OTHER_LINK, "per_day: 300")):
        told = told.replace(f"{sender}, {free}", f"{sender}, {limits}")
    project.campaign.write_text(told)


def all_told(text: str) -> bool:
    words = ("sent", "rejected ·", "in doubt ·", "queued", "waiting", "pause of 180 s")
    return all(word in text for word in words)


def is_sane(terminal: Terminal) -> bool:
    """Whether the cursor was given back."""
    return terminal.raw.rfind(SHOW_CURSOR) > terminal.raw.rfind(HIDE_CURSOR)


def bar_of(text: str) -> str:
    """The line with the bar; a terminal that wraps it has two of them."""
    found = [line for line in text.splitlines() if "╌" in line]
    assert len(found) == 1, text
    assert re.search(r"╌ +\d+%", found[0]), text
    return found[0]


def test_a_run_is_shown_at_every_size(project: Project) -> None:
    write(project)
    with shown(project, FILE, "--yes") as run:
        told = run.until(all_told, "all that there is to tell")
        assert "春のキャンペーン" in told.replace(" ", "")
        assert f"see run-campaign resolve {FILE} --list" in " ".join(told.split())
        bar_of(told)
        assert COLOUR.search(run.raw)
        run.resize(40, 10)
        bar_of(run.until(lambda text: " more lines" in text, "what fits 40 columns, 10 rows"))
        run.resize(120, 24)
        told = run.until(lambda text: "last  " in text, "all of it again")
        assert len(bar_of(told)) > 80, "the room is used"
        run.type("\x03")
        assert run.wait() == 130
        assert "interrupted; to go on: run-campaign" in run.text
        assert b"^C" not in run.raw, "which would move the view, and leave a line of it behind"
        assert "━" not in run.text, "nothing of the view stays"
        assert is_sane(run)


def test_without_colour_everything_is_said_in_words(project: Project) -> None:
    write(project)
    with shown(project, FILE, "--yes", columns=120, NO_COLOR="1") as run:
        told = run.until(all_told, "all that there is to tell")
        assert re.search(r"━+×+\?+╌+", told)
        project.ok("pause", project.campaign)
        run.wait()
        assert "paused by" in run.text
        assert not COLOUR.search(run.raw)
    with shown(project, "status", "--watch", columns=120, NO_COLOR="1") as watch:
        watch.until(lambda text: "rejected · " in text, "the counts")
        assert re.search(r"to do +paused by", watch.text)
        watch.type("\x03")
        assert watch.wait() == 0
        assert not COLOUR.search(watch.raw)


def test_status_is_watched_in_place(project: Project) -> None:
    write(project)
    run = project.start(project.campaign)
    until(lambda: project.counts().get("in_doubt"), "somebody in doubt")
    with shown(project, "status", "--watch") as watch:
        text = watch.until(lambda text: "pause of 180 s" in text and "finish" in text, "the view")
        bar_of(text)
        assert text.startswith(watch.lines[0])
        assert "running since" in watch.lines[0]
        assert re.search(r"to do +\d in doubt: +run-campaign resolve campaigns/spring.yaml", text)
        watch.resize(40, 10)
        bar_of(watch.until(lambda text: " more lines" in text, "what fits 40 columns, 10 rows"))
        watch.resize(120, 24)
        told = watch.until(lambda text: "ledger   state.db" in text, "all of it again")
        assert len(bar_of(told)) > 80, "the room is used"
        project.ok("pause", project.campaign)
        run.wait()
        watch.until(lambda text: "paused by" in text, "that it is paused")
        watch.type("\x03")
        assert watch.wait() == 0
        assert "paused by" in watch.text, "the last state stays"
        assert is_sane(watch)


@pytest.mark.parametrize("words", [(), ("status", "--watch")], ids=["run", "watch"])
def test_a_terminal_that_can_do_nothing_gets_plain_lines(
    project: Project, words: tuple[str, ...]
) -> None:
    project.write(people(3))
    project.ok(project.campaign)
    with shown(project, *words, project.campaign, TERM="dumb") as shown_:
        shown_.until(lambda text: "spring: 3 sent (of 3)" in text, "the counts")
        shown_.type("\x03")
        shown_.wait()
        assert b"\x1b" not in shown_.raw


def test_the_question_shows_what_goes(project: Project) -> None:
    project.real = False
    project.write(people(2), text="Hi {{ first_name }},\n\nshall I send the notes of the evening?")
    with shown(project, project.campaign, columns=40, rows=40) as screen:
        screen.until(lambda text: "[y/N]" in text, "the question")
        told = " ".join(screen.text.split())
        joined = screen.text.replace("\n", "")
        assert "SANDBOX (127.0.0.1:" in joined
        assert "@" in told
        assert people(1)[0] in joined
        assert "Person1 (" in joined
        assert "Hi Person1," in told
        assert "notes of the evening?" in joined
        screen.type("y\n")
        assert screen.wait() == 0, screen.text
    assert sorted(project.api.recipients) == people(2)


def test_what_was_agreed_is_told_when_it_goes_on(project: Project) -> None:
    project.write(people(3))
    project.ok(project.campaign, "--yes", "--limit", "1")
    told = project.ok(project.campaign).all
    assert re.search(r"spring: agreed 20\d\d-\d\d-\d\d \d\d:\d\d by \S+: 3 messages; left: 2", told)
    assert "agreed" not in project.ok(project.campaign).all


@pytest.mark.slow
def test_a_pipe_of_stdout_does_not_switch_the_question_off(project: Project) -> None:
    project.write(people(1))
    words = ["/bin/sh", "-c", f'"$@" {project.campaign} > told.txt', "sh", *map(str, COMMAND)]
    env = project.environment()
    with Terminal(words, folder=project.folder, env=env, columns=80) as screen:
        screen.until(lambda text: "[y/N]" in text, "the question")
        assert "Hi Person1" in screen.text
        screen.type("\n")
        assert screen.wait() == 0, screen.text
    assert project.api.recipients == []
    words[2] = f'"$@" {project.campaign} > told.txt < /dev/null'
    with Terminal(words, folder=project.folder, env=env, columns=80) as screen:
        assert screen.wait() == 2, screen.text
        assert "--yes" in screen.text
    assert project.api.recipients == []
