"""What came of a campaign, as a page, Markdown and JSON: the numbers of `status` and `export`."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from runner.cli.invocation import Invocation

from .support import LINK, OTHER_LINK, TOKEN, Project, people, until

EVIL = '<script>alert("x")</script>|`b`'


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.cells: list[list[str]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "href", "action", "srcdoc", "xlink:href"), (tag, value)
            assert "url(" not in (value or ""), (tag, value)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_data(self, data: str) -> None:
        self.said += data
        if self.cells and self.cells[-1]:
            self.cells[-1][-1] += data.strip()


def _campaign(project: Project) -> Counter[str]:
    """A campaign with something of every kind: how many of each, as `export` has it."""
    sent, other = people(4), people(2, "0404")
    project.write([], senders=(LINK, OTHER_LINK), retry="settle: 1s, attempts: 1")
    rows = ["x_user_id,first_name,country"]
    doubtful, slowed = people(6)[4:]
    project.api.faults(
        f"unconfirmed:delivered=no,recipient={doubtful}",
        f"platform_rate_limit:retry_after=0,recipient={slowed}",
    )
    ids = [*sent, *other, doubtful, slowed]
    rows += [f"{id},Ada,{('US', 'UK', '')[at % 3]}" for at, id in enumerate(ids)]
    quoted = EVIL.replace('"', '""')
    rows += [f'1.23E+18,Bo,"{quoted}"', f'{people(8)[7]},Bo,"{quoted}"', f"{sent[0]},Ada,US"]
    project.sheet.write_text("\n".join(rows) + "\n")
    project.run(project.campaign)
    return Counter(row["status"] for row in project.exported())


@pytest.mark.slow
def test_a_report_tells_what_status_and_export_tell(project: Project) -> None:
    counts = _campaign(project)
    assert set(counts) == {"sent", "rejected", "failed", "in_doubt", "skipped"}
    page = project.folder / "report.html"
    done = project.ok("report", project.campaign, "-o", page, "--by", "country")
    assert done.out.startswith("report of spring in ")
    assert page.stat().st_mode & 0o077 == 0

    told = project.ok("report", "--format", "json", "--by", "country").json
    status = project.ok("status", project.campaign, "--json").json
    assert {name: n for name, n in told["counts"].items() if n} == counts
    assert {name: told[name] for name in status if name != "running"} == {
        name: value for name, value in status.items() if name != "running"
    }
    buckets = told["sends"]["buckets"]
    for name in ("sent", "rejected", "failed", "in_doubt"):
        assert sum(bucket[name] for bucket in buckets) == counts[name], name
        assert sum(sender["counts"][name] for sender in told["senders"]) == counts[name]
    [country] = told["by"]
    with (project.folder / "results.csv").open(newline="") as stream:
        by_hand = Counter((row["country"], row["status"]) for row in csv.DictReader(stream))
    assert by_hand == {
        (each["value"], name): n
        for each in country["values"]
        for name, n in each["counts"].items()
        if n
    }
    doubts, failed = told["needs"]
    assert doubts["command"] == f"run-campaign resolve {project.campaign}"
    assert failed["command"] == f"run-campaign retry {project.campaign}"

    text = page.read_text()
    shown = Page(text)
    assert shown.tags["script"] == shown.tags["link"] == shown.tags["img"] == 0
    assert shown.tags["svg"] == 4
    assert shown.tags["desc"] == 4
    assert "default-src 'none'" in text
    assert not re.search(r"@import|url\(", text)
    assert EVIL in shown.said
    assert ["sent", str(counts["sent"])] in [row[:2] for row in shown.cells]
    assert [EVIL, "2"] in [row[:2] for row in shown.cells]
    assert doubts["command"] in shown.said

    words = project.ok("report", project.campaign, "--format", "md", "--by", "country").out
    assert f"| sent | {counts['sent']} |" in words
    assert '| &lt;script&gt;alert("x")&lt;/script&gt;\\|\\`b\\` | 2 |' in words
    assert TOKEN not in text + words + json.dumps(told)


def test_a_report_holds_no_password() -> None:
    told = "run-campaign resolve a.yaml --state"
    for state, shared in (
        ("postgresql://ada:s3cret@db:5432/x", "postgresql://ada@db:5432/x"),
        ("postgresql://db/x?user=a&password=s3cret", "'postgresql://db/x?user=a&password=***'"),
        ("state.db", "state.db"),
    ):
        call = Invocation([], state=state)
        assert call.command("resolve", "a.yaml") == f"{told} {shared}"


def test_what_a_report_refuses(project: Project) -> None:
    project.write(people(1))
    project.ok(project.campaign)
    report = ("report", project.campaign)
    assert "-o report.html" in project.ok(*report, code=2).err
    both = f"{project.folder}/other.yaml"
    assert "there is no such file" in project.ok("report", both, "--format", "md", code=2).err
    assert "unknown ending .pdf" in project.ok(*report, "-o", "report.pdf", code=2).err
    near = project.ok(*report, "--format", "md", "--by", "firstname", code=2)
    assert near.err == (
        "error: --by firstname: the sheet has no such column\ndid you mean first_name?\n"
    )
    notes = project.folder / "notes.md"
    notes.write_text("# My own\n")
    assert "not a report" in project.ok(*report, "-o", notes, code=1).err
    assert (
        "not a report" in project.ok(*report, "-o", project.campaign, "--format", "md", code=1).err
    )
    assert notes.read_text() == "# My own\n"
    pipe = project.folder / "pipe.md"
    os.mkfifo(pipe)  # nor is a device, as root might, replaced
    assert "is not a file" in project.ok(*report, "-o", pipe, code=1).err
    for name in ("report.html", "report.md", "report.json"):
        project.ok(*report, "-o", name)
        project.ok(*report, "-o", name)  # its own, it may replace
    project.ok("report", "-o", "gone/report.html", code=1)


def test_what_a_killed_run_had_under_way_is_told_as_in_doubt(project: Project) -> None:
    project.write(people(3), concurrency=1)
    project.api.faults("stall:accept=no")
    running = project.start(project.campaign)
    until(lambda: project.counts().get("sending") == 1, "one under way")
    running.process.kill()
    running.process.wait()
    told = project.ok("report", project.campaign, "--format", "md").out
    assert "| in doubt | 1 |" in told
    assert "being sent" not in told
