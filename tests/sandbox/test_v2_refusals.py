"""v2: every refusal, each answer held against the OpenAPI file."""

from typing import Any

import pytest

from runner.sandbox import admin
from runner.sandbox.options import AccountLink

from .client import LINK, PERSON, Client, contact, profile
from .conftest import Start


@pytest.mark.parametrize(
    ("ending", "status", "code"),
    [
        ("0403", 403, "planRequired"),
        ("0404", 422, "recipientUnavailable"),
        ("0409", 409, "integrationSetupRequired"),
        ("0413", 422, "contentRejected"),
        ("0422", 422, "threadRestricted"),
        ("0423", 422, "profileAmbiguous"),
        ("0429", 429, "platformRateLimited"),
        ("0500", 500, "internal"),
        ("0502", 502, "platformError"),
        ("0503", 503, "platformUnavailable"),
        ("0598", 502, "sendUnconfirmed"),
    ],
)
async def test_special_recipients(api: Client, ending: str, status: int, code: str) -> None:
    reply = await api.send(f"777{ending}")
    assert (reply.status, reply.code) == (status, code)
    assert api.sandbox.accepted == []


async def test_recipients_can_be_given_any_outcome(start: Start) -> None:
    recipients = {PERSON: "workspaceLocked", "7770404": "sent"}
    api = await start(recipients=recipients)
    assert (await api.send()).code == "workspaceLocked"
    assert (await api.send("7770404")).status == 201
    plain = await start(specials={})
    assert (await plain.send("7770404")).status == 201


GOOD = {"target": profile(PERSON), "content": "Hello"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"target": null, "content": "Hello"}',
        GOOD | {"extra": 1},
        GOOD | {"content": ""},
        GOOD | {"content": None},
        {"target": profile(PERSON)},
        {"content": "Hello"},
        GOOD | {"target": {"type": "person"}},
        GOOD | {"target": {"type": ["thread"]}},
        GOOD | {"target": profile(PERSON) | {"username": "a"}},
        GOOD | {"target": profile("")},
        GOOD | {"target": profile(PERSON, link="BAD ID")},
        GOOD | {"target": {"type": "thread", "threadId": "BAD"}},
        GOOD | {"replyToMessageId": "BAD"},
        GOOD | {"replyToMessageId": "unknown"},
    ],
)
async def test_bodies_that_do_not_fit_are_400(api: Client, body: Any) -> None:
    given = {"data": body} if isinstance(body, bytes) else {"body": body}
    reply = await api.v2("POST", "/messages", **given)
    assert (reply.status, reply.code) == (400, "invalidRequest")
    assert reply.json["details"]["issues"][0]["message"]
    assert api.sandbox.accepted == []


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ({"type": "thread", "threadId": "nothread"}, 404, "threadNotFound"),
        (contact("nocontact"), 404, "contactNotFound"),
        (profile(PERSON, link="nolink"), 404, "accountLinkNotFound"),
        (profile("someone"), 422, "recipientUnavailable"),
        (profile(PERSON) | {"platform": "fax"}, 403, "platformNotAvailable"),
        (profile(PERSON) | {"platform": "linkedin"}, 422, "platformNotSupported"),
    ],
)
async def test_targets_that_are_not_there(
    start: Start, target: dict[str, str], status: int, code: str
) -> None:
    link = AccountLink("a1linkedin", "acme", "Acme", "urn:acme", platform="linkedin")
    twitter = AccountLink(LINK, "acmecorp", "Acme Corp", "1566123362161725440")
    api = await start(links=[twitter, link])
    reply = await api.send(target=target)
    assert (reply.status, reply.code) == (status, code)
    assert api.sandbox.accepted == []


async def test_another_platform_sends_too_and_stays_off_v1(start: Start) -> None:
    link = AccountLink("a1linkedin", "acme", "Acme", "urn:acme", platform="linkedin")
    api = await start(links=[link])
    target = profile("urn:li:5", link=link.id) | {"platform": "linkedin"}
    assert (await api.send(target=target)).status == 201
    assert [one["platform"] for one in (await api.v2("GET", "/platforms")).json] == [
        "twitter",
        "linkedin",
    ]
    assert (await api.v1("GET", "/account-links")).json == []
    assert (await api.v1("GET", "/threads")).json["threads"] == []
    assert (await api.v1("GET", "/events")).json["events"] == []
    query = [("platform", "linkedin"), ("platformId", "urn:li:5")]
    assert len((await api.v2("GET", "/contacts", query=query)).json["data"]) == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"status": "offline"}, 409, "accountLinkDisconnected"),
        ({"status": "paused", "pause_reasons": ["billing"]}, 409, "accountLinkDisconnected"),
        ({"capabilities": ["message:react"]}, 422, "capabilityNotSupported"),
        ({"set_up": False}, 409, "integrationSetupRequired"),
    ],
)
async def test_a_link_that_cannot_send(
    api: Client, change: dict[str, Any], status: int, code: str
) -> None:
    admin.change_link(api.sandbox.service, LINK, change)
    reply = await api.send()
    assert (reply.status, reply.code) == (status, code)
    assert api.sandbox.accepted == []


