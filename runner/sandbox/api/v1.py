"""The v1 endpoints a campaign runner uses (docs.inboxapp.com api-reference).

No idempotency: two equal posts are two messages. Which status a fault of the request gets is mostly
not documented; here unreadable JSON and bad queries are 400, readable JSON with bad values is 422,
and an account link that the team does not have is 403, as another team's resource would be. Lists
go newest first.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from runner.sandbox.api import send
from runner.sandbox.api import v1_shapes as shapes
from runner.sandbox.api.http import (
    INBOX_ID,
    Answer,
    Call,
    is_time,
    json_answer,
    json_object,
    text_field,
)
from runner.sandbox.api.refusals import Refusal, bad_request
from runner.sandbox.options import AccountLink
from runner.sandbox.people import NUMERIC_ID, Person, made_up_number
from runner.sandbox.store import Message, Order, Thread, stamp

if TYPE_CHECKING:
    from runner.sandbox.service import Service

Handler = Callable[["Service", Call], Awaitable[Answer]]


async def get_team(service: "Service", call: Call) -> Answer:
    """GET /team."""
    return json_answer(200, shapes.team(service.options.team_id))


async def list_account_links(service: "Service", call: Call) -> Answer:
    """GET /account-links: a bare array."""
    return json_answer(200, [shapes.account_link(link) for link in _links(service)])


def _links(service: "Service") -> list[AccountLink]:
    # v1 is X only (docs.inboxapp.com reference).
    return [link for link in service.store.links.values() if link.platform == "twitter"]


def _send_link(service: "Service", link_id: str) -> AccountLink:
    link = send.usable_link(service, link_id)
    if link.platform != "twitter":
        raise Refusal("accountLinkNotFound")
    return link


def _new_person(service: "Service", person: Person) -> None:
    if not service.options.advanced_api and not service.store.people.is_contact(person):
        raise Refusal("planRequired")


async def quick_send(service: "Service", call: Call) -> Answer:
    """POST /threads/messages: send to a person, thread or no thread."""
    body = json_object(call.body)
    link_id = text_field(body, "accountLinkId", inbox_id=True)
    content = text_field(body, "content")
    platform_id = text_field(body, "externalPlatformId", required=False)
    external_id = text_field(body, "externalId", required=False)
    addressed = platform_id or external_id
    if addressed is None:
        raise bad_request(
            ["externalPlatformId"], "is required without externalId", code="invalidValues"
        )
    if platform_id is not None and not NUMERIC_ID.match(platform_id):
        raise bad_request(["externalPlatformId"], "must be numeric", code="invalidValues")
    message_id = service.store.new_message_id(call.body)
    await send.wait_before(service, call)
    link = _send_link(service, str(link_id))
    people = service.store.people
    person = send.person_or_refusal(
        people.by_platform_id("twitter", platform_id)
        if platform_id
        else people.by_inbox_id(addressed),
        "contactNotFound",
    )
    _new_person(service, person)
    order = Order(link, person, addressed, str(content))
    message = send.accept(service, call, order, message_id, None)
    thread = {"id": message.thread.id, "platformId": message.thread.platform_id}
    return json_answer(200, {"message": shapes.message(message), "thread": thread})


async def thread_send(service: "Service", call: Call) -> Answer:
    """POST /threads/{threadId}/messages: answers with the bare message."""
    thread = _thread(service, call)
    body = json_object(call.body)
    content = text_field(body, "content")
    quoted = text_field(body, "replyToMessageId", required=False, inbox_id=True)
    message_id = service.store.new_message_id(call.body)
    await send.wait_before(service, call)
    link = _send_link(service, thread.link.id)
    reply_to = send.reply_target(service, quoted)
    order = Order(link, thread.person, thread.person.platform_id, str(content), reply_to)
    message = send.accept(service, call, order, message_id, None)
    return json_answer(200, shapes.message(message))


def _thread(service: "Service", call: Call) -> Thread:
    # A malformed id is 404: v1 documents no 400 for GET /threads/{threadId}.
    thread = service.store.threads.get(call.params["threadId"])
    if thread is None or thread.link.platform != "twitter":
        raise Refusal("threadNotFound")
    return thread


async def lookup(service: "Service", call: Call) -> Answer:
    """GET /threads/lookup: the thread, or null."""
    link_id = call.one("accountLinkId", required=True, inbox_id=True)
    platform_id = call.one("externalPlatformId")
    external_id = call.one("externalId", inbox_id=True)
    if not platform_id and not external_id:
        raise bad_request(["externalPlatformId"], "is required without externalId")
    if link_id not in {link.id for link in _links(service)}:
        raise Refusal("accountLinkNotFound")
    people = service.store.people
    if platform_id:
        person = people.contact_of_platform_id("twitter", platform_id)
    else:
        person = people.by_inbox_id(external_id or "")
    link = service.store.links[link_id]
    thread = service.store.thread_of(link, person) if person else None
    if thread is None or not thread.shown(call.now):
        return json_answer(200, None)
    return json_answer(200, shapes.thread(thread, call.now))


async def lookup_by_username(service: "Service", call: Call) -> Answer:
    """GET /threads/lookup-by-username: a bare array; case does not matter (docs resources/faq)."""
    username = call.one("username", required=True)
    if not username:
        raise bad_request(["username"], "must be 1 character or more")
    wanted = call.many("accountLinkIds", ids=True, brackets=True)
    person = next(iter(service.store.people.contacts_of_username("twitter", username)), None)
    threads = service.store.threads_with(person, call.now) if person else []
    found = [
        shapes.thread(thread, call.now)
        for thread in threads
        if thread.link.platform == "twitter" and (not wanted or thread.link.id in wanted)
    ]
    return json_answer(200, found)


def _shown(service: "Service", call: Call) -> list[Thread]:
    wanted = call.many("accountLinkIds", ids=True, brackets=True)
    return [
        thread
        for thread in service.store.shown_threads(call.now)
        if thread.link.platform == "twitter" and (not wanted or thread.link.id in wanted)
    ]


def _cursor(call: Call) -> tuple[str, str] | None:
    plain = call.one("cursorId"), call.one("cursorTimestamp")
    bracket = call.one("cursor[id]"), call.one("cursor[timestamp]")
    if any(plain) and any(bracket):
        raise bad_request(["cursorId"], "must not be mixed with cursor[...]")
    cursor_id, at = plain if any(plain) else bracket
    if cursor_id is None and at is None:
        return None
    if not cursor_id or not at:
        raise bad_request(["cursorId"], "needs cursorTimestamp beside it, and it needs cursorId")
    if not INBOX_ID.match(cursor_id) or not is_time(at):
        raise bad_request(["cursorId"], "is not a cursor")
    return cursor_id, at


def _page(
    call: Call,
    keyed: list[tuple[str, float, dict[str, Any]]],
    default: int,
    most: int | None = None,
) -> tuple[list[dict[str, Any]], dict[str, str] | None]:
    """Cut one page of (id, time, shape), ``most`` at a time; give it with the next cursor."""
    limit = call.whole("limit", 1, 100, default)
    limit = limit if most is None else min(limit, most)
    cursor = _cursor(call)
    start = 0
    if cursor is not None:
        places = {(one[0], stamp(one[1])): place for place, one in enumerate(keyed, 1)}
        if cursor not in places:
            raise Refusal("invalidCursor")
        start = places[cursor]
    page = keyed[start : start + limit]
    more = start + limit < len(keyed)
    following = {"id": page[-1][0], "timestamp": stamp(page[-1][1])} if more else None
    return [one[2] for one in page], following


async def list_threads(service: "Service", call: Call) -> Answer:
    """GET /threads. Without ``inbox`` every thread is listed (not documented)."""
    inbox = call.one("inbox", of="default no-reply requests archived")
    threads = _shown(service, call)
    if inbox:
        threads = [thread for thread in threads if inbox in _views(shapes.thread(thread, call.now))]
    keyed = [(one.id, one.activity_at, shapes.thread(one, call.now)) for one in threads]
    page, following = _page(call, keyed, 20)
    return json_answer(200, {"threads": page, "nextCursor": following})


def _views(thread: dict[str, Any]) -> tuple[str, ...]:
    if thread["isRequest"]:
        return ("requests",)
    ours = thread["lastMessage"]["authorId"] == thread["accountLinkId"]
    return ("default", "no-reply") if ours else ("default",)


async def get_thread(service: "Service", call: Call) -> Answer:
    """GET /threads/{threadId}."""
    return json_answer(200, shapes.thread(_thread(service, call), call.now))


def _ordered(messages: list[Message], order: str) -> list[Message]:
    if order == "mixed":
        return sorted(messages, key=lambda one: made_up_number("order", one.id))
    return messages if order == "oldest" else messages[::-1]


async def list_messages(service: "Service", call: Call) -> Answer:
    """GET /threads/{threadId}/messages."""
    thread = _thread(service, call)
    shown = _ordered(thread.shown(call.now), service.options.v1_order)
    keyed = [(one.id, one.created_at, shapes.message(one)) for one in shown]
    page, following = _page(call, keyed, 50, service.options.page)
    answer = {
        "teamId": thread.link.team,
        "threadId": thread.id,
        "messages": page,
        "nextCursor": following,
        "isSyncing": False,
    }
    return json_answer(200, answer)


V1_EVENTS = ("thread.created", "message.sent", "message.received")
"""Events that v1 tells of here; the others have shapes of their own, which nobody needs."""


async def list_events(service: "Service", call: Call) -> Answer:
    """GET /events."""
    after = call.whole("afterSeq", 0, 2**53 - 1, 0)
    limit = call.whole("limit", 1, 1000, 100)
    kept = service.store.events_after(after, call.now)
    page = [
        one
        for one in kept[:limit]
        if one.thread.link.platform == "twitter" and one.kind in V1_EVENTS
    ]
    answer = {
        "events": [shapes.event(one, call.now) for one in page],
        "hasMore": len(kept) > limit,
        "lastSeq": kept[:limit][-1].seq if kept else None,
    }
    return json_answer(200, answer)


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/team"): get_team,
    ("GET", "/account-links"): list_account_links,
    ("POST", "/threads/messages"): quick_send,
    ("GET", "/threads/lookup"): lookup,
    ("GET", "/threads/lookup-by-username"): lookup_by_username,
    ("GET", "/threads"): list_threads,
    ("GET", "/threads/{threadId}"): get_thread,
    ("GET", "/threads/{threadId}/messages"): list_messages,
    ("POST", "/threads/{threadId}/messages"): thread_send,
    ("GET", "/events"): list_events,
}
"""Every v1 endpoint of the sandbox, below /api/v1."""
