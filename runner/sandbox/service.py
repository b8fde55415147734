"""The API behind its transport: token, limits, faults, and the handlers of both versions."""

import hmac
import json
import math
from collections import Counter
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from runner.sandbox.acts import perform_due
from runner.sandbox.api import v1, v2
from runner.sandbox.api.http import Answer, Call, json_answer
from runner.sandbox.api.refusals import Refusal
from runner.sandbox.api.v2_send import result
from runner.sandbox.api.x import XApi
from runner.sandbox.faults import Fault, FaultBook
from runner.sandbox.options import Options
from runner.sandbox.people import made_up_id
from runner.sandbox.quotas import PER_MINUTE, Keys, Limits
from runner.sandbox.store import Store, record_entries, stamp

ROUTES = {1: v1.ROUTES, 2: v2.ROUTES}

SUNSET_HEADERS = {
    # v1 stops on 2026-12-03 (api-evangelist/inboxapp lifecycle/inboxapp-lifecycle.yml, which names
    # the Sunset header). Forms: RFC 8594 and RFC 9745; the second is the date of that file.
    "Sunset": "Thu, 03 Dec 2026 00:00:00 GMT",
    "Deprecation": "@1792454400",
}

_CODES = {
    "unauthorized": "unauthorized",
    "plan_required": "planRequired",
    "key_reused": "idempotencyKeyReused",
}

_PERSON_FIELDS = {
    "platformId": "platform_id",
    "platform": "platform",
    "username": "username",
    "name": "name",
    "accountStatus": "account_status",
    "onX": "on_x",
    "contact": "contact",
    "assigned": "assignee",
    "status": "status",
    "tags": "tags",
}

LOOKUP_PATHS = ("/threads", "/contacts", "/messages")


def kind_of(call: Call) -> str:
    """Return the kind of request that a fault's ``on`` selects by: send, lookup or other."""
    if call.method == "POST" and call.route.endswith("messages"):
        return "send"
    is_lookup = call.method == "GET" and call.route.startswith(LOOKUP_PATHS)
    return "lookup" if is_lookup else "other"


