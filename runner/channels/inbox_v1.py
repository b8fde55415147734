"""The Inbox API, version 1: X only, no idempotency key, announced to stop on 2026-12-03.

Facts: InboxHQ/n8n-nodes-inboxapp `nodes/InboxApp/openapi.json` (requests and answers);
docs.inboxapp.com reference/error-codes and reference/rate-limits (errors);
api-evangelist/inboxapp lifecycle file (its end).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from runner.channels.acceptance import checked
from runner.channels.base import (
    AccountLink,
    Answer,
    Gate,
    HeldBack,
    Lookup,
    Platform,
    Taken,
    Team,
    never,
)
from runner.channels.http import Wire
from runner.channels.lookup import (
    MOST_PAGES,
    Asker,
    Candidate,
    History,
    Murky,
    guarded,
    message_time,
    path_id,
)
from runner.channels.responses import (
    COMMON,
    DOUBT,
    NOT_THE_API,
    REJECT,
    RETRY,
    Refusal,
    Reply,
    Rule,
    as_map,
    clean,
    from_between,
    http_date,
    judge,
    known_code,
    quota,
    retry_after,
    stop_lane,
    text_id,
    with_odd_wait,
)
from runner.message.outcome import Absent, Accepted, InDoubt, LookupResult, Outcome
from runner.message.prospect import Recipient

KEEPALIVE = 4.0
"""Seconds that an idle connection is kept. Without a key a connection that the server closes at
the moment of sending leaves a message in doubt; so this stays below the 5 s after which common
servers close theirs (Node.js `server.keepAliveTimeout`)."""

ENDS = "2026-12-03"
"""Announced end of v1 (api-evangelist/inboxapp lifecycle file, 2026-10-20)."""

ENDING = f"v1 of the Inbox API is announced to stop on {ENDS}: set api.version to v2"

PAGE = "100"
"""Messages per page: the most that the API allows."""

OVER = stop_lane(f"the API says that v1 is gone (announced for {ENDS}): move to api.version v2")

RULES: Mapping[tuple[int, str], Rule] = {
    **COMMON,
    (400, ""): REJECT,
    (403, ""): stop_lane(
        "the API forbids this send (403): a likely cause is that the team lacks the paid outbound"
        " add-on, which a first message to someone needs; or the token is another team's"
    ),
    (404, "PROSPECT_NOT_FOUND"): REJECT,
    (404, "THREAD_NOT_FOUND"): REJECT,
    (404, ""): stop_lane(
        "the API knows no such address or account link (404): check api.base_url and the senders;"
        f" v1 is announced to stop on {ENDS}, then move to api.version v2"
    ),
    (409, ""): DOUBT,  # its meaning for a send is unknown
    (410, ""): OVER,
    (422, ""): REJECT,
}
"""Status and code to rule. An unlisted code takes its status's empty line, an unlisted 4xx is
`REJECT`, everything else `DOUBT`."""

_PROSPECT_ID = {"platform": "platformId", "inbox": "externalId"}
"""Where a thread tells the id of its person, by the kind of id."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def read_refusal(reply: Reply) -> Refusal:
    """An error body in any of its three forms: {"error": {code, message, status}},
    {"error": "..", "message": ".."}, {code, message}."""
    try:
        body = reply.json()
    except ValueError:
        return Refusal()
    top = as_map(body)
    inner = top.get("error")
    source = as_map(inner) or top
    message = source.get("message")
    if not isinstance(message, str):
        message = inner if isinstance(inner, str) else ""
    return Refusal(known_code(source.get("code")), message, form=isinstance(body, dict))


