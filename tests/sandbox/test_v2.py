"""v2: every endpoint, each answer held against the OpenAPI file."""

from typing import Any

import pytest
from openapi_core.exceptions import OpenAPIError

from runner.sandbox import admin
from runner.sandbox.options import AccountLink
from runner.sandbox.service import ROUTES

from .client import LINK, OTHER_LINK, PERSON, Client, Reply, Time, contact, contract, profile
from .conftest import Start

IMPORTED = "c0123456789abcdefghijklm"


def test_the_check_rejects_what_the_file_does_not_allow() -> None:
    client = Client.__new__(Client)
    headers = {"Content-Type": "application/json"}
    with pytest.raises(OpenAPIError):
        client.check(2, "GET", "/team", Reply(200, headers, b'{"id": 5}'))
    with pytest.raises(OpenAPIError):
        client.check(2, "GET", "/team", Reply(418, headers, b"{}"))


async def test_what_a_run_reads_first(api: Client) -> None:
    (platform,) = (await api.v2("GET", "/platforms")).json
    assert platform["limits"]["characters"] == 10_000
    assert (await api.v2("GET", "/team")).json["slug"] == "acme-agency"
    members = (await api.v2("GET", "/members")).json
    assert [one["role"] for one in members["data"]] == ["owner"]
    link = (await api.v2("GET", f"/account-links/{LINK}")).json
    assert link["capabilities"][0] == "message:send"


async def test_account_links_page_and_filter(api: Client) -> None:
    path = "/account-links"
    first = (await api.v2("GET", path, query=[("limit", "1")])).json
    query = [("limit", "1"), ("cursor", first["nextCursor"])]
    second = (await api.v2("GET", path, query=query)).json
    assert [one["id"] for one in first["data"] + second["data"]] == [LINK, OTHER_LINK]
    assert second["nextCursor"] is None
    change = {"status": "paused", "pause_reasons": ["billing"]}
    admin.change_link(api.sandbox.service, LINK, change)
    paused = (await api.v2("GET", path, query=[("status", "paused"), ("status", "offline")])).json
    assert [one["pauseReasons"] for one in paused["data"]] == [["billing"]]


async def test_a_send_can_be_read_back_by_every_road(api: Client) -> None:
    contacts = [("platform", "twitter"), ("platformId", PERSON)]
    assert (await api.v2("GET", "/contacts", query=contacts)).json["data"] == []
    sent = await api.send()
    assert sent.status == 201
    message, thread = sent.json["message"], sent.json["thread"]
    assert (await api.v2("GET", f"/messages/{message['id']}")).json == message
    assert (await api.v2("GET", f"/threads/{thread['id']}")).json == thread
    (person,) = (await api.v2("GET", "/contacts", query=contacts)).json["data"]
    assert (await api.v2("GET", f"/contacts/{person['id']}")).json == person
    by_name = [("platform", "twitter"), ("username", person["profiles"][0]["username"].upper())]
    assert (await api.v2("GET", "/contacts", query=by_name)).json["data"] == [person]
    pair = [("accountLinkId", LINK), ("contactId", person["id"]), ("folder", "all")]
    assert (await api.v2("GET", "/threads", query=pair)).json["data"] == [thread]
    listed = (await api.v2("GET", f"/threads/{thread['id']}/messages")).json
    assert listed["data"] == [message]


async def test_the_three_targets_reach_the_same_thread(api: Client) -> None:
    first = (await api.send()).json["thread"]
    by_thread = await api.send(target={"type": "thread", "threadId": first["id"]})
    by_contact = await api.send(target=contact(first["contactId"]))
    assert by_thread.json["thread"]["id"] == by_contact.json["thread"]["id"] == first["id"]
    addressed = [entry["recipient"] for entry in api.sandbox.accepted]
    assert addressed == [PERSON, PERSON, first["contactId"]]
    assert api.sandbox.tally() == {"accepted": 3, "recipients": 1, "doubled": [PERSON]}


async def test_messages_page_in_both_orders(api: Client) -> None:
    sent = [(await api.send(text=f"Text {n}")).json["message"] for n in range(3)]
    path = f"/threads/{sent[0]['threadId']}/messages"
    for order, expected in (("asc", sent), ("desc", sent[::-1])):
        query = [("order", order), ("limit", "2")]
        first = (await api.v2("GET", path, query=query)).json
        query.append(("cursor", first["nextCursor"]))
        second = (await api.v2("GET", path, query=query)).json
        assert first["data"] + second["data"] == expected
        assert second["nextCursor"] is None


