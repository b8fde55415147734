"""The Inbox API, version 2: idempotency keys, several platforms, error codes.

Facts: InboxHQ/inboxapp-sdk `spec/openapi.json`, `README.md`, `src/http.ts`,
`src/services/errors.ts` and `patches/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

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
    WAIT,
    Proof,
    Refusal,
    Reply,
    Rule,
    as_map,
    clean,
    known_code,
    outcome_from_proxy,
    outcome_of,
    parse_seconds,
    parse_time,
    quota,
    retry_after,
    seconds_until,
    stop_lane,
    stop_sender,
    text_id,
    with_odd_wait,
)
from runner.channels.v2.inbox_v2_conversations import ConversationsV2
from runner.channels.v2.inbox_v2_lookup import LookupV2, profile_platform
from runner.message.outcome import (
    IN_PROGRESS,
    KEY_REUSED,
    UNCONFIRMED,
    Accepted,
    InDoubt,
    LookupResult,
    Outcome,
    Scope,
)
from runner.message.prospect import Recipient

KEEPALIVE = 15.0
"""Seconds that an idle connection is kept; aiohttp's own default. The key makes a connection that
breaks while sending harmless."""

PLATFORM_WAIT = 900.0
"""Seconds that an account rests after `platformRateLimited` without a hint. Our own careful choice:
no source names a number."""

SEND = "message:send"
"""The capability to send (InboxHQ/inboxapp-sdk `spec/openapi.json`, `Capability`)."""

RULES: Mapping[tuple[int, str], Rule] = {
    **COMMON,
    (400, ""): REJECT,
    (403, "planRequired"): stop_lane(
        "the team's plan or an add-on is missing: writing to people outside the team's contacts"
        " needs the Advanced API add-on"
    ),
    (403, "platformNotAvailable"): stop_lane(
        "the team may not use this platform: check api.platform and the senders"
    ),
    (403, "workspaceLocked"): stop_lane("the workspace is locked: unlock it in the Inbox app"),
    (403, ""): stop_lane("the API forbids this send (403): check the team's plan and the token"),
    (404, "accountLinkNotFound"): stop_sender(
        "the API knows no such account link: check the senders with `run-campaign senders`"
    ),
    (404, "contactNotFound"): REJECT,
    (404, "threadNotFound"): REJECT,
    (404, ""): REJECT,
    (409, IN_PROGRESS): DOUBT,
    (409, "accountLinkDisconnected"): stop_sender(
        "the account link is not connected: reconnect it in the Inbox app"
    ),
    (409, "integrationSetupRequired"): stop_sender(
        "the account link's integration is not set up: finish it in the Inbox app"
    ),
    (409, ""): REJECT,
    (422, KEY_REUSED): DOUBT,
    (422, "capabilityNotSupported"): stop_sender(
        "the account link cannot send on its platform: use another sender"
    ),
    (422, ""): REJECT,
    (429, "platformRateLimited"): Rule(Proof.DEFERRED, Scope.SENDER, after=PLATFORM_WAIT),
    (429, ""): WAIT,
    (502, UNCONFIRMED): DOUBT,
}
"""Status and code to rule. An unlisted code takes its status's empty line, an unlisted 4xx is
`REJECT` ("else no", InboxHQ/inboxapp-sdk `src/http.ts`), everything else `DOUBT`."""

WITHOUT_FORM: Mapping[int, Rule] = {
    **{status: RULES[status, ""] for status in (401, 402, 403, 408, 429)},
    409: DOUBT,  # its code would say whether this or an earlier request with the key was sent
    422: DOUBT,
}
"""Rules for a 4xx without the API's error form, by status; others are not the API's answer."""

UNPROVEN = frozenset({IN_PROGRESS, KEY_REUSED, UNCONFIRMED})
"""Codes that speak of a send under this key that may be on its way, whatever the status."""

MOST_LINK_PAGES = 1_000
"""Pages of the list of account links that are read. Our own choice: 100,000 links."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def read_refusal(reply: Reply) -> Refusal:
    """Return an error body {code, message, details, requestId}."""
    try:
        body = as_map(reply.json())
    except ValueError:
        return Refusal()
    code = known_code(body.get("code"))
    message = body.get("message")
    return Refusal(
        code,
        message if isinstance(message, str) else "",
        as_map(body.get("details")),
        text_id(body.get("requestId")),
        form=bool(code),
    )


