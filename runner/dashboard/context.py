"""What every page of the dashboard needs, and how a page is made of a template."""

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
from runner.dashboard.cache import Shared
from runner.ledger.engine import ledger_url, place_of
from runner.project.ledger_reader import LedgerReader

Command = Callable[..., str]
"""A command line to paste, from its words."""

MOST_SAID = 100
"""What was said about changes and not shown yet: the newest."""


@dataclass(slots=True)
class House:
    """What every page needs. `said`: what came of changes, by a word in the address of the page
    that is to say it."""

    looks: LedgerReader
    shared: Shared
    clock: Clock
    environ: Mapping[str, str]
    command: Command
    read_only: bool
    templates: Environment
    said: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def page(
        self, request: Request, name: str, context: Mapping[str, Any], status: int = 200
    ) -> Response:
        """A page made of a template. In a thread."""
        now, zone = self.clock.now(), zone_of(request)
        query = request.url.query
        common = {
            "here": request.url.path,
            "again": request.url.path + (f"?{query}" if query else ""),
            "zone_name": zone.key,
            "zone_offset": presentation.offset_of(zone, now),
            "place": place_of(ledger_url(self.looks.location)),
            "version": __version__,
            "read_only": self.read_only,
            "form_word": request.state.form_word,
            "said": self.said.get(request.query_params.get("said", ""), ""),
            "trouble": "",
            "moment": lambda at: presentation.moment(at, zone, now),
        }
        text = self.templates.get_template(name).render({**common, **context})
        return HTMLResponse(text, status)

    def say(self, text: str) -> str:
        """Keep `text` to be said by the next page; the query that makes it do so."""
        word = secrets.token_urlsafe(6)
        self.said[word] = text
        while len(self.said) > MOST_SAID:
            self.said.popitem(last=False)
        return f"?said={word}"


def zone_of(request: Request) -> ZoneInfo:
    """The viewer's zone, as its browser has said it."""
    return presentation.zone_called(unquote(request.cookies.get("zone", "UTC")))
