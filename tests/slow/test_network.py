"""A network that fails in every phase of a send, and what stands between that is not the API."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.proxy import Behave, Exchange, Proxy, closing, faithful, head_of, page, reset
from tests.acceptance.support import LINK, OTHER_LINK, Done, Project, people, until


def before(project: Project, behave: Behave = faithful, **more: Any) -> Proxy:
    """A proxy before the project's sandbox."""
    return Proxy(int(project.api.base.rpartition(":")[2]), behave, **more)


def write(project: Project, proxy: Proxy, ids: Sequence[str], **more: Any) -> None:
    """Write the project's campaign so that it finds the API behind the proxy."""
    project.write(ids, **more)
    text = project.campaign.read_text()
    project.campaign.write_text(text.replace(project.api.base, proxy.base))


def everybody_once_or_in_doubt(project: Project, ids: Sequence[str]) -> list[str]:
    """Check the ledger against the sandbox's list; who is in doubt."""
    told = {row["recipient"]: row["status"] for row in project.exported()}
    assert sorted(told) == sorted(ids)
    assert set(told.values()) <= {"sent", "in_doubt"}
    sent = {who for who, status in told.items() if status == "sent"}
    accepted = project.api.recipients
    assert len(accepted) == len(set(accepted))
    assert sent <= set(accepted)
    return sorted(set(told) - sent)


def cut_in_status(exchange: Exchange) -> None:
    exchange.say(exchange.ask()[:12])
    exchange.reset()


