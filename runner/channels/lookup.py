"""Look-ups: gated GETs, and the meaning of their failures.

A look-up turns every failure into `Unclear`; a check before the run turns it into `ChannelError`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from runner.channels.base import ASKED_AT, Gate, Lookup, Taken
from runner.channels.http import HttpSession, NoAnswer
from runner.channels.responses import (
    NETWORK_LOGIN,
    PROXY_LOGIN,
    Refusal,
    Reply,
    clean,
    parse_time,
    quota,
    retry_after,
)
from runner.clock import iso
from runner.errors import ChannelError
from runner.instrumentation import Purpose
from runner.message.evidence import CLOCK_SLACK
from runner.message.outcome import Absent, Found, LookupResult, Unclear

EARLY = 30.0
"""Seconds before that in which a message of ours is neither proof nor passed over: the clock that
stamps messages need not be the one that writes `Date`. Our own choice, far above a drift of
machines that keep time; what acceptances show of a greater one is added, and where none has shown
anything, nothing is passed over."""

MOST_PAGES = 20
"""Pages of one list that a look-up reads. Our own choice: 2,000 messages."""

_PATH_ID = re.compile(r"[0-9A-Za-z_-]{1,200}")

ReadRefusal = Callable[[Reply], Refusal]

Query = Mapping[str, str] | Sequence[tuple[str, str]]
"""The parameters of a question; pairs where a name stands more than once."""


class UnclearAnswer(Exception):
    """A look-up cannot go on: `str()` becomes the reason of `Unclear`."""

    def __init__(
        self, reason: str, after: float | None = None, *, asked: bool = True, status: int = 0
    ) -> None:
        super().__init__(reason)
        self.after = after
        self.asked = asked
        self.status = status  # HTTP's, of a refusal


def path_id(value: str) -> str:
    """Return `value` if it can stand in a path. Raises UnclearAnswer: an odd id could name another
    resource."""
    if not _PATH_ID.fullmatch(value):
        raise UnclearAnswer("the answer could not be read (an id)")
    return value


class ApiReader:
    """Asks one version of the API, each question inside the gate."""

    def __init__(self, http: HttpSession, gate: Gate, refusal: ReadRefusal) -> None:
        self._http = http
        self._gate = gate
        self._refusal = refusal

    async def _get(self, purpose: Purpose, parts: Iterable[str], params: Query | None) -> Reply:
        async with self._gate() as hear:
            ASKED_AT.set(self._http.clock.boot())
            url = self._http.url(*parts)
            if params is None or isinstance(params, Mapping):
                reply = await self._http.get(url, params, purpose)
            else:
                reply = await self._http.get(url.with_query(list(params)), None, purpose)
            if hear is not None:
                hear(quota(reply, self._http.server_now()))
            return reply

    async def look(
        self,
        *parts: str,
        params: Mapping[str, str] | None = None,
        purpose: Purpose = Purpose.LOOK_UP,
    ) -> object:
        """Return the JSON of a look-up's question. Raises UnclearAnswer for everything but a
        readable 200."""
        try:
            reply = await self._get(purpose, parts, params)
        except NoAnswer as silence:
            told = f"the look-up got no answer: {silence}"
            raise UnclearAnswer(told, asked=silence.connected) from None
        if reply.status != 200:
            refusal = self._refusal(reply)
            said = refusal.code or clean(refusal.message, self._http.token)
            after = retry_after(reply, self._http.server_now())
            raise UnclearAnswer(
                f"the look-up was refused: HTTP {reply.status} {said}".rstrip(),
                after,
                status=reply.status,
            )
        try:
            return reply.json()
        except ValueError as error:
            raise UnclearAnswer(f"the look-up's answer could not be read: {error}") from None

    async def must(self, *parts: str, params: Query | None = None) -> object:
        """Return the JSON of a question that the run needs answered; raises `ChannelError`."""
        where = "/".join(("", *parts))
        try:
            reply = await self._get(Purpose.CHECK, parts, params)
        except NoAnswer as silence:
            raise ChannelError(
                f"cannot reach the API at {self._http.base}: {silence}",
                silence.stop or "check the network and api.base_url, then run again",
            ) from None
        if reply.status != 200:
            error = self._error(reply, where)
            error.status = reply.status
            raise error
        try:
            return reply.json()
        except ValueError as error:
            raise self.foreign(where, str(error)) from None

    async def change(self, method: str, *parts: str, data: bytes | None = None) -> Reply:
        """Return the answer to a change that may be repeated; raises `ChannelError` for none, and
        for one that is no success."""
        async with self._gate() as hear:
            try:
                reply = await self._http.write(method, self._http.url(*parts), data)
            except NoAnswer as silence:
                told = f"cannot reach the API at {self._http.base}: {silence}"
                raise ChannelError(told, silence.stop) from None
            if hear is not None:
                hear(quota(reply, self._http.server_now()))
        if not 200 <= reply.status < 300:
            error = self._error(reply, "/".join(("", *parts)))
            error.status, error.code = reply.status, self._refusal(reply).code
            raise error
        return reply

    def foreign(self, where: str, what: str = "it lacks what the API answers") -> ChannelError:
        """Return the error for a 200 that is not the API's."""
        return ChannelError(
            f"{self._http.base}{where} does not answer like the Inbox API: {what}",
            "check api.base_url and api.version, and whether a proxy stands between",
        )

    def _error(self, reply: Reply, where: str) -> ChannelError:
        token = self._http.token
        refusal = self._refusal(reply)
        said = clean(refusal.message, token) or refusal.code
        told = f": {said}" if said else ""
        match reply.status:
            case 401:
                return ChannelError(
                    "the API refuses the token (401)",
                    "take a valid key from Inbox: Settings, API Keys",
                )
            case 403:
                return ChannelError(
                    f"the API forbids {where} to this token (403){told}",
                    "check the team's plan and add-ons, and whose token it is",
                )
            case 429:
                now = self._http.server_now()
                wait = retry_after(reply, now)
                until = f" until {iso(now + wait)}" if wait is not None else ""
                return ChannelError(
                    f"the API's request limit is used up{until} (429){told}",
                    "run again then; other programs of the team share this limit",
                )
            case status if status in (PROXY_LOGIN, NETWORK_LOGIN):
                return self.foreign(where, f"HTTP {status}{told}")
            case status if 300 <= status < 400:
                to = clean(reply.headers.get("Location"), token) or "another address"
                return ChannelError(
                    f"{self._http.base} answers with a redirect to {to}",
                    "set api.base_url to the API's own address",
                )
            case status if 400 <= status < 500:
                return ChannelError(
                    f"{self._http.base}{where} answers HTTP {status}{told}",
                    "check api.base_url and api.version",
                )
            case status:
                return ChannelError(
                    f"{self._http.base}{where} answers HTTP {status}{told}",
                    "the API has trouble: run again later",
                )


