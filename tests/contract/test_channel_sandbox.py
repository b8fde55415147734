"""One behaviour suite for both versions against the sandbox, and the requests against the API's
descriptions in `tests/openapi`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from openapi_core import OpenAPI
from openapi_core.templating.paths.exceptions import PathNotFound
from openapi_core.testing import MockRequest
from openapi_core.validation.request.exceptions import InvalidRequestBody

from runner.message.outcome import (
    UNCONFIRMED,
    Absent,
    Accepted,
    Deferred,
    Found,
    InDoubt,
    Rejected,
    Scope,
    Unclear,
)
from runner.message.prospect import Recipient
from runner.sandbox.server import Sandbox
from tests.contract.channel_api import Talk, api, ours
from tests.contract.channel_support import (
    ANSWERED,
    CONTACT,
    PERSON,
    SENDER,
    SILENT,
    VERSIONS,
    Request,
    a_lookup,
    channel_to,
    look,
    open_sandbox,
    send,
    untaken,
)

pytestmark = pytest.mark.parametrize("version", VERSIONS)

DESCRIPTIONS = Path(__file__).parent.parent / "openapi"
IMPORTED = Recipient("twitter", "inbox", "c12345678901234567890123")
"""Someone whom the sandbox takes for a contact of before."""


def who(number: int) -> Recipient:
    """Somebody by platform id; the last four digits choose the sandbox's answer."""
    return Recipient("twitter", "platform", f"18765432109{number:08}")


async def test_sent_and_found(version: str) -> None:
    async with open_sandbox(version) as (sandbox, channel):
        for number, recipient in enumerate((PERSON, IMPORTED)):
            text = "Hi Zoë 👋\n" + "x" * 3000
            assert isinstance(await look(channel, recipient, text), Absent)
            told = await send(channel, recipient, text, f"rc1-{number}")
            assert isinstance(told.outcome, Accepted)
            assert told.server_at is not None
            entry = sandbox.accepted[-1]
            assert entry["content"] == text
            assert entry["recipient"] == recipient.id
            assert told.outcome.message_id == entry["message_id"]
            found = Found(entry["message_id"], entry["thread_id"])
            assert await look(channel, recipient, text) == found
            later = channel.server_now() + 60
            assert isinstance(await look(channel, recipient, "Ho", not_before=later), Absent)


async def test_the_same_again(version: str) -> None:
    async with open_sandbox(version) as (sandbox, channel):
        first, second = await send(channel), await send(channel)
        assert isinstance(first.outcome, Accepted)
        assert isinstance(second.outcome, Accepted)
        assert second.outcome.replay == channel.idempotent
        assert len(sandbox.accepted) == (1 if channel.idempotent else 2)
        if channel.idempotent:
            assert second.outcome.message_id == first.outcome.message_id
            other = await send(channel, text="Ho")
            assert isinstance(other.outcome, InDoubt)
            assert other.outcome.reason == "idempotencyKeyReused"


LOST = {
    "accept_then_reset": "connection_lost",
    "half": "unreadable",
    "garbage": "unreadable",
    "endless": "unreadable",
    "error_after": "",
    "error_after:status=504": "",
    "html:accept=yes,status=502": "http_502",
}


@pytest.mark.parametrize("fault", LOST)
async def test_lost_answers_are_found_again(version: str, fault: str) -> None:
    first = fault + (",times=1" if ":" in fault else ":times=1")
    async with open_sandbox(version, first) as (sandbox, channel):
        told = await send(channel)
        assert isinstance(told.outcome, InDoubt)
        assert LOST[fault] in told.outcome.reason
        assert len(sandbox.accepted) == 1
        entry = sandbox.accepted[0]
        assert await look(channel) == Found(entry["message_id"], entry["thread_id"])
        if channel.idempotent:
            again = await send(channel)
            assert again.outcome == Accepted(entry["message_id"], entry["thread_id"], True)
            assert len(sandbox.accepted) == 1


@pytest.mark.parametrize("fault", ["reset_before", "error_before", "stall", "redirect"])
async def test_in_doubt_and_absent(version: str, fault: str) -> None:
    sandbox = Sandbox(faults=[f"{fault}:times=1"], per_minute=None)
    token, patience = "sandbox-token", SILENT if fault == "stall" else ANSWERED
    async with (
        sandbox.serve() as base,
        channel_to(version, f"{base}/api", token=token, patience=patience) as sending,
        channel_to(version, f"{base}/api", token=token) as looking,
    ):
        told = await send(sending)
        assert isinstance(told.outcome, InDoubt)
        assert sandbox.accepted == []
        assert isinstance(await look(looking), Absent)


async def test_unconfirmed_is_read_by_its_id(version: str) -> None:
    async with open_sandbox(version) as (sandbox, channel):
        for number, delivered in ((599, True), (598, False)):
            told = await send(channel, who(number), key=f"rc1-{number}")
            assert isinstance(told.outcome, InDoubt)
            if version == "v2":
                assert told.outcome.reason == UNCONFIRMED
                assert told.outcome.message_id
            found = await look(channel, who(number), message_id=told.outcome.message_id)
            if delivered:
                assert isinstance(found, Found)
                assert found.message_id == sandbox.accepted[-1]["message_id"]
            else:
                assert not isinstance(found, Found)


V2_PEOPLE = {
    403: (Deferred, Scope.LANE),
    404: (Rejected, None),
    409: (Deferred, Scope.SENDER),
    413: (Rejected, None),
    422: (Rejected, None),
    423: (Rejected, None),
    429: (Deferred, Scope.SENDER),
    500: (InDoubt, Scope.MESSAGE),
    502: (InDoubt, Scope.MESSAGE),
    503: (InDoubt, Scope.MESSAGE),
}
V1_PEOPLE = V2_PEOPLE | {409: (InDoubt, Scope.MESSAGE), 429: (Deferred, Scope.LANE)}


