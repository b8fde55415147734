"""v2 answers in the fields of InboxHQ/inboxapp-sdk spec/openapi.json."""

from collections.abc import Sequence
from typing import Any

from runner.sandbox.feed import Event
from runner.sandbox.options import CAPABILITIES, AccountLink
from runner.sandbox.people import Person, small_number
from runner.sandbox.store import MEMBER_ID, TOKEN_ID, Message, Reaction, Store, Thread, stamp

Json = dict[str, Any]

SINCE = "2026-01-01T00:00:00.000Z"


def team(id: str) -> Json:
    """Return the one team of the sandbox."""
    return {
        "id": id,
        "name": "Acme Agency",
        "slug": "acme-agency",
        "imageUrl": None,
        "currency": "USD",
        "allowSupportAccess": True,
        "createdAt": SINCE,
    }


def member() -> Json:
    """Return the one member of the team."""
    return {
        "id": MEMBER_ID,
        "name": "Alex Acme",
        "email": "alex@example.com",
        "imageUrl": None,
        "role": "owner",
        "createdAt": SINCE,
    }


def platform(name: str, characters: int | None) -> Json:
    """Return a platform with its limits."""
    return {
        "platform": name,
        "name": "X" if name == "twitter" else name.capitalize(),
        "usernamePrefix": "@" if name == "twitter" else "",
        "capabilities": list(CAPABILITIES),
        "limits": {
            "characters": characters,
            "mediaCount": None,
            "mediaBytes": None,
            "mediaTypes": None,
        },
        "mutationWindows": {},
        "threadState": {"archive": None, "read": None},
    }


def account_link(link: AccountLink) -> Json:
    """Return an account link."""
    return {
        "id": link.id,
        "platform": link.platform,
        "platformId": link.platform_id,
        "username": link.username,
        "displayName": link.display_name,
        "avatarUrl": None,
        "status": link.status,
        "pauseReasons": list(link.pause_reasons),
        "capabilities": list(link.capabilities),
        "syncedAt": link.synced_at,
        "createdAt": link.created_at,
    }


def profile(person: Person) -> Json:
    """Return a person's profile on a platform."""
    twitter = person.platform == "twitter"
    return {
        "id": person.profile_id,
        "platform": person.platform,
        "platformId": person.platform_id,
        "username": person.username,
        "handle": f"@{person.username}" if twitter else person.username,
        "displayName": person.name,
        "avatarUrl": None,
        "bio": None,
        "location": None,
        "websiteUrl": None,
        "websiteDomain": None,
        "verified": False,
        "isOrganization": False,
        "isProtected": False,
        "followerCount": small_number(5000, "followers", person.platform_id),
        "followingCount": small_number(900, "following", person.platform_id),
        "postCount": small_number(2000, "posts", person.platform_id),
        "engagementCount": None,
        "listedCount": None,
        "accountStatus": person.account_status,
        "platformCreatedAt": None,
        "profileUrl": _profile_url(person),
        "updatedAt": SINCE,
        "platformData": {
            "_tag": "twitter",
            "badge": None,
            "profileType": "personal",
            "professionalCategory": None,
            "urlEntities": [],
            "bannerUrl": None,
            "rawData": None,
        }
        if twitter
        else {"_tag": person.platform},
    }


def _profile_url(person: Person) -> str | None:
    if person.platform == "twitter":
        return f"https://x.com/{person.username}"
    # The form of others is not documented; a person of LinkedIn has this one there.
    return (
        f"https://www.linkedin.com/in/{person.username}" if person.platform == "linkedin" else None
    )


def tag(id: str, name: str) -> Json:
    """Return a tag."""
    return {"id": id, "name": name, "color": "#3b82f6"}


def status(id: str, name: str) -> Json:
    """Return a status."""
    return {"id": id, "name": name, "color": None, "createdAt": SINCE}


def contact(person: Person, store: Store, expand: Sequence[str] = ()) -> Json:
    """Return a contact: a person with one profile."""
    tags = {store.tag(name): name for name in person.tags}
    status_id = None if person.status is None else store.status(person.status)
    shape: Json = {
        "id": person.contact_id,
        "profiles": [profile(person)],
        "statusId": status_id,
        "tagIds": list(tags),
        "notes": None,
        "valuation": None,
        "assigneeId": MEMBER_ID if person.assignee else None,
        "createdAt": SINCE,
        "updatedAt": SINCE,
    }
    if "tags" in expand:
        shape["tags"] = [tag(id, store.tags[id]) for id in tags]
    if "status" in expand and status_id is not None:
        shape["status"] = status(status_id, store.statuses[status_id])
    if "assignee" in expand and person.assignee:
        shape["assignee"] = member()
    return shape


def _direction(item: Message) -> str:
    return "outbound" if item.outbound else "inbound"


