"""One API request as the handlers see it, the answer they give, and reading of their input."""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runner.sandbox.api.refusals import bad_request
from runner.sandbox.faults import Fault

INBOX_ID = re.compile(r"^[0-9a-z]+$")
"""Pattern of Inbox ids (InboxHQ/inboxapp-sdk spec/openapi.json)."""

JSON_TYPE = "application/json"


@dataclass
class Answer:
    """A reply: its status, body and headers."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


def json_answer(status: int, value: object) -> Answer:
    """Answer with a JSON value."""
    return Answer(status, json.dumps(value).encode())


@dataclass
class Call:
    """One request. ``gone`` is set when the client has closed its connection."""

    version: int
    method: str
    route: str
    params: Mapping[str, str]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    now: float
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    fault: Fault | None = None

    def inbox_id(self, name: str) -> str:
        """Return a path parameter that has to be an Inbox id. Raises Refusal (400)."""
        value = self.params[name]
        if not INBOX_ID.match(value):
            raise bad_request([name], f"must match {INBOX_ID.pattern}")
        return value

    def many(self, name: str, *, ids: bool = False, brackets: bool = False) -> list[str]:
        """Return every value of a query parameter that may be repeated.

        v1 takes ``name[]`` and ``name[0]`` as well; v2 refuses brackets.
        """
        keys = [name]
        for key in self.query:
            if re.fullmatch(re.escape(name) + r"\[[0-9]*\]", key):
                if not brackets:
                    raise bad_request([key], "repeat the name instead of brackets")
                if key not in keys:
                    keys.append(key)
        values = [value for key in keys for value in self.query.get(key, [])]
        for value in values:
            if ids and not INBOX_ID.match(value):
                raise bad_request([name], f"must match {INBOX_ID.pattern}")
        return values

    def one(
        self, name: str, *, required: bool = False, inbox_id: bool = False, of: str = ""
    ) -> str | None:
        """Return the value of a query parameter, None when absent; ``of`` lists the values
        allowed."""
        values = self.query.get(name, [])
        if len(values) > 1:
            raise bad_request([name], "stands more than once")
        if not values:
            if required:
                raise bad_request([name], "is required")
            return None
        if inbox_id and not INBOX_ID.match(values[0]):
            raise bad_request([name], f"must match {INBOX_ID.pattern}")
        if of and values[0] not in of.split():
            raise bad_request([name], f"must be one of {of}")
        return values[0]

    def whole(self, name: str, least: int, most: int, default: int) -> int:
        """Return a whole number of the query. Raises Refusal (400) when it is not one, or out of
        range."""
        text = self.one(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,16}", text) or not least <= int(text) <= most:
            raise bad_request([name], f"must be a whole number from {least} to {most}")
        return int(text)


def json_object(body: bytes) -> dict[str, Any]:
    """Return the request body as a JSON object. Raises Refusal (400)."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise bad_request([], "is not JSON") from None
    if not isinstance(value, dict):
        raise bad_request([], "must be an object", code="invalidValues")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(name)


def text_field(
    value: Mapping[str, Any],
    name: str,
    *,
    inside: list[str | int] | None = None,
    required: bool = True,
    inbox_id: bool = False,
) -> str | None:
    """Return a string of a JSON object, not empty. Raises Refusal (v1 422, v2 400)."""
    path = [*(inside or []), name]
    if name not in value:
        if required:
            raise bad_request(path, "is required", code="invalidValues")
        return None
    text = value[name]
    if not isinstance(text, str) or not text:
        raise bad_request(path, "must be a string of 1 character or more", code="invalidValues")
    if inbox_id and not INBOX_ID.match(text):
        raise bad_request(path, f"must match {INBOX_ID.pattern}", code="invalidValues")
    return text


def is_time(text: str) -> bool:
    """Say whether a text is an ISO 8601 date and time."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T" in text
