"""What a command writes never takes the place of what a campaign reads, nor of the ledger."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from .support import Project, everything_in, people, until


@pytest.fixture
def used(project: Project) -> Project:
    """Two campaigns of one ledger."""
    ids = people(3)
    project.write(ids, more="suppress: [dnc.csv]\n")
    folder = project.campaign.parent
    (folder / "text.html").write_text("Hi {{ first_name }}, shall I send the notes?")
    (folder / "dnc.csv").write_text(f"x_user_id\n{ids[0]}\n")
    text = project.campaign.read_text()
    message = next(line for line in text.splitlines() if line.startswith("message:"))
    project.campaign.write_text(text.replace(message, "message: {template: text.html}"))
    project.ok(project.campaign, "--yes", "--limit", "1")
    second = folder / "second.yaml"
    second.write_text(text.replace("spring.csv", "second.csv").replace("dnc.csv", "second.jsonl"))
    (folder / "second.csv").write_text(f"x_user_id,first_name\n{people(9)[8]},Ann\n")
    (folder / "second.jsonl").write_text(f'{{"x_user_id": "{people(9)[7]}"}}\n')
    project.ok(second, "--yes", "--limit", "0")
    (folder / "other.jsonl").write_text("nothing reads it\n")
    return project


def as_it_is(path: Path, place: Path) -> Path:
    return path


def by_symlink(path: Path, place: Path) -> Path:
    made = place / f"link-{path.name}"
    made.symlink_to(path)
    return made


def by_hard_link(path: Path, place: Path) -> Path:
    made = place / f"hard-{path.name}"
    os.link(path, made)
    return made


def by_another_way(path: Path, place: Path) -> Path:
    (place / "way").symlink_to(path.parent)
    return place / "way" / ".." / path.parent.name / path.name


WAYS = (as_it_is, by_symlink, by_hard_link, by_another_way)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["spring.csv", "text.html", "dnc.csv", "second.csv", "second.jsonl"]
)
def test_nothing_that_a_campaign_reads_is_overwritten(used: Project, name: str) -> None:
    before = everything_in(used.campaign.parent)
    for way in WAYS:
        target = way(used.campaign.parent / name, used.folder)
        commands: list[tuple[str | Path, ...]] = [("export", used.campaign, "-o", target)]
        commands.append((used.campaign, "--dry-run", "--output", target))
        if target.suffix != ".html":
            commands.append(("suppress", "export", target))
        for command in commands:
            done = used.ok(*command, code=2)
            assert f"{target}: is " in done.err, way
            assert "of campaign " in done.err, way
            assert done.err.count("\n") == 1, way
            assert everything_in(used.campaign.parent) == before, way


def test_the_ledger_and_its_files_are_not_overwritten(used: Project) -> None:
    before = used.ledger.read_bytes()
    report = ("report", used.campaign, "--format", "md", "-o")
    assert "not a report of this program" in used.ok(*report, used.ledger, code=1).err
    for ending in ("-wal", "-shm"):
        target = Path(f"{used.ledger}{ending}")
        assert not target.exists()
        done = used.ok(*report, target, code=2)
        assert "is the ledger, or a file of it; name another file" in done.err
        assert not target.exists()
    hard = used.folder / "ledger.csv"
    os.symlink(used.ledger, hard)
    assert "is the ledger" in used.ok("export", used.campaign, "-o", hard, code=2).err
    assert "is the ledger" in used.ok("suppress", "export", hard, code=2).err
    # An empty file, which a report may take the place of.
    (used.campaign.parent / "dnc.csv").write_text("")
    done = used.ok(*report, used.campaign.parent / "dnc.csv", code=2)
    assert "is a do-not-contact list of campaign spring" in done.err
    assert used.ledger.read_bytes() == before


def test_no_log_is_appended_to_what_is_read(used: Project) -> None:
    for target in (used.sheet, used.campaign, used.ledger):
        before = target.read_bytes()
        done = used.ok(used.campaign, "--yes", "--log-file", target, code=2)
        assert f"--log-file {target}: is " in done.err
        assert target.read_bytes() == before


def test_another_file_is_written_and_replaced(used: Project) -> None:
    target = used.campaign.parent / "results.csv"
    for _ in range(2):
        used.ok("export", used.campaign, "-o", target)
        used.ok("suppress", "export", used.campaign.parent / "list.csv")
        used.ok("report", used.campaign, "-o", used.campaign.parent / "report.html")
        used.ok(used.campaign, "--dry-run", "--output", used.campaign.parent / "preview.csv")
    assert target.read_text().startswith("row,")
    used.ok("export", used.campaign, "-o", used.campaign.parent / "other.jsonl")
    # A campaign whose file is gone or broken still has its sheet.
    (used.campaign.parent / "second.yaml").write_text("senders: [\n")
    used.ok("export", used.campaign, "-o", used.campaign.parent / "second.csv", code=2)
    used.ok("export", used.campaign, "-o", target)


def test_a_watched_status_in_a_pipe_has_its_times(project: Project) -> None:
    project.write(people(2))
    project.ok(project.campaign)
    running = project.start("status", "--watch")
    times = re.compile(r"^-- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.M)
    until(lambda: len(times.findall(running.out)) > 1, "two readings")
    running.interrupt()
    assert running.wait().code == 0
