"""The dashboard: in a real browser beside a live run, and as somebody who wants in would ask it."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from playwright.sync_api import Page, Request, expect, sync_playwright

from tests.acceptance.support import link_of
from tests.postgresql import new_database

from .browser import CHROMIUM, FORM, IN_CI, Answer, Browser
from .support import LINK, Project, Running, people, until

"""Before the tests hide it."""
MARKUP = "<script>document.title='owned'</script>"
CLOSED_LATE = """() => {
  const dialog = document.querySelector("dialog");
  const closed = () => dialog.dispatchEvent(new Event("close"));
  new MutationObserver(closed).observe(dialog, {childList: true});
}"""
"""A browser tells that a dialog was closed when it has time to: perhaps after the next is there."""


def started(project: Project, *words: str) -> tuple[Running, str]:
    """A dashboard and its link."""
    running = project.start("dashboard", "--no-browser", "--port", "0", *words)
    return running, link_of(running)


def in_doubt(project: Project) -> str:
    """Begin a campaign whose first message nobody can know of; to whom that was."""
    ids = people(200)  # more than are sent until it is paused
    project.write(ids, concurrency=1)
    lines = [f"{id},Person{number}" for number, id in enumerate(ids, 1)]
    lines[1] = f'{ids[1]},"{MARKUP}"'
    project.sheet.write_text("\n".join(["x_user_id,first_name", *lines]) + "\n")
    project.api.faults("stall:accept=no")
    running = project.start(project.campaign, "--limit", "1")
    project.api.until_stalled(1)
    running.process.kill()
    running.process.wait()
    return ids[0]


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a real browser that has seen nothing yet."""
    if CHROMIUM is None:
        if IN_CI:
            pytest.fail("no chromium here: .ci/run is to install it")
        pytest.skip("no chromium here; Debian's package is called so")
    as_root = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=as_root)
        context = browser.new_context(timezone_id="Asia/Kathmandu")
        context.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield context.new_page()
        browser.close()


@pytest.mark.slow
def test_a_campaign_is_watched_paused_searched_and_settled(on_v1: Project, page: Page) -> None:
    project = on_v1
    doubtful = in_doubt(project)
    project.api.faults("slow:seconds=0.4")
    run = project.start(project.campaign)
    dashboard, link = started(project)
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(_host(request)))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    # Who has the link comes in, and the link is gone from the address.
    page.goto(link)
    page.wait_for_url(re.compile(r"/$"))
    expect(page.locator("footer")).to_contain_text("(UTC+05:45)")
    assert page.evaluate("document.cookie").startswith("zone=")  # the session's is not to be read

    # The counts change by themselves.
    page.get_by_role("link", name="spring").first.click()
    figures = page.get_by_role("list", name="Messages by status")
    sent = figures.get_by_role("link", name=re.compile(r"^\d+\s*sent$"))
    first = int(sent.locator("b").inner_text())
    expect(sent.locator("b")).not_to_have_text(str(first))
    expect(page.locator(".state")).to_have_text("▶ running")

    # Pause: asked with numbers, by keyboard; the run obeys.
    page.get_by_role("button", name="Pause").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("wait. None of them is sent until the campaign is resumed.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.evaluate(CLOSED_LATE)
    page.get_by_role("button", name="Pause").press(" ")
    dialog.get_by_role("button", name="Pause").press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("spring is paused")
    assert run.wait().code == 6
    expect(page.get_by_role("button", name="Resume")).to_be_visible()

    # Did she get it, when, what text, which thread?
    page.keyboard.press("/")
    page.keyboard.type("owned")
    page.keyboard.press("Enter")
    page.get_by_role("table", name="People found").get_by_role("link", name=MARKUP).click()
    expect(page.locator("dl.facts")).to_contain_text("Yes, ")
    expect(page.locator("pre.text").first).to_have_text(f"Hi {MARKUP}, shall I send the notes?")
    assert "owned" not in page.title()

    # A message in doubt: settled by a person, and that taken back.
    page.get_by_role("link", name="In doubt").click()
    page.get_by_role("button", name=f"It is there, sent to {doubtful}").click()
    dialog.get_by_role("button", name="Yes, it was sent").click()
    expect(page.get_by_role("status").first).to_contain_text("Resolved as sent")
    page.get_by_role("button", name="Undo the resolution").click()
    dialog.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator("dl.facts")).to_contain_text("Not known yet")
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("table", name="Actions")).to_contain_text("(dashboard)")

    # Back is back, and when the dashboard ends, the page says so.
    page.go_back()
    expect(page.locator("dl.facts")).to_be_visible()
    # On a telephone nothing sticks out.
    page.set_viewport_size({"width": 360, "height": 700})
    for path in ("/campaigns/1", "/search?q=owned", "/in-doubt", "/history", "/", page.url):
        page.goto(urljoin(link, path))
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path
    assert not complaints
    dashboard.interrupt()
    expect(page.locator("#lost")).to_be_visible()
    done = dashboard.wait()
    assert done.code == 0, done.all
    assert not done.err
    assert set(asked) == {urlsplit(link).netloc}
    history = project.ok("history", project.campaign).out
    assert "dashboard" in history


