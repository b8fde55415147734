"""What is shown, under which address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runner.dashboard.context import House, zone_of
from runner.dashboard.presentation import (
    ORDER,
    POLICY,
    done_of,
    finish_of,
    sends_of,
    state_of,
    waits_for,
)
from runner.ledger.campaigns import audit
from runner.ledger.ledger import Ledger
from runner.ledger.queries import attempts, listing, totals
from runner.ledger.queries import people as queries_people
from runner.message.status import MessageStatus
from runner.status.overview import Seen, seen, standings_of
from runner.status.statistics import Figures, figures_of
from runner.status.status import needs_of

_S = MessageStatus

LINES = 15
"""Lines of the live log, and of the history beside it. Our own choice."""
AT_ONCE = 50
"""Rows of a page of a list. Our own choice."""


def page_routes(house: House) -> list[Route]:
    """The pages' addresses. They stay: people keep them."""

    def of(page: Callable[[House, Request], Response]) -> Callable[[Request], Response]:
        return lambda request: page(house, request)

    return [
        Route("/", of(overview)),
        Route("/campaigns/{id:number}", of(campaign)),
        Route("/campaigns/{id:number}/sends.svg", of(sends)),
        Route("/campaigns/{id:number}/{status}", of(listed)),
        Route("/messages/{id:number}", of(message)),
        Route("/search", of(search)),
        Route("/in-doubt", of(in_doubt)),
        Route("/history", of(what_was_done)),
        Route("/do-not-contact", of(do_not_contact)),
    ]


def overview(house: House, request: Request) -> Response:
    found = house.shared.look("all", seen(house.clock))
    standings = house.shared.soon("standings", standings_of(house.clock)) or {}
    zone, now = zone_of(request), house.clock.now()
    campaigns = [
        {
            "id": each.row.id,
            "name": each.row.name,
            "state": state_of(each.status),
            "counts": each.status.told,
            "total": each.status.total,
            "done": done_of(each.status.counts),
            "per_hour": each.status.per_hour,
            "finish": finish_of(standings[each.row.id], zone, now)
            if each.row.id in standings and each.status.brake is None
            else "",
        }
        for each in found.campaigns
    ]
    needs = [need for each in found.campaigns for need in _needs(house, each, named=True)]
    context = {
        "campaigns": campaigns,
        "needs_list": needs,
        "last_run": found.last_run,
        "alive": found.alive,
    }
    return house.page(request, "overview.html", context)


def campaign(house: House, request: Request) -> Response:
    id = request.path_params["id"]
    each = _one(house, id)
    zone, now = zone_of(request), house.clock.now()

    def lately(ledger: Ledger) -> tuple[Any, Any, Any]:
        with ledger.reading() as connection:
            return (
                attempts.recent(connection, id, limit=LINES),
                listing.messages(connection, id, _S.QUEUED, limit=3),
                audit.actions(connection, id, limit=5),
            )

    figures = _figures(house, each, zone.key)
    lines, queued, done = house.shared.look(("lately", id), lately)
    status = each.status
    standing = figures.standing if figures and status.brake is None else None
    return house.page(
        request,
        "campaign.html",
        {
            "each": each,
            "state": state_of(status),
            "counts": {kind: status.told[kind] for kind in ORDER},
            "total": status.total,
            "done_count": done_of(status.counts),
            "figures": figures,
            "finish": finish_of(standing, zone, now) if standing else "",
            "binds": standing.forecast.binds if standing and standing.forecast else "",
            "waits": waits_for(standing, zone, now) if standing else "",
            "needs_list": _needs(house, each, named=False),
            "log": lines.rows,
            "next_ones": queued.rows,
            "history": done.rows,
            "doubts": status.in_doubt[:AT_ONCE],
        },
    )


def sends(house: House, request: Request) -> Response:
    """The chart of a campaign's page."""
    each = _one(house, request.path_params["id"])
    figures = _figures(house, each, zone_of(request).key)
    if figures is None or not figures.series.buckets:
        raise HTTPException(404)
    headers = {"content-security-policy": POLICY}
    return Response(sends_of(figures.series), media_type="image/svg+xml", headers=headers)


def _figures(house: House, each: Seen, zone: str) -> Figures | None:
    """Reckoned from all of its messages, and when they will be done: it may take long."""
    return house.shared.soon(
        ("figures", each.row.id, zone),
        lambda ledger: figures_of(ledger, each.row, None, house.clock, zone=zone),
    )


