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
    Conversations,
    Gate,
    HeldBack,
    Lookup,
    Platform,
    Taken,
    Team,
    never,
)
from runner.channels.http import HttpSession
from runner.channels.lookup import ApiReader, unclear_on_error
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
    known_code,
    outcome_from_proxy,
    outcome_of,
    parse_http_date,
    quota,
    retry_after,
    stop_lane,
    text_id,
    with_odd_wait,
)
from runner.channels.v1.inbox_v1_lookup import LookupV1, id_parameter
from runner.message.outcome import Accepted, InDoubt, LookupResult, Outcome
from runner.message.prospect import Recipient

KEEPALIVE = 4.0
"""Seconds that an idle connection is kept. Without a key a connection that the server closes at
the moment of sending leaves a message in doubt; so this stays below the 5 s after which common
servers close theirs (Node.js `server.keepAliveTimeout`)."""

ENDS = "2026-12-03"
"""Announced end of v1 (api-evangelist/inboxapp lifecycle file, 2026-10-20)."""

ENDING = f"v1 of the Inbox API is announced to stop on {ENDS}: set api.version to v2"

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

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def read_refusal(reply: Reply) -> Refusal:
    """Return an error body in any of its three forms: {"error": {code, message, status}}, {"error":
    "..", "message": ".."}, {code, message}."""
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
    conversations: Conversations | None = None
    ends_at: float | None = datetime.fromisoformat(ENDS).replace(tzinfo=UTC).timestamp()

    def __init__(self, http: HttpSession, gate: Gate) -> None:
        self._http = http
        self._ask = ApiReader(http, gate, read_refusal)
        self._send_url = http.url("threads", "messages")
        self.base_url = str(http.base)
        self.origin = str(http.base.origin())
        http.notice(ENDING)

    def compose(self, sender: str, recipient: Recipient, text: str, thread: str = "") -> bytes:
        """Return the request body of a quick send. Raises ValueError for an unknown `id_type`, and
        for a thread: follow-ups are for version 2."""
        if thread:
            raise ValueError("follow-ups are not sent on version 1")
        body = {"accountLinkId": sender, "content": text, id_parameter(recipient): recipient.id}
        return _encode(body).encode()

    def server_now(self) -> float:
        return self._http.server_now()

    async def send(
        self, body: bytes, key: str, deadline: float | None, held_back: HeldBack = never
    ) -> Answer:
        """Send once; v1 knows no key, so `key` goes nowhere."""
        reply = await self._http.post(self._send_url, body, None, deadline, held_back)
        if not isinstance(reply, Reply):
            return Answer(reply)
        request_id = clean(reply.headers.get("X-Request-Id"), self._http.token)
        left = quota(reply, self.server_now())
        outcome, stamped_at = checked(self.outcome(reply), reply, body)
        return Answer(outcome, reply.status, request_id, reply.server_at, left, stamped_at)

    def outcome(self, reply: Reply) -> Outcome:
        """Return the outcome that an answer to a send proves."""
        status = reply.status
        if (between := outcome_from_proxy(reply, self._http.token)) is not None:
            return between
        if status == 200:
            return self._accepted(reply)
        refusal = read_refusal(reply)
        rule = self._rule(reply, refusal)
        detail = clean(refusal.message or reply.trouble, self._http.token)
        now = self.server_now()
        detail = with_odd_wait(detail, reply, now, self._http.token)
        after = retry_after(reply, now) if status in (429, 503) else None
        return outcome_of(rule, status, refusal, detail, after)

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
        """Return whether the answer itself says that this version's time is up."""
        end = parse_http_date(reply.headers.get("Sunset"))
        return end is not None and end <= self.server_now()

    async def look_up(self, lookup: Lookup, taken: Taken) -> LookupResult:
        return await unclear_on_error(LookupV1(self._ask, lookup, taken).run())

    async def team(self) -> Team:
        answer = as_map(await self._ask.must("team"))
        if not (team_id := text_id(answer.get("id"))):
            raise self._ask.foreign("/team")
        return Team(team_id, clean(answer.get("name"), self._http.token))

    async def account_links(self) -> list[AccountLink]:
        answer = await self._ask.must("account-links")
        if not isinstance(answer, list):
            raise self._ask.foreign("/account-links")
        token = self._http.token
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
        """Return an empty list: v1 tells no platforms and no limits."""
        return []

    async def close(self) -> None:
        await self._http.close()
