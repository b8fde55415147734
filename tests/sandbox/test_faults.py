"""What each fault does to a send, and what the sandbox's own list says of it."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.sandbox.client import Gate

from .client import LINK, OTHER_LINK, PERSON, Client, profile, until
from .conftest import Start

GONE = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


async def send(api: Client, version: int, **more: Any) -> Any:
    return await (api.quick_send(**more) if version == 1 else api.send(**more))


VERSIONS = pytest.mark.parametrize("version", [1, 2])


@pytest.mark.slow
@VERSIONS
@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        ("accept_then_reset", 1),
        ("reset_before", 0),
        ("half", 1),
        ("half:accept=no", 0),
    ],
)
async def test_broken_connections(start: Start, version: int, fault: str, accepted: int) -> None:
    rule = fault + (",times=1" if ":" in fault else ":times=1")
    api = await start(faults=[rule])
    with pytest.raises(GONE):
        await send(api, version)
    assert len(api.sandbox.accepted) == accepted
    assert (await send(api, version)).status == (200 if version == 1 else 201)
    assert len(api.sandbox.accepted) == accepted + 1
    assert sum(n for name, n in api.sandbox.requests["counts"].items() if "no answer" in name) == 1


async def test_half_of_an_answer_gets_through(start: Start) -> None:
    api = await start(faults=["half"])
    body = {"target": profile(PERSON), "content": "Hello"}
    headers = {"Authorization": "Bearer sandbox-token"}
    url = f"{api.base}/api/v2/messages"
    async with api.session.post(url, json=body, headers=headers) as response:
        assert response.status == 201
        assert (await response.content.readexactly(10)).startswith(b'{"message"')
        with pytest.raises(GONE):
            await response.read()


@VERSIONS
@pytest.mark.parametrize(
    ("fault", "status", "accepted"),
    [
        ("error_before", 500, 0),
        ("error_before:status=502", 502, 0),
        ("error_before:status=503", 503, 0),
        ("error_after", 500, 1),
        ("error_after:status=502", 502, 1),
        ("error_after:status=503", 503, 1),
        ("rate_limit:retry_after=7", 429, 0),
        ("platform_rate_limit:retry_after=9", 429, 0),
        ("unauthorized", 401, 0),
        ("plan_required", 403, 0),
        ("unconfirmed", None, 1),
        ("unconfirmed:delivered=no", None, 0),
        ("disconnected", None, 0),
        ("in_progress", 409, 0),
        ("key_reused", 422, 0),
    ],
)
async def test_documented_errors(
    start: Start, version: int, fault: str, status: int | None, accepted: int
) -> None:
    api = await start(faults=[fault])
    expected = {"unconfirmed": (500, 502), "disconnected": (403, 409)}
    reply = await send(api, version)
    assert reply.status == (status or expected[fault.partition(":")[0]][version - 1])
    assert len(api.sandbox.accepted) == accepted
    assert api.sandbox.requests["limited"] == (reply.status == 429)


async def test_what_v2_says_of_a_key(start: Start) -> None:
    api = await start(faults=["in_progress:at=1", "key_reused:at=2"])
    running = await api.send(key="k")
    assert running.code == "sendInProgress"
    assert running.json["details"]["messageId"]
    assert (await api.send(key="k")).code == "idempotencyKeyReused"
    assert (await api.send(key="k")).status == 201


@VERSIONS
@pytest.mark.parametrize("what", ["link", "thread", "text", "id"])
async def test_an_acceptance_that_speaks_of_something_else(
    start: Start, version: int, what: str
) -> None:
    api = await start(faults=[f"not_as_asked:what={what},at=2"])
    first, second = [(await send(api, version)).json for _ in range(2)]
    before, entry = api.sandbox.accepted
    message = second["message"]
    differs = {
        "link": second["thread"].get("accountLinkId") not in (None, LINK),
        "thread": message["threadId"] != second["thread"]["id"],
        "text": message["content"] != entry["content"],
        "id": message["id"] == first["message"]["id"],
    }
    assert [name for name, is_so in differs.items() if is_so] == [what]
    assert "amiss" not in before
    assert entry["amiss"] == what


async def test_what_a_key_stands_for_is_not_amiss(start: Start) -> None:
    api = await start(faults=["not_as_asked:at=2"])
    for _ in range(2):
        await api.send(key="k")
    [entry] = api.sandbox.accepted
    assert "amiss" not in entry


@VERSIONS
async def test_syncing(start: Start, version: int) -> None:
    api = await start()
    thread = (await api.quick_send()).json["thread"]["id"]
    lookup = "/threads/lookup" if version == 1 else "/threads"
    query = [("accountLinkId", LINK)]
    if version == 1:
        query.append(("externalPlatformId", PERSON))
    for faults in ([], ["syncing"]):
        api.sandbox.service.faults.replace(faults)
        found = (await api.ask(version, "GET", lookup, query=query)).json
        page = (await api.ask(version, "GET", f"/threads/{thread}/messages")).json
        if version == 1:
            assert found["isSyncing"] is page["isSyncing"] is bool(faults)
        else:
            assert found["data"][0]["syncing"] is bool(faults)
    assert (await send(api, version)).status < 300


async def test_waits_are_told(start: Start) -> None:
    api = await start(faults=["rate_limit:retry_after=7,at=1", "platform_rate_limit:retry_after=9"])
    first = await api.send()
    assert (first.code, first.headers["Retry-After"]) == ("rateLimited", "7")
    second = await api.send()
    assert (second.code, second.json["details"]) == (
        "platformRateLimited",
        {"retryAfterSeconds": 9},
    )
    assert (await api.quick_send()).headers["Retry-After"] == "9"


async def test_a_disconnected_answer_names_the_link(start: Start) -> None:
    api = await start(faults=["disconnected"])
    reply = await api.send(target=profile(PERSON, link=OTHER_LINK))
    assert reply.json["details"] == {"accountLinkId": OTHER_LINK, "status": "offline"}


@VERSIONS
@pytest.mark.parametrize(
    ("fault", "status", "accepted"),
    [
        ("garbage", None, 1),
        ("garbage:accept=no", None, 0),
        ("html", 502, 0),
        ("html:status=504,accept=yes", 504, 1),
        ("error_after:status=599", 599, 1),
    ],
)
async def test_bodies_of_no_api(
    start: Start, version: int, fault: str, status: int | None, accepted: int
) -> None:
    api = await start(faults=[fault])
    reply = await send(api, version, check=False)
    assert reply.status == (status or (200 if version == 1 else 201))
    assert len(api.sandbox.accepted) == accepted
    if fault.startswith("garbage"):
        with pytest.raises(json.JSONDecodeError):
            _ = reply.json
    if fault.startswith("html"):
        assert reply.headers["Content-Type"].startswith("text/html")
        assert reply.raw.startswith(b"<html>")


@VERSIONS
async def test_redirects(start: Start, version: int) -> None:
    api = await start(faults=["redirect", "redirect:on=lookup,to=/here,status=302"])
    reply = await send(api, version, check=False)
    assert (reply.status, reply.headers["Location"]) == (307, "/login")
    reply = await api.ask(version, "GET", "/threads", check=False)
    assert (reply.status, reply.headers["Location"]) == (302, "/here")
    assert api.sandbox.accepted == []


@VERSIONS
@pytest.mark.parametrize(
    ("fault", "accepted"),
    [("endless", 1), ("endless:accept=no", 0)],
)
async def test_endless_bodies(start: Start, version: int, fault: str, accepted: int) -> None:
    api = await start(faults=[fault])
    path = "/threads/messages" if version == 1 else "/messages"
    body: dict[str, Any] = {"target": profile(PERSON), "content": "Hello"}
    if version == 1:
        body = {"accountLinkId": LINK, "externalPlatformId": PERSON, "content": "Hello"}
    url = f"{api.base}/api/v{version}{path}"
    headers = {"Authorization": "Bearer sandbox-token"}
    async with api.session.post(url, json=body, headers=headers) as response:
        assert response.status < 300
        assert len(await response.content.readexactly(2**20)) == 2**20
    assert len(api.sandbox.accepted) == accepted


@VERSIONS
@pytest.mark.parametrize(("fault", "accepted"), [("stall", 0), ("stall:accept=yes", 1)])
async def test_stalls_end_with_the_client(
    start: Start, version: int, fault: str, accepted: int
) -> None:
    api = await start(faults=[fault])
    sending = asyncio.create_task(send(api, version))
    await until(lambda: bool(api.sandbox.requests["faults"]))
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(lambda: bool(api.sandbox.requests["total"]))
    assert len(api.sandbox.accepted) == accepted


@VERSIONS
@pytest.mark.parametrize(("phase", "accepted"), [("before", 0), ("after", 1)])
async def test_slow(start: Start, version: int, phase: str, accepted: int) -> None:
    gate = Gate()
    api = await start(sleep=gate, faults=[f"slow:seconds=5,phase={phase}"])
    sending = asyncio.create_task(send(api, version))
    await gate.entered.wait()
    assert len(api.sandbox.accepted) == accepted
    gate.opened.set()
    assert (await sending).status < 300
    assert gate.seconds == [5.0]
    assert len(api.sandbox.accepted) == 1


async def test_a_slow_send_is_accepted_though_its_client_has_gone(start: Start) -> None:
    gate = Gate()
    api = await start(sleep=gate, faults=["slow:seconds=5"], accept_late=3.0)
    sending = asyncio.create_task(api.send(key="k"))
    await gate.entered.wait()
    sending.cancel()
    await until(lambda: bool(api.sandbox.requests["total"]))
    assert api.sandbox.accepted == []
    gate.opened.set()
    await until(lambda: bool(api.sandbox.accepted))
    assert gate.seconds == [5.0, 3.0]


@VERSIONS
async def test_accept_late_waits_for_the_client_to_go(start: Start, version: int) -> None:
    gate = Gate()
    api = await start(sleep=gate, faults=["accept_late:seconds=4"])
    sending = asyncio.create_task(send(api, version))
    await until(lambda: bool(api.sandbox.requests["faults"]))
    assert not gate.entered.is_set()
    sending.cancel()
    await gate.entered.wait()
    assert api.sandbox.accepted == []
    gate.opened.set()
    await until(lambda: bool(api.sandbox.accepted))
    assert gate.seconds == [4.0]


async def test_sunset_headers_go_on_every_answer(start: Start) -> None:
    api = await start(faults=["sunset", "error_before:at=1"])
    for reply in (await api.v1("GET", "/team"), await api.quick_send(), await api.quick_send()):
        assert reply.headers["Sunset"] == "Thu, 03 Dec 2026 00:00:00 GMT"
        assert reply.headers["Deprecation"] == "@1792454400"


async def test_a_fault_that_accepts_leaves_a_refusal_as_it_is(start: Start) -> None:
    api = await start(faults=["accept_then_reset"])
    assert (await api.send("7770404")).code == "recipientUnavailable"


async def test_a_fault_follows_a_person_by_every_id(start: Start) -> None:
    api = await start()
    thread = (await api.send()).json["thread"]
    for recipient in (PERSON, thread["contactId"]):
        api.sandbox.service.faults.replace([f"unauthorized:recipient={recipient},on=any"])
        assert (await api.send()).status == 401
        assert (await api.quick_send()).status == 401
        to_thread = {"type": "thread", "threadId": thread["id"]}
        assert (await api.send(target=to_thread)).status == 401
        assert (await api.v2("GET", f"/threads/{thread['id']}")).status == 401
        query = [("accountLinkId", LINK), ("externalPlatformId", PERSON)]
        assert (await api.v1("GET", "/threads/lookup", query=query)).status == 401
        assert (await api.send("5")).status == 201


async def test_lookups_have_faults_of_their_own(start: Start) -> None:
    api = await start(faults=["error_before:on=lookup,status=503"])
    assert (await api.v2("GET", "/team")).status == 200
    assert (await api.v1("GET", "/threads")).status == 503
    assert (await api.send()).status == 201
    api.sandbox.service.faults.replace(["accept_then_reset:on=lookup"])
    with pytest.raises(GONE):
        await api.v2("GET", "/threads")


async def test_a_fault_does_not_mind_an_unreadable_body(start: Start) -> None:
    api = await start(faults=["disconnected"])
    reply = await api.v2("POST", "/messages", data=b"{")
    assert reply.json["details"]["accountLinkId"] == LINK


async def test_a_slow_lookup(start: Start) -> None:
    gate = Gate()
    gate.opened.set()
    api = await start(sleep=gate, faults=["slow:on=lookup,seconds=2"])
    await api.v2("GET", "/threads")
    assert gate.seconds == [2.0]
