"""Secrets stay where they belong: in no argument, output, ledger, export or child process."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.processes import COMMAND

from .browser import CHROMIUM, IN_CI, Browser
from .front import in_front_of
from .screen import Terminal
from .support import TOKEN, Project, everything_in, people, until

SETTLED = "rc_team_secret_42"
"""A token in a variable whose name does not say so."""


@pytest.fixture
def opener(project: Project) -> Path:
    """Where an `xdg-open` that opens nothing writes down what it was given."""
    told = project.folder / "opened"
    folder = project.folder / "bin"
    folder.mkdir()
    script = folder / "xdg-open"
    script.write_text(
        f'#!/bin/sh\n{{ echo "$#"; echo "$1"; env; }} > \'{told}.partial\'\n'
        f"mv '{told}.partial' '{told}'\n"
    )
    script.chmod(0o755)
    return told


@pytest.fixture
def shown(project: Project, opener: Path) -> Iterator[Terminal]:
    """A dashboard at a terminal, which opens a browser."""
    project.write(people(3))
    text = project.campaign.read_text()
    project.campaign.write_text(text.replace("api: {", "api: {token: '${ACME}', "))
    project.ok(project.campaign, ACME=TOKEN)
    env = project.environment(ACME=SETTLED, PGPASSWORD="geheim", LANG="C.UTF-8")
    env["PATH"] = f"{opener.parent / 'bin'}:{env['PATH']}"
    words = [*COMMAND, "dashboard", str(project.campaign), "--port", "0"]
    with Terminal(words, folder=project.folder, env=env, columns=120) as terminal:
        terminal.until(lambda text: "Ctrl-C ends it" in text, "the link")
        until(opener.exists, "the browser to be opened")
        yield terminal


def link_on(terminal: Terminal) -> str:
    found = re.search(rb"dashboard: (http://\S+)", terminal.raw)
    assert found is not None
    return found[1].decode()


def test_a_browser_is_told_no_secret(shown: Terminal, opener: Path) -> None:
    """Whoever reads the arguments of its process finds a file that they cannot read."""
    link = link_on(shown)
    count, file, *environment = opener.read_text().splitlines()
    assert count == "1"
    assert urlsplit(link).query.partition("=")[2] not in file
    page = Path(file.removeprefix("file://"))
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    assert link in page.read_text()
    told = "\n".join(environment)
    for secret in (TOKEN, SETTLED, "geheim", "TOKEN=", urlsplit(link).query):
        assert secret not in told
    assert "LANG=C.UTF-8" in environment
    Browser(link).enter()
    until(lambda: not page.parent.exists(), "the page to be removed")
    shown.type("\x03")
    assert shown.wait() == 0


@pytest.mark.slow
def test_the_page_for_a_browser_goes_with_the_dashboard(shown: Terminal, opener: Path) -> None:
    page = Path(opener.read_text().splitlines()[1])
    shown.type("\n")
    shown.until(lambda text: text.count("dashboard: http") == 2, "another link")
    [_, other] = re.findall(rb"dashboard: (http://\S+)", shown.raw)
    Browser(other.decode()).enter()
    assert page.exists()  # its own link is good still
    shown.type("\x03")
    assert shown.wait() == 0
    assert not page.parent.exists()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None and not IN_CI, reason="no Chromium")
def test_a_browser_goes_through_the_page(shown: Terminal, opener: Path) -> None:
    as_root = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=as_root)
        page = browser.new_page()
        page.goto(Path(opener.read_text().splitlines()[1]).as_uri())
        expect(page.get_by_role("link", name="spring").first).to_be_visible()
        assert urlsplit(page.url)._replace(netloc="").geturl() == "http:///"
        browser.close()


@pytest.fixture(params=["?password=", "?user=postgres&%70assword=", "?sslpassword=", ":"])
def with_password(request: pytest.FixtureRequest, new_database: str) -> str:
    """A ledger's URL with a password, which this server does not ask for."""
    if request.param == ":":
        return new_database.replace("postgres:@", f"postgres:{quote(PASSWORD)}@")
    place, _, query = new_database.partition("?")
    return f"{place}{request.param}{quote(PASSWORD)}&{query}"


PASSWORD = "Geheim+42 ü"