async def test_a_cursor_belongs_to_its_filters(api: Client) -> None:
    for person in ("1001", "1002"):
        await api.send(person)
    page = (await api.v2("GET", "/threads", query=[("limit", "1")])).json
    query = [("folder", "all"), ("cursor", page["nextCursor"])]
    assert (await api.v2("GET", "/threads", query=query)).code == "invalidCursor"


async def test_folders_search_and_expansion(api: Client) -> None:
    await api.send("1001", "A word")
    api.sandbox.receive(LINK, "1001", "An answer")
    await api.send("1002", "Another word")
    api.sandbox.receive(LINK, "1003", "A request")

    async def people(*query: tuple[str, str]) -> list[str]:
        expanded = [*query, ("expand", "profile"), ("expand", "contact"), ("expand", "accountLink")]
        page = (await api.v2("GET", "/threads", query=expanded)).json
        return [one["profile"]["platformId"] for one in page["data"]]

    assert await people() == ["1002", "1001"]
    assert await people(("order", "asc")) == ["1001", "1002"]
    assert await people(("folder", "noReply")) == ["1001"]
    assert await people(("folder", "requests")) == ["1003"]
    assert await people(("folder", "archived")) == []
    assert await people(("folder", "all")) == ["1003", "1002", "1001"]
    assert await people(("q", "ANOTHER")) == ["1002"]
    assert await people(("accountLinkId", OTHER_LINK)) == []
    assert await people(("unassigned", "true"), ("platform", "twitter")) == ["1002", "1001"]
    assert await people(("campaignId", "a1")) == []


async def test_messages_expand_and_quote(api: Client) -> None:
    first = (await api.send()).json["message"]
    body = {"target": profile(PERSON), "content": "More", "replyToMessageId": first["id"]}
    reply = (await api.v2("POST", "/messages", body=body)).json["message"]
    assert reply["replyTo"]["messageId"] == first["id"]
    query = [("expand", "sentBy"), ("expand", "thread"), ("expand", "accountLink")]
    shown = (await api.v2("GET", f"/messages/{reply['id']}", query=query)).json
    assert shown["sentBy"]["token"]["name"] == "Sandbox"
    assert shown["thread"]["id"] == shown["threadId"]


async def test_events_page_and_filter(api: Client) -> None:
    await api.send()
    api.sandbox.receive(LINK, PERSON, "Thanks")
    page = (await api.v2("GET", "/events", query=[("limit", "2")])).json
    assert [one["type"] for one in page["data"]] == ["thread.created", "message.sent"]
    assert (page["lastSeq"], page["hasMore"]) == (2, True)
    query = [("type", "message.received")]
    page = (await api.v2("GET", "/events", query=query)).json
    (event,) = page["data"]
    assert page["lastSeq"] == 3
    reply = (await api.v2("GET", event["object"]["url"])).json
    assert (reply["direction"], reply["content"]) == ("inbound", "Thanks")


async def test_imported_contacts_are_there_from_the_start(start: Start) -> None:
    api = await start(contacts={"sarahchen": PERSON})
    query = [("platform", "twitter"), ("username", "sarahchen")]
    (person,) = (await api.v2("GET", "/contacts", query=query)).json["data"]
    assert person["profiles"][0]["platformId"] == PERSON
    assert (await api.send(target=contact(person["id"]))).status == 201
    assert (await api.v2("GET", f"/contacts/{IMPORTED}")).status == 200
    assert (await api.send(target=contact(IMPORTED))).status == 201
    refused = await api.send(target=contact(IMPORTED[:-4] + "0404"))
    assert refused.code == "recipientUnavailable"


async def test_the_token_and_the_request_id(api: Client) -> None:
    reply = await api.v2("GET", "/team", headers={"Authorization": "Bearer \u00e9"})
    assert (reply.status, reply.code) == (401, "unauthorized")
    assert reply.headers["X-Request-Id"] == reply.json["requestId"]
    again = await api.v2("GET", "/team")
    assert again.headers["X-Request-Id"] != reply.headers["X-Request-Id"]


