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
        case "v2", ["events"]:
            return _events_v2(server, params)
        case "v2", ["threads", id]:
            return _thread_v2(server, id.removeprefix("t"))
        case "v2", ["threads", id, "messages"] if params.get("order") == "desc":
            return _newest_v2(server, id.removeprefix("t"))
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
    if not shown or person in server.gone:
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
                "direction": "inbound" if shown[-1].inbound else "outbound",
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
        "direction": "inbound" if kept.inbound else "outbound",
        "sentBy": _SENT_BY.get(kept.origin),
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


_SENT_BY: dict[str, Json] = {
    "api": {"type": "api", "tokenId": "k1"},
    "internal": {"type": "member", "memberId": "u1"},
}

_NO_THREAD = {"code": "threadNotFound", "message": "", "details": {}, "requestId": "r1"}


def _events_v2(server: Server, params: dict[str, str]) -> tuple[int, Any]:
    """Events, a few a page; only the newest are kept."""
    kept = server.events[-server.events_kept :]
    after = int(params.get("afterSeq", "-1"))
    if server.refuses_old and kept and 0 <= after < kept[0].seq and len(kept) < len(server.events):
        return 400, {"code": "badRequest", "message": "", "details": {}, "requestId": "r1"}
    size = 1 if params["limit"] == "1" else 4
    page = [each for each in kept if each.seq > after]
    return 200, {
        "data": [
            {
                "seq": seq,
                "createdAt": _stamp(server, kept),
                "object": {"type": "message", "id": kept.id},
                "data": {"threadId": f"t{kept.person}"},
            }
            for seq, kept in page[:size]
        ],
        "lastSeq": page[:size][-1].seq if page else None,
        "hasMore": len(page) > size,
    }


def _thread_v2(server: Server, person: str) -> tuple[int, Any]:
    shown = _shown(server, person)
    if not shown or person in server.gone:
        server.said_gone.add(person)
        return 404, _NO_THREAD
    syncing = not server.plain and server.luck.random() < server.habits.syncing
    last = shown[server.luck.randrange(len(shown))] if syncing else shown[-1]
    direction = "inbound" if last.inbound else "outbound"
    return 200, {
        "id": f"t{person}",
        "accountLinkId": LINK,
        "contactId": f"c{person}",
        "contact": {"id": f"c{person}", "profiles": [{"platformId": person}]},
        "syncing": syncing,
        "assigneeId": "u1" if person in server.assigned else None,
        "restrictions": ["message:send"] if person in server.restricted else [],
        "lastMessage": {"id": last.id, "direction": direction, "createdAt": _stamp(server, last)},
    }


def _newest_v2(server: Server, person: str) -> tuple[int, Any]:
    if person in server.gone:
        return 404, _NO_THREAD
    shown = _shown(server, person)
    return 200, _whole([_message_v2(server, kept) for kept in reversed(shown)])


def _one_v2(server: Server, id: str) -> tuple[int, Any]:
    found = [kept for kept in server.kept if kept.id == id]
    known = server.plain or server.habits.unconfirmed_shows or (found and found[0].inbound)
    if not found or not known:
        return 404, {"code": "messageNotFound", "message": "", "details": {}, "requestId": "r1"}
    return 200, _message_v2(server, found[0])
