"""Responses of a server: their times, ids and texts, and the rules that they fall under.

Nothing here trusts a type, a length or a character that came over the wire.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple

from runner.channels.base import Quota, Token
from runner.message.outcome import Deferred, InDoubt, Outcome, Rejected, Scope
from runner.passwords import HIDDEN

DETAIL_LENGTH = 300
"""Characters of a server's text that are kept. Our own choice: enough to read, short in a table."""

LONGEST_WAIT = 86_400.0
"""Seconds; a longer `Retry-After` is cut to this. The longest window of the API's request limits
is a day (docs.inboxapp.com reference/rate-limits)."""

PROXY_LOGIN = 407
NETWORK_LOGIN = 511
"""The statuses of a proxy and of a network that want a login first (RFC 9110, section 15.5.8, and
RFC 6585, section 6)."""

WHOLE_SECOND = 1.0
"""Seconds by which a time in whole seconds may be off."""

_DIGITS = re.compile(r"[0-9]{1,12}")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


NO_TOKEN = Token("")


class Reply(NamedTuple):
    """An answer whose status arrived. `body` is None when it could not be read to its end, then
    `trouble` says why. `server_at` is its `Date` in Unix seconds. `token` is the one that it was
    asked with."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    trouble: str = ""
    server_at: float | None = None
    token: Token = NO_TOKEN

    def json(self) -> object:
        """Return the body as JSON, its texts without the token: what comes back is kept as ids,
        codes and reasons. Raises ValueError for anything else."""
        if self.body is None:
            raise ValueError(self.trouble)
        try:
            value: object = json.loads(self.body)
            if self.token.may_be_in(self.body):
                value = _scrubbed(value, self.token)
        except (ValueError, RecursionError) as error:
            raise ValueError("the body is not JSON") from error
        return value


def _scrubbed(value: object, token: Token) -> object:
    """Return JSON's `value` without the token in any of its texts, names and numbers."""
    match value:
        case str():
            return token.scrub(value)
        case dict():
            return {token.scrub(name): _scrubbed(each, token) for name, each in value.items()}
        case list():
            return [_scrubbed(each, token) for each in value]
        case int() | float() if not isinstance(value, bool):
            told = str(value)
            return value if token.scrub(told) == told else HIDDEN
    return value


def as_map(value: object) -> Mapping[str, object]:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def clean(value: object, token: Token) -> str:
    """Return a server's text for people: one line, no control characters, cut, without the
    token."""
    text = value if isinstance(value, str) else "" if value is None else _plain(value)
    # Scrubbed before it is cut, so that half a token cannot stay behind at the edge.
    text = token.scrub(text)[: DETAIL_LENGTH * 20]
    if len(text) <= DETAIL_LENGTH and text.isprintable():
        return text.strip()
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= DETAIL_LENGTH else text[: DETAIL_LENGTH - 1] + "…"


