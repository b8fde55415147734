"""X's own API beside the sandbox, and people who were renamed, suspended or given a handle."""

from typing import Any

import aiohttp
import pytest

from .client import PERSON, Client
from .conftest import Start

OTHER = "1876543210987651111"


async def users(api: Client, names: str, token: str = "sandbox-token") -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    async with api.session.get(
        f"{api.base}/2/users/by", params={"usernames": names}, headers=headers
    ) as response:
        return response.status, await response.json(content_type=None), response.headers


async def describe(api: Client, *people: dict[str, Any]) -> None:
    reply = await api.control("POST", "people", {"people": [*people]})
    assert reply.status == 200, reply.raw


async def by_username(api: Client, username: str) -> list[dict[str, Any]]:
    query = [("platform", "twitter"), ("username", username), ("limit", "100")]
    found: list[dict[str, Any]] = (await api.v2("GET", "/contacts", query=query)).json["data"]
    return found


async def test_a_partial_answer(api: Client) -> None:
    await describe(
        api,
        {"platformId": PERSON, "username": "TwitterDev", "name": "Dev", "contact": False},
        {"platformId": OTHER, "username": "gone", "onX": "suspended", "contact": False},
    )
    status, body, headers = await users(api, "twitterdev,gone,nobody")
    assert status == 200
    assert body["data"] == [{"id": PERSON, "name": "Dev", "username": "TwitterDev"}]
    assert [(each["value"], each["title"]) for each in body["errors"]] == [
        ("gone", "Forbidden"),
        ("nobody", "Not Found Error"),
    ]
    assert {each["type"].rpartition("/")[2] for each in body["errors"]} == {"resource-not-found"}
    assert headers["x-rate-limit-remaining"] == "299"
    _, body, _ = await users(api, "nobody")
    assert "data" not in body
    said = (await api.control("GET", "x")).json
    assert said == {"requests": 2, "asked": [["twitterdev", "gone", "nobody"], ["nobody"]],
                    "charged": 1, "trouble": []}  # fmt: skip


@pytest.mark.parametrize("names", ["", "a,,b", "not a name", "a" * 16, ",".join(["a"] * 101)])
async def test_one_bad_name_refuses_a_whole_list(api: Client, names: str) -> None:
    status, body, _ = await users(api, names)
    assert (status, body["title"]) == (400, "Invalid Request")


async def test_its_token_and_its_limit(start: Start) -> None:
    api = await start(x_token="of-x", x_requests=2)
    assert (await users(api, "a"))[0] == 401
    for status in (200, 200, 429):
        assert (await users(api, "a", "of-x"))[0] == status


async def test_troubles_come_in_their_order(api: Client) -> None:
    await api.control("POST", "x", {"trouble": [503, 200, 402]})
    assert [(await users(api, "a"))[0] for _ in range(4)] == [503, 200, 402, 200]


async def test_a_renamed_person_and_a_recycled_handle(api: Client) -> None:
    await describe(api, {"platformId": PERSON, "username": "ada"})
    [contact] = await by_username(api, "ADA")
    await describe(
        api,
        {"platformId": PERSON, "username": "ada_was", "accountStatus": "suspended"},
        {"platformId": OTHER, "username": "ada"},
    )
    [other] = await by_username(api, "ada")
    assert other["profiles"][0]["platformId"] == OTHER
    [renamed] = await by_username(api, "ada_was")
    assert renamed["id"] == contact["id"]
    assert renamed["profiles"][0]["accountStatus"] == "suspended"
    await describe(api, {"platformId": PERSON, "username": "ada"})
    assert len(await by_username(api, "ada")) == 2


async def test_people_come_from_a_file_too(start: Start) -> None:
    api = await start(people=[{"platformId": PERSON, "username": "ada", "name": "Ada"}])
    [contact] = await by_username(api, "ada")
    assert contact["profiles"][0]["displayName"] == "Ada"


@pytest.mark.parametrize(
    "person",
    [
        {"username": "ada"},
        {"platformId": PERSON, "colour": "red"},
        {"platformId": "none"},
        {"platformId": PERSON, "accountStatus": "asleep"},
    ],
)
async def test_a_person_that_cannot_be_is_refused(api: Client, person: dict[str, Any]) -> None:
    assert (await api.control("POST", "people", {"people": [person]})).status == 400


async def test_someone_is_met_behind_every_username(start: Start) -> None:
    api = await start(meets_everyone=True)
    [contact] = await by_username(api, "Ada")
    assert (await by_username(api, "ada"))[0]["id"] == contact["id"]
    assert isinstance(api.session, aiohttp.ClientSession)