class Service:
    """One team's API, v1 and v2 over one store."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.faults = FaultBook(options.faults, options.seed)
        self.limits = Limits(options.per_minute, options.per_hour, options.per_day)
        self.keys = Keys(options.compare, options.key_life)
        self.store = Store(options)
        self.x = XApi(options, self.store.people)
        self._platforms: list[str] = []
        for each in options.people:
            self.describe(each)
        self.counts: Counter[str] = Counter()
        self.limited = 0
        self._requests = 0
        for entry in record_entries(options.record):
            perform_due(self.store, entry["at"])
            self.store.restore(entry)
            self._restore_key(entry)

    def _restore_key(self, entry: dict[str, Any]) -> None:
        if entry["key"] is None:
            return
        message_id = entry["message_id"]
        body = entry["body"].encode()
        restored = self.keys.begin(entry["key"], body, message_id, entry["at"])
        if entry["unconfirmed"] and self.options.replay_unconfirmed:
            restored.refusal = Refusal("sendUnconfirmed", {"messageId": message_id})
        else:
            restored.result = json_answer(200, result(self.store.messages[message_id])).body

    def describe(self, about: Mapping[str, Any]) -> None:
        """Say who a person is: platformId, and of platform, username, name, accountStatus, onX,
        contact what is not to be made up. Raises ValueError."""
        unknown = about.keys() - _PERSON_FIELDS.keys()
        if unknown or not isinstance(about.get("platformId"), str):
            raise ValueError(f"a person has platformId and {', '.join(_PERSON_FIELDS)}")
        said = {_PERSON_FIELDS[name]: value for name, value in about.items()}
        platform = said.pop("platform", "twitter")
        for name in said.get("tags", ()):
            self.store.tag(name)
        if said.get("status") is not None:
            self.store.status(said["status"])
        self.store.people.describe(platform, said.pop("platform_id"), **said)
        if platform not in self._platforms:
            self._platforms.append(platform)

    def new_request_id(self) -> str:
        """Number the next request (the form of a requestId is not documented)."""
        self._requests += 1
        return f"req_{self._requests:08d}"

    def platforms(self) -> list[str]:
        """Return the platforms that the team may use."""
        names = ["twitter", *(link.platform for link in self.store.links.values())]
        names += self._platforms
        return [name for name in dict.fromkeys(names) if name not in self.options.platforms_off]

    def check_platform(self, platform: str) -> None:
        """Refuse a platform that the team may not use. Raises Refusal (403)."""
        if platform not in self.platforms():
            raise Refusal("platformNotAvailable", {"platform": platform})

    async def answer(self, call: Call) -> Answer:
        """Answer one API request; the fault that hits it is left in ``call.fault``."""
        sunset = False
        perform_due(self.store, call.now)
        try:
            self._check_token(call)
            self._check_limits(call)
            call.fault, sunset = self.faults.pick(kind_of(call), self._about(call))
            self._refuse_by_fault(call)
            answer = await self._work(call)
        except Refusal as refusal:
            answer = json_answer(
                refusal.status(call.version), refusal.body(call.version, call.request_id)
            )
            answer.headers.update(refusal.headers)
        now = self.options.clock()
        answer.headers.update(self.limits.headers(now))
        answer.headers["Date"] = formatdate(now, usegmt=True)
        if call.version == 2:
            answer.headers["X-Request-Id"] = call.request_id
        if sunset:
            answer.headers.update(SUNSET_HEADERS)
        return answer

    async def _work(self, call: Call) -> Answer:
        fault = call.fault
        if fault is not None and not fault.accepts:
            # Nothing is done; the transport gives the fault's own answer.
            return Answer(200, b"")
        if kind_of(call) != "send":
            await self._wait_read(call)
        handler = ROUTES[call.version][call.method, call.route]
        answer = await handler(self, call)
        if fault is not None and fault.name == "slow" and fault.phase == "after":
            await self.options.sleep(fault.seconds)
        if fault is not None and fault.name == "not_as_asked" and kind_of(call) == "send":
            return self._not_as_asked(call, answer, fault)
        return answer

    def _not_as_asked(self, call: Call, answer: Answer, fault: Fault) -> Answer:
        """Let an acceptance speak of something else, and keep in the list what is ``amiss``."""
        said = json.loads(answer.body)
        message = said.get("message", said)  # v1 answers a send into a thread with the message
        accepted = self.store.accepted
        entry = next(one for one in accepted if one["message_id"] == message["id"])
        before = answer.body
        match fault.what:
            case "link":
                said.setdefault("thread", {})["accountLinkId"] = made_up_id("another link")
            case "thread":
                message["threadId"] = made_up_id("another thread")
            case "id":
                message["id"] = fault.id or accepted[0]["message_id"]
            case _:
                message["content"] = f"Not this: {message['content']}"
        changed = json_answer(answer.status, said)
        is_replay = call.version == 2 and answer.status == 200
        if changed.body != before and not is_replay:
            entry["amiss"] = fault.what
        return changed

    async def _wait_read(self, call: Call) -> None:
        if self.options.latency:
            await self.options.sleep(self.options.latency)
        if call.fault and call.fault.name == "slow" and call.fault.phase == "before":
            await self.options.sleep(call.fault.seconds)

    def _check_token(self, call: Call) -> None:
        given = call.headers.get("Authorization", "")
        wanted = f"Bearer {self.options.token}"
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode()):
            raise Refusal("unauthorized")

    def _check_limits(self, call: Call) -> None:
        full = self.limits.take(call.now)
        if full is None:
            return
        self.limited += 1
        raise self._rate_limited(full.window, full.limit, full.reset_at, call.now)

    def _rate_limited(self, window: str, limit: int, reset_at: float, now: float) -> Refusal:
        wait = max(1, math.ceil(reset_at - now))
        details = {"window": window, "limit": limit, "resetAt": stamp(reset_at)}
        message = f"Rate limit exceeded. Try again in {wait} seconds."
        return Refusal("rateLimited", details, message, {"Retry-After": str(wait)})

    def _refuse_by_fault(self, call: Call) -> None:
        """Raise the refusal that the fault stands for, when it stands for one."""
        fault = call.fault
        if fault is None:
            return
        if fault.name == "rate_limit":
            wait = 1 if fault.retry_after is None else fault.retry_after
            self.limited += 1
            limit = self.options.per_minute or PER_MINUTE
            refusal = self._rate_limited("minute", limit, call.now + wait, call.now)
            refusal.headers["Retry-After"] = str(wait)
            raise refusal
        if fault.name == "platform_rate_limit":
            self.limited += 1
            headers = {}
            if call.version == 1 and fault.retry_after is not None:
                headers["Retry-After"] = str(fault.retry_after)
            details = {"retryAfterSeconds": fault.retry_after}
            raise Refusal("platformRateLimited", details, headers=headers)
        if fault.name == "disconnected":
            link_id = self._link_id(call)
            gone = {"accountLinkId": link_id, "status": "offline"}
            raise Refusal("accountLinkDisconnected", gone)
        if fault.name == "in_progress":
            raise Refusal("sendInProgress", {"messageId": self.store.new_message_id()})
        if fault.name in _CODES:
            raise Refusal(_CODES[fault.name])

    def _link_id(self, call: Call) -> str:
        for one in self._about(call):
            if one in self.store.links:
                return one
        return next(iter(self.store.links), "")

    def _about(self, call: Call) -> frozenset[str]:
        """Return every id that a request names, and the other ids of the people behind them."""
        ids = set(call.params.values())
        for values in call.query.values():
            ids.update(values)
        try:
            body = json.loads(call.body) if call.body else {}
        except (ValueError, RecursionError):
            body = {}
        if isinstance(body, dict):
            target = body.get("target")
            for part in (body, target if isinstance(target, dict) else {}):
                ids.update(
                    value
                    for name, value in part.items()
                    if name != "content" and isinstance(value, str)
                )
        for one in list(ids):
            thread = self.store.threads.get(one)
            people = self.store.people
            person = thread.person if thread else people.known(one)
            person = person or people.contact_of_platform_id("twitter", one)
            if person:
                ids.update((person.platform_id, person.contact_id, person.profile_id))
            if thread:
                ids.add(thread.link.id)
        return frozenset(ids)

    def requests(self) -> dict[str, Any]:
        """Return counts of API requests: ``METHOD /path STATUS``, 429s, and faults that hit."""
        return {
            "total": sum(self.counts.values()),
            "limited": self.limited,
            "counts": dict(sorted(self.counts.items())),
            "faults": dict(sorted(self.faults.fired.items())),
        }
