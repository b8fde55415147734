"""The v2 endpoints a campaign runner uses (InboxHQ/inboxapp-sdk spec/openapi.json)."""

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from runner.sandbox.api import v2_shapes as shapes
from runner.sandbox.api.http import Answer, Call, json_answer, json_object, text_field
from runner.sandbox.api.refusals import Refusal, bad_request
from runner.sandbox.api.v2_send import send_message
from runner.sandbox.store import Thread

if TYPE_CHECKING:
    from runner.sandbox.service import Service

Handler = Callable[["Service", Call], Awaitable[Answer]]

EVENT_TYPES = """thread.created thread.deleted thread.assigned thread.unassigned thread.archived
thread.unarchived thread.typing message.sent message.received message.edited message.deleted
message.reactionAdded message.reactionRemoved contact.statusChanged contact.tagsChanged
contact.notesChanged contact.valuationChanged contact.assigneeChanged tag.created tag.updated
tag.deleted status.created status.updated status.deleted campaign.created campaign.started
campaign.paused campaign.resumed campaign.completed target.contacted target.followUpSent
target.replied"""


def _paged(call: Call, keyed: Sequence[tuple[str, dict[str, Any]]]) -> Answer:
    """Answer with one page of (id, shape). Raises Refusal for a cursor of another listing."""
    limit = call.whole("limit", 1, 100, 50)
    cursor = call.one("cursor")
    # A cursor is only valid with the filters it came from, so it carries a mark of them.
    filters = sorted((k, v) for k, v in call.query.items() if k not in ("cursor", "limit"))
    mark = hashlib.sha256(json.dumps([call.route, filters]).encode()).hexdigest()[:12]
    start = 0
    if cursor is not None:
        places = {_cursor(mark, one[0]): place for place, one in enumerate(keyed, 1)}
        if cursor not in places:
            raise Refusal("invalidCursor")
        start = places[cursor]
    page = keyed[start : start + limit]
    more = start + limit < len(keyed)
    following = _cursor(mark, page[-1][0]) if more else None
    return json_answer(200, {"data": [one[1] for one in page], "nextCursor": following})


def _cursor(mark: str, item_id: str) -> str:
    return base64.urlsafe_b64encode(f"{mark}:{item_id}".encode()).decode().rstrip("=")


def _expand(call: Call, known: str) -> list[str]:
    wanted = call.many("expand")
    if len(wanted) > 4 or any(name not in known.split() for name in wanted):
        raise bad_request(["expand"], f"must be at most 4 of {known}")
    return wanted


def _platforms_of(service: "Service", call: Call) -> list[str]:
    wanted = call.many("platform")
    for name in wanted:
        service.check_platform(name)
    return wanted


async def list_platforms(service: "Service", call: Call) -> Answer:
    """GET /platforms: a bare array."""
    limit = service.options.characters
    return json_answer(200, [shapes.platform(name, limit) for name in service.platforms()])


async def get_team(service: "Service", call: Call) -> Answer:
    """GET /team."""
    return json_answer(200, shapes.team(service.options.team_id))


async def list_members(service: "Service", call: Call) -> Answer:
    """GET /members."""
    member = shapes.member()
    return _paged(call, [(member["id"], member)])


async def list_account_links(service: "Service", call: Call) -> Answer:
    """GET /account-links, oldest first."""
    platforms = _platforms_of(service, call)
    statuses = call.many("status")
    if any(status not in ("active", "offline", "paused") for status in statuses):
        raise bad_request(["status"], "must be active, offline or paused")
    usable = service.platforms()
    found = [
        (link.id, shapes.account_link(link))
        for link in service.store.links.values()
        if link.platform in (platforms or usable) and (not statuses or link.status in statuses)
    ]
    return _paged(call, found)


async def get_account_link(service: "Service", call: Call) -> Answer:
    """GET /account-links/{accountLinkId}."""
    link = service.store.links.get(call.inbox_id("accountLinkId"))
    if link is None:
        raise Refusal("accountLinkNotFound")
    service.check_platform(link.platform)
    return json_answer(200, shapes.account_link(link))


CONTACT_EXPAND = "status tags assignee"