@pytest.mark.slow
def test_a_databases_password_is_told_nowhere(
    project: Project, with_password: str, request: pytest.FixtureRequest
) -> None:
    """In no answer of any command, in nothing that is kept, and not when the database fails.

    Each command meets each way to write a password, and each way to name the ledger with two.
    """
    way = request.node.callspec.indices["with_password"]
    project.write(people(2))
    told = [
        project.ok("db", "upgrade", "--state", with_password).all,
        project.ok("check", project.campaign, "--state", with_password).all,
        project.ok("submit", project.campaign, "--state", with_password).all,
    ]
    worker = project.start("worker", "--state", with_password)
    until(lambda: len(project.api.recipients) == 2, "the worker to send")
    worker.interrupt()
    told += [
        worker.wait().all,
        project.ok(project.campaign, "--state", with_password).all,
        project.ok("pause", project.campaign, "--state", with_password).all,
    ]
    lookers: tuple[tuple[str | Path, ...], ...] = (
        ("status",),
        ("status", "--json"),
        ("lanes",),
        ("history",),
        ("suppress", "list"),
        ("suppress", "add", "5"),
        ("export", project.campaign, "-o", project.folder / "out.csv"),
        ("report", project.campaign, "-o", project.folder / "report.html"),
        (project.campaign, "--dry-run"),
        ("db", "backup", "x.db"),
    )
    for number, words in enumerate(lookers):
        if (number + way) % 2:
            told.append(project.run(*words, "--state", with_password).all)
        else:
            told.append(project.run(*words, RUN_CAMPAIGN_STATE=with_password).all)
    gone = with_password.replace("/ledger_", "/gone_")
    odd = f"{with_password}&sslmode=odd"
    for failing in (gone, odd, f"{with_password}&passwrd={quote(PASSWORD)}"):
        for words in (("status",), ("db", "upgrade"), ("lanes",), ("worker",)):
            failed = project.run(*words, "--state", failing)
            assert failed.code in (1, 2), failed.all
            told.append(failed.all)
    for word in (PASSWORD, quote(PASSWORD), "Geheim", quote("42 ü")):
        assert not [each for each in told if word in each]
        for name, content in everything_in(project.folder.parent).items():
            assert word.encode() not in content, name
    assert any("***" in each for each in told)


@pytest.mark.slow
def test_a_ledger_that_moved_tells_no_password(project: Project, with_password: str) -> None:
    project.write(people(2))
    project.ok(project.campaign)
    told = project.ok("db", "move", "--to", with_password).all
    told += project.ok(project.campaign, code=1).all + project.run("status").all
    assert "Geheim" not in told
    for name, content in everything_in(project.folder.parent).items():
        assert b"Geheim" not in content, name


def test_an_unexpected_error_tells_no_password(project: Project, with_password: str) -> None:
    """Neither the terminal nor the log that it leaves."""
    broken = project.folder / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import runner.ledger.engine as engine\n"
        "def fail(url):\n"
        "    raise ValueError(f'{url.render_as_string(hide_password=False)} {url.query}')\n"
        "engine.place_of = fail\n"
    )
    failed = project.ok("status", "--state", with_password, code=3, PYTHONPATH=str(broken))
    log = Path(failed.err.strip().rpartition("its log: ")[2])
    for text in (failed.all, log.read_text()):
        assert "ValueError" in text
        assert "Geheim" not in text
    log.unlink()


def echoing(body: bytes) -> bytes:
    """An answer to a send, whose ids have the token in them."""
    told = json.loads(body)
    if isinstance(told, dict) and isinstance(told.get("message"), dict):
        told["message"]["id"] += TOKEN
    return json.dumps(told).encode()


def test_an_id_that_repeats_the_token_is_not_kept(project: Project) -> None:
    with in_front_of(project.api.base) as front:
        front.change = echoing
        project.address = front.base
        project.write(people(3))
        running = project.start(project.campaign)
        until(lambda: project.counts().get("in_doubt") == 3, "three in doubt")
        running.interrupt()
        told = running.wait().all + project.run("status", "--json").all
        assert len(project.api.recipients) == 3
    assert [row["status"] for row in project.exported()] == ["in_doubt"] * 3
    assert TOKEN not in told
    for name, content in everything_in(project.folder.parent).items():
        assert TOKEN.encode() not in content, name


@pytest.mark.slow
@pytest.mark.parametrize("where", ["comment", "template"])
def test_a_token_in_a_campaigns_files_is_refused(
    project: Project, new_database: str, where: str
) -> None:
    """Which `submit` would keep in the ledger, and a message would tell to people."""
    project.write(people(2))
    text = project.campaign.read_text()
    if where == "comment":
        project.campaign.write_text(f"# {TOKEN}\n{text}")
    else:
        (project.campaign.parent / "hi.txt").write_text(f"Hi {{{{ first_name }}}} {TOKEN}")
        told = re.sub(r"^message: .*$", "message: {template: hi.txt}", text, flags=re.M)
        project.campaign.write_text(told)
    project.ok("db", "upgrade", "--state", new_database)
    for words in ((), ("--state", new_database)):
        refused = project.ok(project.campaign, *words, code=2)
        assert "holds the API token itself" in refused.err
        assert TOKEN not in refused.all
    assert "itself" in project.ok("submit", project.campaign, "--state", new_database, code=2).err
    assert project.api.recipients == []
    project.campaign.write_text(text)
    (project.campaign.parent / "hi.txt").unlink(missing_ok=True)
    project.ok(project.campaign)


def test_a_sandboxs_token_is_no_secret(project: Project) -> None:
    project.real = False
    project.write(people(2))
    project.campaign.write_text(f"# export INBOX_API_TOKEN={TOKEN}\n{project.campaign.read_text()}")
    project.ok(project.campaign)
    assert len(project.api.recipients) == 2
    project.campaign.unlink()
