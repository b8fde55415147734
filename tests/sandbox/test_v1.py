"""v1: every endpoint and every refusal, each answer held against the OpenAPI file."""

from typing import Any

import pytest

from runner.sandbox import admin

from .client import LINK, OTHER_LINK, PERSON, Client, Time
from .conftest import Start

LOOKUP = [("accountLinkId", LINK), ("externalPlatformId", PERSON)]


async def test_team_and_links(api: Client) -> None:
    assert (await api.v1("GET", "/team")).json["slug"] == "acme-agency"
    links = (await api.v1("GET", "/account-links")).json
    assert [link["username"] for link in links] == ["acmecorp", "acmesales"]


async def test_two_equal_posts_are_two_messages(api: Client) -> None:
    first = (await api.quick_send()).json
    second = (await api.quick_send()).json
    assert first["message"]["id"] != second["message"]["id"]
    assert first["thread"] == second["thread"]
    assert api.sandbox.tally() == {"accepted": 2, "recipients": 1, "doubled": [PERSON]}


async def test_lookup_finds_the_thread_only_once_it_exists(api: Client) -> None:
    assert (await api.v1("GET", "/threads/lookup", query=LOOKUP)).json is None
    sent = (await api.quick_send()).json
    thread = (await api.v1("GET", "/threads/lookup", query=LOOKUP)).json
    assert thread["id"] == sent["thread"]["id"]
    assert thread["lastMessage"]["id"] == sent["message"]["id"]
    by_external_id = [("accountLinkId", LINK), ("externalId", thread["prospect"]["externalId"])]
    again = await api.v1("GET", "/threads/lookup", query=by_external_id)
    assert again.json == thread
    assert (await api.v1("GET", f"/threads/{thread['id']}")).json == thread
    other = [("accountLinkId", OTHER_LINK), ("externalPlatformId", PERSON)]
    assert (await api.v1("GET", "/threads/lookup", query=other)).json is None


async def test_lookup_by_username_ignores_case_and_narrows_by_link(api: Client) -> None:
    await api.quick_send()
    thread = (await api.v1("GET", "/threads/lookup", query=LOOKUP)).json
    username = thread["prospect"]["username"].upper()
    path = "/threads/lookup-by-username"
    assert (await api.v1("GET", path, query=[("username", username)])).json == [thread]
    for name in ("accountLinkIds", "accountLinkIds[]", "accountLinkIds[0]"):
        for link, found in ((LINK, 1), (OTHER_LINK, 0)):
            query = [("username", username), (name, link)]
            assert len((await api.v1("GET", path, query=query)).json) == found
    assert (await api.v1("GET", path, query=[("username", "nobody")])).json == []


async def test_messages_page_newest_first_to_the_end(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock)
    sent = []
    for number in range(5):
        clock.now += number % 2
        message = (await api.quick_send(text=f"Text {number}")).json["message"]
        sent.append(message["id"])
    path = f"/threads/{message['threadId']}/messages"
    cursor: dict[str, str] | None = None
    seen: list[str] = []
    for _ in range(3):
        query = [("limit", "2")]
        if cursor:
            query += [("cursorId", cursor["id"]), ("cursorTimestamp", cursor["timestamp"])]
        page = (await api.v1("GET", path, query=query)).json
        seen += [one["id"] for one in page["messages"]]
        cursor = page["nextCursor"]
    assert cursor is None
    assert seen == sent[::-1]


async def test_threads_page_and_views(api: Client) -> None:
    for number in range(3):
        await api.quick_send(person=f"100{number}")
    api.sandbox.receive(LINK, "2000", "Hi there")
    page = (await api.v1("GET", "/threads", query=[("limit", "3")])).json
    cursor = page["nextCursor"]
    query = [("cursor[id]", cursor["id"]), ("cursor[timestamp]", cursor["timestamp"])]
    rest = (await api.v1("GET", "/threads", query=query)).json
    ids = {one["id"] for one in page["threads"] + rest["threads"]}
    assert len(ids) == 4
    assert rest["nextCursor"] is None
    for inbox, count in (("requests", 1), ("default", 3), ("no-reply", 3), ("archived", 0)):
        listed = await api.v1("GET", "/threads", query=[("inbox", inbox)])
        assert len(listed.json["threads"]) == count


async def test_thread_send_answers_with_the_bare_message_and_quotes(api: Client) -> None:
    first = (await api.quick_send()).json
    path = f"/threads/{first['thread']['id']}/messages"
    body = {"content": "More", "replyToMessageId": first["message"]["id"]}
    reply = (await api.v1("POST", path, body=body)).json
    assert reply["content"] == "More"
    assert reply["replyData"]["id"] == first["message"]["id"]
    assert api.sandbox.accepted[-1]["recipient"] == PERSON


async def test_events_tell_of_both_directions(api: Client) -> None:
    assert (await api.v1("GET", "/events")).json == {
        "events": [],
        "hasMore": False,
        "lastSeq": None,
    }
    await api.quick_send()
    api.sandbox.receive(LINK, PERSON, "Thanks")
    page = (await api.v1("GET", "/events", query=[("limit", "2")])).json
    assert [one["type"] for one in page["events"]] == ["thread.created", "message.created"]
    assert page["hasMore"]
    query = [("afterSeq", str(page["lastSeq"]))]
    (reply,) = (await api.v1("GET", "/events", query=query)).json["events"]
    assert reply["data"]["message"]["authorId"] != reply["data"]["thread"]["accountLinkId"]
    assert reply["data"]["thread"]["variant"] == "xChat"


