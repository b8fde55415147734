"""Answers to sends: what proves nothing is in doubt, and nothing else is accepted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from random import Random

from multidict import CIMultiDict

from runner.channels.base import Token
from runner.channels.responses import Reply, parse_http_date
from runner.message.outcome import Accepted, Deferred, InDoubt, Outcome, Rejected
from tests.contract.channel_support import CHANNELS, DATE, OK, SECRET, VERSIONS
from tests.fuzz.values import changed, one_line, structure, text, torn

STATUSES = (
    *(200, 201, 202, 204, 206, 101, 103, 301, 302, 304, 307, 400, 401, 402, 403, 404, 405, 407),
    *(408, 409, 410, 413, 415, 418, 421, 422, 425, 428, 429, 431, 451, 460, 494, 499, 500, 501),
    *(502, 503, 504, 520, 524, 529, 599, 600, 777, 999),
)
CODES = (
    *(
        "sendInProgress",
        "sendUnconfirmed",
        "idempotencyKeyReused",
        "planRequired",
        "invalidRequest",
    ),
    *("contactNotFound", "threadNotFound", "accountLinkNotFound", "accountLinkDisconnected"),
    *("platformRateLimited", "rateLimited", "PROSPECT_NOT_FOUND", "THREAD_NOT_FOUND", "", "x y"),
)
HEADERS = (
    "Date",
    "Retry-After",
    "Location",
    "Sunset",
    "Deprecation",
    "X-Request-Id",
    "Content-Type",
)


def an_error(luck: Random) -> object:
    """An error body of either version, changed a little."""
    details = {
        "messageId": "m1",
        "retryAfterSeconds": 3,
        "resetAt": "2026-12-02T10:00:09Z",
        "issues": [{"path": ["target", 0], "message": "no"}],
    }
    body = {"code": luck.choice(CODES), "message": f"no {SECRET}", "details": details}
    body["requestId"] = "r1"
    return changed(luck, luck.choice((body, {"error": body}, {"error": "no", "message": "no"})))


def a_body(luck: Random, version: str) -> bytes:
    kind = luck.randrange(8)
    if kind == 0:
        return luck.choice(
            (
                *(b"", b"null", b"[]", b"{}", b'"x"', b"NaN", b"1" * 5000, b"<html>no</html>"),
                *(b"[" * 100_000, b'{"a":' * 100_000, b'{"code":' + b"[" * 900 + b"]" * 900 + b"}"),
                b'{"code":"x","details":{"a":' + b"[" * 900 + b"]" * 900 + b"}}",
                b'{"message":{"id":"m1"},"message":null,"thread":{"id":"t1"}}',
                *(gzip.compress(OK[version], mtime=0), OK[version].decode().encode("utf-16")),
                b'{"code":"x","message":"' + b" " * 5995 + SECRET.encode() + b'"}',
                OK[version].replace(b"m1", SECRET.encode()),
                OK[version].replace(b"t1", b"t_" + SECRET.encode()),
                b'{"code":"' + SECRET.encode() + b'","requestId":"' + SECRET.encode() + b'"}',
            )
        )
    if kind == 1:
        return torn(luck, OK[version])
    if kind == 2:
        return json.dumps(structure(luck)).encode()
    made = an_error(luck) if kind < 6 else changed(luck, json.loads(OK[version]), 0.1)
    data = json.dumps(made, ensure_ascii=luck.random() < 0.5).encode("utf-8", "surrogatepass")
    return torn(luck, data, 2) if luck.random() < 0.2 else data


def a_header(luck: Random) -> str:
    return luck.choice(
        (
            text(luck),
            luck.choice(
                (DATE, "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 99 Foo 99999 99:99:99 +9999")
            ),
            luck.choice(("3", "-1", "1e999", "nan", "0x10", "9" * 400, "1.5", "١٢", " 7 ")),
            "https://elsewhere/?token=" + SECRET,
        )
    )


def a_reply(luck: Random, version: str) -> Reply:
    headers: CIMultiDict[str] = CIMultiDict()
    for name in HEADERS:
        for _ in range(luck.choice((0, 0, 1, 1, 2))):
            headers.add(name, a_header(luck))
    status = luck.choice(STATUSES) if luck.random() < 0.9 else luck.randrange(100, 1000)
    lost = luck.random() < 0.1
    body = None if lost else a_body(luck, version)
    date = parse_http_date(headers.get("Date"))
    trouble = "the answer broke off" if lost else ""
    return Reply(status, headers, body, trouble, date, Token(SECRET))


def case(luck: Random, folder: Path) -> str:
    """One answer to a send, judged by both versions' rules."""
    version = luck.choice(VERSIONS)
    reply = a_reply(luck, version)
    outcome = CHANNELS[version].outcome(reply)
    judge(version, reply.status, reply.body, outcome)
    return type(outcome).__name__.lower()


def judge(version: str, status: int, body: bytes | None, outcome: Outcome) -> None:
    """What may be made of an answer, told apart from the rules themselves.

    `body`: None where it was not read to its end.
    """
    told = [getattr(outcome, name, "") for name in ("reason", "detail", "stop")]
    assert SECRET not in repr(outcome), outcome
    for each in filter(None, told):
        one_line(each)
        assert each.isprintable(), repr(each)
    read = _read(body)
    match outcome:
        case Accepted(message_id, thread_id):
            assert status in ((200, 201) if version == "v2" else (200,))
            assert isinstance(read, dict)
            assert message_id
            assert message_id == str(read["message"]["id"])
            assert thread_id
            assert thread_id in (
                str(_at(read, "thread", "id")),
                str(_at(read, "message", "threadId")),
            )
        case Rejected() | Deferred():
            # Only a 4xx is the server's own word that it has not done what was asked.
            assert 400 <= status < 500, f"{status} proves nothing: {outcome}"
            assert status != 408
            if version == "v1":
                assert status != 409
            else:
                code = read.get("code") if isinstance(read, dict) else None
                assert code not in ("sendInProgress", "idempotencyKeyReused") or status not in (
                    409,
                    422,
                )
                assert status not in (409, 422) or code, "without its code it proves nothing"
            if isinstance(outcome, Rejected):
                assert isinstance(read, dict), "a page that is not the API's rejects nobody"
            else:
                assert outcome.written
                assert outcome.after is None or 0 <= outcome.after <= 86_400
        case InDoubt():
            assert outcome.after is None or 0 <= outcome.after <= 86_400


def _read(body: bytes | None) -> object:
    try:
        return None if body is None else json.loads(body)
    except (ValueError, RecursionError):
        return None


def _at(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
