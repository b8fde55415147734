"""What answers come to: every line of the tables, and whatever else a server may say."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from runner.channels.base import Quota, Token
from runner.channels.responses import (
    LONGEST_WAIT,
    Reply,
    clean,
    parse_http_date,
    parse_seconds,
    parse_time,
    quota,
    retry_after,
    text_id,
)
from runner.message.outcome import (
    IN_PROGRESS,
    KEY_REUSED,
    UNCONFIRMED,
    Accepted,
    Deferred,
    InDoubt,
    Outcome,
    Rejected,
    Scope,
)
from tests.contract.channel_support import (
    CHANNELS,
    DATE,
    DATE_AT,
    OK,
    OK_STATUS,
    SECRET,
    VERSIONS,
)


def outcome(version: str, status: int, body: Any = None, **headers: str) -> Outcome:
    """What an answer comes to; `body` is JSON unless it is bytes, None is unreadable."""
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    reply = Reply(status, named, raw, "broke off" if raw is None else "", DATE_AT)
    return CHANNELS[version].outcome(reply)


def v2_error(code: str, details: object = None) -> dict[str, object]:
    return {"code": code, "message": "Words.", "details": details, "requestId": "req_1"}


def v1_error(code: str, status: int = 400) -> dict[str, object]:
    return {"error": {"code": code, "message": "Words.", "status": status}}


NO, LATER, DOUBT = "Rejected", "Deferred", "InDoubt"
LANE, ONE, WHO = Scope.LANE, Scope.MESSAGE, Scope.SENDER

V2_TABLE: list[tuple[int, str, str, Scope | None, bool]] = [
    # status, code, kind, scope, whether a person must act
    (400, "invalidRequest", NO, None, False),
    (401, "unauthorized", LATER, LANE, True),
    (403, "planRequired", LATER, LANE, True),
    (403, "platformNotAvailable", LATER, LANE, True),
    (403, "workspaceLocked", LATER, LANE, True),
    (403, "somethingNew", LATER, LANE, True),
    (404, "accountLinkNotFound", LATER, WHO, True),
    (404, "contactNotFound", NO, None, False),
    (404, "threadNotFound", NO, None, False),
    (404, "somethingNew", NO, None, False),
    (409, "sendInProgress", DOUBT, ONE, False),
    (409, "accountLinkDisconnected", LATER, WHO, True),
    (409, "integrationSetupRequired", LATER, WHO, True),
    (409, "somethingNew", NO, None, False),
    (413, "somethingNew", NO, None, False),
    (422, "idempotencyKeyReused", DOUBT, ONE, False),
    (422, "capabilityNotSupported", LATER, WHO, True),
    (422, "contentRejected", NO, None, False),
    (422, "threadRestricted", NO, None, False),
    (422, "recipientUnavailable", NO, None, False),
    (422, "platformNotSupported", NO, None, False),
    (422, "profileAmbiguous", NO, None, False),
    (422, "somethingNew", NO, None, False),
    (429, "rateLimited", LATER, LANE, False),
    (429, "platformRateLimited", LATER, WHO, False),
    (429, "somethingNew", LATER, LANE, False),
    (500, "internal", DOUBT, ONE, False),
    (502, "platformError", DOUBT, ONE, False),
    (502, "sendUnconfirmed", DOUBT, ONE, False),
    (503, "platformUnavailable", DOUBT, ONE, False),
    (504, "somethingNew", DOUBT, ONE, False),
    (599, "somethingNew", DOUBT, ONE, False),
    (202, "somethingNew", DOUBT, ONE, False),
    (204, "somethingNew", DOUBT, ONE, False),
    (101, "somethingNew", DOUBT, ONE, False),
    (999, "somethingNew", DOUBT, ONE, False),
]

V1_TABLE: list[tuple[int, str, str, Scope | None, bool]] = [
    (400, "ANYTHING", NO, None, False),
    (401, "UNAUTHORIZED", LATER, LANE, True),
    (403, "FORBIDDEN", LATER, LANE, True),
    (404, "PROSPECT_NOT_FOUND", NO, None, False),
    (404, "THREAD_NOT_FOUND", NO, None, False),
    (404, "ANYTHING", LATER, LANE, True),
    (409, "ANYTHING", DOUBT, ONE, False),
    (410, "ANYTHING", LATER, LANE, True),
    (413, "ANYTHING", NO, None, False),
    (422, "ANYTHING", NO, None, False),
    (429, "RATE_LIMITED", LATER, LANE, False),
    (500, "ANYTHING", DOUBT, ONE, False),
    (502, "ANYTHING", DOUBT, ONE, False),
    (503, "ANYTHING", DOUBT, ONE, False),
    (201, "ANYTHING", DOUBT, ONE, False),
    (204, "ANYTHING", DOUBT, ONE, False),
]


def fits(told: Outcome, kind: str, scope: Scope | None, stops: bool) -> None:
    assert type(told).__name__ == kind
    assert getattr(told, "scope", None) == scope
    assert bool(getattr(told, "stop", "")) == stops
    assert getattr(told, "written", True)


@pytest.mark.parametrize(("status", "code", "kind", "scope", "stops"), V2_TABLE)
def test_v2_codes(status: int, code: str, kind: str, scope: Scope | None, stops: bool) -> None:
    told = outcome("v2", status, v2_error(code))
    fits(told, kind, scope, stops)
    assert not isinstance(told, Accepted)
    assert told.reason == code
    assert told.detail == "Words."


@pytest.mark.parametrize(("status", "code", "kind", "scope", "stops"), V1_TABLE)
@pytest.mark.parametrize("form", ["page", "flat"])
def test_v1_codes(
    status: int, code: str, kind: str, scope: Scope | None, stops: bool, form: str
) -> None:
    body = v1_error(code, status) if form == "page" else {"code": code, "message": "Words."}
    told = outcome("v1", status, body)
    fits(told, kind, scope, stops)
    assert not isinstance(told, Accepted)
    assert told.reason == code
    assert told.detail == "Words."


def test_v1_old_form() -> None:
    told = outcome("v1", 401, {"error": "Unauthorized", "message": "Invalid token"})
    assert isinstance(told, Deferred)
    assert (told.reason, told.detail) == ("http_401", "Invalid token")
    told = outcome("v1", 400, {"error": "Bad things"})
    assert told == Rejected("http_400", "Bad things")


def test_the_reasons_that_the_house_acts_on() -> None:
    details = {"messageId": "p8rvk2m5j0xn4wq7ybftcael"}
    told = outcome("v2", 409, v2_error(IN_PROGRESS, details), Retry_After="3")
    assert told == InDoubt(
        IN_PROGRESS, "Words. (messageId: p8rvk2m5j0xn4wq7ybftcael)", details["messageId"], 3.0
    )
    told = outcome("v2", 502, v2_error(UNCONFIRMED, details))
    assert isinstance(told, InDoubt)
    assert (told.reason, told.message_id) == (UNCONFIRMED, details["messageId"])
    told = outcome("v2", 422, v2_error(KEY_REUSED))
    assert isinstance(told, InDoubt)
    assert told.reason == KEY_REUSED


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422, 429])
@pytest.mark.parametrize("code", [IN_PROGRESS, KEY_REUSED, UNCONFIRMED])
def test_a_code_of_doubt_is_believed_under_any_status(status: int, code: str) -> None:
    told = outcome("v2", status, v2_error(code))
    assert isinstance(told, InDoubt)
    assert told.reason == code


def test_no_half_of_a_token_stays_behind_white_space() -> None:
    assert "tok_" not in clean(" " * 5990 + SECRET, Token(SECRET))


def test_acceptance() -> None:
    assert outcome("v1", 200, OK["v1"]) == Accepted("m1", "t1")
    assert outcome("v2", 201, OK["v2"]) == Accepted("m1", "t1")
    assert outcome("v2", 200, OK["v2"]) == Accepted("m1", "t1", replay=True)
    assert outcome("v2", 201, {"message": {"id": 7, "threadId": 8}}) == Accepted("7", "8")


FOREIGN = [b"<html>nginx</html>", b"", b"null", b"[]", b'"text"']
PAGE = b"<html>Log in to go on</html>"
HTML = {"Content_Type": "Text/HTML; charset=utf-8"}


@pytest.mark.parametrize("body", [PAGE, b"", None])
@pytest.mark.parametrize("status", [200, 201, 203, 511])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_page_for_people_will_be_given_to_all(
    version: str, status: int, body: bytes | None
) -> None:
    told = outcome(version, status, body, **HTML)
    fits(told, DOUBT, LANE, True)
    assert "proxy" in getattr(told, "stop", "")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_page_of_a_gateway_in_trouble_is_about_one(version: str) -> None:
    fits(outcome(version, 502, PAGE, **HTML), DOUBT, ONE, False)
    fits(outcome(version, 204, b""), DOUBT, ONE, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_acceptance_under_the_wrong_label_is_one(version: str) -> None:
    told = outcome(version, OK_STATUS[version], OK[version], **HTML)
    assert told == Accepted("m1", "t1")


UNSURE = {"v1": (408, 409), "v2": (408, 409, 422)}


@pytest.mark.parametrize("body", FOREIGN)
@pytest.mark.parametrize("status", [400, 403, 404, 405, 407, 408, 409, 413, 418, 422, 451])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_does_not_look_like_the_api_rejects_nobody(
    version: str, status: int, body: bytes
) -> None:
    told = outcome(version, status, body)
    if status in UNSURE[version]:
        fits(told, DOUBT, ONE, False)
    else:
        fits(told, LATER, LANE, True)


def test_a_gateways_json_is_not_the_v2_form() -> None:
    fits(outcome("v2", 404, {"message": "Not Found"}), LATER, LANE, True)
    fits(outcome("v2", 400, {"message": "Bad Request"}), LATER, LANE, True)
    fits(outcome("v2", 422, {"code": 5}), DOUBT, ONE, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refusal_whose_body_was_lost(version: str) -> None:
    fits(outcome(version, 400), LATER, ONE, False)
    fits(outcome(version, 404), LATER, LANE if version == "v1" else ONE, version == "v1")
    fits(outcome(version, 401), LATER, LANE, True)
    fits(outcome(version, 429), LATER, LANE, False)
    fits(outcome(version, 409), DOUBT, ONE, False)
    # On v2 a lost 422 may have been idempotencyKeyReused; v1 has no such thing.
    fits(outcome(version, 422), *((LATER, ONE, False) if version == "v1" else (DOUBT, ONE, False)))
    fits(outcome(version, 500), DOUBT, ONE, False)


def test_v1_over() -> None:
    told = outcome("v1", 410, b"")
    assert isinstance(told, Deferred)
    assert "v2" in told.stop
    for status, body in ((400, b"<html>"), (426, {"message": "gone"})):
        told = outcome("v1", status, body, Sunset="Tue, 01 Dec 2020 00:00:00 GMT")
        assert isinstance(told, Deferred)
        assert "v2" in told.stop
    told = outcome("v1", 403, v1_error("FORBIDDEN"))
    assert isinstance(told, Deferred)
    assert "outbound add-on" in told.stop


WAITS: list[tuple[str, object, dict[str, str], float | None]] = [
    ("rateLimited", {}, {}, None),
    ("rateLimited", {}, {"Retry_After": "60"}, 60.0),
    ("rateLimited", {}, {"Retry_After": "1.5"}, 1.5),
    ("rateLimited", {}, {"Retry_After": "Wed, 02 Dec 2026 10:01:30 GMT"}, 90.0),
    ("rateLimited", {}, {"Retry_After": "Wed, 02 Dec 2026 09:00:00 GMT"}, 0.0),
    ("rateLimited", {}, {"Retry_After": "soon"}, None),
    ("rateLimited", {}, {"Retry_After": "-5"}, None),
    ("rateLimited", {}, {"Retry_After": "nan"}, None),
    ("rateLimited", {}, {"Retry_After": "1e12"}, LONGEST_WAIT),
    ("rateLimited", {"resetAt": "2026-12-02T10:00:42.000Z"}, {}, 42.0),
    ("rateLimited", {"resetAt": "2026-12-02T10:00:42Z"}, {"Retry_After": "7"}, 7.0),
    ("rateLimited", {"resetAt": 12}, {}, None),
    ("platformRateLimited", {"retryAfterSeconds": 30}, {"Retry_After": "7"}, 30.0),
    ("platformRateLimited", {"retryAfterSeconds": None}, {"Retry_After": "7"}, 7.0),
    ("platformRateLimited", {"retryAfterSeconds": None}, {}, 900.0),
    ("platformRateLimited", {"retryAfterSeconds": True}, {}, 900.0),
]


@pytest.mark.parametrize(("code", "details", "headers", "after"), WAITS)
def test_how_long_to_wait(
    code: str, details: object, headers: dict[str, str], after: float | None
) -> None:
    told = outcome("v2", 429, v2_error(code, details), **headers)
    assert isinstance(told, Deferred)
    assert told.after == after


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("asked", "after", "told"),
    [
        ("1000000000", LONGEST_WAIT, "Retry-After: 1000000000 is cut to a day"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT, "is cut to a day"),
        ("-5", None, "Retry-After: -5 is not a time to wait"),
        ("inf", None, "is not a time to wait"),
        (SECRET, None, "is not a time to wait"),
        ("7", 7.0, ""),
        ("Wed, 02 Dec 2026 10:00:07 GMT", 7.0, ""),
    ],
)
def test_a_wait_that_is_not_followed_is_said(
    version: str, asked: str, after: float | None, told: str
) -> None:
    for status, kind in ((429, Deferred), (503, InDoubt)):
        said = outcome(version, status, b"{}", Retry_After=asked)
        assert isinstance(said, kind)
        assert said.after == after
        assert told in said.detail
        assert bool(said.detail) == bool(told)
        assert SECRET not in said.detail


def test_waits_of_v1_and_of_faults() -> None:
    told = outcome("v1", 429, v1_error("RATE_LIMITED"), Retry_After="60")
    assert isinstance(told, Deferred)
    assert told.after == 60.0
    told = outcome("v2", 503, v2_error("platformUnavailable", {"retryAfterSeconds": 12}))
    assert isinstance(told, InDoubt)
    assert told.after == 12.0


def test_details_are_readable_and_harmless() -> None:
    issues = [{"path": ["target", "platformId"], "message": "too short"}, 5, {"path": 1}]
    told = outcome("v2", 400, v2_error("invalidRequest", {"issues": issues}))
    assert isinstance(told, Rejected)
    assert told.detail.startswith("Words. (target.platformId: too short")
    told = outcome("v2", 422, v2_error("recipientUnavailable", {"reason": "blocked\x1b[31m\nyou"}))
    assert isinstance(told, Rejected)
    assert told.detail == "Words. (reason: blocked [31m you)"
    body = v2_error("contentRejected", {"detail": SECRET})
    body["message"] = SECRET + "x" * 5000
    told = outcome("v2", 422, body)
    assert isinstance(told, Rejected)
    assert SECRET not in told.detail
    assert len(told.detail) == 300
    told = outcome("v2", 307, b"", Location=f"https://else/?t={SECRET}")
    assert SECRET not in repr(told)


NAMES = ["code", "message", "details", "error", "id", "thread", "threadId", "issues", "path"]
NAMES += ["messageId", "retryAfterSeconds", "resetAt", "requestId"]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["sendInProgress", "rateLimited", "2026-12-02T10:00:00Z", "9999-99-99"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
BODIES = st.none() | st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "Location", "Sunset", "Date", "X-Request-Id"]),
    st.text(max_size=40) | st.sampled_from(["60", DATE, "Mon, 99 Foo 0000 99:99:99"]),
    max_size=4,
)


@settings(max_examples=400, deadline=None)
@given(
    version=st.sampled_from(VERSIONS),
    status=st.integers(100, 999) | st.sampled_from([200, 201, 400, 404, 409, 422, 429, 502]),
    body=BODIES,
    headers=HEADERS,
)
def test_any_answer_has_an_outcome(
    version: str, status: int, body: bytes | None, headers: dict[str, str]
) -> None:
    reply = Reply(status, CIMultiDict(headers), body, "lost", None)
    told = CHANNELS[version].outcome(reply)
    assert isinstance(told, get_args(Outcome))
    if isinstance(told, Accepted):
        assert status in (200, 201)
        assert told.message_id
        assert told.thread_id
    elif status < 400 or status >= 500:
        assert isinstance(told, InDoubt)
    for text in (getattr(told, "detail", ""), getattr(told, "stop", ""), repr(told)):
        assert "\n" not in text
        text.encode()


@settings(max_examples=200)
@given(st.text() | st.integers() | st.floats() | st.none() | st.binary())
def test_readers_never_raise(value: object) -> None:
    token = Token(SECRET)
    for read in (parse_time, parse_seconds, text_id):
        read(value)
    assert len(clean(value, token)) <= 300
    if isinstance(value, str):
        parse_http_date(value)
        retry_after(Reply(429, CIMultiDict({"Retry-After": value}), b""), 0.0)


def test_http_date_is_read() -> None:
    assert parse_http_date(DATE) == DATE_AT
    assert parse_time("2026-12-02T10:00:00.000Z") == DATE_AT
    assert parse_time("2026-12-02T10:00:00") == DATE_AT
    assert text_id(True) == ""
    assert text_id("a b") == ""
    assert text_id("\ud800") == ""


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "told"),
    [
        ("300", "17", str(int(DATE_AT) + 40), Quota(300, 17, 40.0)),
        ("300", "0", str(int(DATE_AT)), Quota(300, 0, 0.0)),
        ("300", "0", str(int(DATE_AT) - 1), Quota(300, 0, 0.0)),
        ("300", "300", None, Quota(300, 300)),
        (
            "300",
            "1",
            "40",
            Quota(300, 1),
        ),  # seconds to go, perhaps: v2's unit is not documented
        ("300", "1", str(int(DATE_AT) * 1000), Quota(300, 1)),
        ("300", "1", str(int(DATE_AT) + 10**6), Quota(300, 1)),
        ("300", "1", str(int(DATE_AT) - 60), Quota(300, 1)),
        ("300", "1", "soon", Quota(300, 1)),
        ("300", "301", None, None),
        ("0", "0", None, None),
        ("300", "-1", None, None),
        ("300", "1.5", None, None),
        ("1" * 40, "1", None, None),
        ("٣٠٠", "1", None, None),
        (None, "1", None, None),
        ("300", None, None, None),
    ],
)
def test_what_is_left_of_the_teams_limits(
    limit: str | None, remaining: str | None, reset: str | None, told: Quota | None
) -> None:
    named = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining}
    headers = {**named, "X-RateLimit-Reset": reset}
    given = CIMultiDict({name: value for name, value in headers.items() if value is not None})
    assert quota(Reply(201, given, b"", "", DATE_AT), 0.0) == told
    assert quota(Reply(201, given, b""), DATE_AT) == told