def _host(request: Request) -> str:
    return urlsplit(request.url).netloc


@pytest.fixture
def planned(project: Project) -> Project:
    """A campaign of which nothing was sent yet."""
    project.write(people(3))
    project.ok(project.campaign, "--limit", "0")
    return project


def test_only_who_has_the_link_comes_in_and_only_from_its_own_pages(planned: Project) -> None:
    dashboard, link = started(planned)
    browser = Browser(link)
    for path in ("/", "/campaigns/1", "/static/pico.min.css", "/?token=x", "/?token="):
        assert browser.ask(path).status == 403, path
    browser.enter()
    assert Browser(link).ask(f"/?{browser.link.query}").status == 403  # used up
    answer = browser.ask("/")
    assert answer.status == 200
    assert "spring" in answer.text
    assert "frame-ancestors 'none'" in (answer.headers.get("Content-Security-Policy") or "")
    assert "unsafe" not in (answer.headers.get("Content-Security-Policy") or "")
    assert answer.headers.get("X-Content-Type-Options") == "nosniff"
    assert answer.headers.get("Referrer-Policy") == "same-origin"
    assert answer.headers.get("Cache-Control") == "no-store"
    assert "Server" not in answer.headers

    # Under another name, from another page, in a frame, by another method.
    port = browser.link.port
    assert browser.ask("/", Host=f"localhost:{port}").status == 200
    for host in (f"evil.example:{port}", "127.0.0.1.evil.example", "127.0.0.1@evil.example", ""):
        assert browser.ask("/", Host=host or "evil").status == 403, host
    assert browser.ask("/", Origin="http://evil.example").status == 403
    elsewhere = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}
    assert browser.ask("/", **elsewhere).status == 403
    framed = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}
    assert browser.ask("/", Sec_Fetch_Site="same-site", **framed).status == 403
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        assert browser.ask("/", method).status == 405
    for path in ("/static/../access.py", "/static/%2e%2e/access.py", "/static//etc/passwd", "/x"):
        assert browser.ask(path).status == 404, path
    socket_headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec_WebSocket_Version": "13",
    }
    assert browser.ask("/", Origin="http://evil.example", **socket_headers).status == 403
    assert browser.ask("/", **socket_headers).status != 101

    # Whatever changes something: from our own page only, with the word of its form, and not much.
    own = f"http://{browser.host}"
    word = browser.form_word("/campaigns/1/pause")
    pause = {"path": "/campaigns/1/pause", "method": "POST"}
    for body, headers, status in (
        (urlencode({"word": word}), FORM, 403),
        (urlencode({"word": word}), FORM | {"Origin": "null"}, 403),
        (urlencode({"word": word}), FORM | {"Origin": "http://127.0.0.1:1"}, 403),
        (urlencode({"word": word}), FORM | {"Origin": own, "Sec_Fetch_Site": "same-site"}, 403),
        ("word=guessed", FORM | {"Origin": own}, 403),
        ("", FORM | {"Origin": own}, 403),
        ("{}", {"Content_Type": "application/json", "Origin": own}, 415),
        ("word=" + "x" * 70_000, FORM | {"Origin": own}, 413),
    ):
        given = {name.replace("-", "_"): value for name, value in headers.items()}
        assert browser.ask(**pause, body=body, **given).status == status, (body[:40], headers)
    assert "paused" not in planned.ok("status", planned.campaign).out
    given = {"Content_Type": FORM["Content-Type"], "Origin": own, "Sec_Fetch_Site": "same-origin"}
    assert browser.ask(**pause, body=urlencode({"word": word}), **given).status == 303
    assert "paused by" in planned.ok("status", planned.campaign).out
    assert _without_length(browser, given).startswith(b"HTTP/1.1 411 ")

    dashboard.process.send_signal(signal.SIGTERM)
    done = dashboard.wait()
    assert done.code == 0, done.all
    assert browser.cookie.partition("=")[2] not in done.all
    assert not done.err


