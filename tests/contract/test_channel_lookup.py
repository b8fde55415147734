"""Look-ups, against an API that a test writes down."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.message.outcome import Absent, Found, LookupResult, Unclear
from tests.contract.channel_api import OTHER, Talk, api, at, finding, ours, saying, theirs
from tests.contract.channel_support import (
    CONTACT,
    DATE_AT,
    PERSON,
    SENDER,
    SILENT,
    VERSIONS,
    Request,
    a_lookup,
    answer,
    channel_to,
    untaken,
)

pytestmark = pytest.mark.parametrize("version", VERSIONS)


async def test_found(version: str) -> None:
    found, _ = await finding(version, Talk(version, ours(version), theirs(version, after=5)))
    assert found == Found("m1", "t1")


async def test_the_earliest_that_is_nobody_elses_is_found(version: str) -> None:
    async def taken(message_id: str) -> bool:
        return message_id == "m1"

    talk = Talk(version, *(ours(version, f"m{n}", n) for n in (1, 2, 3)))
    assert (await finding(version, talk))[0] == Found("m1", "t1")
    assert (await finding(version, talk, taken=taken))[0] == Found("m2", "t1")


async def test_whole_seconds_of_the_servers_clock_are_allowed_for(version: str) -> None:
    assert (await finding(version, Talk(version, ours(version, after=-2))))[0] == Found("m1", "t1")


async def test_the_very_message_from_before_the_attempt_is_neither_proof_nor_absence(
    version: str,
) -> None:
    for before in (-3, -3600):
        talk = Talk(version, ours(version, after=before))
        found, _ = await finding(version, talk)
        assert isinstance(found, Unclear)
        assert "from before the attempt" in found.reason
        assert isinstance((await finding(version, talk, taken=all_taken))[0], Absent)
        talk = Talk(version, ours(version, "m0", before), ours(version))
        assert (await finding(version, talk))[0] == Found("m1", "t1")


async def test_clocks_may_differ_by_seconds(version: str) -> None:
    """What stamps messages may run behind what writes `Date`."""
    changed = {"text": "Hi there, changed on its way"}
    for before in (-3, -29):
        talk = Talk(version, ours(version, after=before, **changed))
        assert isinstance((await finding(version, talk))[0], Unclear)
    talk = Talk(version, ours(version, after=-60, **changed))
    assert isinstance((await finding(version, talk))[0], Absent)


async def test_measured_disagreement_of_clocks_is_doubt(version: str) -> None:
    changed = {"text": "Hi there, changed on its way"}
    for behind, after, absent in ((45, -46, False), (45, -90, True), (93600, -93500, False)):
        talk = Talk(version, ours(version, after=after, **changed))
        lookup = a_lookup(stamped_from=DATE_AT - behind)
        found, _ = await finding(version, talk, lookup)
        assert isinstance(found, Absent if absent else Unclear)
    talk = Talk(version, ours(version, after=-20, **changed))
    found, _ = await finding(version, talk, a_lookup(stamped_from=DATE_AT + 600))
    assert isinstance(found, Unclear), "stamps that are ahead make nothing older"


@pytest.mark.parametrize("before", [-45, -3600, -86400 * 300])
async def test_where_no_acceptance_has_told_of_the_clocks_nothing_is_passed_over(
    version: str, before: int
) -> None:
    talk = Talk(version, ours(version, after=before, text="Hi there, changed on its way"))
    found, _ = await finding(version, talk, a_lookup(stamped_from=None))
    assert isinstance(found, Unclear)
    assert "no acceptance of that time" in found.reason
    talk = Talk(version, theirs(version, after=before))
    assert isinstance((await finding(version, talk, a_lookup(stamped_from=None)))[0], Absent)
    talk = Talk(version, ours(version, "m0", before, text="Ho"), ours(version))
    found, _ = await finding(version, talk, a_lookup(stamped_from=None))
    assert found == Found("m1", "t1")


async def test_what_a_person_typed_before_is_no_proof(version: str) -> None:
    """The same words, an hour ago, by somebody of the team in the app."""
    typed = {"origin": "internal"} if version == "v1" else {"sentBy": {"type": "member"}}
    talk = Talk(version, ours(version, "x1", -3600, **typed))
    assert isinstance((await finding(version, talk))[0], Absent)
    talk = Talk(version, ours(version, "x1", -3600, **typed), ours(version))
    assert (await finding(version, talk))[0] == Found("m1", "t1")


async def test_absent(version: str) -> None:
    for talk in (
        Talk(version),
        Talk(version, theirs(version)),
        Talk(version, ours(version, after=-60, text="Ho")),
        Talk(version, ours(version, after=-60, text="Ho"), theirs(version, after=60)),
    ):
        assert isinstance((await finding(version, talk))[0], Absent)


async def all_taken(message_id: str) -> bool:
    return True


async def test_absent_when_all_is_taken(version: str) -> None:
    talk = Talk(version, ours(version), ours(version, "m2", text="Ho"))
    assert isinstance((await finding(version, talk, taken=all_taken))[0], Absent)


async def test_no_thread(version: str) -> None:
    def say(request: Request) -> Any:
        return None if version == "v1" else {"data": [], "nextCursor": None}

    found, asked = await finding(version, say)
    assert isinstance(found, Absent)
    assert len(asked) == 1


async def test_how_it_asks_for_the_thread(version: str) -> None:
    _, asked = await finding(version, Talk(version))
    _, by_contact = await finding(version, Talk(version), a_lookup(recipient=CONTACT))
    if version == "v1":
        ids = {"accountLinkId": [SENDER], "externalPlatformId": [PERSON.id]}
        assert (asked[0].path, asked[0].query) == ("/api/v1/threads/lookup", ids)
        assert by_contact[0].query == {"accountLinkId": [SENDER], "externalId": [CONTACT.id]}
    else:
        assert [request.path.split("/")[3] for request in asked] == [
            "contacts",
            "threads",
            "threads",
        ]
        assert [request.path.split("/")[3] for request in by_contact] == ["threads", "threads"]


DIFFERENT = {
    "text": {"text": "Hi https://t.co/x"},
    "no time": {"createdAt": "yesterday"},
    "no id": {"id": None},
    "nobody's": {"direction": None, "authorId": None},
}
V1_DIFFERENT = {
    "failed": {"failed": True},
    "failed, in words": {"failed": "yes"},
    "another author, by the API": {"authorId": OTHER},
    "campaign": {"campaignId": "c1"},
    "origin null": {"origin": None},
    "origin app": {"origin": "internal"},
}
V2_DIFFERENT = {
    "a person, same text": {"sentBy": {"type": "member"}},
    "from outside, same text": {"sentBy": None},
    "another account": {"accountLinkId": OTHER},
}


@pytest.mark.parametrize("name", [*DIFFERENT, *V1_DIFFERENT, *V2_DIFFERENT])
async def test_what_is_there_but_differs_is_unclear(version: str, name: str) -> None:
    if name in (V2_DIFFERENT if version == "v1" else V1_DIFFERENT):
        return
    more: Any = (DIFFERENT | V1_DIFFERENT | V2_DIFFERENT)[name]
    found, _ = await finding(version, Talk(version, ours(version, **more)))
    assert isinstance(found, Unclear)
    # A message that fits is proof enough beside it, unless the list itself cannot be read.
    if name not in ("no time", "no id", "nobody's"):
        talk = Talk(version, ours(version, **more), ours(version, "m2", 9))
        assert (await finding(version, talk))[0] == Found("m2", "t1")


async def test_people_of_the_team_are_not_us(version: str) -> None:
    if version == "v1":
        return  # v1 cannot tell a person's message from ours without `origin`
    talk = Talk(version, ours(version, text="Seen you call", sentBy={"type": "member"}))
    assert isinstance((await finding(version, talk))[0], Absent)


async def test_syncing_makes_absence_worthless(version: str) -> None:
    syncing = {"isSyncing" if version == "v1" else "syncing": True}
    assert (await finding(version, Talk(version, **syncing)))[0] == Unclear("syncing")
    talk = Talk(version, ours(version), **syncing)
    assert (await finding(version, talk))[0] == Found("m1", "t1")


async def test_a_list_that_lags_behind_its_thread(version: str) -> None:
    last = {"id": "m9", "authorId": SENDER, "direction": "outbound", "createdAt": at(3)}
    talk = Talk(version, ours(version, after=-60, text="Ho"), lastMessage=last)
    for seconds in (3, -20):
        last["createdAt"] = at(seconds)
        found, _ = await finding(version, talk)
        assert isinstance(found, Unclear)
        assert "last message" in found.reason
    last["createdAt"] = at(-90)
    assert isinstance((await finding(version, talk))[0], Absent)


BROKEN: dict[str, Any] = {
    "html": answer(200, b"<html>"),
    "empty": answer(200, b""),
    "list": [],
    "text": "x",
    "no keys": {},
    "odd id": {"id": "../team", "data": [{"id": "../team"}], "nextCursor": None},
    "401": answer(401, b"{}"),
    "404": answer(404, b"{}"),
    "500": answer(500, b"{}"),
    "redirect": answer(302, b"", "Location: /login"),
    "half": answer(200, b'{"id":', length=100) + b"x" * 94,
    "garbage": b"SSH-2.0\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("step", [1, 2, 3])
async def test_trouble_is_unclear(version: str, name: str, step: int) -> None:
    steps = 0

    def say(request: Request) -> Any:
        nonlocal steps
        steps += 1
        return BROKEN[name] if steps >= step else Talk(version)(request)

    if step == 3 and version == "v1":
        return
    found, _ = await finding(version, say, patience=SILENT)
    assert isinstance(found, Unclear)
    assert found.reason


async def test_limited_is_unclear_until(version: str) -> None:
    found, _ = await finding(version, lambda request: answer(429, b"{}", "Retry-After: 30"))
    assert isinstance(found, Unclear)
    assert found.after == 30.0


async def test_no_server_is_unclear(version: str) -> None:
    async with api(lambda request: None) as server:
        base = server.base
    async with channel_to(version, base) as channel:
        assert isinstance(await channel.look_up(a_lookup(), untaken), Unclear)


async def test_another_links_thread_is_unclear(version: str) -> None:
    talk = Talk(version, ours(version), accountLinkId=OTHER)
    assert isinstance((await finding(version, talk))[0], Unclear)


async def test_anothers_thread_is_unclear(version: str) -> None:
    """A filter that the API does not heed must not make another person's messages ours."""
    for recipient, wrong in ((PERSON, "18765"), (CONTACT, "n2r8v5ycx1t7m4hj6kd3wzbq")):
        if version == "v1":
            who = {"platformId": PERSON.id, "externalId": CONTACT.id}
            name = "platformId" if recipient is PERSON else "externalId"
            talk = Talk(version, ours(version), prospect=who)
            other = Talk(version, ours(version), prospect=who | {name: wrong})
        else:
            talk = Talk(version, ours(version), contactId=CONTACT.id)
            other = Talk(version, ours(version), contactId=wrong)
        asked = a_lookup(recipient=recipient)
        assert (await finding(version, talk, asked))[0] == Found("m1", "t1")
        found, _ = await finding(version, other, asked)
        assert isinstance(found, Unclear)
        assert "another person's" in found.reason