@pytest.mark.parametrize("number", V2_PEOPLE)
async def test_refusals(version: str, number: int) -> None:
    kind, scope = (V1_PEOPLE if version == "v1" else V2_PEOPLE)[number]
    async with open_sandbox(version) as (sandbox, channel):
        told = await send(channel, who(number))
        assert isinstance(told.outcome, kind)
        assert getattr(told.outcome, "scope", None) == scope
        assert sandbox.accepted == []


FAULTS = {
    "unauthorized": (Deferred, Scope.LANE, True),
    "plan_required": (Deferred, Scope.LANE, True),
    "rate_limit:retry_after=7": (Deferred, Scope.LANE, False),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_that_prove_nothing_was_sent(version: str, fault: str) -> None:
    kind, scope, stops = FAULTS[fault]
    async with open_sandbox(version, fault) as (sandbox, channel):
        told = await send(channel)
        assert isinstance(told.outcome, kind)
        assert told.outcome.scope == scope
        assert bool(told.outcome.stop) == stops
        assert told.outcome.after == (7.0 if "retry_after" in fault else None)
        assert sandbox.accepted == []


async def test_a_changed_text_is_unclear(version: str) -> None:
    async with open_sandbox(version, mangle="links") as (_, channel):
        text = "See https://example.com"
        await send(channel, text=text)
        found = await look(channel, text=text)
        assert isinstance(found, Unclear)
        assert "text differs" in found.reason


@pytest.mark.parametrize(
    "fault", ["error_before:on=lookup", "html:on=lookup", "rate_limit:on=lookup", "half:on=lookup"]
)
async def test_look_ups_that_fail_are_unclear(version: str, fault: str) -> None:
    async with open_sandbox(version, fault) as (_, channel):
        await send(channel)
        assert isinstance(await look(channel), Unclear)


async def test_a_long_thread(version: str) -> None:
    async with open_sandbox(version) as (sandbox, channel):
        for number in range(130):
            await send(channel, text=f"No. {number}", key=f"rc1-{number}")
        entry = sandbox.accepted[0]
        assert entry["content"] == "No. 0"
        found = await look(channel, text="No. 0", not_before=entry["at"])
        assert found == Found(entry["message_id"], entry["thread_id"])


async def test_before_a_run(version: str) -> None:
    async with open_sandbox(version) as (_, channel):
        assert (await channel.team()).id
        links = await channel.account_links()
        assert links[0].id == SENDER
        assert links[0].status == "active"
        assert links[0].username
        assert links[0].can_send is (True if version == "v2" else None)
        if version == "v2":
            assert ("twitter", 10_000, True) in [
                (one.platform, one.characters, one.can_send) for one in await channel.platforms()
            ]


async def test_many_at_once(version: str) -> None:
    async with open_sandbox(version, per_hour=None, per_day=None) as (sandbox, channel):
        sends = [send(channel, who(number), key=f"rc1-{number}") for number in range(1000, 1050)]
        told = await asyncio.gather(*sends)
        assert all(isinstance(answer.outcome, Accepted) for answer in told)
        assert len(sandbox.accepted) == 50


def as_described(version: str, request: Request) -> MockRequest:
    return MockRequest(
        "https://inboxapp.com",
        request.method.lower(),
        request.path,
        args={name: values[0] for name, values in request.query.items()},
        headers=request.headers,
        data=request.body or None,
        content_type="application/json",
    )


@pytest.mark.slow
async def test_requests_are_as_described(version: str) -> None:
    """Every kind of request, against the API's description."""
    description = OpenAPI.from_file_path(str(DESCRIPTIONS / f"inbox-{version}.openapi.yaml"))
    talk = Talk(version, *(ours(version, f"m{n}", n, "Ho") for n in range(5)))
    async with api(talk) as server, channel_to(version, server.base) as channel:
        for recipient in (PERSON, CONTACT):
            await send(channel, recipient)
            await channel.look_up(a_lookup(recipient=recipient), untaken)
        if version == "v2":
            await channel.look_up(a_lookup(message_id="p8rvk2m5j0xn4wq7ybftcael"), untaken)
        talked = list(server.complete)
    pages = iter([{"data": [], "nextCursor": "2"}, {"data": [], "nextCursor": None}])
    answers = {"team": {"id": "t1"}, "platforms": []}

    def say(request: Request) -> Any:
        name = request.path.rsplit("/", 1)[1]
        return answers[name] if name in answers else [] if version == "v1" else next(pages)

    async with api(say) as server, channel_to(version, server.base) as channel:
        await channel.team()
        await channel.account_links()
        await channel.platforms()
    requests = talked + server.complete
    assert len(requests) == (12 if version == "v1" else 16)
    for request in requests:
        description.validate_request(as_described(version, request))
    request.path = request.path.replace("platforms", "nothing").replace("links", "nothing")
    with pytest.raises(PathNotFound):
        description.validate_request(as_described(version, request))


@pytest.mark.slow
async def test_a_wrong_request_would_be_noticed(version: str) -> None:
    description = OpenAPI.from_file_path(str(DESCRIPTIONS / f"inbox-{version}.openapi.yaml"))
    path = "/api/v1/threads/messages" if version == "v1" else "/api/v2/messages"
    headers = {"authorization": "Bearer x"}
    wrong = Request("POST", path, {}, headers, b'{"content": ""}')
    with pytest.raises(InvalidRequestBody):
        description.validate_request(as_described(version, wrong))
