"""v1 answers in the fields of InboxHQ/n8n-nodes-inboxapp nodes/InboxApp/openapi.json."""

from typing import Any

from runner.sandbox.feed import Event
from runner.sandbox.options import AccountLink
from runner.sandbox.people import Person, small_number
from runner.sandbox.store import MEMBER_ID, Message, Thread, stamp

Json = dict[str, Any]

PERSON_SINCE = "2026-01-01T00:00:00.000Z"


def team(id: str) -> Json:
    """Return the one team of the sandbox."""
    return {
        "id": id,
        "name": "Acme Agency",
        "slug": "acme-agency",
        "image": None,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": None,
        "currency": "USD",
        "allowSupportAccess": True,
    }


def account_link(link: AccountLink) -> Json:
    """Return an account link."""
    return {
        "id": link.id,
        "platform": link.platform,
        "platformId": link.platform_id,
        "name": link.display_name,
        "username": link.username,
        "image": "https://example.com/photo.jpg",
        "createdAt": link.created_at,
        "status": link.status,
        "syncedAt": link.synced_at,
    }


def message(item: Message) -> Json:
    """Return a message."""
    link, person = item.thread.link, item.thread.person
    reply = item.reply_to
    shape: Json = {
        "platform": link.platform,
        "teamId": link.team,
        "threadId": item.thread.id,
        "id": item.id,
        "userId": MEMBER_ID if item.outbound else None,
        "createdAt": stamp(item.created_at),
        "updatedAt": None,
        "platformId": item.platform_id,
        "content": item.content,
        "campaignId": item.campaign_id,
        "authorId": link.id if item.outbound else person.contact_id,
        "origin": item.origin,
        "replyData": None if reply is None else {"id": reply.id, "content": reply.content},
        "forwardData": None,
        "entities": None,
        "attachment": None,
        "reactions": [],
        "isEncrypted": False,
        "isEdited": False,
        "deletedAt": None,
        "platformDeletedAt": None,
    }
    # Seen in one capture only (docs.inboxapp.com list-messages), and only where it is true.
    return shape | {"failed": True} if item.failed else shape


def thread(item: Thread, now: float) -> Json:
    """Return a thread, as listings show it at ``now``."""
    shown = item.shown(now)
    last = shown[-1] if shown else None
    both = {one.outbound for one in shown} == {True, False}
    last_at = stamp(last.created_at) if last else None
    return {
        "id": item.id,
        "platform": item.link.platform,
        "platformId": item.platform_id,
        "done": False,
        "assigneeId": None,
        "lastMessageTimestamp": last_at,
        "computedSortTimestamp": last_at or stamp(item.created_at),
        "createdAt": stamp(item.created_at),
        "status": "active",
        "variant": "xChat" if both else "unencrypted",
        "accountLinkId": item.link.id,
        "isSyncing": False,
        "isRequest": bool(shown) and not any(one.outbound for one in shown),
        "typingIndicatorsEnabled": None,
        "lastMessage": last
        and {
            "id": last.id,
            "content": last.content,
            "authorId": item.link.id if last.outbound else item.person.contact_id,
            "createdAt": last_at,
            "userId": MEMBER_ID if last.outbound else None,
            "campaignId": last.campaign_id,
        },
        "prospect": prospect(item.person)
        | {"context": {"tags": [], "statusId": None, "valuation": None, "notes": None}},
    }


def prospect(person: Person) -> Json:
    """Return the person of a thread."""
    return {
        "platform": person.platform,
        "platformId": person.platform_id,
        "externalId": person.contact_id,
        "documentId": small_number(10**9, "document", person.platform_id),
        "displayName": person.name,
        "username": person.username,
        "handle": f"@{person.username}",
        "image": None,
        "imageNormalized": None,
        "bio": None,
        "location": None,
        "profileUrl": f"https://x.com/{person.username}",
        "websiteUrl": None,
        "websiteDomain": None,
        "verified": "none",
        "profileType": "personal",
        "isProtected": False,
        "followerCount": small_number(5000, "followers", person.platform_id),
        "followingCount": small_number(900, "following", person.platform_id),
        "postCount": small_number(2000, "posts", person.platform_id),
        "engagementCount": None,
        "listedCount": None,
        "platformCreatedAt": None,
        "firstSeenAt": None,
        "lastUpdatedAt": PERSON_SINCE,
        "lastEnrichedAt": None,
        "lastActiveAt": None,
        "source": "cached",
        "isFresh": True,
        "isStale": False,
        "confidence": 0.85,
        "platformData": {
            "isVerifiedBlue": False,
            "isVerifiedGold": False,
            "isVerifiedGray": False,
            "professionalCategory": None,
            "urlEntities": [],
            "bannerUrl": None,
            "tweetsCount": small_number(2000, "posts", person.platform_id),
            "favoritesCount": small_number(4000, "favorites", person.platform_id),
            "rawData": None,
        },
    }


def event(item: Event, now: float) -> Json:
    """Return an event; v1 has one type for messages of both directions (docs webhooks/overview)."""
    data: Json = {"thread": thread(item.thread, now)}
    if item.message is not None:
        data["message"] = message(item.message)
    return {
        "id": item.id,
        "seq": item.seq,
        "teamId": item.thread.link.team,
        "type": "thread.created" if item.message is None else "message.created",
        "timestamp": stamp(item.at),
        "version": "1.0",
        "data": data,
    }