async def test_another_persons_contact_is_unclear(version: str) -> None:
    if version == "v1":
        return

    def say(request: Request, profile: str = PERSON.id) -> Any:
        if request.path.endswith("/contacts"):
            contact = {"id": CONTACT.id, "profiles": [{"platformId": profile}]}
            return {"data": [contact], "nextCursor": None}
        return Talk(version, ours(version))(request)

    assert (await finding(version, say))[0] == Found("m1", "t1")
    found, _ = await finding(version, lambda request: say(request, "18765"))
    assert isinstance(found, Unclear)


async def test_messages_of_another_thread_are_unclear(version: str) -> None:
    talk = Talk(version, ours(version, threadId="t1"))
    assert (await finding(version, talk))[0] == Found("m1", "t1")
    found, _ = await finding(version, Talk(version, ours(version, threadId="t2")))
    assert isinstance(found, Unclear)


async def test_a_thread_that_goes_while_it_is_read_is_unclear(version: str) -> None:
    """Deleted or merged between the question for it and the question for its messages."""

    def say(request: Request) -> Any:
        gone = answer(404, b'{"error":{"code":"THREAD_NOT_FOUND"}}')
        return gone if request.path.endswith("/messages") else Talk(version)(request)

    assert isinstance((await finding(version, say))[0], Unclear)


