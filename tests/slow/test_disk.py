"""A disk that is full, a ledger that goes away or is held: the run stops at once and says why, and
the same command goes on. The judge is the sandbox's own list."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.support import Done, Project, Running, people, until
from tests.processes import COMMAND

PEOPLE = people(200)


def write(project: Project, count: int = len(PEOPLE)) -> None:
    project.write(PEOPLE[:count], concurrency=4, retry="settle: 1s, timeout: 5s")
    project.api.faults("slow:seconds=0.15")


def sending(project: Project, *words: str | Path, least: int = 5) -> Running:
    """A run that has begun to send."""
    running = project.start(project.campaign, *words)
    until(
        lambda: len(project.api.recipients) >= least or running.process.poll() is not None,
        "messages to be accepted",
    )
    assert running.process.poll() is None, running.out
    return running


def stopped(running: Running, *told: str) -> Done:
    """How a run ended that its ledger stopped: one line, what to do, and no bug."""
    done = running.wait()
    assert done.code == 1, done.all
    assert "Traceback" not in done.all
    lines = done.err.strip().splitlines()
    assert len(lines) == 2, done.err
    assert lines[0].startswith("error: ")
    for words in told:
        assert words in done.err
    return done


def goes_on(project: Project, *words: str | Path, count: int = len(PEOPLE)) -> None:
    """The same command sends to everybody who has nothing yet, and to nobody twice."""
    project.api.faults()
    before = len(project.api.recipients)
    assert before < count, "it had nothing left to send"
    done = project.run(project.campaign, *words)
    doubtful = set(project.ok("status", project.campaign, *words, "--json").json["in_doubt"])
    accepted = project.api.recipients
    assert done.code == (4 if doubtful else 0), done.all
    assert len(accepted) == len(set(accepted)), "somebody was written to twice"
    assert set(PEOPLE[:count]) - doubtful <= set(accepted)
    if project.version == "v2":
        assert doubtful == set()


def nothing_more(project: Project, running: Running) -> None:
    """Once the run has ended, the server hears nothing more; and it began nothing new meanwhile."""
    assert running.process.poll() is not None
    under_way = 4
    known = project.counts()
    open_ = sum(known.get(status, 0) for status in ("sending", "in_doubt", "sent"))
    assert len(project.api.recipients) <= open_
    assert open_ - known.get("sent", 0) <= 2 * under_way


def test_a_disk_that_fills_up_while_sending(both: Project) -> None:
    write(both)
    running = sending(both)
    size = Path(f"{both.ledger}-wal").stat().st_size + 30_000
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (size, size))
    stopped(running, "the disk of the ledger", "over a quota", "run the same command again")
    nothing_more(both, running)
    goes_on(both)


def limited(size: int) -> list[str]:
    """The command, no file of which may grow beyond `size` bytes."""
    return ["prlimit", f"--fsize={size}", *COMMAND]


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="there is no prlimit here")
def test_a_disk_that_fills_up_while_planning_copying_or_exporting(project: Project) -> None:
    project.write(people(3000))
    running = project.start(project.campaign, command=limited(300_000))
    stopped(running, "the disk of the ledger", "run the same command again")
    assert project.api.recipients == []
    assert project.counts() == {}, "half a plan"
    project.write(people(400), text="Hi {{ first_name }}, " + "shall I send the notes? " * 8)
    project.ok(project.campaign, "--limit", "1")
    for words, told in (
        (("db", "backup", "copy.db"), "copy.db: the copy cannot be written"),
        (("export", project.campaign, "-o", "results.csv"), "results.csv: cannot be written"),
    ):
        before = {path.name for path in project.folder.iterdir()}
        done = project.run(*words, command=limited(60_000))
        assert done.code == 1, done.all
        assert told in done.err
        assert len(done.err.strip().splitlines()) <= 2
        assert {path.name for path in project.folder.iterdir()} <= before
    copied = project.ok("db", "backup", "copy.db")
    assert copied.out.strip() == f"{project.ledger} copied to copy.db"
    assert (project.folder / "copy.db").stat().st_mode & 0o777 == 0o600
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == people(400)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB; only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "none", str(folder)]
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root may mount a small file system")
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_file_system_and_room_again(project: Project, small_disk: Path) -> None:
    write(project)
    state = small_disk / "state.db"
    running = sending(project, "--state", state)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(b"\0" * 65536):
            pass
    stopped(running, f"no space left for the ledger {state}", "make room")
    again = project.start(project.campaign, "--state", state)
    stopped(again, str(state))
    filler.unlink()
    goes_on(project, "--state", state)


def _renamed(project: Project) -> Callable[[], None]:
    away = project.folder / "away.db"
    project.ledger.rename(away)

    def put_back() -> None:
        away.replace(project.ledger)

    return put_back


def _without_its_wal(project: Project) -> Callable[[], None]:
    Path(f"{project.ledger}-wal").unlink()
    return lambda: None


@pytest.mark.parametrize("lose", [_renamed, _without_its_wal])
def test_a_ledger_that_goes_away_while_sending(
    project: Project, lose: Callable[[Project], Callable[[], None]]
) -> None:
    write(project)
    running = sending(project)
    put_back = lose(project)
    stopped(running, str(project.ledger), "run the same command again")
    heard = len(project.api.recipients)
    if lose is _renamed:
        # Nobody is written to again by who does not read what is said.
        stopped(project.start(project.campaign), "is gone, but its state.db-wal is there")
        assert len(project.api.recipients) == heard
    put_back()
    nothing_more(project, running)
    goes_on(project)


def test_a_project_that_is_moved_while_sending(project: Project) -> None:
    write(project)
    running = sending(project)
    moved = project.folder.with_name("moved")
    project.folder.rename(moved)
    stopped(running, str(project.ledger), "is gone")
    project.folder = moved
    nothing_more(project, running)
    goes_on(project)


def test_a_ledger_that_is_held_for_a_while(project: Project) -> None:
    write(project, 60)
    running = sending(project)
    held = sqlite3.connect(project.ledger, isolation_level=None, check_same_thread=False)
    held.execute("BEGIN EXCLUSIVE")
    before = len(project.api.recipients)
    letting_go = threading.Timer(1.0, held.execute, ("COMMIT",))
    letting_go.start()
    letting_go.join()
    held.close()
    # What was under way, and nothing whose intent had to wait.
    assert before <= 60 - 8
    done = running.wait()
    assert done.code == 0, done.all
    assert sorted(project.api.recipients) == PEOPLE[:60]


AS_A_USER = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *COMMAND]


@pytest.mark.parametrize("what", ["the file", "the folder"])
def test_a_ledger_that_may_not_be_written(project: Project, what: str) -> None:
    command = [] if os.geteuid() else AS_A_USER
    if command and shutil.which(command[0]) is None:
        pytest.skip("root may write everywhere")
    write(project, 10)
    project.ok(project.campaign, "--limit", "3")
    locked = project.ledger if what == "the file" else project.folder
    mode = locked.stat().st_mode
    locked.chmod(0o444 if what == "the file" else 0o555)
    try:
        stopped(project.start(project.campaign, command=command), str(project.folder))
        shown = project.run("status", project.campaign, "--json", command=command)
        assert shown.json["counts"]["sent"] == 3
    finally:
        locked.chmod(mode)
    assert len(project.api.recipients) == 3
    goes_on(project, count=10)


def test_an_emptied_ledger_is_not_begun_anew(project: Project) -> None:
    write(project, 10)
    project.ok(project.campaign, "--limit", "3")
    kept = project.ledger.read_bytes()
    project.ledger.write_bytes(b"")
    for words in ((), ("--dry-run",)):
        stopped(project.start(project.campaign, *words), "is empty, but runs took place beside it")
    assert len(project.api.recipients) == 3
    project.ledger.write_bytes(kept)
    goes_on(project, count=10)


def test_damage_and_a_newer_ledger_are_told_by_every_command(project: Project) -> None:
    write(project, 10)
    project.ok(project.campaign, "--limit", "3")
    kept = project.ledger.read_bytes()
    with contextlib.closing(sqlite3.connect(project.ledger)) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
        connection.commit()
    newer = project.ledger.read_bytes()
    damaged = b"\0" * 4096 + kept[4096:]
    commands: list[tuple[bytes, str, tuple[str | Path, ...]]] = [
        (newer, "upgrade run-campaign", (project.campaign, "--dry-run")),
        (newer, "upgrade run-campaign", ("status", project.campaign)),
        (damaged, "damaged", (project.campaign,)),
        (damaged, "damaged", ("export", project.campaign, "-o", "results.csv")),
    ]
    for content, told, words in commands:
        project.ledger.write_bytes(content)
        stopped(project.start(*words), told)
    assert len(project.api.recipients) == 3
    project.ledger.write_bytes(kept)
    goes_on(project, count=10)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_finds_no_room_is_no_bug(project: Project) -> None:
    write(project, 10)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, str(project.campaign)],
            env=project.environment(),
            cwd=project.folder,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    assert "No space left on device" in done.stderr
    assert "bug" not in done.stderr
    project.api.faults()
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == PEOPLE[:10]
