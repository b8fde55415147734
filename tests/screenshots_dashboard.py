"""Pictures of the real dashboard beside a live run, and of a report, into docs/images:
`python -m tests.screenshots_dashboard`. Needs chromium."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, FloatRect, sync_playwright

from tests.acceptance.support import LINK, OTHER_LINK, TOKEN, Api, Project, Running, link_of, until

IMAGES = Path(__file__).parent.parent / "docs" / "images"
NAMES = ("Ada", "Bruno", "Zoë", "Grace", "Linus", "<script>alert(1)</script>", "Edsger")
COUNTRIES = ("UK", "US", "DE")
ENDINGS = ("1111", "1111", "1111", "0404", "1111", "1111", "0598", *["1111"] * 12)
"""Whom the sandbox cannot write to, whom it leaves in doubt, and most people."""
SHOTS = (
    ("overview", "/", 1120, "light"),
    ("campaign", "/campaigns/2", 1120, "light"),
    ("in-doubt", "/in-doubt", 900, "light"),
    ("search", "/search?q=zo%C3%AB", 900, "light"),
    ("dark", "/campaigns/2", 1120, "dark"),
    ("narrow", "/campaigns/2", 360, "light"),
    ("narrow-overview", "/", 360, "dark"),
)
REPORTS = (
    ("light", 1180, "light", "screen"),
    ("dark", 1180, "dark", "screen"),
    ("narrow", 400, "light", "screen"),
    ("print", 800, "light", "print"),
)
TALLEST = 1400
"""Pixels of a picture: a page may be longer."""


def _write(project: Project, name: str, first: int, count: int) -> Path:
    project.campaign.parent.mkdir(exist_ok=True)
    lines = [
        f"90000000000{first + at:04d}{ENDINGS[at % len(ENDINGS)]},"
        f"{NAMES[at % len(NAMES)]},{COUNTRIES[at % len(COUNTRIES)]}"
        for at in range(count)
    ]
    file = project.campaign.with_name(f"{name}.yaml")
    file.with_suffix(".csv").write_text(
        "\n".join(["x_user_id,first_name,country", *lines, ",Nobody,UK", "1.23E+18,Excel,US", ""])
    )
    file.write_text(
        f"api: {{base_url: {project.api.base}/api/v2, gateway: true}}\n"
        f"senders:\n  - {{id: {LINK}, per_hour: none, per_day: none, gap: none}}\n"
        f"  - {{id: {OTHER_LINK}, per_hour: none, per_day: none, gap: none}}\n"
        f"prospects: {name}.csv\n"
        "message: Hi {{ first_name }}, I enjoyed your talk. Shall I send the notes?\n"
        "limits: {per_minute: 150, per_hour: none, per_day: none, concurrency: 2}\n"
    )
    return file


def main() -> None:
    """Start a sandbox, a run and a dashboard, and look at them."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium here; install Debian's package of that name")
    words = [sys.executable, "-m", "runner.sandbox", "--token", TOKEN, "--per-minute", "none"]
    with (
        tempfile.TemporaryDirectory() as home,
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as sandbox,
        sync_playwright() as playwright,
    ):
        assert sandbox.stdout is not None
        api = Api(sandbox.stdout.readline().split()[-1])
        for each in ("outreach", "outputs"):
            (Path(home) / each).mkdir()
        project = Project(Path(home) / "outreach", api, "v2", Path(home) / "outputs")
        autumn = _write(project, "autumn-2025", 3000, 60)
        before = project.start(autumn, "--yes", "--limit", "45")
        until(lambda: project.counts().get("sent", 0) > 35, "a campaign of before")
        before.interrupt()
        before.wait()
        project.ok("pause", autumn, LOGNAME="ada")
        api.faults("slow:seconds=0.3")
        running = project.start(_write(project, "spring-2026", 1, 400), "--yes")
        until(lambda: project.counts().get("sent", 0) > 120, "a campaign to look at", 120)
        dashboard = project.start("dashboard", "--no-browser", "--port", "0")
        root = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=root)
        _shoot(browser, dashboard)
        _shoot_report(browser, project)
        browser.close()
        for ending in (running, dashboard):
            ending.process.terminate()
            ending.process.wait()
        sandbox.terminate()


def _shoot_report(browser: Browser, project: Project) -> None:
    """Keep the report of the first campaign, as if it had gone on for days, a message each ten
    minutes."""
    with closing(sqlite3.connect(project.ledger, timeout=30)) as ledger, ledger:
        for table, column, key in (
            ("message", "sent_at", "id"),
            ("attempt", "started_at", "message"),
            ("attempt", "ended_at", "message"),
        ):
            earlier = f"{column} - 600 * (60 - {key})"
            ledger.execute(f"UPDATE {table} SET {column} = {earlier} WHERE {key} <= 60")
    autumn, page = project.campaign.with_name("autumn-2025.yaml"), project.folder / "report.html"
    autumn.write_text(autumn.read_text().replace("per_hour: none", "per_hour: 6"))
    named = autumn.relative_to(project.folder)
    project.ok("report", named, "-o", page, "--by", "country")
    shown = browser.new_page()
    for name, width, colours, medium in REPORTS:
        shown.set_viewport_size({"width": width, "height": 800})
        shown.emulate_media(
            color_scheme="dark" if colours == "dark" else "light",
            media="print" if medium == "print" else "screen",
        )
        shown.goto(page.as_uri())
        tall: float = shown.evaluate("document.documentElement.scrollHeight")
        clip = FloatRect(x=0, y=0, width=width, height=min(2000, tall))
        shown.screenshot(path=IMAGES / f"report-{name}.png", full_page=True, clip=clip)


def _shoot(browser: Browser, dashboard: Running) -> None:
    context = browser.new_context(timezone_id="Europe/London")
    page = context.new_page()
    link = link_of(dashboard)
    page.goto(link)
    page.wait_for_url("**/")
    for name, path, width, colours in SHOTS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if colours == "dark" else "light")
        page.goto(link.split("/?")[0] + path)
        page.wait_for_load_state("networkidle")
        tall: float = page.evaluate("document.documentElement.scrollHeight")
        height = min(TALLEST if width > 1000 else 1000, tall)
        clip = FloatRect(x=0, y=0, width=width, height=height)
        page.screenshot(path=IMAGES / f"dashboard-{name}.png", full_page=True, clip=clip)


if __name__ == "__main__":
    main()