async def test_by_message_id(version: str) -> None:
    if version == "v1":
        return
    whole = ours(version, "m1", threadId="t1", platformId="187")
    differences: list[tuple[dict[str, Any], str]] = [
        ({}, ""),
        ({"platformId": None}, "not confirmed"),
        ({"content": "Ho"}, "differs"),
        ({"direction": "inbound"}, "not one of"),
        ({"accountLinkId": OTHER}, "not one of"),
        ({"id": "m2"}, "could not be read"),
        ({"threadId": None}, "could not be read"),
    ]
    for more, why in differences:
        found, asked = await finding(version, saying(whole | more), a_lookup(message_id="m1"))
        assert [request.path for request in asked] == ["/api/v2/messages/m1"]
        if why:
            assert isinstance(found, Unclear)
            assert why in found.reason
        else:
            assert found == Found("m1", "t1")
    found, _ = await finding(version, lambda request: answer(404, b"{}"), a_lookup(message_id="m1"))
    assert isinstance(found, Unclear)
    found, asked = await finding(version, Talk(version), a_lookup(message_id="../team"))
    assert isinstance(found, Unclear)
    assert not asked


async def test_several_contacts_are_all_tried(version: str) -> None:
    if version == "v1":
        return

    def say(request: Request) -> Any:
        if request.path.endswith("/contacts"):
            return {"data": [{"id": "other"}, {"id": CONTACT.id}], "nextCursor": None}
        if request.query.get("contactId") == ["other"]:
            return {"data": [], "nextCursor": None}
        return Talk(version, ours(version))(request)

    assert (await finding(version, say))[0] == Found("m1", "t1")

    def ignores_filters(request: Request) -> Any:
        return {"data": [{"id": f"c{n}"} for n in range(50)], "nextCursor": "more"}

    assert isinstance((await finding(version, ignores_filters))[0], Unclear)


NAMES = ["id", "data", "messages", "nextCursor", "createdAt", "content", "authorId", "timestamp"]
NAMES += ["direction", "sentBy", "type", "lastMessage", "origin", "error"]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(at(1)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=8,
        )
    ),
    max_leaves=20,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(said=st.lists(JSON | st.binary(max_size=20).map(lambda b: answer(200, b)), min_size=1))
def test_any_answer_has_a_finding(version: str, said: list[Any]) -> None:
    left = list(said)

    def say(request: Request) -> Any:
        return left.pop(0) if len(left) > 1 else left[0]

    found, _ = asyncio.run(finding(version, say))
    assert isinstance(found, get_args(LookupResult))
    if isinstance(found, Unclear):
        assert "\n" not in found.reason
