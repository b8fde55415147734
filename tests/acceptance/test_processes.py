"""A command that the fork server starts behaves as the installed script does."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests import processes
from tests.processes import COMMAND, Forked, Process

from .screen import Terminal
from .support import DYING, PATIENCE, Project, people, until

Start = Callable[..., Process]


def installed(words: list[str], **how: object) -> Process:
    """Start the installed script itself."""
    return subprocess.Popen(words, text=True, start_new_session=True, **how)  # type: ignore[call-overload, no-any-return]


def forked(words: list[str], **how: object) -> Process:
    """Start a fork."""
    process = processes.start(words, **how)  # type: ignore[arg-type]
    assert isinstance(process, Forked)
    return process


FULL = Path("/dev/full")
WAYS = [installed, forked]
both_ways = pytest.mark.parametrize("start", WAYS, ids=lambda way: way.__name__)


def outcome(project: Project, start: Start, words: list[str], **env: str) -> tuple[int, str]:
    """The exit code, and all that is said, in its order."""
    told = project.outputs / "told"
    with told.open("w") as out:
        process = start(
            [*COMMAND, *words],
            cwd=project.folder,
            env=project.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        code = process.wait(PATIENCE)
    return code, told.read_text(errors="surrogateescape")


def begun(project: Project, start: Start) -> Process:
    """A run of the campaign that nobody reads."""
    return start(
        [*COMMAND, str(project.campaign)],
        cwd=project.folder,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "env", "code"),
    [
        (["--version"], {}, 0),
        ([], {}, 2),
        (["status", "--nonsense"], {}, 2),
        (["camqaigns/spring.yaml"], {}, 2),
        (["status"], {}, 2),
        (["check", "campaigns/spring.yaml"], {}, 0),
        (["check", "campaigns/spring.yaml"], {"INBOX_API_TOKEN": ""}, 1),
        (["campaigns/spring.yaml", "--dry-run", "--limit", "1"], {"COLUMNS": "50"}, 0),
        (["campaigns/spring.yaml", "--dry-run", "--only", "Zoë 'x' \n"], {}, 2),
        (["campaigns/spring.yaml", "--state", "elsewhere/state.db"], {}, 1),
        (["camqaigns/zoë🌱.yaml"], {"PYTHONIOENCODING": "latin-1"}, 2),
        (["status", "--state", "zoë🌱.db"], {"PYTHONIOENCODING": "ascii:xmlcharrefreplace"}, 1),
    ],
)
def test_words_environment_folder_exit_code_and_the_order_of_what_is_said(
    project: Project, words: list[str], env: dict[str, str], code: int
) -> None:
    project.write(people(3))
    first, second = (outcome(project, start, words, **env) for start in WAYS)
    assert first == second
    assert first[0] == code, first


@pytest.mark.slow
@pytest.mark.skipif(not FULL.exists(), reason="no such device")
@pytest.mark.parametrize("words", [["--help"], ["status"], ["campaigns/spring.yaml", "--dry-run"]])
def test_what_cannot_be_told_ends_alike(project: Project, words: list[str]) -> None:
    """An end that is more than an exit code: something is still to be said, and cannot be."""
    project.write(people(3))
    project.ok(project.campaign)
    ends = []
    for start in WAYS:
        told = project.outputs / "told"
        with FULL.open("w") as full, told.open("w") as errors:
            process = start(
                [*COMMAND, *words],
                cwd=project.folder,
                env=project.environment(),
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=errors,
            )
            ends.append((process.wait(PATIENCE), told.read_text()))
    assert ends[0] == ends[1]
    assert ends[0][0] != 0


@pytest.mark.slow
@both_ways
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_a_process_of_its_own(project: Project, start: Start, number: int) -> None:
    project.write(people(40), concurrency=1)
    project.api.faults("slow:seconds=0.5")
    running = begun(project, start)
    until(lambda: len(project.api.recipients) >= 2, "two messages")
    assert running.poll() is None
    assert os.getsid(running.pid) == running.pid
    assert os.getpgid(running.pid) == running.pid
    if (proc := Path(f"/proc/{running.pid}")).exists():
        assert (proc / "cwd").readlink() == project.folder
        handles = {each.name: str(each.readlink()) for each in (proc / "fd").iterdir()}
        assert all(handles[name] == os.devnull for name in "012")
        files = {each for each in handles.values() if each.startswith("/")}
        assert files <= {os.devnull, *map(str, project.folder.rglob("*"))} | {
            each for each in files if "state-home" in each or "/.local/" in each
        }
    running.send_signal(number)
    assert running.wait(PATIENCE) == 130
    count = len(project.api.recipients)
    assert count < 40
    assert project.counts()["sent"] == count


@pytest.mark.parametrize("point", ["action.inside", "pause.committed", "plan.finished"])
def test_a_function_that_is_changed_for_a_test_is_changed_for_who_imports_it(
    project: Project, point: str
) -> None:
    project.write(people(3))
    project.ok(project.campaign, "--limit", "0")
    words = ["pause", "campaigns/spring.yaml"]
    if point == "plan.finished":
        project.write(people(4))
        words = ["campaigns/spring.yaml", "--limit", "0"]
    dying = {"DIE_AT": point, "PYTHONPATH": str(DYING)}
    assert [outcome(project, start, words, **dying)[0] for start in WAYS] == [-signal.SIGKILL] * 2


@both_ways
def test_it_dies_of_a_kill(project: Project, start: Start) -> None:
    project.write(people(40), concurrency=1)
    project.api.faults("stall")
    running = begun(project, start)
    until(lambda: project.counts().get("sending"), "a message under way")
    running.kill()
    assert running.wait(PATIENCE) == -signal.SIGKILL
    assert project.counts()["sending"] >= 1  # nothing was told, and nothing was put in order


def test_it_has_a_terminal_that_asks_and_interrupts(project: Project) -> None:
    project.write(people(2))
    env = project.environment()
    for answer, code in (("\n", 0), ("\x03", 130), ("y\n", 0)):
        with Terminal([*COMMAND, str(project.campaign)], folder=project.folder, env=env) as shown:
            assert isinstance(shown.process, Forked)
            shown.until(lambda text: "[y/N]" in text, "the question")
            shown.type(answer)
            while answer == "\x03" and shown.process.poll() is None:
                # Python can miss one in the moment before it waits for a line.
                with suppress(subprocess.TimeoutExpired):
                    shown.process.wait(1.0)
                    break
                shown.type(answer)
            assert shown.wait() == code, shown.text
    assert sorted(project.api.recipients) == people(2)


def test_what_only_an_interpreter_reads_as_it_starts_is_left_to_one(project: Project) -> None:
    for env in (
        {"PYTHONUTF8": "0"},
        {"LC_ALL": "C"},
        {"LANG": "de_DE.UTF-8"},
        {"SSL_CERT_FILE": os.devnull},
    ):
        process = processes.start(
            [*COMMAND, "--version"],
            cwd=project.folder,
            env=project.environment(**env),
            stdout=subprocess.DEVNULL,
        )
        assert isinstance(process, subprocess.Popen)
        assert process.wait(PATIENCE) == 0
