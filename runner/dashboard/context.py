"""The context of the dashboard: what every page needs, and how a page is made of a template."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from runner import __version__
from runner.clock import Clock
from runner.dashboard import presentation
from runner.dashboard.cache import Cache
from runner.ledger.engine import ledger_url, place_of
from runner.project.ledgers.ledger_reader import LedgerReader

Command = Callable[..., str]
"""A command line to paste, from its words."""

MOST_FLASHES = 100
"""Flash messages that are kept until their page shows them: the newest."""


@dataclass(slots=True)
class AppContext:
    """The state that every page needs. `flashes`: the results of changes, by a token in the
    address of the page that is to show it."""

    reader: LedgerReader
    cache: Cache
    clock: Clock
    environ: Mapping[str, str]
    command: Command
    read_only: bool
    templates: Environment
    flashes: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def page(
        self, request: Request, name: str, context: Mapping[str, Any], status: int = 200
    ) -> Response:
        """Make a page of a template. In a thread."""
        now, zone = self.clock.now(), zone_of(request)
        query = request.url.query
        common = {
            "here": request.url.path,
            "again": request.url.path + (f"?{query}" if query else ""),
            "zone_name": zone.key,
            "zone_offset": presentation.offset_of(zone, now),
            "place": place_of(ledger_url(self.reader.location)),
            "version": __version__,
            "read_only": self.read_only,
            "csrf_token": request.state.csrf_token,
            "flash": self.flashes.get(request.query_params.get("said", ""), ""),
            "trouble": "",
            "moment": lambda at: presentation.time_in_zone(at, zone, now),
        }
        text = self.templates.get_template(name).render({**common, **context})
        return HTMLResponse(text, status)

    def flash(self, text: str) -> str:
        """Keep `text` for the next page; return the query that makes it show it."""
        word = secrets.token_urlsafe(6)
        self.flashes[word] = text
        while len(self.flashes) > MOST_FLASHES:
            self.flashes.popitem(last=False)
        return f"?said={word}"


def zone_of(request: Request) -> ZoneInfo:
    """Return the viewer's zone, as their browser has said it."""
    return presentation.zone_called(unquote(request.cookies.get("zone", "UTC")))
