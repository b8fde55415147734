"""What the simulated server shows to who asks: threads and messages as v1 and v2 list them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.simulation.server import LINK, Kept, Server
from tests.simulation.world import EPOCH

Json = dict[str, Any]


def ask(server: Server, version: str, path: list[str], params: dict[str, str]) -> tuple[int, Any]:
    """(status, body) of a GET."""
    server.advance()
    if path != ["team"]:
        server.written.append(server.world.now)
    match version, path:
        case _, ["team"]:
            return 200, {"id": "team1", "name": "Team"}
        case "v1", ["threads", "lookup"]:
            return 200, _thread_v1(server, params["externalPlatformId"])
        case "v1", ["threads", id, "messages"]:
            return 200, _page_v1(server, id.removeprefix("t"), params)
        case "v2", ["contacts"]:
            return 200, _whole([{"id": f"c{person}"} for person in _known(server, params)])
        case "v2", ["threads"]:
            return 200, _whole(_threads_v2(server, params))
        case "v2", ["threads", id, "messages"]:
            return 200, _page_v2(server, id.removeprefix("t"), params)
        case "v2", ["messages", id]:
            return _one_v2(server, id)
    return 404, {"code": "notFound", "message": "no such path", "details": {}, "requestId": "r1"}


def _shown(server: Server, person: str) -> list[Kept]:
    now = server.world.now
    return sorted(
        (kept for kept in server.kept if kept.person == person and kept.shows_at <= now),
        key=lambda kept: kept.at,
    )


def _look(server: Server, person: str) -> list[Kept]:
    """Begin a look-up of a thread; what is shown. Its pages list what there is now."""
    shown, habits = _shown(server, person), server.habits
    listed = list(shown)
    syncing = not server.plain and server.luck.random() < habits.syncing
    if syncing and listed:
        listed.pop(server.luck.randrange(len(listed)))
    elif not server.plain and listed and server.luck.random() < habits.list_lags:
        listed.pop()
    if habits.order == "newest":
        listed.reverse()
    elif habits.order == "any":
        listed.sort(key=lambda kept: hash_of(kept.id))
    server.views[person] = (listed, syncing)
    return shown


def hash_of(id: str) -> int:
    """An order that is none, the same on every page."""
    return sum(ord(letter) * (7919 + place) for place, letter in enumerate(id)) % 101


def _stamp(server: Server, kept: Kept) -> str:
    at = datetime.fromtimestamp(EPOCH + kept.at + server.habits.skew, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _content(server: Server, kept: Kept) -> str:
    alters = "" if server.plain else server.habits.alters
    if alters == "trimmed":
        return kept.content.rstrip()
    if alters == "links":
        return kept.content.replace("https://example.com", "https://t.co/x")
    return kept.content


def _message_v1(server: Server, kept: Kept) -> Json:
    return {
        "platform": "twitter",
        "threadId": f"t{kept.person}",
        "id": kept.id,
        "userId": "u1",
        "createdAt": _stamp(server, kept),
        "platformId": None,
        "content": _content(server, kept),
        "campaignId": None,
        "authorId": LINK,
        "origin": kept.origin,
        "failed": not server.plain and server.habits.alters == "failed",
    }


def _thread_v1(server: Server, person: str) -> Json | None:
    shown = _look(server, person)
    if not shown and person not in server.habits.known:
        return None
    last = _message_v1(server, shown[-1]) if shown else None
    return {
        "id": f"t{person}",
        "platform": "twitter",
        "accountLinkId": LINK,
        "isSyncing": False,
        "lastMessage": last
        and {name: last[name] for name in ("id", "content", "authorId", "createdAt", "userId")},
        "prospect": {"platformId": person, "externalId": f"c{person}"},
    }


def _page(server: Server, listed: list[Kept], start: int) -> tuple[list[Kept], int | None]:
    end = start + server.habits.page
    return listed[start:end], end if end < len(listed) else None


def _page_v1(server: Server, person: str, params: dict[str, str]) -> Json:
    listed, syncing = server.views[person]
    page, more = _page(server, listed, int(params.get("cursorId", "c0")[1:]))
    return {
        "messages": [_message_v1(server, kept) for kept in page],
        "nextCursor": more and {"id": f"c{more}", "timestamp": _stamp(server, page[-1])},
        "isSyncing": syncing,
    }


def _whole(data: list[Json]) -> Json:
    return {"data": data, "nextCursor": None}


def _known(server: Server, params: dict[str, str]) -> list[str]:
    person = params["platformId"]
    return [person] if person in server.habits.known or _shown(server, person) else []


def _threads_v2(server: Server, params: dict[str, str]) -> list[Json]:
    person = params["contactId"].removeprefix("c")
    shown = _look(server, person)
    if not shown:
        return []
    return [
        {
            "id": f"t{person}",
            "platform": "twitter",
            "accountLinkId": LINK,
            "contactId": params["contactId"],
            "syncing": server.views[person][1],
            "lastMessage": {
                "id": shown[-1].id,
                "direction": "outbound",
                "createdAt": _stamp(server, shown[-1]),
            },
        }
    ]


def _message_v2(server: Server, kept: Kept) -> Json:
    return {
        "id": kept.id,
        "threadId": f"t{kept.person}",
        "accountLinkId": LINK,
        "platform": "twitter",
        "platformId": f"p{kept.id}" if kept.confirmed else None,
        "direction": "outbound",
        "sentBy": {"type": "api", "tokenId": "k1"}
        if kept.origin == "api"
        else {"type": "member", "memberId": "u1"},
        "content": _content(server, kept),
        "createdAt": _stamp(server, kept),
    }


def _page_v2(server: Server, person: str, params: dict[str, str]) -> Json:
    listed, _ = server.views[person]
    page, more = _page(server, listed, int(params.get("cursor", "0")))
    return {
        "data": [_message_v2(server, kept) for kept in page],
        "nextCursor": None if more is None else str(more),
    }


def _one_v2(server: Server, id: str) -> tuple[int, Any]:
    found = [kept for kept in server.kept if kept.id == id]
    if not found or not (server.plain or server.habits.unconfirmed_shows):
        return 404, {"code": "messageNotFound", "message": "", "details": {}, "requestId": "r1"}
    return 200, _message_v2(server, found[0])