async def test_events_are_kept_seven_days(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock)
    await api.quick_send()
    clock.now += 7 * 86400
    assert (await api.v1("GET", "/events")).json["events"] == []


GOOD = {"accountLinkId": LINK, "externalPlatformId": PERSON, "content": "Hello"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b'{"content": NaN}', 400),
        (b"[]", 422),
        (GOOD | {"accountLinkId": "BAD ID"}, 422),
        (GOOD | {"accountLinkId": "a1"}, 403),
        (GOOD | {"content": ""}, 422),
        (GOOD | {"content": 5}, 422),
        (GOOD | {"content": "x" * 10_001}, 422),
        (GOOD | {"externalPlatformId": "someone"}, 422),
        (GOOD | {"externalPlatformId": 5}, 422),
        ({"accountLinkId": LINK, "content": "Hello"}, 422),
        ({"accountLinkId": LINK, "content": "Hello", "externalId": "nobody"}, 404),
        (GOOD | {"externalPlatformId": "7770403"}, 403),
        (GOOD | {"externalPlatformId": "7770404"}, 404),
        (GOOD | {"externalPlatformId": "7770409"}, 409),
        (GOOD | {"externalPlatformId": "7770413"}, 422),
        (GOOD | {"externalPlatformId": "7770422"}, 422),
        (GOOD | {"externalPlatformId": "7770423"}, 422),
        (GOOD | {"externalPlatformId": "7770429"}, 429),
        (GOOD | {"externalPlatformId": "7770500"}, 500),
        (GOOD | {"externalPlatformId": "7770502"}, 502),
        (GOOD | {"externalPlatformId": "7770503"}, 503),
        (GOOD | {"externalPlatformId": "7770598"}, 500),
    ],
)
async def test_quick_send_refusals_accept_nothing(api: Client, body: Any, status: int) -> None:
    given = {"data": body} if isinstance(body, bytes) else {"body": body}
    assert (await api.v1("POST", "/threads/messages", **given)).status == status
    assert api.sandbox.accepted == []


async def test_an_unconfirmed_delivered_send_is_a_500_and_in_the_list(api: Client) -> None:
    assert (await api.quick_send(person="7770599")).status == 500
    assert len(api.sandbox.accepted) == 1


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/threads/lookup", [], 400),
        ("/threads/lookup", [("accountLinkId", LINK)], 400),
        ("/threads/lookup", [("accountLinkId", "A!"), ("externalPlatformId", "5")], 400),
        ("/threads/lookup", [("accountLinkId", "a1"), ("externalPlatformId", "5")], 403),
        ("/threads/lookup-by-username", [], 400),
        ("/threads/lookup-by-username", [("username", "")], 400),
        ("/threads/lookup-by-username", [("username", "a"), ("accountLinkIds", "A!")], 400),
        ("/threads", [("limit", "0")], 400),
        ("/threads", [("limit", "101")], 400),
        ("/threads", [("limit", "5"), ("limit", "6")], 400),
        ("/threads", [("inbox", "all")], 400),
        ("/threads", [("cursorId", "abc")], 400),
        ("/threads", [("cursorId", "abc"), ("cursorTimestamp", "yesterday")], 400),
        ("/threads", [("cursorId", "abc"), ("cursorTimestamp", "2026-01-01T00:00:00Z")], 400),
        ("/threads", [("cursorId", "abc"), ("cursor[id]", "abc")], 400),
        ("/threads/nothread", [], 404),
        ("/threads/nothread/messages", [], 404),
    ],
)
async def test_query_refusals(
    api: Client, path: str, query: list[tuple[str, str]], status: int
) -> None:
    assert (await api.v1("GET", path, query=query)).status == status


async def test_a_bad_events_query_is_400_though_only_the_general_page_lists_it(api: Client) -> None:
    reply = await api.v1("GET", "/events", query=[("limit", "0")], check=False)
    assert (reply.status, reply.code) == (400, "UNDOCUMENTED_400")


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "sandbox-token"])
async def test_the_token_is_asked_for(api: Client, authorization: str) -> None:
    headers = {"Authorization": authorization}
    reply = await api.v1("GET", "/team", headers=headers)
    assert (reply.status, reply.code) == (401, "UNAUTHORIZED")
    assert (await api.quick_send(headers=headers)).status == 401
    assert api.sandbox.accepted == []


@pytest.mark.parametrize(
    "change",
    [{"status": "offline"}, {"status": "paused"}, {"capabilities": []}],
)
async def test_a_link_that_cannot_send_is_forbidden(api: Client, change: dict[str, Any]) -> None:
    admin.change_link(api.sandbox.service, LINK, change)
    assert (await api.quick_send()).code == "FORBIDDEN"
    other = {"accountLinkId": OTHER_LINK, "externalPlatformId": PERSON, "content": "Hello"}
    assert (await api.v1("POST", "/threads/messages", body=other)).status == 200
