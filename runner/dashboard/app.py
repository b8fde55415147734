"""The dashboard as an application: its addresses, its templates, and what it says when the ledger
fails."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from runner.clock import SystemClock, iso
from runner.dashboard import campaign_forms, message_forms, presentation
from runner.dashboard.cache import Shared
from runner.dashboard.context import Command, House
from runner.dashboard.forms import act_routes
from runner.dashboard.views import page_routes
from runner.errors import RunnerError
from runner.ledger.pagination import NoSuchPage
from runner.project.ledger_location import ledger_upward
from runner.project.ledger_reader import LedgerReader
from runner.project.open import location_of
from runner.report.html import escaping


def dashboard_of(
    campaign: Path | None,
    state: str | None,
    environ: Mapping[str, str],
    folder: Path,
    command: Command,
    *,
    read_only: bool,
) -> Starlette:
    """The dashboard of a campaign's ledger, or of the one found upward from `folder`. Raises
    RunnerError when there is none to look at."""
    if campaign is not None:
        location = location_of(campaign, state, environ)
    else:
        location = ledger_upward(state, environ, folder)
    clock = SystemClock()
    looks = LedgerReader(location)
    looks.read(lambda ledger: ledger.place)
    house = House(looks, Shared(looks, clock), clock, environ, command, read_only, _templates())
    routes: list[BaseRoute] = [] if read_only else [*act_routes(house, ACTS)]
    routes += page_routes(house)
    routes.append(Mount("/static", _Kept(directory=os.fspath(Path(__file__).parent / "static"))))
    return Starlette(
        routes=routes,
        exception_handlers={
            RunnerError: _failing(house),
            HTTPException: _missing(house),
            Exception: _broken(house),
        },
    )


class _Number(IntegerConvertor):
    """Of a campaign or message, in an address: no more digits than every ledger can look for."""

    regex = "[0-9]{1,18}"


register_url_convertor("number", _Number())

ACTS = {
    **{f"/campaigns/{{id:number}}/{name}": act for name, act in campaign_forms.ACTS.items()},
    **{f"/messages/{{id:number}}/{name}": act for name, act in message_forms.ACTS.items()},
    **{f"/do-not-contact/{name}": act for name, act in message_forms.LIST_ACTS.items()},
}
"""What can be done, and under which address."""


class _Kept(StaticFiles):
    """Files that a browser may keep: their addresses name the version."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "private, max-age=3600"
        return response


def _templates() -> Environment:
    made = escaping(PackageLoader("runner.dashboard"))
    made.filters["iso"] = iso
    made.filters["cells"] = json.loads
    made.globals |= {"called": presentation.CALLED, "signs": presentation.SIGNS}
    return made


Handler = Callable[[Request, Exception], Response]


def _failing(house: House) -> Handler:
    def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, RunnerError)
        told = f"{error}. {error.hint}" if error.hint else str(error)
        if isinstance(error, NoSuchPage):
            return _missing(house)(request, HTTPException(404, told))
        done = request.method == "GET"
        context = {"heading": "Not now" if done else "Not done", "line": "", "trouble": told}
        return house.page(request, "plain.html", {**context, "live": done}, 503 if done else 409)

    return answer


def _missing(house: House) -> Handler:
    def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        line = str(error.detail) if error.detail != "Not Found" else "There is nothing here."
        context = {"heading": "Nothing here", "line": line, "live": False}
        return house.page(request, "plain.html", context, error.status_code)

    return answer


def _broken(house: House) -> Handler:
    def answer(request: Request, error: Exception) -> Response:
        told = "This is a bug of the dashboard. The terminal where it runs names its log."
        context = {"heading": "Not now", "line": "", "trouble": told}
        return house.page(request, "plain.html", context, 500)

    return answer