def thread(
    item: Thread, now: float, expand: list[str] | None = None, store: Store | None = None
) -> Json:
    """Return a thread, as listings show it at ``now``."""
    shown = item.shown(now)
    last = shown[-1] if shown else None
    shape: Json = {
        "id": item.id,
        "platform": item.link.platform,
        "platformId": item.platform_id,
        "accountLinkId": item.link.id,
        "profileId": item.person.profile_id,
        "contactId": item.person.contact_id,
        "assigneeId": MEMBER_ID if item.assigned or item.person.assignee else None,
        "isRequest": is_request(item, now),
        "acceptanceState": "unknown",
        "archived": item.archived,
        "unread": last is not None and not last.outbound,
        "restrictions": list(item.restrictions),
        "syncing": False,
        "typingIndicators": "teamDefault",
        "lastMessage": last
        and {
            "id": last.id,
            "direction": _direction(last),
            "createdAt": stamp(last.created_at),
        },
        "activity": _activity(shown),
        "createdAt": stamp(item.created_at),
    }
    if expand and "accountLink" in expand:
        shape["accountLink"] = account_link(item.link)
    if expand and "profile" in expand:
        shape["profile"] = profile(item.person)
    if expand and "contact" in expand and store is not None:
        shape["contact"] = contact(item.person, store)
    return shape


def _activity(shown: list[Message]) -> Json | None:
    """Return the latest message, or a later reaction (of a person, so inbound)."""
    if not shown:
        return None
    last = shown[-1]
    reacted = [(one.at, one.emoji) for message in shown for one in message.reactions]
    at, emoji = max(reacted, default=(0.0, ""))
    if at > last.created_at:
        return {"preview": emoji, "direction": "inbound", "at": stamp(at)}
    return {
        "preview": last.content,
        "direction": _direction(last),
        "at": stamp(last.created_at),
    }


def is_request(item: Thread, now: float) -> bool:
    """Say whether the thread is an incoming request that was not answered."""
    shown = item.shown(now)
    return bool(shown) and not any(one.outbound for one in shown)


def _sent_by(item: Message) -> Json | None:
    if item.campaign_id is not None:
        return {"type": "campaign", "campaignId": item.campaign_id, "stepId": None}
    by: dict[str, Json] = {
        "api": {"type": "api", "tokenId": TOKEN_ID},
        "internal": {"type": "member", "memberId": MEMBER_ID},
    }
    return by.get(item.origin)


def _reaction(item: Message, reaction: Reaction) -> Json:
    person = item.thread.person
    author = {"type": "profile", "profileId": person.profile_id, "contactId": person.contact_id}
    return {"emoji": reaction.emoji, "author": author, "createdAt": stamp(reaction.at)}


def message(item: Message, now: float, expand: list[str] | None = None) -> Json:
    """Return a message."""
    reply = item.reply_to
    shape: Json = {
        "id": item.id,
        "threadId": item.thread.id,
        "accountLinkId": item.thread.link.id,
        "platform": item.thread.link.platform,
        "platformId": item.platform_id,
        "direction": _direction(item),
        "sentBy": _sent_by(item),
        "content": item.content,
        "entities": {
            name: []
            for name in ("urls", "postShares", "mentions", "hashtags", "cashtags", "format")
        },
        "attachments": [],
        "forwarded": None,
        "reactions": [_reaction(item, one) for one in item.reactions],
        "editedAt": None if item.edited_at is None else stamp(item.edited_at),
        "deletedAt": None if item.deleted_at is None else stamp(item.deleted_at),
        "createdAt": stamp(item.created_at),
        "platformData": {"_tag": "twitter", "encrypted": False}
        if item.thread.link.platform == "twitter"
        else {"_tag": item.thread.link.platform},
        "replyTo": None
        if reply is None
        else {
            "messageId": reply.id,
            "platformId": reply.platform_id,
            "content": reply.content,
            "authorName": None,
        },
    }
    if expand and "thread" in expand:
        shape["thread"] = thread(item.thread, now)
    if expand and "accountLink" in expand:
        shape["accountLink"] = account_link(item.thread.link)
    if expand and "sentBy" in expand and item.origin == "api":
        shape["sentBy"]["token"] = {"id": TOKEN_ID, "name": "Sandbox"}
    return shape


def event(item: Event) -> Json:
    """Return an event: it names the object that changed."""
    kind, object_id = "thread", item.thread.id
    if item.message is not None:
        kind, object_id = "message", item.message.id
    about = {} if item.message is None else {"threadId": item.thread.id}
    return {
        "id": item.id,
        "seq": item.seq,
        "type": item.kind,
        "apiVersion": "2",
        "createdAt": stamp(item.at),
        "object": {"type": kind, "id": object_id, "url": f"/{kind}s/{object_id}"},
        "data": about | dict(item.data),
    }