def _plain(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""


def text_id(value: object) -> str:
    """Return an id as text, or empty: ids are short printable words; numbers are taken as their
    digits. What had the token in it is none: it cannot be kept as it is."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**40:
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable():
        return "" if " " in value or HIDDEN in value else value
    return ""


def known_code(value: object) -> str:
    """Return an error code if it looks like one, else empty."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def parse_time(value: object) -> float | None:
    """Return an ISO 8601 time as Unix seconds; without a zone it is taken as UTC. None if it is
    none."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def parse_http_date(value: str | None) -> float | None:
    """Return an HTTP date as Unix seconds, None if it is none."""
    if not value or len(value) > 64:
        return None
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def parse_seconds(value: object) -> float | None:
    """Return a wait in seconds: a finite number from 0, cut to `LONGEST_WAIT`. None if it is
    none."""
    if isinstance(value, str):
        if len(value) > 32:
            return None
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(min(value, LONGEST_WAIT)) if value >= 0 else None


def seconds_until(at: float | None, now: float) -> float | None:
    """Return seconds from `now` to `at`, None for no time, 0 for the past."""
    return None if at is None else min(max(at - now, 0.0), LONGEST_WAIT)


def retry_after(reply: Reply, now: float) -> float | None:
    """Return seconds that `Retry-After` asks for, given as seconds or as a date against the
    answer's own `Date`, or else against `now` by the server's clock."""
    value = reply.headers.get("Retry-After")
    if value is None:
        return None
    wait = parse_seconds(value.strip())
    if wait is not None:
        return wait
    return seconds_until(
        parse_http_date(value), now if reply.server_at is None else reply.server_at
    )


def quota(reply: Reply, now: float) -> Quota | None:
    """Return the quota of `X-RateLimit-Limit`, `-Remaining` and `-Reset`; None for what cannot be.
    The reset is believed where it is a Unix time of the next day (v1's unit): v2's is not
    documented, and a number that may be seconds to go is not guessed at."""
    limit = _count(reply.headers.get("X-RateLimit-Limit"))
    remaining = _count(reply.headers.get("X-RateLimit-Remaining"))
    if limit is None or remaining is None or not 0 <= remaining <= limit or limit == 0:
        return None
    reset = _count(reply.headers.get("X-RateLimit-Reset"))
    more_in = None
    if reset is not None:
        more_in = reset - (now if reply.server_at is None else reply.server_at)
    if more_in is None or not -WHOLE_SECOND <= more_in <= LONGEST_WAIT + WHOLE_SECOND:
        return Quota(limit, remaining)
    return Quota(limit, remaining, max(0.0, more_in))


def _count(value: str | None) -> int | None:
    return int(value) if value and _DIGITS.fullmatch(value) else None


def with_odd_wait(detail: str, reply: Reply, now: float, token: Token) -> str:
    """Return `detail`, and beside it a `Retry-After` that is not followed as it stands."""
    value = reply.headers.get("Retry-After")
    if reply.status not in (429, 503) or value is None:
        return detail
    wait = retry_after(reply, now)
    if wait is not None and wait < LONGEST_WAIT:
        return detail
    told = "is not a time to wait" if wait is None else "is cut to a day"
    return clean(f"{detail} (Retry-After: {token.scrub(value)[:40]} {told})", token)


class Proof(Enum):
    """Return the rule for a refusal."""

    REJECTED = "rejected"  # not sent, and asking again is no use
    DEFERRED = "deferred"  # not sent, and may be tried again
    IN_DOUBT = "in_doubt"  # proves nothing


class Rule(NamedTuple):
    """One line of a version's table. `after`: seconds to wait when the answer names none."""

    proof: Proof
    scope: Scope = Scope.MESSAGE
    stop: str = ""
    after: float | None = None


REJECT = Rule(Proof.REJECTED)
RETRY = Rule(Proof.DEFERRED)
DOUBT = Rule(Proof.IN_DOUBT)
WAIT = Rule(Proof.DEFERRED, Scope.LANE)

NOT_THE_API = Rule(
    Proof.DEFERRED,
    Scope.LANE,
    "the answer does not look like the Inbox API's: check api.base_url, and whether a proxy or"
    " firewall stands between",
)
BAD_TOKEN = Rule(
    Proof.DEFERRED,
    Scope.LANE,
    "the API refuses the token (401): set the token variable to a valid key from Settings,"
    " API Keys, and run again",
)


def stop_lane(text: str) -> Rule:
    """Return the rule: not sent; nothing more goes out until a person has done what `text` says."""
    return Rule(Proof.DEFERRED, Scope.LANE, text)


def stop_sender(text: str) -> Rule:
    """Return the rule: not sent; this account link sends nothing more until `text` is done."""
    return Rule(Proof.DEFERRED, Scope.SENDER, text)


COMMON: Mapping[tuple[int, str], Rule] = {
    (401, ""): BAD_TOKEN,
    (402, ""): stop_lane("the API asks for payment (402): check the team's plan and add-ons"),
    (405, ""): NOT_THE_API,
    (PROXY_LOGIN, ""): NOT_THE_API,
    (408, ""): Rule(Proof.IN_DOUBT),  # a gateway's, perhaps after it has passed the request on
    (429, ""): WAIT,
}
"""The rules that both versions start from: status and code (empty for any) to rule."""


class Refusal(NamedTuple):
    """An error answer, read. `form`: it has the API's own error form. `code` may be empty."""

    code: str = ""
    message: str = ""
    details: Mapping[str, object] = {}
    request_id: str = ""
    form: bool = False


def outcome_of(
    rule: Rule, status: int, refusal: Refusal, detail: str, after: float | None = None
) -> Outcome:
    """Return the outcome of an error answer under its rule."""
    reason = refusal.code or f"http_{status}"
    wait = rule.after if after is None else after
    match rule.proof:
        case Proof.REJECTED:
            return Rejected(reason, detail)
        case Proof.DEFERRED:
            return Deferred(reason, detail, after=wait, scope=rule.scope, stop=rule.stop)
        case Proof.IN_DOUBT:
            message_id = text_id(refusal.details.get("messageId"))
            return InDoubt(reason, detail, message_id, wait, rule.scope, rule.stop)


def outcome_from_proxy(reply: Reply, token: Token) -> InDoubt | None:
    """Return the outcome of a redirect, or of a page for people under a status that says that all
    went well (a captive portal's, a maintenance page): the API gives neither, and each will be
    given to every message alike. It proves nothing: whatever answered may have passed the request
    on before. None for any other answer."""
    if 300 <= reply.status < 400:
        where = clean(reply.headers.get("Location"), token) or "another address"
        return InDoubt(
            "redirect",
            f"HTTP {reply.status} to {where}",
            scope=Scope.LANE,
            stop=f"base_url answers with a redirect to {where}: set it to the API's own address",
        )
    if reply.status == NETWORK_LOGIN or (200 <= reply.status < 300 and _is_page(reply)):
        return InDoubt(
            "unreadable",
            f"HTTP {reply.status} with a page for people",
            scope=Scope.LANE,
            stop=NOT_THE_API.stop,
        )
    return None


def _is_page(reply: Reply) -> bool:
    if not reply.headers.get("Content-Type", "").lower().startswith("text/html"):
        return False
    try:
        reply.json()
    except ValueError:
        return True
    return False  # only labelled wrongly
