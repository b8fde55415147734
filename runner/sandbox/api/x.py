"""X's own API, as far as it gives ids for handles (xdevplatform/docs openapi.json).

It knows the people of ``POST /sandbox/people``. Forms of errors: xdevplatform/docs
x-api/fundamentals/response-codes-and-errors.mdx, and answers quoted in public repositories.
"""

import asyncio
import math
import re
from typing import Any

from aiohttp import web

from runner.sandbox.options import Options
from runner.sandbox.people import People
from runner.sandbox.quotas import Window

USERNAME = re.compile(r"[A-Za-z0-9_]{1,15}")
MOST = 100
"""Usernames of one request."""

WINDOW = 900.0
"""Seconds of X's window."""

_PROBLEMS = "https://api.x.com/2/problems"


class XApi:
    """X's API beside a sandbox. ``asked``: the usernames of every request that was answered;
    ``charged``: how many people were returned, which X charges for."""

    def __init__(self, options: Options, people: People) -> None:
        self._options = options
        self._people = people
        self._window = Window("15 minutes", WINDOW, options.x_requests)
        self._trouble: list[int] = []
        self.asked: list[list[str]] = []
        self.charged = 0

    def trouble(self, statuses: list[int]) -> None:
        """Say what the next requests get, in their order: a status, or 0 for no answer at all; 200
        for what they would get."""
        self._trouble = statuses

    def counts(self) -> dict[str, Any]:
        """Return what was asked and charged so far, and the troubles that are left."""
        return {
            "requests": len(self.asked),
            "asked": self.asked,
            "charged": self.charged,
            "trouble": self._trouble,
        }

    async def users_by(self, request: web.Request) -> web.Response:
        """GET /2/users/by."""
        now = self._options.clock()
        if self._options.latency:
            await self._options.sleep(self._options.latency)
        if request.headers.get("Authorization") != f"Bearer {self._options.x_token}":
            return _problem(401, "Unauthorized", "Unauthorized", "about:blank")
        if self._trouble and (status := self._trouble.pop(0)) != 200:
            if status == 0:
                await asyncio.Event().wait()
            return self._refuse(status, now)
        standing = self._window.standing(now)
        if standing.remaining < 1:
            return self._refuse(429, now)
        names = request.query.get("usernames", "").split(",")
        if len(names) > MOST or not all(map(USERNAME.fullmatch, names)):
            return self._refuse(400, now)
        self._window.take(now)
        self.asked.append(names)
        return web.json_response(self._answer(names), headers=self._headers(now))

    def _answer(self, names: list[str]) -> dict[str, Any]:
        found, errors = [], []
        for name in names:
            person = self._people.on_x(name)
            if person is not None and person.on_x == "active":
                user = {"id": person.platform_id, "name": person.name, "username": person.username}
                found.append(user)
            elif person is not None and person.on_x == "suspended":
                errors.append(_gone(name, "Forbidden", f"User has been suspended: [{name}]."))
            else:
                text = f"Could not find user with usernames: [{name}]."
                errors.append(_gone(name, "Not Found Error", text))
        self.charged += len(found)
        # In no promised order; without anyone found there is no `data`.
        answer: dict[str, Any] = {"data": found[::-1]} if found else {}
        return answer | ({"errors": errors} if errors else {})

    def _headers(self, now: float) -> dict[str, str]:
        standing = self._window.standing(now)
        return {
            "x-rate-limit-limit": str(standing.limit),
            "x-rate-limit-remaining": str(standing.remaining),
            "x-rate-limit-reset": str(math.ceil(standing.reset_at)),
        }

    def _refuse(self, status: int, now: float) -> web.Response:
        title, detail, kind = {
            400: (
                "Invalid Request",
                "One or more parameters to your request was invalid.",
                "invalid-request",
            ),
            402: ("CreditsDepleted", "Your account has no credits left.", "credits"),
            403: ("Forbidden", "This app may not use this endpoint.", "client-forbidden"),
            429: ("Too Many Requests", "Too Many Requests", "rate-limit-exceeded"),
        }.get(status, ("Internal Server Error", "Something is broken.", "about:blank"))
        response = _problem(status, title, detail, f"{_PROBLEMS}/{kind}")
        response.headers.update(self._headers(now))
        return response


def _problem(status: int, title: str, detail: str, kind: str) -> web.Response:
    body = {"title": title, "detail": detail, "type": kind, "status": status}
    return web.json_response(body, status=status, content_type="application/problem+json")


def _gone(name: str, title: str, detail: str) -> dict[str, str]:
    return {
        "value": name,
        "detail": detail,
        "title": title,
        "resource_type": "user",
        "parameter": "usernames",
        "resource_id": name,
        "type": f"{_PROBLEMS}/resource-not-found",
    }