async def list_contacts(service: "Service", call: Call) -> Answer:
    """GET /contacts: only people the team has written with, or imported."""
    platform = call.one("platform", required=True) or ""
    service.check_platform(platform)
    platform_ids = call.many("platformId")
    usernames = call.many("username")
    for name, values in (("platformId", platform_ids), ("username", usernames)):
        if len(values) > 100 or "" in values:
            raise bad_request([name], "must be up to 100 values, none empty")
    if bool(platform_ids) == bool(usernames):
        raise bad_request(["platformId"], "give platformId or username")
    expand = _expand(call, CONTACT_EXPAND)
    people = service.store.people
    found = [people.contact_of_platform_id(platform, one) for one in platform_ids]
    if service.options.meets_everyone:
        for one in usernames:
            people.meet(platform, one)
    found += [each for one in usernames for each in people.contacts_of_username(platform, one)]
    shown = {
        person.contact_id: shapes.contact(person, service.store, expand)
        for person in found
        if person and person.platform == platform and service.store.shows_contact(person, call.now)
    }
    return _paged(call, list(shown.items()))


async def get_contact(service: "Service", call: Call) -> Answer:
    """GET /contacts/{contactId}."""
    expand = _expand(call, CONTACT_EXPAND)
    person = service.store.people.by_inbox_id(call.inbox_id("contactId"))
    if person is None or person.contact_id != call.params["contactId"]:
        raise Refusal("contactNotFound")
    service.check_platform(person.platform)
    return json_answer(200, shapes.contact(person, service.store, expand))


async def list_tags(service: "Service", call: Call) -> Answer:
    """GET /tags: all in one page."""
    found = sorted(service.store.tags.items(), key=lambda one: one[1].lower())
    data = [shapes.tag(*each) for each in found]
    return json_answer(200, {"data": data, "nextCursor": None})


async def create_tag(service: "Service", call: Call) -> Answer:
    """POST /tags."""
    body = json_object(call.body)
    name = str(text_field(body, "name"))
    if service.options.workspace_locked:
        raise Refusal("workspaceLocked")
    if service.store.tag_named(name) is not None:
        raise Refusal("nameTaken", {"name": name})
    limit = service.options.tag_limit
    if limit is not None and len(service.store.tags) >= limit:
        raise Refusal("tagLimitReached", {"max": limit})
    return json_answer(201, shapes.tag(service.store.tag(name), name))


async def tag_contact(service: "Service", call: Call) -> Answer:
    """PUT /contacts/{contactId}/tags/{tagRef}: 204, also where the contact has it."""
    person = service.store.people.by_inbox_id(call.inbox_id("contactId"))
    if person is None or person.contact_id != call.params["contactId"]:
        raise Refusal("contactNotFound")
    service.check_platform(person.platform)
    if service.options.workspace_locked:
        raise Refusal("workspaceLocked")
    id = service.store.tag_named(call.params["tagRef"])
    if id is None:
        raise Refusal("tagNotFound")
    name = service.store.tags[id]
    if name not in person.tags:
        person.tags.append(name)
    return Answer(204, b"")


async def list_statuses(service: "Service", call: Call) -> Answer:
    """GET /statuses: all in one page."""
    data = [shapes.status(*each) for each in service.store.statuses.items()]
    return json_answer(200, {"data": data, "nextCursor": None})


THREAD_EXPAND = "profile contact accountLink assignee"


async def list_threads(service: "Service", call: Call) -> Answer:
    """GET /threads, in inbox order: newest activity first unless ``order=asc``."""
    platforms = _platforms_of(service, call) or service.platforms()
    links = call.many("accountLinkId", ids=True)
    contacts = call.many("contactId", ids=True)
    folder = call.one("folder", of="inbox noReply requests archived all") or "inbox"
    order = call.one("order", of="desc asc") or "desc"
    query = call.one("q")
    if query == "":
        raise bad_request(["q"], "must be 1 character or more")
    unassigned = call.one("unassigned", of="true false")
    assignees = call.many("assigneeId", ids=True)
    if unassigned and assignees:
        raise bad_request(["unassigned"], "not together with assigneeId")
    campaigns = call.many("campaignId", ids=True)
    # No thread of the sandbox is found by a tag, a status, an assignee or a campaign.
    never = bool(assignees or campaigns or call.many("tag") or call.many("status"))
    never = never or unassigned == "false"
    expand = _expand(call, THREAD_EXPAND)
    found = [
        thread
        for thread in _candidates(service, call, contacts)
        if thread.link.platform in platforms
        and (not links or thread.link.id in links)
        and (not contacts or thread.person.contact_id in contacts)
        and _in_folder(thread, folder, call.now)
        and (query is None or _mentions(thread, query, call.now))
        and not never
    ]
    if order == "asc":
        found.reverse()
    shown = [(one.id, shapes.thread(one, call.now, expand, service.store)) for one in found]
    return _paged(call, shown)


def _candidates(service: "Service", call: Call, contacts: list[str]) -> list[Thread]:
    """Return every shown thread, or quickly those with the contacts asked for."""
    if not contacts:
        return service.store.shown_threads(call.now)
    people = [service.store.people.by_inbox_id(each) for each in dict.fromkeys(contacts)]
    found = [each for one in people if one for each in service.store.threads_with(one, call.now)]
    return sorted(found, key=lambda one: (one.activity_at, one.id), reverse=True)