def test_odd_requests_are_no_bugs_and_do_nothing(planned: Project) -> None:
    planned.ok("cancel", planned.campaign, "--yes")
    dashboard, link = started(planned)
    browser = Browser(link)
    browser.enter()
    for path in ("/messages", "/campaigns"):
        for digits in (19, 20, 5000):
            assert browser.ask(f"{path}/{'9' * digits}").status == 404, (path, digits)
    assert browser.ask(f"/messages/{'9' * 20}/retry").status == 404

    # Beside what another program on this machine has set: browsers do not tell ports apart.
    for other in ('a={"b": 1}', 'a="', "a b c", "=", ""):
        assert browser.ask("/", Cookie=f"{other}; {browser.cookie}").status == 200, other

    # What is asked of no message is done to none.
    own = {"Origin": f"http://{browser.host}", "Content_Type": FORM["Content-Type"]}
    word = browser.form_word("/campaigns/1/retry")
    assert browser.ask("/campaigns/1/retry?status=sent").status == 404
    sent = urlencode({"word": word, "status": "sent"})
    assert browser.ask("/campaigns/1/retry", "POST", sent, **own).status == 404
    assert planned.counts() == {"cancelled": 3}

    for path in ("/campaigns/1/cancelled", "/campaigns/1/skipped", "/history"):
        nowhere = browser.ask(f"{path}?after=x")
        assert (nowhere.status, "there is no such page" in nowhere.text) == (404, True)

    many = "&".join(f"field{number}=1" for number in range(25))
    assert browser.ask("/campaigns/1/pause", "POST", many, **own).status == 400
    with socket.create_connection(("127.0.0.1", browser.link.port or 0)) as raw:
        told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in own.items())
        raw.sendall(
            f"POST /campaigns/1/pause HTTP/1.1\r\nHost: {browser.host}\r\n{told}"
            f"Cookie: {browser.cookie}\r\nContent-Length: 100\r\n\r\nword=".encode()
        )
    dashboard.interrupt()
    done = dashboard.wait()
    assert done.code == 0
    assert not done.err


