"""The sandbox's own list: what stands in it, and that the file outlives the process."""

import json
from pathlib import Path
from typing import Any

import pytest

from runner.sandbox.server import Sandbox

from .client import LINK, PERSON, Time
from .conftest import Start


async def test_an_entry_tells_who_wrote_what_to_whom(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock)
    sent = (await api.send(text="Hé \ud83d\ude00", key="k")).json
    (entry,) = api.sandbox.accepted
    assert entry == {
        "seq": 1,
        "at": clock.now,
        "version": 2,
        "sender": LINK,
        "recipient": PERSON,
        "message_id": sent["message"]["id"],
        "thread_id": sent["thread"]["id"],
        "content": "Hé \U0001f600",
        "key": "k",
        "person": PERSON,
    }
    assert (await api.control("GET", "accepted")).json == [entry]
    assert (await api.control("GET", "tally")).json == api.sandbox.tally()


async def test_requests_are_counted_and_control_is_not(start: Start) -> None:
    api = await start(per_minute=2)
    await api.send()
    await api.v2("GET", "/threads/unknown")
    await api.v1("GET", "/team")
    expected = {
        "total": 3,
        "limited": 1,
        "counts": {
            "GET /api/v1/team 429": 1,
            "GET /api/v2/threads/{threadId} 404": 1,
            "POST /api/v2/messages 201": 1,
        },
        "faults": {},
    }
    for _ in range(2):
        assert (await api.control("GET", "requests")).json == expected
    assert api.sandbox.requests == expected


async def test_the_file_is_written_before_the_answer(start: Start, tmp_path: Path) -> None:
    record = tmp_path / "sent.jsonl"
    api = await start(record=record, faults=["accept_then_reset:on=any,at=9"])
    for number in range(3):
        await api.send(str(5000 + number))
        lines = record.read_text().splitlines()
        assert len(lines) == number + 1
    written = [json.loads(line) for line in lines]
    names = api.sandbox.accepted[0].keys()
    assert [{name: one[name] for name in names} for one in written] == api.sandbox.accepted


async def test_a_later_sandbox_goes_on_from_the_file(start: Start, tmp_path: Path) -> None:
    record = tmp_path / "sent.jsonl"
    options = {"record": record, "clock": Time(), "mangle": "strip"}
    first = await start(**options, recipients={"9": "unconfirmedDelivered"})
    sent = await first.send(text=" Hello ", key="k")
    unconfirmed = await first.send("9", key="u")
    await first.quick_send()
    second = await start(**options)
    assert second.sandbox.accepted == first.sandbox.accepted
    replay = await second.send(text=" Hello ", key="k")
    assert (replay.status, replay.json["message"]) == (200, sent.json["message"])
    again = await second.send("9", key="u")
    assert again.json["details"] == unconfirmed.json["details"]
    assert (await second.send(text="Other", key="k")).code == "idempotencyKeyReused"
    more = (await second.send(text="More")).json
    assert more["thread"]["id"] == sent.json["thread"]["id"]
    ids = [entry["message_id"] for entry in second.sandbox.accepted]
    assert len(set(ids)) == len(ids) == 4
    assert [entry["seq"] for entry in second.sandbox.accepted] == [1, 2, 3, 4]