async def test_settings_that_refuse(start: Start) -> None:
    locked = await start(workspace_locked=True)
    assert (await locked.send()).code == "workspaceLocked"
    short = await start(characters=2)
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    flag = "\U0001f1eb\U0001f1f7"
    assert (await short.send(text=family + flag)).status == 201
    assert (await short.send(text="e\u0301\U0001f44d\U0001f3fd")).status == 201
    assert (await short.send(text="abc")).code == "contentRejected"
    paid = await start(advanced_api=False)
    assert (await paid.send()).code == "planRequired"
    assert (await paid.quick_send()).code == "FORBIDDEN"
    paid.sandbox.receive(LINK, PERSON, "Hello there")
    assert (await paid.send()).status == 201


async def test_a_platform_that_the_team_may_not_use(start: Start) -> None:
    off: set[str] = set()
    api = await start(platforms_off=off)
    sent = (await api.send()).json
    off.add("twitter")
    for path in (
        f"/account-links/{LINK}",
        f"/contacts/{sent['thread']['contactId']}",
        f"/threads/{sent['thread']['id']}",
        f"/threads/{sent['thread']['id']}/messages",
        f"/messages/{sent['message']['id']}",
        "/contacts?platform=twitter&platformId=5",
        "/account-links?platform=twitter",
        "/threads?platform=twitter",
    ):
        bare, _, query = path.partition("?")
        pairs = [tuple(one.split("=")) for one in query.split("&") if one]
        reply = await api.v2("GET", bare, query=pairs)
        assert reply.code == "platformNotAvailable"
    assert (await api.send()).code == "platformNotAvailable"


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/account-links/unknown", [], "accountLinkNotFound"),
        ("/account-links/BAD", [], "invalidRequest"),
        ("/account-links", [("status", "gone")], "invalidRequest"),
        ("/account-links", [("platform[]", "twitter")], "invalidRequest"),
        ("/account-links", [("limit", "0")], "invalidRequest"),
        ("/account-links", [("cursor", "nonsense")], "invalidCursor"),
        ("/members", [("limit", "x")], "invalidRequest"),
        ("/contacts", [], "invalidRequest"),
        ("/contacts", [("platform", "twitter")], "invalidRequest"),
        (
            "/contacts",
            [("platform", "twitter"), ("platformId", "5"), ("username", "a")],
            "invalidRequest",
        ),
        ("/contacts", [("platform", "twitter"), ("platformId", "")], "invalidRequest"),
        ("/contacts", [("platform", "twitter")] + [("username", "a")] * 101, "invalidRequest"),
        ("/contacts/unknown", [], "contactNotFound"),
        ("/contacts/BAD", [], "invalidRequest"),
        ("/threads/unknown", [], "threadNotFound"),
        ("/threads/BAD", [], "invalidRequest"),
        ("/threads/unknown/messages", [], "threadNotFound"),
        ("/threads", [("folder", "outbox")], "invalidRequest"),
        ("/threads", [("q", "")], "invalidRequest"),
        ("/threads", [("contactId", "a,b")], "invalidRequest"),
        ("/threads", [("expand", "everything")], "invalidRequest"),
        ("/threads", [("unassigned", "true"), ("assigneeId", "a1")], "invalidRequest"),
        ("/messages/unknown", [], "messageNotFound"),
        ("/messages/BAD", [], "invalidRequest"),
        ("/events", [("limit", "1001")], "invalidRequest"),
        ("/events", [("type", "message.created")], "invalidRequest"),
    ],
)
async def test_reads_that_are_refused(
    api: Client, path: str, query: list[tuple[str, str]], code: str
) -> None:
    assert (await api.v2("GET", path, query=query)).code == code
