"""What a person may do here: each is asked first, with what it would come to in numbers, and then
done by the same code as on the command line, which writes down who did it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from runner.dashboard.context import House
from runner.ledger.ledger import Ledger

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and where to go from it. `do`: the word on the button, empty where nothing can be
    done; `fields`: what the answer carries; `reason`: whether to ask why."""

    title: str
    lines: list[str]
    do: str
    back: str
    text: str = ""
    fields: Fields = field(default_factory=dict)
    reason: bool = False


Ask = Callable[[House, Ledger, Fields], Asked]
"""Raises LookupError when there is nothing that it could be about."""
Do = Callable[[House, Fields], tuple[str, str]]
"""Does it; what came of it in words, and the page to go back to."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something to do: how it is asked, and how it is done."""

    ask: Ask
    do: Do


def act_routes(house: House, acts: Mapping[str, Act]) -> list[Route]:
    """Each act under an address of its own: looked at, it asks; posted to, it does."""
    return [
        route
        for path, act in acts.items()
        for route in (
            Route(path, partial(_asked, house, act), methods=["GET"]),
            Route(path, partial(_done, house, act), methods=["POST"]),
        )
    ]


async def _asked(house: House, act: Act, request: Request) -> Response:
    fields = {key: value for key, value in request.query_params.items() if len(value) < 300}
    fields |= {key: str(value) for key, value in request.path_params.items()}

    def ask() -> Response:
        try:
            found = house.looks.read(lambda ledger: act.ask(house, ledger, fields))
        except LookupError:
            raise HTTPException(404) from None
        context = {"asked_for": found, "action": request.url.path, "live": False}
        return house.page(request, "confirm.html", context)

    return await run_in_threadpool(ask)


async def _done(house: House, act: Act, request: Request) -> Response:
    if request.headers.get("content-type") != "application/x-www-form-urlencoded":
        raise HTTPException(415, "This is no form of ours.")
    try:
        said = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=20)
    except (ClientDisconnect, ValueError):  # it went away half-way, or has too many fields
        raise HTTPException(400, "This is no form of ours.") from None
    fields = {key: values[-1] for key, values in said.items()}
    if not hmac.compare_digest(fields.pop("word", "").encode(), request.state.form_word.encode()):
        raise HTTPException(403, "This form is of another session: open the page again.")
    fields |= {key: str(value) for key, value in request.path_params.items()}
    try:
        told, back = await run_in_threadpool(act.do, house, fields)
    except LookupError:
        raise HTTPException(404) from None
    house.shared.forget()
    return RedirectResponse(back + house.say(told), 303)