def _in_folder(thread: Thread, folder: str, now: float) -> bool:
    if folder == "all" or thread.archived:
        return folder in ("all", "archived")
    if folder == "archived":
        return False
    if folder == "requests":
        return shapes.is_request(thread, now)
    if shapes.is_request(thread, now):
        return False
    return folder == "inbox" or not thread.shown(now)[-1].outbound


def _mentions(thread: Thread, query: str, now: float) -> bool:
    person = thread.person
    texts = (person.name, person.username, thread.shown(now)[-1].content)
    return any(query.lower() in text.lower() for text in texts)


def _thread(service: "Service", call: Call) -> Thread:
    thread = service.store.threads.get(call.inbox_id("threadId"))
    if thread is None:
        raise Refusal("threadNotFound")
    service.check_platform(thread.link.platform)
    return thread


async def get_thread(service: "Service", call: Call) -> Answer:
    """GET /threads/{threadId}."""
    expand = _expand(call, THREAD_EXPAND)
    thread = _thread(service, call)
    return json_answer(200, shapes.thread(thread, call.now, expand, service.store))


MESSAGE_EXPAND = "sentBy reactions.author thread accountLink replyTo.message"


async def list_messages(service: "Service", call: Call) -> Answer:
    """GET /threads/{threadId}/messages: newest first unless ``order=asc``."""
    thread = _thread(service, call)
    order = call.one("order", of="desc asc") or "desc"
    expand = _expand(call, MESSAGE_EXPAND)
    found = thread.shown(call.now)
    if order == "desc":
        found.reverse()
    return _paged(call, [(one.id, shapes.message(one, call.now, expand)) for one in found])


async def get_message(service: "Service", call: Call) -> Answer:
    """GET /messages/{messageId}: at once, whatever ``show_after`` says of listings."""
    expand = _expand(call, MESSAGE_EXPAND)
    message = service.store.messages.get(call.inbox_id("messageId"))
    if message is None:
        raise Refusal("messageNotFound")
    service.check_platform(message.thread.link.platform)
    return json_answer(200, shapes.message(message, call.now, expand))


async def list_events(service: "Service", call: Call) -> Answer:
    """GET /events."""
    after = call.whole("afterSeq", 0, 2**53 - 1, 0)
    limit = call.whole("limit", 1, 1000, 100)
    types = call.many("type")
    if any(one not in EVENT_TYPES.split() for one in types):
        raise bad_request(["type"], "is not an event type")
    feed = service.store.feed
    kept = service.store.events_after(after, call.now, feed.settings.kept)
    if feed.refuses(after, call.now):
        raise bad_request(["afterSeq"], "is before the oldest event")
    limit = min(limit, feed.settings.page or limit)
    page = kept[:limit]
    answer = {
        "data": [shapes.event(one) for one in page if not types or one.kind in types],
        "lastSeq": page[-1].seq if page else None,
        "hasMore": len(kept) > limit,
    }
    return json_answer(200, answer)


KEY_FORM = re.compile(r"[\x20-\x7e]{1,255}")
"""Form of an Idempotency-Key (InboxHQ/inboxapp-sdk spec/openapi.json)."""


async def post_message(service: "Service", call: Call) -> Answer:
    """POST /messages: 201 for a new send, 200 for the replay of one with the same key."""
    key = call.headers.get("Idempotency-Key")
    if key is not None and not KEY_FORM.fullmatch(key):
        raise bad_request(["Idempotency-Key"], "must be 1 to 255 printable ASCII characters")
    return await send_message(service, call, key)


ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/platforms"): list_platforms,
    ("GET", "/team"): get_team,
    ("GET", "/members"): list_members,
    ("GET", "/account-links"): list_account_links,
    ("GET", "/account-links/{accountLinkId}"): get_account_link,
    ("GET", "/contacts"): list_contacts,
    ("GET", "/contacts/{contactId}"): get_contact,
    ("GET", "/tags"): list_tags,
    ("POST", "/tags"): create_tag,
    ("PUT", "/contacts/{contactId}/tags/{tagRef}"): tag_contact,
    ("GET", "/statuses"): list_statuses,
    ("GET", "/threads"): list_threads,
    ("GET", "/threads/{threadId}"): get_thread,
    ("GET", "/threads/{threadId}/messages"): list_messages,
    ("POST", "/messages"): post_message,
    ("GET", "/messages/{messageId}"): get_message,
    ("GET", "/events"): list_events,
}
"""Every v2 endpoint of the sandbox, below /api/v2."""
