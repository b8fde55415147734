"""Idempotency keys of v2."""

import asyncio
import json

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.sandbox.api.http import Call
from runner.sandbox.options import Options
from runner.sandbox.server import Sandbox
from runner.sandbox.service import Service
from tests.sandbox.client import Gate

from .client import PERSON, Client, Time, profile
from .conftest import Start


async def test_a_replay_gives_the_original_result_and_sends_nothing(api: Client) -> None:
    first = await api.send(key="k")
    await api.send(text="Something later")
    replay = await api.send(key="k")
    assert (first.status, replay.status) == (201, 200)
    assert replay.json == first.json
    assert [entry["key"] for entry in api.sandbox.accepted] == ["k", None]


async def test_another_body_is_refused(api: Client) -> None:
    await api.send(key="k")
    reply = await api.send(key="k", text="Another")
    assert (reply.status, reply.code) == (422, "idempotencyKeyReused")
    assert len(api.sandbox.accepted) == 1


@pytest.mark.parametrize(("compare", "status"), [("value", 200), ("bytes", 422)])
async def test_bodies_are_compared_by_value_or_by_bytes(
    start: Start, compare: str, status: int
) -> None:
    api = await start(compare=compare)
    await api.send(key="k")
    body = {"content": "Hello", "target": dict(reversed(profile(PERSON).items()))}
    data = json.dumps(body, indent=2).encode()
    reply = await api.v2("POST", "/messages", data=data, headers={"Idempotency-Key": "k"})
    assert reply.status == status


async def test_the_same_key_while_the_first_runs(start: Start) -> None:
    gate = Gate()
    api = await start(sleep=gate, faults=["slow:seconds=7,at=1"])
    first = asyncio.create_task(api.send(key="k"))
    await gate.entered.wait()
    running = await api.send(key="k")
    assert (running.status, running.code) == (409, "sendInProgress")
    other = await api.send(key="k", text="Another")
    assert other.code == "idempotencyKeyReused"
    message_id = running.json["details"]["messageId"]
    assert (await api.v2("GET", f"/messages/{message_id}")).status == 404
    gate.opened.set()
    assert (await first).json["message"]["id"] == message_id
    assert (await api.send(key="k")).status == 200
    assert gate.seconds == [7.0]
    assert len(api.sandbox.accepted) == 1


async def test_latency_comes_before_acceptance(start: Start) -> None:
    gate = Gate()
    api = await start(sleep=gate, latency=2.0)
    sending = asyncio.create_task(api.send(key="k"))
    await gate.entered.wait()
    assert api.sandbox.accepted == []
    gate.opened.set()
    await sending
    await api.v2("GET", "/team")
    assert gate.seconds == [2.0, 2.0]


async def test_keys_can_be_forgotten_after_a_while(start: Start) -> None:
    clock = Time()
    api = await start(clock=clock, key_life=60.0)
    await api.send(key="k")
    clock.now += 59.9
    assert (await api.send(key="k")).status == 200
    clock.now += 0.1
    assert (await api.send(key="k")).status == 201
    assert api.sandbox.tally()["doubled"] == [PERSON]


@pytest.mark.parametrize(("used_up", "status"), [(False, 201), (True, 422)])
async def test_a_4xx_uses_the_key_up_or_not(start: Start, used_up: bool, status: int) -> None:
    outcome = {PERSON: "recipientUnavailable"}
    api = await start(key_used_by_4xx=used_up, recipients=outcome)
    assert (await api.send(key="k")).status == 422
    outcome[PERSON] = "sent"
    assert (await api.send(key="k")).status == status


@pytest.mark.parametrize(("delivered", "accepted"), [("yes", 1), ("no", 0)])
async def test_unconfirmed_is_said_again(start: Start, delivered: str, accepted: int) -> None:
    api = await start(faults=[f"unconfirmed:at=1,delivered={delivered}"])
    first = await api.send(key="k")
    replay = await api.send(key="k")
    for reply in (first, replay):
        assert (reply.status, reply.code) == (502, "sendUnconfirmed")
    message_id = first.json["details"]["messageId"]
    assert replay.json["details"]["messageId"] == message_id
    shown = await api.v2("GET", f"/messages/{message_id}")
    if accepted:
        assert shown.json["platformId"]
    else:
        assert shown.code == "messageNotFound"
    assert len(api.sandbox.accepted) == accepted