def listed(house: House, request: Request) -> Response:
    """A campaign's messages of one status, a page at a time."""
    id, asked = request.path_params["id"], request.path_params["status"].replace("-", "_")
    if asked not in list(_S):
        raise HTTPException(404)
    status, reason = _S(asked), request.query_params.get("reason", "")
    after = request.query_params.get("after", "")
    each = _one(house, id)

    def find(ledger: Ledger) -> Any:
        if status is _S.SKIPPED:
            return ledger.read(listing.skipped, id, reason=reason, after=after, limit=AT_ONCE)
        return ledger.read(listing.messages, id, status, reason=reason, after=after, limit=AT_ONCE)

    page = house.shared.look(("listed", id, status, reason, after), find)
    reasons = [(why, count) for kind, why, count in each.status.reasons if kind is status and why]
    further = {key: value for key, value in (("reason", reason), ("after", page.after)) if value}
    return house.page(
        request,
        "listed.html",
        {
            "each": each,
            "status": status,
            "reason": reason,
            "reasons": reasons,
            "page": page,
            "next_page": f"?{urlencode(further)}" if page.after else "",
            "is_first": not after,
            "live": False,
        },
    )


def message(house: House, request: Request) -> Response:
    id = request.path_params["id"]
    story = house.shared.look(("story", id), lambda ledger: ledger.read(listing.story, id))
    if story is None:
        raise HTTPException(404)
    held = story.held if story.held and story.held.lasts(house.clock.now()) else None
    context = {"story": story, "message": story.message, "held": held}
    return house.page(request, "message.html", context)


def search(house: House, request: Request) -> Response:
    asked = request.query_params.get("q", "").strip()[:200]
    page = house.shared.look(
        ("search", asked),
        lambda ledger: ledger.read(queries_people.search, asked, house.clock, limit=AT_ONCE),
    )
    return house.page(request, "search.html", {"asked": asked, "page": page, "live": False})


def in_doubt(house: House, request: Request) -> Response:
    found = house.shared.look("all", seen(house.clock))
    doubts = [(each, doubt) for each in found.campaigns for doubt in each.status.in_doubt]
    context = {"doubts": doubts[:AT_ONCE], "left": max(0, len(doubts) - AT_ONCE)}
    return house.page(request, "in_doubt.html", context)


def what_was_done(house: House, request: Request) -> Response:
    after = request.query_params.get("after", "")
    page = house.shared.look(
        ("history", after),
        lambda ledger: ledger.read(audit.actions, after=after, limit=AT_ONCE),
    )
    return house.page(request, "history.html", {"page": page, "is_first": not after, "live": False})


def do_not_contact(house: House, request: Request) -> Response:
    start = request.query_params.get("from", "0")
    begin = int(start) if start.isascii() and start.isdigit() and len(start) < 9 else 0
    people = house.shared.look("barred", lambda ledger: ledger.read(totals.suppression_list))
    newest = people[::-1][begin : begin + AT_ONCE]
    context = {
        "people": newest,
        "count": len(people),
        "next_page": f"?from={begin + AT_ONCE}" if begin + AT_ONCE < len(people) else "",
        "is_first": not begin,
        "live": False,
    }
    return house.page(request, "do_not_contact.html", context)


def _one(house: House, id: int) -> Seen:
    for each in house.shared.look("all", seen(house.clock)).campaigns:
        if each.row.id == id:
            return each
    raise HTTPException(404)


def _needs(house: House, each: Seen, *, named: bool) -> Sequence[dict[str, Any]]:
    """What needs a person: by a page of the dashboard where it can be done here, else by a
    command."""
    at = f"/campaigns/{each.row.id}"
    here = {
        "resume": (at, "See it"),
        "resolve": ("/in-doubt", "Settle them"),
        "retry": (f"{at}/failed", "See them"),
    }
    found = []
    for need in needs_of(each.status, each.path):
        word = need.words[0] if need.words else ""
        href, do = here.get(word, ("", ""))
        if word == "resolve" and not each.status.in_doubt:
            href = ""  # of a run that has died: only the API can be asked
        command = house.command(*need.words) if need.words and not href else ""
        found.append(
            {
                "id": each.row.id,
                "campaign": each.row.name if named else "",
                "what": need.what,
                "since": need.since,
                "why": need.why,
                "href": href if named or word != "resume" else "",
                "do": do,
                "command": command,
            }
        )
    return found