class InboxV1:
    """`Channel` of version 1."""

    version = "v1"
    idempotent = False
    ends_at: float | None = datetime.fromisoformat(ENDS).replace(tzinfo=UTC).timestamp()

    def __init__(self, wire: Wire, gate: Gate) -> None:
        self._wire = wire
        self._ask = Asker(wire, gate, read_refusal)
        self._send_url = wire.url("threads", "messages")
        self.base_url = str(wire.base)
        self.origin = str(wire.base.origin())
        wire.notice(ENDING)

    def compose(self, sender: str, recipient: Recipient, text: str) -> bytes:
        """The request body of a quick send. Raises ValueError for an unknown `id_type`."""
        body = {"accountLinkId": sender, "content": text, _id_field(recipient): recipient.id}
        return _encode(body).encode()

    def server_now(self) -> float:
        return self._wire.server_now()

    async def send(
        self, body: bytes, key: str, deadline: float | None, held_back: HeldBack = never
    ) -> Answer:
        """Send once; v1 knows no key, so `key` goes nowhere."""
        reply = await self._wire.post(self._send_url, body, None, deadline, held_back)
        if not isinstance(reply, Reply):
            return Answer(reply)
        request_id = clean(reply.headers.get("X-Request-Id"), self._wire.token)
        left = quota(reply, self.server_now())
        outcome = checked(self.outcome(reply), reply, body, self._wire)
        return Answer(outcome, reply.status, request_id, reply.server_at, left)

    def outcome(self, reply: Reply) -> Outcome:
        """What an answer to a send comes to."""
        status = reply.status
        if (between := from_between(reply, self._wire.token)) is not None:
            return between
        if status == 200:
            return self._accepted(reply)
        refusal = read_refusal(reply)
        rule = self._rule(reply, refusal)
        detail = clean(refusal.message or reply.trouble, self._wire.token)
        now = self.server_now()
        detail = with_odd_wait(detail, reply, now, self._wire.token)
        after = retry_after(reply, now) if status in (429, 503) else None
        return judge(rule, status, refusal, detail, after)

    def _accepted(self, reply: Reply) -> Outcome:
        try:
            answer = as_map(reply.json())
        except ValueError as error:
            return InDoubt("unreadable", f"accepted, but {error}")
        message_id = text_id(as_map(answer.get("message")).get("id"))
        thread_id = text_id(as_map(answer.get("thread")).get("id"))
        if not message_id or not thread_id:
            return InDoubt("unreadable", "accepted, but without the ids of message and thread")
        return Accepted(message_id, thread_id)

    def _rule(self, reply: Reply, refusal: Refusal) -> Rule:
        status = reply.status
        if not 400 <= status < 500:
            return DOUBT
        fallback = RULES.get((status, ""))
        if refusal.form:
            rule = RULES.get((status, refusal.code)) or fallback or REJECT
            return OVER if rule is REJECT and self._is_over(reply) else rule
        if fallback is not None and fallback is not REJECT:
            return fallback
        return RETRY if reply.body is None else OVER if self._is_over(reply) else NOT_THE_API

    def _is_over(self, reply: Reply) -> bool:
        """The answer itself says that this version's time is up."""
        end = http_date(reply.headers.get("Sunset"))
        return end is not None and end <= self.server_now()

    async def look_up(self, lookup: Lookup, taken: Taken) -> LookupResult:
        return await guarded(self._look_up(lookup, taken))

    async def _look_up(self, lookup: Lookup, taken: Taken) -> LookupResult:
        recipient = lookup.recipient
        thread = await self._ask.look(
            "threads",
            "lookup",
            params={
                "accountLinkId": lookup.sender,
                _id_field(recipient, asking=True): recipient.id,
            },
        )
        if thread is None:
            return Absent("no thread with this recipient")
        thread = as_map(thread)
        thread_id = path_id(text_id(thread.get("id")))
        if thread.get("accountLinkId", lookup.sender) != lookup.sender:
            raise Murky("the look-up answered with another account link's thread")
        known = as_map(thread.get("prospect")).get(_PROSPECT_ID[recipient.id_type])
        if known is None:
            raise Murky("the look-up answered with a thread that does not say whose it is")
        if text_id(known) != recipient.id:
            raise Murky("the look-up answered with another person's thread")
        history = History(lookup.not_before, self._wire.apart)
        history.syncing = bool(thread.get("isSyncing"))
        await self._read_messages(thread_id, lookup, history, taken)
        last = as_map(thread.get("lastMessage"))
        if last and text_id(last.get("id")) not in history.ids:
            why = "the thread's last message is of this sender, and not yet in its list"
            at = message_time(last)
            new = at is None or at >= history.reach
            if new and text_id(last.get("authorId")) == lookup.sender:
                history.add(Candidate(text_id(last.get("id")), thread_id, at or 0, why))
        return await history.finding(taken)

    async def _read_messages(
        self, thread_id: str, lookup: Lookup, history: History, taken: Taken
    ) -> None:
        """Read pages until the message is found. Their order is not documented: only the whole
        list, or very much of one that is newest first throughout, shows that it is not there."""
        params = {"limit": PAGE}
        for _ in range(MOST_PAGES):
            page = as_map(
                await self._ask.look("threads", thread_id, "messages", params=dict(params))
            )
            messages = page.get("messages")
            if not isinstance(messages, list) or "nextCursor" not in page:
                raise Murky("the look-up's answer could not be read: no list of messages")
            history.syncing |= bool(page.get("isSyncing"))
            for message in messages:
                _weigh(message, lookup, thread_id, history)
            cursor = page["nextCursor"]
            if cursor is None or (history.behind() and await history.fits(taken)):
                return
            at, cursor_id = as_map(cursor).get("timestamp"), text_id(as_map(cursor).get("id"))
            step = {"cursorId": cursor_id, "cursorTimestamp": at if isinstance(at, str) else ""}
            if not all(step.values()) or step.items() <= params.items():
                raise Murky("the look-up's answer could not be read: no next page")
            params |= step
        if not history.behind():
            raise Murky("thread too long")

    async def team(self) -> Team:
        answer = as_map(await self._ask.must("team"))
        if not (team_id := text_id(answer.get("id"))):
            raise self._ask.foreign("/team")
        return Team(team_id, clean(answer.get("name"), self._wire.token))

    async def account_links(self) -> list[AccountLink]:
        answer = await self._ask.must("account-links")
        if not isinstance(answer, list):
            raise self._ask.foreign("/account-links")
        token = self._wire.token
        return [
            AccountLink(
                id=link_id,
                platform=clean(link.get("platform"), token),
                username=clean(link.get("username"), token),
                name=clean(link.get("name"), token),
                status=clean(link.get("status"), token),
            )
            for link in map(as_map, answer)
            if (link_id := text_id(link.get("id")))
        ]

    async def platforms(self) -> list[Platform]:
        """Nothing: v1 tells no platforms and no limits."""
        return []

    async def close(self) -> None:
        await self._wire.close()


