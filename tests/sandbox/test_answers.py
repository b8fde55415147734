"""People and colleagues who answer, and the feed that tells of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from runner.sandbox.answers import load_answers, read_answers
from runner.sandbox.feed import FeedSettings, parse_feed

from .client import LINK, OTHER, PERSON, Client, Time, events
from .conftest import Start


async def kinds(api: Client) -> list[str]:
    return [one["type"] for one in await events(api)]


@pytest.mark.slow
async def test_people_answer_when_it_is_time(start: Start) -> None:
    clock = Time()
    acts = [
        {"after": "2h", "write": "Sounds good"},
        {"after": "3h", "react": "👍"},
        {"after": "4h", "edit": "Sounds great"},
        {"after": "5h", "delete": "all"},
        {"after": "6h", "unreact": "👍"},
        {"after": "7h", "type": True},
        {"after": "8h", "colleague": "Hi, Sam here"},
        {"after": "1d", "to": 2, "write": "stop"},
    ]
    api = await start(clock=clock, answers=read_answers({"people": {PERSON: acts}}))
    sent = (await api.send()).json
    path = f"/threads/{sent['thread']['id']}/messages"
    assert len((await api.v2("GET", path)).json["data"]) == 1
    clock.now += 2 * 3600
    (reply, ours) = (await api.v2("GET", path)).json["data"]
    assert (reply["direction"], reply["content"]) == ("inbound", "Sounds good")
    assert (ours["id"], ours["reactions"]) == (sent["message"]["id"], [])
    clock.now += 1.5 * 3600
    thread = (await api.v2("GET", f"/threads/{sent['thread']['id']}")).json
    assert thread["activity"]["preview"] == "👍"
    assert thread["lastMessage"]["id"] == reply["id"]
    ours = (await api.v2("GET", f"/messages/{ours['id']}")).json
    assert [one["emoji"] for one in ours["reactions"]] == ["👍"]
    clock.now += 6 * 3600
    reply = (await api.v2("GET", f"/messages/{reply['id']}")).json
    assert (reply["content"], reply["editedAt"] is None) == ("Sounds great", False)
    assert reply["deletedAt"] == "2026-09-21T19:13:20.000Z"
    assert await kinds(api) == [
        "thread.created",
        "message.sent",
        "message.received",
        "message.reactionAdded",
        "message.edited",
        "message.deleted",
        "message.reactionRemoved",
        "thread.typing",
        "message.sent",
    ]
    (newest, *_) = (await api.v2("GET", path)).json["data"]
    assert newest["sentBy"]["type"] == "member"
    await api.send()
    clock.now += 86400
    (newest, *_) = (await api.v2("GET", path)).json["data"]
    assert newest["content"] == "stop"


@pytest.mark.slow
async def test_everyone_else_answers_by_their_share(start: Start) -> None:
    clock = Time()
    half = {"everyone": [{"share": 0.5, "after": "1m", "write": "Thanks"}]}
    api = await start(clock=clock, answers=read_answers(half), per_minute=None)
    for number in range(100):
        await api.send(str(10**18 + number * 10_000))
    clock.now += 60
    assert 35 <= len(await events(api, "message.received")) <= 65


@pytest.mark.slow
async def test_a_sandbox_that_starts_again_tells_the_same_events(
    start: Start, tmp_path: Path
) -> None:
    clock = Time()
    answers = read_answers({"everyone": [{"after": "1m", "write": "Thanks"}]})
    more: dict[str, Any] = {"clock": clock, "answers": answers, "record": tmp_path / "record"}
    first = await start(**more)
    await first.send()
    clock.now += 120
    await first.send(OTHER)
    before = await events(first)
    again = await events(await start(**more))
    told = [[(one["seq"], one["type"], one["object"]) for one in each] for each in (before, again)]
    assert told[0] == told[1]
    assert [one["type"] for one in again].count("message.received") == 1


@pytest.mark.slow
async def test_acts_by_hand(api: Client) -> None:
    await api.send()
    about = {"accountLinkId": LINK, "platformId": PERSON}
    reply = await api.control("POST", "act", about | {"write": "Who is this?"})
    assert (await api.v2("GET", f"/messages/{reply.json['messageId']}")).status == 200
    await api.control("POST", "act", about | {"react": "❤️"})
    (added,) = await events(api, "message.reactionAdded")
    assert added["data"]["authorPlatformId"] == PERSON
    assert (await api.control("POST", "act", about | {"wave": "hand"})).status == 400
    api.sandbox.act(LINK, PERSON, remove=True)
    assert (await api.v2("GET", f"/threads/{added['data']['threadId']}")).code == "threadNotFound"
    assert (await events(api))[-1]["type"] == "thread.deleted"
    assert (await api.control("POST", "act", about | {"react": "❤️"})).status == 400
    answers = {"everyone": [{"write": "Hello"}]}
    assert (await api.control("POST", "answers", answers)).status == 200
    await api.send(OTHER)
    assert (await events(api))[-1]["type"] == "message.received"


async def test_the_feed_forgets(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock, feed=FeedSettings(kept=3))
    for _ in range(4):
        api.sandbox.receive(LINK, PERSON, "Hello")
    assert [one["seq"] for one in await events(api)] == [3, 4, 5]
    assert [one["seq"] for one in await events(api, after=1)] == [3, 4, 5]
    clock.now += 7 * 86400
    assert await events(api) == []
    assert (await api.control("POST", "feed", {"kept": 2, "refuse_old": True})).status == 200
    api.sandbox.receive(LINK, PERSON, "Hello")
    assert [one["seq"] for one in await events(api)] == [6]
    old = await api.v2("GET", "/events", query=[("afterSeq", "4")])
    assert (old.status, old.code) == (400, "invalidRequest")
    assert [one["seq"] for one in await events(api, after=5)] == [6]


async def test_odd_numbers_and_short_pages(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock, feed=parse_feed("hole_every=2,double_every=3,page=2,delay=5"))
    for _ in range(3):
        api.sandbox.receive(LINK, PERSON, "Hello")
    assert await events(api) == []
    clock.now += 5
    told = await events(api)
    assert [one["seq"] for one in told] == [1, 2, 4, 5, 6]
    assert told[2]["id"] == told[3]["id"]
    page = (await api.v2("GET", "/events", query=[("limit", "1000")])).json
    assert (len(page["data"]), page["hasMore"], page["lastSeq"]) == (2, True, 2)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "people, everyone or both"),
        ({"people": {7: []}}, "must stand in quotes"),
        ({"people": []}, "must map"),
        ({"everyone": {}}, "everyone: must be a list"),
        ({"everyone": ["hi"]}, "number 1: must be an object"),
        ({"everyone": [{"after": "1h"}]}, "must have one of write"),
        ({"everyone": [{"write": ""}]}, "write must be a text"),
        ({"everyone": [{"write": "a", "at": "1h"}]}, "unknown 'at'"),
        ({"everyone": [{"write": "a", "after": "soon"}]}, "must be a time such as"),
        ({"everyone": [{"delete": "them"}]}, "self or all"),
        ({"everyone": [{"type": "yes"}]}, "must be true"),
        ({"everyone": [{"write": "a", "to": 0}]}, "from 1"),
        ({"everyone": [{"write": "a", "share": 2}]}, "from 0 to 1"),
    ],
)
def test_a_mistake_in_the_answers_is_named(value: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        read_answers(value)
    file = tmp_path / "answers.yaml"
    file.write_text(json.dumps(value).replace('"7"', "7"))
    with pytest.raises(ValueError, match=f"answers.yaml: .*{said}"):
        load_answers(file)


@pytest.mark.parametrize("text", ["delay=-1", "kept=0", "page=0", "hole_every=x", "speed=1"])
def test_a_mistake_in_the_feed_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="feed: "):
        parse_feed(text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "answers.yaml").write_text("people: [")
    with pytest.raises(ValueError, match=r"answers\.yaml"):
        load_answers(tmp_path / "answers.yaml")
    with pytest.raises(ValueError, match=r"none\.yaml"):
        load_answers(tmp_path / "none.yaml")