async def test_listings_lag_behind_by_show_after(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock, show_after=30.0)
    sent = (await api.send()).json
    thread_id = sent["thread"]["id"]
    contacts = [("platform", "twitter"), ("platformId", PERSON)]
    lookup = [("accountLinkId", LINK), ("externalPlatformId", PERSON)]

    async def listed() -> list[int]:
        return [
            len((await api.v2("GET", "/contacts", query=contacts)).json["data"]),
            len((await api.v2("GET", "/threads", query=[("folder", "all")])).json["data"]),
            len((await api.v2("GET", f"/threads/{thread_id}/messages")).json["data"]),
            len((await api.v2("GET", "/events")).json["data"]),
            len((await api.v1("GET", "/threads")).json["threads"]),
            len((await api.v1("GET", f"/threads/{thread_id}/messages")).json["messages"]),
            int((await api.v1("GET", "/threads/lookup", query=lookup)).json is not None),
        ]

    clock.now += 29
    assert await listed() == [0, 0, 0, 0, 0, 0, 0]
    assert (await api.v2("GET", f"/messages/{sent['message']['id']}")).status == 200
    clock.now += 1
    assert await listed() == [1, 1, 1, 2, 1, 1, 1]


@pytest.mark.parametrize(
    ("mangle", "text", "shown"),
    [
        (None, " a  https://b \u00e9", " a  https://b \u00e9"),
        ("strip", " a ", "a"),
        ("spaces", "a  \n b", "a b"),
        ("nfd", "\u00e9", "e\u0301"),
        ("links", "see https://b", "see https://t.co/b"),
        (str.upper, "abc", "ABC"),
    ],
)
async def test_text_may_come_back_changed(start: Start, mangle: Any, text: str, shown: str) -> None:
    api = await start(mangle=mangle)
    assert (await api.send(text=text)).json["message"]["content"] == shown
    assert api.sandbox.accepted[0]["content"] == text


async def test_two_runs_give_the_same_ids(start: Start) -> None:
    clock = Time()
    first, second, third = [await start(clock=clock, seed=seed) for seed in (1, 1, 2)]
    replies = [(await one.send()).json for one in (first, second, third)]
    assert replies[0] == replies[1]
    assert replies[0]["message"]["id"] != replies[2]["message"]["id"]


def _documented(version: int) -> set[tuple[str, str]]:
    paths: dict[str, Any] = contract(version).spec.read_value()["paths"]
    return {(method.upper(), path) for path, item in paths.items() for method in item}


def test_what_is_served_is_in_the_files() -> None:
    assert set(ROUTES[1]) == _documented(1)
    assert set(ROUTES[2]) < _documented(2)
    assert len(_documented(2)) == 37


async def test_each_operation_that_is_served_answers_as_the_file_says(api: Client) -> None:
    sent = (await api.send()).json
    api.sandbox.receive(LINK, PERSON, "Thanks")
    api.sandbox.act(LINK, PERSON, react="👍")
    api.sandbox.act(LINK, PERSON, colleague="Hello from me")
    tag = (await api.v2("POST", "/tags", body={"name": "spring"})).json
    told = {"platformId": PERSON, "status": "Customer", "tags": ["vip"], "assigned": True}
    await api.control("POST", "people", {"people": [told]})
    thread, contact_id = sent["thread"]["id"], sent["thread"]["contactId"]
    ids = {"accountLinkId": LINK, "contactId": contact_id, "tagRef": tag["id"]}
    ids |= {"threadId": thread, "messageId": sent["message"]["id"]}
    bodies = {"/tags": {"name": "autumn"}, "/messages": {"target": profile(PERSON), "content": "B"}}
    queries = {"/contacts": [("platform", "twitter"), ("platformId", PERSON)]}
    for method, path in sorted(ROUTES[2]):
        body = bodies[path] if method == "POST" else None
        answer = await api.v2(method, path.format(**ids), query=queries.get(path, ()), body=body)
        assert answer.status in (200, 201, 204), path
        if method == "GET" and path not in ("/platforms", "/team") and "{" not in path:
            assert answer.json["data"], path


async def test_a_quoted_message_must_be_of_the_same_thread(api: Client) -> None:
    first = (await api.send()).json["message"]
    body = {"target": profile("5"), "content": "More", "replyToMessageId": first["id"]}
    assert (await api.v2("POST", "/messages", body=body)).code == "invalidRequest"
    sent = (await api.quick_send("5")).json
    path = f"/threads/{sent['thread']['id']}/messages"
    quoting = {"content": "More", "replyToMessageId": first["id"]}
    assert (await api.v1("POST", path, body=quoting)).status == 422
    assert len(api.sandbox.accepted) == 2