class Candidate(NamedTuple):
    """A message of ours at or after the attempt. `why` says how it differs from what was sent,
    empty if it does not."""

    id: str
    thread_id: str
    at: float
    why: str = ""


UNMEASURED = (
    "; no acceptance of that time tells how far the API's clocks are apart, so it may be the one"
)
FROM_BEFORE = "the very message is there, but from before the attempt, and is not another row's"


class History:
    """The part of one or more threads that a look-up has read: the new messages of ours, and
    whether the pages so far reach behind the attempt."""

    def __init__(self, lookup: Lookup) -> None:
        self._floor = lookup.not_before - CLOCK_SLACK
        self.reach = -math.inf
        """Older messages are passed over, but for the very message."""
        if lookup.stamped_from is not None:
            self.reach = min(self._floor, lookup.stamped_from - CLOCK_SLACK) - EARLY
        self.ids: set[str] = set()
        self._candidates: list[Candidate] = []
        self.syncing = False
        self.start_thread()

    def start_thread(self) -> None:
        self._last: float | None = None
        self._falling = True
        self._fell = False

    def pass_by(self, at: float | None) -> None:
        """Note the time of the next message in the list's own order."""
        if at is None:
            self._falling = False
            return
        if self._last is not None:
            self._falling &= at <= self._last
            self._fell |= at < self._last
        self._last = at

    def add(self, candidate: Candidate) -> None:
        if not candidate.why and candidate.at < self._floor:
            candidate = candidate._replace(why=FROM_BEFORE)
        elif candidate.at < self._floor - EARLY and self.reach == -math.inf:
            candidate = candidate._replace(why=candidate.why + UNMEASURED)
        self._candidates.append(candidate)

    def behind(self) -> bool:
        """Return whether the list is visibly newest first and has come to messages from before the
        attempt."""
        return self._falling and self._fell and self._last is not None and self._last < self.reach

    async def fits(self, taken: Taken) -> bool:
        """Return whether a message was read that is the one."""
        return isinstance(await self.finding(taken), Found)

    async def finding(self, taken: Taken) -> LookupResult:
        """Return the earliest message that is the one, else what stands against its absence."""
        why = ""
        for candidate in sorted(self._candidates, key=lambda c: (c.why != "", c.at, c.id)):
            if await taken(candidate.id):
                continue
            if not candidate.why:
                return Found(candidate.id, candidate.thread_id)
            why = why or candidate.why
        if why:
            return Unclear(why)
        if self.syncing:
            return Unclear("syncing")
        return Absent("no message of this sender since the attempt")


def message_time(message: Mapping[str, object]) -> float | None:
    return parse_time(message.get("createdAt"))


async def unclear_on_error(search: Awaitable[LookupResult]) -> LookupResult:
    """Return the search's finding, or `Unclear` with the reason why it could not go on."""
    try:
        return await search
    except UnclearAnswer as murk:
        return Unclear(str(murk), murk.after, murk.asked)