async def test_a_torn_last_line_is_dropped(start: Start, tmp_path: Path) -> None:
    record = tmp_path / "sent.jsonl"
    await (await start(record=record)).send()
    whole = record.read_bytes()
    record.write_bytes(whole + b'{"seq": 2, "at"')
    api = await start(record=record)
    assert len(api.sandbox.accepted) == 1
    assert record.read_bytes() == whole
    await api.send()
    assert len(record.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}\n", "line 1: not a record line, no seq"),
        ("nonsense\n", "line 1: not a record line, no JSON"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    record = tmp_path / "sent.jsonl"
    record.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        Sandbox(record=record)


async def test_a_file_of_other_senders_is_refused(start: Start, tmp_path: Path) -> None:
    record = tmp_path / "sent.jsonl"
    await (await start(record=record)).send()
    with pytest.raises(ValueError, match=f"no account link '{LINK}'"):
        Sandbox(record=record, links=[])


async def test_faults_and_links_change_while_it_runs(start: Start) -> None:
    api = await start()
    put = await api.control("POST", "faults", {"faults": ["stall:at=9", "unauthorized"]})
    assert put.json == {"faults": ["stall:at=9", "unauthorized"]}
    assert (await api.send()).status == 401
    assert (await api.control("POST", "faults", [])).json == {"faults": []}
    changed = await api.control(
        "POST", "link", {"id": LINK, "status": "paused", "pauseReasons": ["billing"]}
    )
    assert changed.json["pauseReasons"] == ["billing"]
    assert (await api.send()).code == "accountLinkDisconnected"
    inbound = {"accountLinkId": LINK, "platformId": PERSON, "content": "Hi"}
    made = (await api.control("POST", "inbound", inbound)).json
    shown = (await api.v2("GET", f"/messages/{made['messageId']}")).json
    assert shown["direction"] == "inbound"


@pytest.mark.parametrize(
    ("how", "origin", "sent_by", "campaign"),
    [
        ({}, "internal", "member", None),
        ({"origin": "external"}, "external", None, None),
        ({"origin": "api"}, "api", "api", None),
        ({"campaignId": "camp1"}, "internal", "campaign", "camp1"),
    ],
)
async def test_messages_from_elsewhere_are_shown_and_not_in_the_list(
    start: Start, how: dict[str, str], origin: str, sent_by: str | None, campaign: str | None
) -> None:
    clock = Time()
    api = await start(clock=clock)
    sent = (await api.quick_send(text="Second")).json
    body = {"accountLinkId": LINK, "platformId": PERSON, "content": "First", "ago": 60, **how}
    made = (await api.control("POST", "outbound", body)).json
    assert made["threadId"] == sent["thread"]["id"]
    listed = (await api.v1("GET", f"/threads/{made['threadId']}/messages")).json["messages"]
    assert [one["content"] for one in listed] == ["Second", "First"]
    assert (listed[1]["origin"], listed[1]["campaignId"]) == (origin, campaign)
    assert listed[1]["authorId"] == LINK
    assert listed[1]["createdAt"] < listed[0]["createdAt"]
    shown = (await api.v2("GET", f"/messages/{made['messageId']}")).json
    assert shown["direction"] == "outbound"
    assert (shown["sentBy"] or {}).get("type") == sent_by
    assert [entry["content"] for entry in api.sandbox.accepted] == ["Second"]


async def test_a_message_can_fail_after_it_was_accepted(start: Start) -> None:
    api = await start()
    sent = (await api.quick_send()).json
    path = f"/threads/{sent['thread']['id']}/messages"
    assert "failed" not in (await api.v1("GET", path)).json["messages"][0]
    assert (await api.control("POST", "failed", {"id": sent["message"]["id"]})).status == 200
    assert (await api.v1("GET", path)).json["messages"][0]["failed"] is True


@pytest.mark.parametrize("order", ["newest", "oldest", "mixed"])
async def test_v1_lists_messages_in_the_order_and_pages_that_are_set(
    start: Start, order: str
) -> None:
    api = await start(v1_order=order, page=2)
    texts = [f"No. {number}" for number in range(7)]
    for text in texts:
        thread = (await api.quick_send(text=text)).json["thread"]["id"]
    read: list[str] = []
    pages = 0
    cursor: dict[str, str] | None = None
    while pages == 0 or cursor is not None:
        query = [(f"cursor[{name}]", value) for name, value in (cursor or {}).items()]
        page = (await api.v1("GET", f"/threads/{thread}/messages", query=query)).json
        read += [one["content"] for one in page["messages"]]
        pages, cursor = pages + 1, page["nextCursor"]
    assert pages == 4
    assert sorted(read) == texts
    falling, rising = read == texts[::-1], read == texts
    assert (falling, rising) == (order == "newest", order == "oldest")


@pytest.mark.parametrize("options", [{"v1_order": "random"}, {"page": 0}])
def test_lists_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"order|page"):
        Sandbox(**options)


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("faults", {"faults": ["explode"]}, "unknown fault 'explode'"),
        ("faults", {"faults": "stall"}, "the body must be"),
        ("faults", {}, "the body must be"),
        ("link", [], "the body must be an object"),
        ("link", {"status": "paused"}, "id must be a string"),
        ("link", {"id": "nobody"}, "no account link 'nobody'"),
        ("link", {"id": LINK, "status": "asleep"}, "status must be one of"),
        ("link", {"id": LINK, "pauseReasons": "billing"}, "must be a list of strings"),
        ("link", {"id": LINK, "colour": "red"}, "unknown link field 'colour'"),
        ("inbound", {"accountLinkId": LINK}, "platformId must be a string"),
        ("failed", {"id": "nothing"}, "no message 'nothing'"),
        (
            "outbound",
            {"accountLinkId": LINK, "platformId": PERSON, "content": "Hi", "origin": "post"},
            "origin must be one of",
        ),
        (
            "outbound",
            {"accountLinkId": LINK, "platformId": PERSON, "content": "Hi", "ago": -1},
            "ago must be seconds",
        ),
        (
            "inbound",
            {"accountLinkId": "x", "platformId": "5", "content": "Hi"},
            "no account link 'x'",
        ),
        (
            "inbound",
            {"accountLinkId": LINK, "platformId": "someone", "content": "Hi"},
            "no person 'someone'",
        ),
    ],
)
async def test_control_complains_in_one_line(
    start: Start, path: str, body: object, complaint: str
) -> None:
    api = await start()
    reply = await api.control("POST", path, body)
    assert reply.status == 400
    assert complaint in reply.json["error"]