def _id_field(recipient: Recipient, *, asking: bool = False) -> str:
    match recipient.id_type:
        case "platform":
            return "externalPlatformId"
        case "inbox":
            return "externalId"
    if asking:
        raise Murky(f"unknown kind of id: {recipient.id_type}")
    raise ValueError(f"unknown kind of id: {recipient.id_type}")


def _weigh(message: object, lookup: Lookup, thread_id: str, history: History) -> None:
    """Note one message of a page. Ours is what the sender's account link wrote."""
    if not isinstance(message, dict):
        raise Murky("the look-up's answer could not be read: a message")
    if message.get("threadId", thread_id) != thread_id:
        raise Murky("the look-up answered with another thread's messages")
    at = message_time(message)
    message_id = text_id(message.get("id"))
    author = text_id(message.get("authorId"))
    if not author:
        raise Murky("the look-up's answer could not be read: whose a message is")
    history.pass_by(at)
    history.ids.add(message_id)
    if author != lookup.sender and message.get("origin") != "api":
        return
    why = _difference(message, lookup)
    if why and at is not None and at < history.reach:
        return
    if at is None or not message_id:
        raise Murky("a message of this sender is there, but its time or id could not be read")
    history.add(Candidate(message_id, thread_id, at, why))


def _difference(message: Mapping[str, object], lookup: Lookup) -> str:
    """How a message differs from what was sent, empty if it does not."""
    if text_id(message.get("authorId")) != lookup.sender:
        return "a message is there that was sent through the API, but not marked as this sender's"
    if message.get("failed"):
        return "a message of this sender is there, but marked as failed"
    if message.get("campaignId") is not None:
        return "a message of this sender is there, but of an Inbox campaign"
    if message.get("content") != lookup.text:
        return "a message of this sender is there, but its text differs"
    if message.get("origin") != "api":
        return "a message of this sender is there, but not marked as sent through the API"
    return ""