class InboxV2:
    """`Channel` of version 2."""

    version = "v2"
    idempotent = True
    ends_at: float | None = None

    def __init__(self, http: HttpSession, gate: Gate, platform: str) -> None:
        self._http = http
        self._platform = platform
        self._ask = ApiReader(http, gate, read_refusal)
        self.conversations: Conversations | None = ConversationsV2(self._ask)
        self._send_url = http.url("messages")
        self.base_url = str(http.base)
        self.origin = str(http.base.origin())

    def compose(self, sender: str, recipient: Recipient, text: str, thread: str = "") -> bytes:
        """Return the request body of a send. Raises ValueError for an unknown `id_type`."""
        if thread:
            target = {"type": "thread", "threadId": thread}
            return _encode({"target": target, "content": text}).encode()
        match recipient.id_type:
            case "platform":
                target = {
                    "type": "profile",
                    "accountLinkId": sender,
                    "platform": profile_platform(recipient, self._platform),
                    "platformId": recipient.id,
                }
            case "inbox":
                target = {
                    "type": "contact",
                    "accountLinkId": sender,
                    "contactId": recipient.id,
                }
            case _:
                raise ValueError(f"unknown kind of id: {recipient.id_type}")
        return _encode({"target": target, "content": text}).encode()

    def server_now(self) -> float:
        return self._http.server_now()

    async def send(
        self, body: bytes, key: str, deadline: float | None, held_back: HeldBack = never
    ) -> Answer:
        """Send once under `key`."""
        headers = {"Idempotency-Key": key}
        reply = await self._http.post(self._send_url, body, headers, deadline, held_back)
        if not isinstance(reply, Reply):
            return Answer(reply)
        said = reply.headers.get("X-Request-Id", "")
        if not said and reply.status not in (200, 201):  # an acceptance holds none
            said = read_refusal(reply).request_id
        request_id = clean(said, self._http.token)
        left = quota(reply, self.server_now())
        outcome, stamped_at = checked(self.outcome(reply), reply, body)
        return Answer(outcome, reply.status, request_id, reply.server_at, left, stamped_at)

    def outcome(self, reply: Reply) -> Outcome:
        """Return the outcome that an answer to a send proves."""
        status = reply.status
        if (between := outcome_from_proxy(reply, self._http.token)) is not None:
            return between
        if status in (200, 201):
            return self._accepted(reply)
        refusal = read_refusal(reply)
        detail = self._detail(refusal) or clean(reply.trouble, self._http.token)
        detail = with_odd_wait(detail, reply, self.server_now(), self._http.token)
        return outcome_of(
            _rule(reply, refusal), status, refusal, detail, self._after(reply, refusal)
        )

    def _accepted(self, reply: Reply) -> Outcome:
        try:
            answer = as_map(reply.json())
        except ValueError as error:
            return InDoubt("unreadable", f"accepted, but {error}")
        message = as_map(answer.get("message"))
        message_id = text_id(message.get("id"))
        thread = as_map(answer.get("thread")).get("id")
        thread_id = text_id(thread) or text_id(message.get("threadId"))
        if not message_id or not thread_id:
            return InDoubt("unreadable", "accepted, but without the ids of message and thread")
        return Accepted(message_id, thread_id, replay=reply.status == 200)

    def _after(self, reply: Reply, refusal: Refusal) -> float | None:
        """Return seconds that the answer asks to wait, from wherever it says so."""
        wait = parse_seconds(refusal.details.get("retryAfterSeconds"))
        if wait is None:
            wait = retry_after(reply, self.server_now())
        if wait is None and reply.status == 429:
            now = self.server_now() if reply.server_at is None else reply.server_at
            wait = seconds_until(parse_time(refusal.details.get("resetAt")), now)
        return wait

    def _detail(self, refusal: Refusal) -> str:
        """Return the message, and what `details` adds to it, for people."""
        told = []
        for name, value in refusal.details.items():
            if name == "issues" and isinstance(value, list):
                told += [_issue(as_map(issue)) for issue in value[:5]]
            elif isinstance(value, str | int | float | list):
                told.append(f"{name}: {_words(value)}")
        extra = "; ".join(told)
        text = f"{refusal.message} ({extra})" if refusal.message and extra else refusal.message
        return clean(text or extra, self._http.token)

    async def look_up(self, lookup: Lookup, taken: Taken) -> LookupResult:
        search = LookupV2(self._ask, self._platform, lookup, taken)
        return await unclear_on_error(search.run())

    async def team(self) -> Team:
        answer = as_map(await self._ask.must("team"))
        if not (team_id := text_id(answer.get("id"))):
            raise self._ask.foreign("/team")
        return Team(team_id, clean(answer.get("name"), self._http.token))

    async def account_links(self) -> list[AccountLink]:
        links: list[AccountLink] = []
        params = {"limit": "100"}
        for _ in range(MOST_LINK_PAGES):
            page = as_map(await self._ask.must("account-links", params=params))
            data = page.get("data")
            if not isinstance(data, list):
                raise self._ask.foreign("/account-links")
            links += [self._link(link) for link in map(as_map, data) if text_id(link.get("id"))]
            cursor = page.get("nextCursor")
            if not isinstance(cursor, str) or not cursor:
                return links
            if cursor == params.get("cursor"):
                break
            params["cursor"] = cursor
        raise self._ask.foreign("/account-links", "its pages do not end")

    def _link(self, link: Mapping[str, object]) -> AccountLink:
        token = self._http.token
        reasons, capabilities = link.get("pauseReasons"), link.get("capabilities")
        return AccountLink(
            id=text_id(link.get("id")),
            platform=clean(link.get("platform"), token),
            username=clean(link.get("username"), token),
            name=clean(link.get("displayName"), token),
            status=clean(link.get("status"), token),
            pause_reasons=tuple(clean(reason, token) for reason in reasons)
            if isinstance(reasons, list)
            else (),
            can_send=SEND in capabilities if isinstance(capabilities, list) else None,
        )

    async def platforms(self) -> list[Platform]:
        answer = await self._ask.must("platforms")
        if not isinstance(answer, list):
            raise self._ask.foreign("/platforms")
        return [
            Platform(name, _limit(entry), _can_send(entry))
            for entry in map(as_map, answer)
            if (name := clean(entry.get("platform"), self._http.token))
        ]

    async def close(self) -> None:
        await self._http.close()


def _rule(reply: Reply, refusal: Refusal) -> Rule:
    status = reply.status
    if not 400 <= status < 500:
        return DOUBT
    if refusal.code in UNPROVEN:
        return DOUBT
    if refusal.form:
        return RULES.get((status, refusal.code)) or RULES.get((status, "")) or REJECT
    return WITHOUT_FORM.get(status) or (RETRY if reply.body is None else NOT_THE_API)


def _issue(issue: Mapping[str, object]) -> str:
    """Return one of invalidRequest's issues: {path: [...], message}."""
    path = issue.get("path")
    where = ".".join(map(str, path)) if isinstance(path, list) else ""
    return f"{where}: {issue.get('message') or ''}"


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _limit(entry: Mapping[str, object]) -> int | None:
    characters = as_map(entry.get("limits")).get("characters")
    # A bool is an int too.
    return characters if type(characters) is int and characters > 0 else None


def _can_send(entry: Mapping[str, object]) -> bool:
    capabilities = entry.get("capabilities")
    return isinstance(capabilities, list) and SEND in capabilities