@pytest.mark.parametrize(("delivered", "status"), [("yes", 200), ("no", 201)])
async def test_unconfirmed_may_be_settled_by_the_replay(
    start: Start, delivered: str, status: int
) -> None:
    faults = [f"unconfirmed:at=1,delivered={delivered}"]
    api = await start(faults=faults, replay_unconfirmed=False)
    assert (await api.send(key="k")).status == 502
    assert (await api.send(key="k")).status == status
    assert len(api.sandbox.accepted) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9"])
async def test_malformed_keys_are_400(api: Client, key: str) -> None:
    assert (await api.send(key=key)).status == 400
    assert api.sandbox.accepted == []


async def test_the_longest_key_is_taken(api: Client) -> None:
    assert (await api.send(key="~" * 255)).status == 201


async def test_parallel_sends_with_one_key_send_once(start: Start) -> None:
    api = await start(latency=0.01)
    replies = await asyncio.gather(*(api.send(key="k") for _ in range(8)))
    assert sorted(reply.status for reply in replies) == [201] + [409] * 7
    assert len(api.sandbox.accepted) == 1


async def test_only_an_accepted_send_leaves_its_key_behind_a_5xx(start: Start) -> None:
    api = await start(faults=["error_after:at=1", "error_before:at=3"])
    assert (await api.send(key="k")).status == 500
    assert (await api.send(key="k")).status == 200
    assert (await api.send(key="new")).status == 500
    assert (await api.send(key="new")).status == 201
    assert len(api.sandbox.accepted) == 2


async def test_a_send_cut_off_by_the_end_of_serving_leaves_no_key() -> None:
    gate = Gate()
    sandbox = Sandbox(sleep=gate, faults=["slow:at=1"])
    async with aiohttp.ClientSession() as session:
        async with sandbox.serve() as base:
            sending = asyncio.create_task(Client(sandbox, base, session).send(key="k"))
            await gate.entered.wait()
        with pytest.raises(aiohttp.ClientConnectionError):
            await sending
        assert sandbox.accepted == []
        async with sandbox.serve() as base:
            assert (await Client(sandbox, base, session).send(key="k")).status == 201


OUTCOMES = ("sent", "unconfirmedDelivered", "unconfirmed", "recipientUnavailable", "internal")


@given(
    asked=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(OUTCOMES)), min_size=1, max_size=30
    ),
    used_by_4xx=st.booleans(),
    replay_unconfirmed=st.booleans(),
    compare=st.sampled_from(["value", "bytes"]),
)
def test_no_key_is_ever_accepted_twice(
    asked: list[tuple[int, str]], used_by_4xx: bool, replay_unconfirmed: bool, compare: str
) -> None:
    outcomes: dict[str, str] = {}
    service = Service(
        Options(
            recipients=outcomes,
            per_minute=None,
            key_used_by_4xx=used_by_4xx,
            replay_unconfirmed=replay_unconfirmed,
            compare=compare,
        )
    )

    async def ask(number: int, outcome: str) -> int:
        outcomes[str(number)] = outcome
        call = Call(
            version=2,
            method="POST",
            route="/messages",
            params={},
            query={},
            headers={"Authorization": "Bearer sandbox-token", "Idempotency-Key": f"k{number}"},
            body=json.dumps({"target": profile(str(number)), "content": "Hello"}).encode(),
            request_id="r",
            now=0.0,
        )
        return (await service.answer(call)).status

    for number, outcome in asked:
        status = asyncio.run(ask(number, outcome))
        keys = [entry["key"] for entry in service.store.accepted]
        assert len(set(keys)) == len(keys)
        if status in (200, 201):
            assert f"k{number}" in keys