def _without_length(browser: Browser, headers: dict[str, str]) -> bytes:
    """What comes back to a form in pieces, which does not say how much it is."""
    with socket.create_connection(("127.0.0.1", browser.link.port or 0), timeout=60) as raw:
        told = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        raw.sendall(
            f"POST /campaigns/1/resume HTTP/1.1\r\nHost: {browser.host}\r\n{told}"
            f"Cookie: {browser.cookie}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        return raw.recv(1000)


def test_read_only_changes_nothing_and_a_failing_ledger_is_said_and_recovers(
    planned: Project,
) -> None:
    dashboard, link = started(planned, "--read-only")
    browser = Browser(link)
    browser.enter()
    shown = browser.ask("/campaigns/1").text
    assert "Read only" in shown
    assert "/pause" not in shown
    own = {"Origin": f"http://{browser.host}", "Content_Type": FORM["Content-Type"]}
    assert browser.ask("/campaigns/1/pause").status == 404
    assert browser.ask("/campaigns/1/pause", "POST", "word=x", **own).status == 403

    away = planned.ledger.with_name("away.db")
    planned.ledger.rename(away)
    failing = until(lambda: _failing(browser), "the ledger to be missed")
    assert "no ledger at" in failing.text
    away.rename(planned.ledger)
    assert "spring" in browser.ask("/").text
    dashboard.interrupt()
    assert dashboard.wait().code == 0


def _failing(browser: Browser) -> Answer | None:
    answer = browser.ask("/")
    return answer if answer.status == 503 else None


@pytest.mark.slow
def test_it_shows_and_changes_a_ledger_on_postgresql(project: Project, postgres: str) -> None:
    state = new_database(postgres)
    project.write(people(3))
    project.ok(project.campaign, "--limit", "0", "--state", state)
    dashboard, link = started(project, "--state", state)
    browser = Browser(link)
    browser.enter()
    assert "0 of 3" in browser.ask("/").text
    own = {"Origin": f"http://{browser.host}", "Content_Type": FORM["Content-Type"]}
    word = urlencode({"word": browser.form_word("/campaigns/1/pause")})
    assert browser.ask("/campaigns/1/pause", "POST", word, **own).status == 303
    assert "paused by" in browser.ask("/").text
    for path in ("/campaigns/1", "/campaigns/1/queued", "/messages/2", "/search?q=Person2"):
        assert "Person2" in browser.ask(path).text, path
    dashboard.interrupt()
    assert dashboard.wait().code == 0


def test_all_in_doubt_are_shown_a_page_at_a_time(project: Project) -> None:
    project.write(people(60))
    project.ok(project.campaign, "--yes", "--limit", "0")
    with closing(sqlite3.connect(project.ledger)) as ledger, ledger:
        ledger.execute("UPDATE message SET status = 'in_doubt', attempts = 1")
        ledger.execute(
            "INSERT INTO attempt (message, number, run, sender, version, base_url, lane, key, body,"
            " started_at, server_at)"
            " SELECT id, 1, 1, sender, 'v2', '', '', id, x'', 1, 1 FROM message"
        )
    dashboard, link = started(project, "--read-only")
    browser = Browser(link)
    browser.enter()
    first = browser.ask("/in-doubt").text
    assert (first.count("<article"), "And 10 more." in first) == (50, True)
    assert '<a href="?from=50">Next page</a>' in first
    last = browser.ask("/in-doubt?from=50").text
    assert (last.count("<article"), "Next page" in last) == (10, False)
    dashboard.interrupt()
    assert dashboard.wait().code == 0


@pytest.mark.slow
def test_a_person_is_put_on_hold_and_taken_off(planned: Project) -> None:
    dashboard, link = started(planned)
    browser = Browser(link)
    browser.enter()
    own = {"Origin": f"http://{browser.host}", "Content_Type": FORM["Content-Type"]}
    [id] = people(1)

    def do(act: str, **fields: str) -> str:
        said = {"word": browser.form_word(f"/messages/1/{act}"), **fields}
        assert browser.ask(f"/messages/1/{act}", "POST", urlencode(said), **own).status == 303
        return browser.ask("/messages/1").text

    assert "/messages/1/hold" in browser.ask("/messages/1").text
    shown = do("hold", why="on <holiday>")
    assert "On hold since" in shown
    assert "on &lt;holiday&gt;" in shown
    assert "/messages/1/unhold" in shown
    assert "held: 1" in browser.ask("/campaigns/1").text
    [told] = planned.ok("hold", "--list", "--json").json
    assert (told["recipient"], told["why"]) == (id, "on <holiday>")
    assert "On hold since" not in do("unhold")
    assert planned.ok("hold", "--list", "--json").json == []
    acts = planned.ok("history", "--json").json
    assert [(each["what"], each["via"]) for each in acts] == [
        ("unhold", "dashboard"),
        ("hold", "dashboard"),
    ]

    # Of an erased person there is nothing that could be held or written down.
    word = browser.form_word("/messages/1/hold")
    planned.ok("erase", id, "--yes")
    shown = until(lambda: _erased(browser), "it to be erased")
    assert "/hold" not in shown
    assert "/do-not-contact/add" not in shown
    assert id not in shown
    assert browser.ask("/messages/1/hold").status == 404
    refused = browser.ask("/messages/1/hold", "POST", urlencode({"word": word}), **own)
    assert refused.status == 404
    assert browser.ask("/do-not-contact/add?id=erased:1").status == 404
    dashboard.interrupt()
    assert dashboard.wait().code == 0


def _erased(browser: Browser) -> str:
    shown = browser.ask("/messages/1").text
    return shown if "This person was erased" in shown else ""


@pytest.mark.slow
def test_it_shows_how_many_have_answered(project: Project) -> None:
    ids = people(4)
    project.write(ids)
    project.ok(project.campaign, "--yes", "--limit", "3")
    dashboard, link = started(project)
    browser = Browser(link)
    browser.enter()
    for id, text in zip(ids, ("Yes", "stop"), strict=False):
        about = {"accountLinkId": LINK, "platformId": id}
        project.api.ask("act", about | {"write": text})
    project.ok("replies", project.campaign)
    project.ok("hold", ids[3])
    shown = until(lambda: _answers(browser), "who has answered")
    assert "2 of 3 people written to have answered" in shown
    assert "opted out: 1; on hold: 1" in shown
    assert '<td class="nowrap" data-label="Share (95 %)">67 % (21–94 %)</td>' in shown
    assert 'href="/campaigns/1/by-column?column=first_name"' in shown
    by = until(lambda: _by_column(browser, "first_name"), "the figures by column")
    assert "<td>Person1</td>" in by
    assert '<td class="nowrap" data-label="Share (95 %)">100 % (21–100 %)</td>' in by
    assert '<td class="nowrap" data-label="Share (95 %)">–</td>' in by  # of whom nobody has heard
    assert browser.ask("/campaigns/1/by-column?column=gone").status == 404
    dashboard.interrupt()
    assert dashboard.wait().code == 0


def _answers(browser: Browser) -> str:
    found = browser.ask("/campaigns/1").text
    return found if "2 of 3 people" in found and "on hold: 1" in found else ""


def _by_column(browser: Browser, name: str) -> str:
    found = browser.ask(f"/campaigns/1/by-column?column={name}").text
    return found if "Rows by" in found else ""


def test_it_says_what_it_needs(planned: Project) -> None:
    outside = planned.ok("dashboard", "--host", "0.0.0.0", code=2)
    assert "--allow-network" in outside.err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port}" in planned.ok("dashboard", "--port", port, code=1).err
