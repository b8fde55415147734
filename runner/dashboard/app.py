"""The application: the routes of the dashboard, its templates, and its pages for errors."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial
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
from runner.dashboard import presentation
from runner.dashboard.cache import Cache
from runner.dashboard.campaign_forms import CAMPAIGN_FORMS
from runner.dashboard.context import AppContext, Command
from runner.dashboard.forms import form_routes
from runner.dashboard.message_forms import LIST_FORMS, MESSAGE_FORMS
from runner.dashboard.views import page_routes
from runner.errors import RunnerError
from runner.formats import by_handle, duration
from runner.ledger.pagination import NoSuchPage
from runner.project.ledgers.ledger_location import ledger_upward
from runner.project.ledgers.ledger_reader import LedgerReader
from runner.project.open import location_of
from runner.report.html import escaping_environment


def dashboard_of(
    campaign: Path | None,
    state: str | None,
    environ: Mapping[str, str],
    folder: Path,
    command: Command,
    *,
    read_only: bool,
) -> Starlette:
    """Return the dashboard of a campaign's ledger, or of the one found upward from `folder`. Raises
    RunnerError when there is none to read."""
    if campaign is not None:
        location = location_of(campaign, state, environ)
    else:
        location = ledger_upward(state, environ, folder)
    clock = SystemClock()
    reader = LedgerReader(location)
    reader.read(lambda ledger: ledger.place)
    app = AppContext(reader, Cache(reader, clock), clock, environ, command, read_only, _templates())
    routes: list[BaseRoute] = [] if read_only else [*form_routes(app, FORMS)]
    routes += page_routes(app)
    routes.append(Mount("/static", _Static(directory=os.fspath(Path(__file__).parent / "static"))))
    return Starlette(
        routes=routes,
        exception_handlers={
            RunnerError: partial(_runner_error, app),
            HTTPException: partial(_http_error, app),
            Exception: partial(_bug, app),
        },
    )


class _Number(IntegerConvertor):
    """The number of a campaign or message in an address: no more digits than a ledger can hold."""

    regex = "[0-9]{1,18}"


register_url_convertor("number", _Number())

FORMS = {
    **{f"/campaigns/{{id:number}}/{name}": form for name, form in CAMPAIGN_FORMS.items()},
    **{f"/messages/{{id:number}}/{name}": form for name, form in MESSAGE_FORMS.items()},
    **{f"/do-not-contact/{name}": form for name, form in LIST_FORMS.items()},
}
"""The forms by their address."""


class _Static(StaticFiles):
    """Files that a browser may keep: their addresses name the version."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "private, max-age=3600"
        return response


def _templates() -> Environment:
    made = escaping_environment(PackageLoader("runner.dashboard"))
    made.filters["iso"] = iso
    made.filters["duration"] = duration
    made.filters["by_handle"] = by_handle
    made.filters["cells"] = json.loads
    made.globals |= {"called": presentation.NAMES, "signs": presentation.SIGNS}
    return made


def _runner_error(app: AppContext, request: Request, error: Exception) -> Response:
    assert isinstance(error, RunnerError)
    told = f"{error}. {error.hint}" if error.hint else str(error)
    if isinstance(error, NoSuchPage):
        return _http_error(app, request, HTTPException(404, told))
    reading = request.method == "GET"
    context = {"heading": "Not now" if reading else "Not done", "line": "", "trouble": told}
    status = 503 if reading else 409
    return app.page(request, "plain.html", {**context, "live": reading}, status)


def _http_error(app: AppContext, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    line = str(error.detail) if error.detail != "Not Found" else "There is nothing here."
    context = {"heading": "Nothing here", "line": line, "live": False}
    return app.page(request, "plain.html", context, error.status_code)


def _bug(app: AppContext, request: Request, error: Exception) -> Response:
    told = "This is a bug of the dashboard. The terminal where it runs names its log."
    return app.page(request, "plain.html", {"heading": "Not now", "line": "", "trouble": told}, 500)
