"""What the sandbox's own list says of a rehearsal; the troubles of one."""

import pytest
import yaml

from runner.sandbox.answers import Trouble, read_answers
from runner.sandbox.judgement import doubled, happenings, written_after_answer
from tests.documents import blocks, page

from .client import LINK, OTHER, Client, Time, events
from .conftest import Start


async def kinds(api: Client) -> list[str]:
    return [each.kind for each in sorted(happenings(api.sandbox.service.store))]


async def test_first_messages_are_told_from_later_ones(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock)
    for content in ("Hello", "Once more"):
        await api.send(text=content)
        clock.now += 60
    await api.send(OTHER)
    assert await kinds(api) == ["first", "later", "first"]
    store = api.sandbox.service.store
    assert written_after_answer(store) == doubled(store) == []


async def test_a_message_after_an_answer_is_found(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock)
    store = api.sandbox.service.store
    api.sandbox.receive(LINK, OTHER, "before any message")
    clock.now += 60
    await api.send(OTHER, "one")
    clock.now += 60
    await api.send(OTHER, "two")
    assert written_after_answer(store) == [], "it answers nothing"
    clock.now += 60
    api.sandbox.receive(LINK, OTHER, "yes")
    clock.now += 0.5
    await api.send(OTHER, "three")
    assert written_after_answer(store) == [], "no one could have seen it in time"
    clock.now += 60
    late = (await api.send(OTHER, "four")).json["message"]["id"]
    assert written_after_answer(store) == [late]
    assert "answered" in await kinds(api)
    assert (await kinds(api)).count("answered") == 1


async def test_reactions_and_colleagues_are_no_answers(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock)
    await api.send(OTHER)
    clock.now += 60
    for act in ({"react": "👍"}, {"type": True}, {"colleague": "Hi"}):
        api.sandbox.act(LINK, OTHER, **act)
    clock.now += 60
    await api.send(OTHER, "two")
    assert "answered" not in await kinds(api)
    assert written_after_answer(api.sandbox.service.store) == []


async def test_an_answer_counts_though_its_thread_is_removed(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock)
    await api.send(OTHER)
    clock.now += 60
    api.sandbox.receive(LINK, OTHER, "yes")
    api.sandbox.act(LINK, OTHER, remove=True)
    clock.now += 60
    await api.send(OTHER, "two")
    assert len(written_after_answer(api.sandbox.service.store)) == 1


async def test_the_same_text_to_one_person_is_a_doubling(start: Start) -> None:
    api = await start()
    await api.send(OTHER, "Hello")
    await api.send(text="Hello")
    store = api.sandbox.service.store
    assert doubled(store) == []
    again = (await api.send(OTHER, "Hello")).json["message"]["id"]
    assert doubled(store) == [again]


async def test_a_torn_feed_refuses_to_be_read_on(start: Start) -> None:
    api = await start()
    await api.send()
    seen = (await events(api))[0]["seq"]
    await api.send(OTHER)
    api.sandbox.service.store.feed.tear()
    assert await events(api) == []
    answer = await api.v2("GET", "/events", query=[("afterSeq", str(seen))])
    assert answer.status == 400
    await api.send(OTHER, "two")
    [event] = await events(api)
    assert event["seq"] > seen


@pytest.mark.parametrize("name", ["docs/how-to.md", "docs/reference-commands.md"])
def test_the_answers_in_the_pages_can_be_read(name: str) -> None:
    shown = [block for block in blocks(page(name), "text") if "everyone:" in block]
    assert shown
    for block in shown:
        assert read_answers(yaml.safe_load(block), rehearsal=True).everyone


def test_troubles_are_of_rehearsals() -> None:
    value = {"trouble": [{"after": "3d", "what": "run_killed"}, {"what": "feed_torn"}]}
    found = read_answers(value, rehearsal=True).troubles
    assert found == (Trouble("run_killed", 3 * 86400.0), Trouble("feed_torn", 0.0))
    with pytest.raises(ValueError, match="trouble is for a rehearsal"):
        read_answers(value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({}, "trouble: must be a list"),
        ([3], "trouble, number 1: must be an object"),
        ([{"what": "fire"}], "number 1: what must be one of feed_torn, run_killed, not 'fire'"),
        ([{"what": "feed_torn", "after": "soon"}], "after must be a time"),
    ],
)
def test_troubles_that_cannot_be_read(value: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_answers({"trouble": value}, rehearsal=True)
