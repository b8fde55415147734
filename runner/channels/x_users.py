"""X's own API, for the ids of handles: `GET /2/users/by`.

Facts: xdevplatform/docs `openapi.json`, `x-api/fundamentals/rate-limits.mdx` and
`x-api/fundamentals/response-codes-and-errors.mdx`. Up to 100 usernames in one parameter; found ones
in `data`, in no promised order and in the account's own spelling, the others in `errors`, with
status 200; without anyone found `data` is missing. It only reads: to ask again costs money, and
does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runner.channels.base import AskLater
from runner.channels.http import HttpSession, NoAnswer
from runner.channels.responses import (
    LONGEST_WAIT,
    WHOLE_SECOND,
    Reply,
    as_map,
    clean,
    retry_after,
    text_id,
)
from runner.errors import ChannelError

_RETRIED = (500, 502, 503, 504)
_UNIX = re.compile(r"[0-9]{9,11}")


class XUser(NamedTuple):
    """An account of X."""

    id: str
    username: str
    name: str


class XAnswer(NamedTuple):
    """An answer of X: who was found, and the usernames that it says are suspended or not found.
    A name in none of them was not answered."""

    found: Sequence[XUser]
    suspended: frozenset[str]
    not_found: frozenset[str]


class XUsers:
    """Asks X's API with an app's token."""

    def __init__(self, http: HttpSession) -> None:
        self._http = http

    async def by_username(self, usernames: Sequence[str]) -> XAnswer:
        """Ask for up to 100 usernames, all in the form that X has. Raises AskLater where it can be
        asked again, ChannelError where a person must act."""
        url = self._http.url("2", "users", "by")
        try:
            reply = await self._http.get(url, {"usernames": ",".join(usernames)})
        except NoAnswer as silence:
            if silence.stop:
                raise ChannelError(f"X's API: {silence}", silence.stop) from None
            raise AskLater(f"no answer of X's API: {silence}", None) from None
        if reply.status == 429:
            raise AskLater("X's request limit is used up", self._reset(reply))
        if reply.status in _RETRIED:
            raise AskLater(f"X's API has trouble (HTTP {reply.status})", None)
        if reply.status != 200:
            raise self._error(reply)
        try:
            body = as_map(reply.json())
        except ValueError as error:
            raise AskLater(f"X's answer could not be read: {error}", None) from None
        data, errors = body.get("data", []), body.get("errors", [])
        if not isinstance(data, list) or not isinstance(errors, list):
            raise self._foreign("it lacks what the API answers")
        return self._answer(data, errors)

    def _answer(self, data: Sequence[object], errors: Sequence[object]) -> XAnswer:
        token = self._http.token
        found = []
        for user in map(as_map, data):
            id, username = text_id(user.get("id")), clean(user.get("username"), token)
            if id and username:
                found.append(XUser(id, username, clean(user.get("name"), token)))
        gone: dict[bool, set[str]] = {True: set(), False: set()}
        for error in map(as_map, errors):
            kind = clean(error.get("type"), token)
            if kind.endswith("/resource-not-found"):
                # Both have this type: only title and detail tell them apart.
                said = f"{clean(error.get('title'), token)} {clean(error.get('detail'), token)}"
                suspended = "suspended" in said.lower()
                gone[suspended].add(clean(error.get("value"), token).lower())
        return XAnswer(found, frozenset(gone[True]), frozenset(gone[False]))

    def _reset(self, reply: Reply) -> float | None:
        """Return in how many seconds there are requests again."""
        now = self._http.server_now() if reply.server_at is None else reply.server_at
        at = reply.headers.get("x-rate-limit-reset", "")
        if _UNIX.fullmatch(at):
            return min(max(0.0, int(at) - now), LONGEST_WAIT) + WHOLE_SECOND
        return retry_after(reply, now)

    def _error(self, reply: Reply) -> ChannelError:
        try:
            body: Mapping[str, object] = as_map(reply.json())
        except ValueError:
            body = {}
        token = self._http.token
        said = clean(body.get("detail"), token) or clean(body.get("title"), token)
        told = f"X's API answers HTTP {reply.status}" + (f": {said}" if said else "")
        match reply.status:
            case 401:
                return ChannelError(
                    f"X refuses the token (401){': ' + said if said else ''}",
                    "set X_BEARER_TOKEN to an app's own token, from X's developer console",
                )
            case 402:
                return ChannelError(told, "buy credits in X's developer console, then go on")
            case 403:
                return ChannelError(told, "see in X's developer console what this app may ask")
        return ChannelError(told, "see X's developer console")

    def _foreign(self, what: str) -> ChannelError:
        told = f"{self._http.base} does not answer like X's API: {what}"
        return ChannelError(told, "check --x-url, and whether a proxy stands between")

    async def close(self) -> None:
        await self._http.close()
