"""The forms: each asks first, with what the answer would do in numbers, and then does it by the
same code as the command line, which writes down who did it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from runner.dashboard.context import AppContext
from runner.dashboard.csrf import is_csrf_token
from runner.ledger.ledger import Ledger

Fields = Mapping[str, str]


def _no_campaigns(ledger: Ledger, fields: Fields) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and where to go from it. `button`: its words, empty where nothing can be done;
    `fields`: what the answer carries; `reason`: whether to ask why."""

    title: str
    lines: list[str]
    button: str
    back: str
    text: str = ""
    fields: Fields = field(default_factory=dict)
    reason: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form. `ask` makes its question of the ledger, which it only reads; `act` changes the ledger
    and returns the result in words, and the page to go back to; `campaigns` returns the names
    of the campaigns that it is about. Each raises LookupError when there is nothing that it could
    be about."""

    ask: Callable[[AppContext, Ledger, Fields], Question]
    act: Callable[[AppContext, Ledger, Fields], tuple[str, str]]
    campaigns: Callable[[Ledger, Fields], Sequence[str]] = _no_campaigns


def form_routes(app: AppContext, forms: Mapping[str, Form]) -> list[Route]:
    """Return a GET route that asks and a POST route that acts, for the address of each form."""
    return [
        route
        for path, form in forms.items()
        for route in (
            Route(path, partial(_ask, app, form), methods=["GET"]),
            Route(path, partial(_submit, app, form), methods=["POST"]),
        )
    ]


def _ask(app: AppContext, form: Form, request: Request) -> Response:
    fields = {key: value for key, value in request.query_params.items() if len(value) < 300}
    fields |= {key: str(value) for key, value in request.path_params.items()}
    try:
        question = app.reader.read(lambda ledger: form.ask(app, ledger, fields))
    except LookupError:
        raise HTTPException(404) from None
    context = {"question": question, "action": request.url.path, "live": False}
    return app.page(request, "confirm.html", context)


async def _submit(app: AppContext, form: Form, request: Request) -> Response:
    if request.headers.get("content-type") != "application/x-www-form-urlencoded":
        raise HTTPException(415, "This form does not come from the dashboard.")
    try:
        posted = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=20)
    except (ClientDisconnect, ValueError):  # it went away half-way, or has too many fields
        raise HTTPException(400, "This form does not come from the dashboard.") from None
    fields = {key: values[-1] for key, values in posted.items()}
    if not is_csrf_token(fields.pop("word", ""), request):
        raise HTTPException(403, "This form is of another session: open the page again.")
    fields |= {key: str(value) for key, value in request.path_params.items()}
    try:
        text, page = await run_in_threadpool(_act, app, form, fields)
    except LookupError:
        raise HTTPException(404) from None
    app.cache.clear()
    return RedirectResponse(page + app.flash(text), 303)


def _act(app: AppContext, form: Form, fields: Fields) -> tuple[str, str]:
    names = app.reader.read(lambda ledger: form.campaigns(ledger, fields))
    return app.reader.change(
        lambda ledger: form.act(app, ledger, fields), app.environ, app.clock, names
    )