def cut_in_head(exchange: Exchange) -> None:
    head = head_of(exchange.ask())
    exchange.say(head[: len(head) // 2])
    exchange.reset()


def cut_after_head(exchange: Exchange) -> None:
    exchange.say(head_of(exchange.ask()))
    exchange.reset()


def stall_in_body(exchange: Exchange) -> None:
    exchange.say(exchange.ask()[:-5])
    exchange.hang()


def taken_then(exchange: Exchange, end: Callable[[], None]) -> None:
    exchange.ask()
    end()


BEFORE: dict[str, Callable[[Exchange], None]] = {
    "reset when it was read": lambda e: e.reset(),
    "closed when it was read": lambda e: None,
    "read, never answered": lambda e: e.hang(),
    "a gateway's page: 502": lambda e: e.say(page(502)),
    "a gateway's timeout: 504": lambda e: e.say(page(504, b"")),
    "no HTTP at all": lambda e: e.say(b"220 smtp.example ESMTP\r\n\r\n"),
}
"""Ends of a send that the API has never seen."""

AFTER: dict[str, Callable[[Exchange], None]] = {
    "reset before the answer": lambda e: taken_then(e, e.reset),
    "closed before the answer": lambda e: taken_then(e, lambda: None),
    "reset in the status line": cut_in_status,
    "reset in the headers": cut_in_head,
    "reset after the headers": cut_after_head,
    "closed in the body": lambda e: e.say(e.ask()[:-5]),
    "stalled in the body": stall_in_body,
    "never answered": lambda e: taken_then(e, e.hang),
    "answered drop by drop": lambda e: e.drip(e.ask()),
    "answered without end": lambda e: taken_then(e, e.flood),
    "a gateway's page after all": lambda e: taken_then(e, lambda: e.say(page(502))),
}
"""Ends of a send that the API has accepted."""


def test_a_send_that_breaks_in_any_phase_is_not_repeated_and_not_forgotten(both: Project) -> None:
    phases = BEFORE | AFTER
    ids = people(2 * len(phases))
    phase_of = dict(zip(ids[1::2], phases, strict=True))  # each after one that goes well
    broken: set[str] = set()

    def behave(exchange: Exchange) -> bool:
        who = next((id for id in phase_of if exchange.is_send and id in exchange), "")
        if not who or who in broken:
            return False
        broken.add(who)
        phases[phase_of[who]](exchange)
        return True

    settled = both.version == "v2"
    with before(both, behave) as proxy:
        unguarded = "guard: {failure_rate: none}\n"  # every second send breaks
        write(both, proxy, ids, retry="timeout: 800ms, settle: 500ms", more=unguarded)
        both.api.faults("sunset")
        # The environment's proxies are not used: the token goes to the API itself or nowhere.
        nowhere = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
        done = both.ok(both.campaign, code=0 if settled else 4, **nowhere)
    assert done.out.count("announces the end") == 1
    assert done.out.count("announced to stop") == (not settled)
    assert broken == set(phase_of)
    told = {row["recipient"]: row["status"] for row in both.exported()}
    # v1 has no key: what cannot be found stays in doubt, and is never sent again.
    expected = dict.fromkeys(phases, "sent")
    if not settled:
        expected |= dict.fromkeys(BEFORE, "in_doubt")
    assert {phase: told[who] for who, phase in phase_of.items()} == expected
    sent = sorted(who for who, status in told.items() if status == "sent")
    assert sorted(both.api.recipients) == sent
    assert len(sent) == len(ids) - len(BEFORE) * (not settled)


def test_connections_that_break_before_anything_is_read(on_v1: Project) -> None:
    ids = people(8)
    proxy: Proxy
    bad: list[Callable[[Any], Any]] = [
        reset,
        lambda client: client.close(),
        lambda _client: proxy.over.wait(),  # accepted, and never read from
    ]

    def at_connect(client: Any) -> bool:
        if not bad or not any(request.startswith(b"POST ") for request in proxy.requests):
            return False
        bad.pop(0)(client)
        return True

    with before(on_v1, at_connect=at_connect, keep=False) as proxy:
        write(on_v1, proxy, ids, retry="timeout: 1s, settle: 1s", concurrency=1)
        done = on_v1.run(on_v1.campaign)
    assert not bad
    doubtful = everybody_once_or_in_doubt(on_v1, ids)
    assert done.code == (4 if doubtful else 0), done.all
    assert len(doubtful) <= 3


def test_a_network_that_comes_back_costs_no_try_and_nobody(both: Project) -> None:
    ids = people(6)

    def cut_the_line(exchange: Exchange) -> bool:
        if not exchange.is_send or ids[1] not in exchange or proxy.was_down:
            return False
        answer = exchange.ask()
        proxy.down(but=exchange.client)
        exchange.say(closing(answer))  # so that nothing more is written to this connection
        return True

    with before(both, cut_the_line) as proxy:
        write(both, proxy, ids, retry="attempts: 1, settle: 1s", concurrency=1)
        running = both.start(both.campaign, "--verbose")
        until(lambda: "no connection to 127.0.0.1" in running.out, "the outage to be told")
        proxy.up()
        done = running.wait()
    assert done.code == 0, done.all
    assert "not sent, will be tried again" in done.out
    assert sorted(both.api.recipients) == ids


def api_error(version: str, status: int, code: str, **details: str) -> bytes:
    """A refusal in the API's own form."""
    body: Any = {"code": code, "message": "No.", "details": details, "requestId": "req_1"}
    if version == "v1":
        body = {"error": {"code": code, "message": "No.", "status": status}}
    return page(status, json.dumps(body).encode(), "Content-Type: application/json")


def always(end: Callable[[Exchange], Any]) -> Behave:
    """End every exchange like this."""

    def behave(exchange: Exchange) -> bool:
        end(exchange)
        return True

    return behave


def from_the_third_send_on(trouble: bytes, hits: list[str]) -> Behave:
    """Answer with trouble after two sends that go well."""
    sends = 0

    def behave(exchange: Exchange) -> bool:
        nonlocal sends
        sends += exchange.is_send
        if not exchange.is_send or sends < 3:
            return False
        hits.append("hit")
        exchange.say(trouble)
        return True

    return behave


def test_what_is_wrong_for_all_stops_until_a_person_has_acted(both: Project) -> None:
    ids = people(14)
    refused = {
        "v2": (api_error("v2", 401, "unauthorized"), "set the token variable"),
        "v1": (api_error("v1", 403, "FORBIDDEN"), "add-on"),
    }[both.version]
    elsewhere = Proxy(0, always(lambda exchange: exchange.say(page(200))))
    with elsewhere, before(both) as proxy:
        write(both, proxy, ids, concurrency=2, retry="settle: 500ms")
        moved = page(307, b"", f"Location: {elsewhere.base}/api")
        for trouble, words in (
            refused,
            (moved, "answers with a redirect"),
            (page(200), "whether a proxy or firewall stands between"),
        ):
            hits: list[str] = []
            proxy.behave = from_the_third_send_on(trouble, hits)
            queued = both.counts().get("queued", len(ids))
            done = both.ok(both.campaign, code=1)
            assert words in done.out, done.all
            assert 1 <= len(hits) <= 3, words  # two under way, and one that was being settled
            assert both.counts()["queued"] >= queued - 4
        proxy.behave = faithful
        done = both.run(both.campaign)
    assert elsewhere.connections == 0  # the token goes nowhere else
    doubtful = everybody_once_or_in_doubt(both, ids)
    assert done.code == (4 if doubtful else 0), done.all
    assert bool(doubtful) == (both.version == "v1")
    assert sorted([*both.api.recipients, *doubtful]) == ids


FIRST: dict[str, tuple[Callable[[Exchange], None], str]] = {
    "reset": (lambda e: e.reset(), "cannot reach the API"),
    "stalled": (lambda e: e.hang(), "no answer in time"),
    "portal": (lambda e: e.say(page(200)), "whether a proxy stands between"),
}


def told_plainly(done: Done) -> None:
    """One line that says what is wrong, and one with what to do."""
    assert done.code == 1, done.all
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 2, done.err


def test_a_first_contact_that_fails_is_told_and_loses_nothing(project: Project) -> None:
    ids = people(3)
    with before(project) as proxy:
        write(project, proxy, ids, retry="timeout: 500ms")
        project.ok(project.campaign, "--limit", "1")
        for end, words in FIRST.values():
            proxy.behave = always(end)
            done = project.run(project.campaign)
            told_plainly(done)
            assert words in done.err
        proxy.down()
        told_plainly(done := project.run(project.campaign))
        assert "cannot reach the API" in done.err
        proxy.up()
        proxy.behave = faithful
        assert project.counts() == {"sent": 1, "queued": 2}
        project.ok(project.campaign)
    assert sorted(project.api.recipients) == ids


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority (ca.pem) and what it signed: good, expired, elsewhere; and alone,
    signed by itself."""
    folder = tmp_path_factory.mktemp("certificates")
    new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"

    def openssl(words: str) -> None:
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)

    usual = "DNS:inbox.test,DNS:localhost,IP:127.0.0.1"
    extra = "-addext basicConstraints=critical,CA:TRUE"
    openssl(f"req -x509 {new} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem {extra}")
    alone = f"-addext subjectAltName={usual}"
    openssl(f"req -x509 {new} -days 2 -subj /CN=alone -keyout alone.key -out alone.pem {alone}")
    openssl(f"req {new} -subj /CN=server -keyout server.key -out server.csr")
    signed = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial"
    for name, days, names in (
        ("good", 2, usual),
        ("expired", -1, usual),
        ("elsewhere", 2, "DNS:portal.example"),
    ):
        (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        openssl(f"{signed} -days {days} -extfile {name}.ext -out {name}.pem")
        (folder / f"{name}.key").write_bytes((folder / "server.key").read_bytes())
    return folder


def tls(certificates: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


def tear(exchange: Exchange) -> None:
    """Take the message, then break the encryption off: noise, and no farewell."""
    exchange.ask()
    os.write(exchange.client.fileno(), b"\x17\x03\x03\x00\x20" + b"noise" * 10)
    exchange.reset()


def test_who_cannot_prove_to_be_the_api_gets_no_token(on_v1: Project, certificates: Path) -> None:
    ids = people(8)
    torn: list[str] = []

    def behave(exchange: Exchange) -> bool:
        if exchange.is_send and ids[1] in exchange and not torn:
            torn.append(ids[1])
            tear(exchange)
            return True
        if exchange.is_send and ids[4] in exchange and proxy.tls is good:
            proxy.tls = tls(certificates, "alone")  # from the next connection on
        return False

    good = tls(certificates, "good")
    trust = {"SSL_CERT_FILE": str(certificates / "ca.pem")}
    with before(on_v1, behave, tls=good, keep=False) as proxy:
        write(on_v1, proxy, ids, retry="settle: 500ms", concurrency=1)
        for name in ("alone", "expired", "elsewhere"):
            proxy.tls = tls(certificates, name)
            done = on_v1.run(on_v1.campaign, **trust)
            told_plainly(done)
            assert "the certificate of 127.0.0.1 cannot be trusted" in done.err
        assert proxy.requests == []
        proxy.tls = good
        done = on_v1.ok(on_v1.campaign, code=1, **trust)
        assert "stopped: the certificate of 127.0.0.1 cannot be trusted" in done.out
        counts = on_v1.counts()  # the torn one may be in doubt still
        assert (counts.pop("queued"), sum(counts.values())) == (3, 5)
        proxy.tls = good
        on_v1.ok(on_v1.campaign, code=0, **trust)
    assert torn
    assert sorted(on_v1.api.recipients) == ids


RESOLVER = """
import os, socket
real, answers = socket.getaddrinfo, os.environ["ANSWERS"].split()
def scripted(host, *rest, **more):
    if host != "inbox.test":
        return real(host, *rest, **more)
    if (answers.pop(0) if answers else "ok") == "fails":
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return real("127.0.0.1", *rest, **more)
socket.getaddrinfo = scripted
"""
"""A name server that answers as it is told; read by the command's Python when it starts."""


def test_a_name_that_is_not_found_for_a_while(project: Project, certificates: Path) -> None:
    ids = people(3)
    site = project.outputs / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(RESOLVER)
    env = {"SSL_CERT_FILE": str(certificates / "ca.pem"), "PYTHONPATH": str(site)}
    with before(project, tls=tls(certificates, "good"), host="inbox.test") as proxy:
        write(project, proxy, ids, retry="attempts: 1")
        done = project.run(project.campaign, ANSWERS="fails", **env)
        told_plainly(done)
        assert "the host inbox.test cannot be found" in done.err
        assert project.counts() == {}
        told = project.ok(project.campaign, "--verbose", code=0, ANSWERS="ok fails fails", **env)
    assert "not sent, will be tried again" in told.out
    assert "the host inbox.test cannot be found" in told.out
    assert sorted(project.api.recipients) == ids


def test_a_sender_that_is_cut_off_keeps_its_queue_and_stops_nobody_else(project: Project) -> None:
    ids = people(12)
    project.write(ids, senders=(LINK, OTHER_LINK), concurrency=2)
    project.api.faults(f"disconnected:recipient={ids[4]}")
    done = project.ok(project.campaign, code=1)
    assert "reconnect it in the Inbox app" in done.out
    rows = project.exported()
    [cut_off] = {row["sender"] for row in rows if row["recipient"] == ids[4]}
    waiting = [row for row in rows if row["status"] == "queued"]
    assert {row["sender"] for row in waiting} == {cut_off}
    assert all(row["status"] == "sent" for row in rows if row["sender"] != cut_off)
    assert len(waiting) > 1
    project.api.faults()
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == ids