async def test_a_contact_of_another_platform_is_unavailable(start: Start) -> None:
    linkedin = AccountLink("a1linkedin", "acme", "Acme", "urn:acme", platform="linkedin")
    twitter = AccountLink(LINK, "acmecorp", "Acme Corp", "1566123362161725440")
    api = await start(links=[twitter, linkedin])
    thread = (await api.send()).json["thread"]
    reply = await api.send(target=contact(thread["contactId"], link=linkedin.id))
    assert reply.code == "recipientUnavailable"
    body = {"accountLinkId": linkedin.id, "externalPlatformId": PERSON, "content": "Hello"}
    assert (await api.v1("POST", "/threads/messages", body=body)).code == "FORBIDDEN"


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("DELETE", "/threads/a1")])
async def test_what_is_not_served_is_404_and_counted(api: Client, method: str, path: str) -> None:
    assert (await api.v2(method, path, check=False)).status == 404
    assert api.sandbox.requests["counts"] == {f"{method} /api/v2{path} 404": 1}


async def test_tags_statuses_and_assignees_of_contacts(api: Client) -> None:
    thread = (await api.send()).json["thread"]
    told = {"platformId": PERSON, "status": "Customer", "tags": ["vip"], "assigned": True}
    await api.control("POST", "people", {"people": [told]})
    query = [("platform", "twitter"), ("platformId", PERSON), ("expand", "tags")]
    query += [("expand", "status"), ("expand", "assignee")]
    [found] = (await api.v2("GET", "/contacts", query=query)).json["data"]
    assert found["status"]["name"] == "Customer"
    assert found["statusId"] == found["status"]["id"]
    assert [each["name"] for each in found["tags"]] == ["vip"]
    assert found["assigneeId"] == found["assignee"]["id"]
    shown = (await api.v2("GET", f"/threads/{thread['id']}")).json
    assert shown["assigneeId"] == found["assigneeId"]
    [status] = (await api.v2("GET", "/statuses")).json["data"]
    assert status["name"] == "Customer"


async def test_a_tag_is_made_once_and_put_on_a_contact(start: Start) -> None:
    api = await start(tag_limit=1)
    made = await api.v2("POST", "/tags", body={"name": "spring"})
    assert made.status == 201
    taken = await api.v2("POST", "/tags", body={"name": "SPRING"})
    assert (taken.status, taken.code) == (409, "nameTaken")
    full = await api.v2("POST", "/tags", body={"name": "autumn"})
    assert (full.status, full.code) == (422, "tagLimitReached")
    contact_id = (await api.send()).json["thread"]["contactId"]
    for ref in (made.json["id"], "Spring"):
        path = f"/contacts/{contact_id}/tags/{ref}"
        assert (await api.v2("PUT", path)).status == 204
    query = [("platform", "twitter"), ("platformId", PERSON)]
    [found] = (await api.v2("GET", "/contacts", query=query)).json["data"]
    assert found["tagIds"] == [made.json["id"]]
    missing = await api.v2("PUT", f"/contacts/{contact_id}/tags/none")
    assert (missing.status, missing.code) == (404, "tagNotFound")


async def test_archived_threads_are_in_their_folder_alone(api: Client) -> None:
    thread = (await api.send()).json["thread"]
    await api.control("POST", "thread", {"id": thread["id"], "archived": True})

    async def found(folder: str) -> int:
        query = [("folder", folder)]
        return len((await api.v2("GET", "/threads", query=query)).json["data"])

    assert [await found(each) for each in ("inbox", "archived", "all")] == [0, 1, 1]


async def test_nothing_is_sent_in_a_thread_whose_restrictions_forbid_it(api: Client) -> None:
    sent = await api.send()
    id = sent.json["thread"]["id"]
    to_thread = {"type": "thread", "threadId": id}
    await api.control("POST", "thread", {"id": id, "restrictions": ["message:react"]})
    assert (await api.send(target=to_thread)).status == 201
    await api.control("POST", "thread", {"id": id, "restrictions": ["message:send"]})
    assert (await api.v2("GET", f"/threads/{id}")).json["restrictions"] == ["message:send"]
    for target in (to_thread, None):
        refused = await (api.send(target=target) if target else api.send())
        assert (refused.status, refused.code) == (422, "threadRestricted")
    await api.control("POST", "thread", {"id": id, "restrictions": []})
    assert (await api.send(target=to_thread)).status == 201
