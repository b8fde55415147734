"""The pages, each under its address."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runner.dashboard.context import AppContext, zone_of
from runner.dashboard.presentation import (
    CHART_POLICY,
    STATUS_ORDER,
    chart_file,
    done_of,
    finish_of,
    next_follow_up_of,
    next_message_of,
    state_of,
)
from runner.dashboard.queries import campaign_column, campaign_outlook, campaign_statistics, latest
from runner.formats import by_handle
from runner.ledger.campaigns import audit
from runner.ledger.queries import message_lists, totals
from runner.ledger.queries import search as queries_search
from runner.ledger.queries.statistics import column_names
from runner.message.erased import is_placeholder
from runner.message.status import MessageStatus
from runner.status.overview import overview_of
from runner.status.statistics import Statistics, answers_text
from runner.status.status import Status, needs_of
from runner.status.variants import verdict_lines

_S = MessageStatus

PAGE_ROWS = 50
"""Rows of a page of a list. Our own choice."""

View = Callable[[AppContext, Request], Response]


def page_routes(app: AppContext) -> list[Route]:
    """Return the routes of the pages. Their addresses stay: people keep them."""
    views: dict[str, View] = {
        "/": overview,
        "/campaigns/{id:number}": campaign,
        "/campaigns/{id:number}/sends.svg": chart,
        "/campaigns/{id:number}/by-column": by_column,
        "/campaigns/{id:number}/{status}": messages,
        "/messages/{id:number}": message,
        "/search": search,
        "/in-doubt": in_doubt,
        "/history": history,
        "/do-not-contact": do_not_contact,
    }
    return [Route(path, partial(view, app)) for path, view in views.items()]


def overview(app: AppContext, request: Request) -> Response:
    """Show all campaigns, what needs a person, and the last run."""
    found = app.cache.get(overview_of, app.clock)
    forecast = app.cache.get_in_background(overview_of, app.clock, with_outlook=True)
    outlooks = {each.id: each.outlook for each in forecast.campaigns} if forecast else {}
    zone, now = zone_of(request), app.clock.now()
    campaigns = [
        {
            "id": each.id,
            "name": each.campaign,
            "state": state_of(each),
            "counts": each.shown_counts,
            "total": each.total,
            "done": done_of(each.counts),
            "per_hour": each.per_hour,
            "finish": finish_of(outlooks[each.id], zone, now)
            if each.id in outlooks and each.brake is None
            else "",
        }
        for each in found.campaigns
    ]
    context = {
        "campaigns": campaigns,
        "needs_list": [need for each in found.campaigns for need in _needs(app, each, named=True)],
        "last_run": found.last_run,
        "alive": found.alive,
    }
    return app.page(request, "overview.html", context)


def campaign(app: AppContext, request: Request) -> Response:
    """Show a campaign: its counts, chart, senders, newest attempts and next messages."""
    status = _status(app, request)
    zone, now = zone_of(request), app.clock.now()
    statistics = _statistics(app, request)
    answers = statistics.answers if statistics else None
    verdict = statistics.status.verdict if statistics else None
    newest = app.cache.query(latest, status.id)
    outlook = None
    if statistics is not None and status.brake is None:  # not at once: the chart would wait for it
        outlook = app.cache.get_in_background(campaign_outlook, status.id, app.clock)
    binds = outlook.forecast.binds if outlook and outlook.forecast else ""
    return app.page(
        request,
        "campaign.html",
        {
            "campaign": status,
            "state": state_of(status),
            "counts": {
                kind: status.shown_counts[kind]
                for kind in STATUS_ORDER
                if kind is not _S.WAITING or status.counts[kind]
            },
            "follow_up": next_follow_up_of(status, zone, now),
            "done_count": done_of(status.counts),
            "figures": statistics,
            "answers": answers_text(answers) if answers else "",
            "verdict": verdict_lines(verdict) if verdict else [],
            "finish": finish_of(outlook, zone, now) if outlook else "",
            "binds": by_handle(binds, status.handles),
            "waits": next_message_of(outlook, status.handles, zone, now) if outlook else "",
            "needs_list": _needs(app, status, named=False),
            "log": newest.attempts,
            "next_ones": newest.next_messages,
            "history": newest.actions,
            "doubts": status.in_doubt[:PAGE_ROWS],
        },
    )


def by_column(app: AppContext, request: Request) -> Response:
    """Show a campaign's results and answers by one column of its sheet."""
    status, name = _status(app, request), request.query_params.get("column", "")
    if name not in app.cache.query(column_names, status.id):
        raise HTTPException(404)
    figures = app.cache.get_in_background(campaign_column, status.id, name)
    context = {"campaign": status, "column": name, "figures": figures, "statuses": COLUMN_STATUSES}
    return app.page(request, "by_column.html", context)


COLUMN_STATUSES = (_S.SENT, _S.QUEUED, _S.WAITING, _S.REJECTED, _S.FAILED, _S.IN_DOUBT, _S.SKIPPED)
"""The statuses that a page by column has."""


def chart(app: AppContext, request: Request) -> Response:
    """Show the chart of a campaign's page."""
    statistics = _statistics(app, request)
    if statistics is None or not statistics.series.buckets:
        raise HTTPException(404)
    headers = {"content-security-policy": CHART_POLICY}
    return Response(chart_file(statistics.series), media_type="image/svg+xml", headers=headers)


def messages(app: AppContext, request: Request) -> Response:
    """Show a campaign's messages of one status, a page at a time."""
    asked = request.path_params["status"].replace("-", "_")
    if asked not in list(_S):
        raise HTTPException(404)
    status, kind = _status(app, request), _S(asked)
    query = request.query_params
    chosen = {"reason": query.get("reason", ""), "after": query.get("after", "")}
    if kind is _S.SKIPPED:
        page = app.cache.query(message_lists.skipped, status.id, **chosen, limit=PAGE_ROWS)
    else:
        page = app.cache.query(message_lists.messages, status.id, kind, **chosen, limit=PAGE_ROWS)
    further = {"reason": chosen["reason"], "after": page.after}
    further = {key: value for key, value in further.items() if value}
    return app.page(
        request,
        "messages.html",
        {
            "campaign": status,
            "status": kind,
            "reason": chosen["reason"],
            "reasons": [(why, n) for each, why, n in status.reasons if each is kind and why],
            "page": page,
            "next_page": f"?{urlencode(further)}" if page.after else "",
            "is_first": not chosen["after"],
            "live": False,
        },
    )


def message(app: AppContext, request: Request) -> Response:
    """Show one message with its attempts."""
    detail = app.cache.query(message_lists.detail, request.path_params["id"])
    if detail is None:
        raise HTTPException(404)
    held = detail.held if detail.held and detail.held.lasts(app.clock.now()) else None
    erased = is_placeholder(detail.message.recipient)
    context = {"detail": detail, "message": detail.message, "held": held, "erased": erased}
    return app.page(request, "message.html", context)


def search(app: AppContext, request: Request) -> Response:
    """Show whom a search finds in all campaigns."""
    asked = request.query_params.get("q", "").strip()[:200]
    page = app.cache.query(queries_search.search, asked, app.clock, limit=PAGE_ROWS)
    return app.page(request, "search.html", {"asked": asked, "page": page, "live": False})


def in_doubt(app: AppContext, request: Request) -> Response:
    """Show the messages in doubt of all campaigns, a page at a time."""
    found, begin = app.cache.get(overview_of, app.clock), _begin(request)
    doubts = [(each, doubt) for each in found.campaigns for doubt in each.in_doubt]
    end = begin + PAGE_ROWS
    context = {
        "doubts": doubts[begin:end],
        "left": max(0, len(doubts) - end),
        "next_page": f"?from={end}" if end < len(doubts) else "",
        "is_first": not begin,
    }
    return app.page(request, "in_doubt.html", context)


def history(app: AppContext, request: Request) -> Response:
    """Show what people did, a page at a time."""
    after = request.query_params.get("after", "")
    page = app.cache.query(audit.actions, after=after, limit=PAGE_ROWS)
    context = {"page": page, "is_first": not after, "live": False}
    return app.page(request, "history.html", context)


def do_not_contact(app: AppContext, request: Request) -> Response:
    """Show the do-not-contact list, the newest first, a page at a time."""
    begin = _begin(request)
    people = app.cache.query(totals.suppression_list)
    end = begin + PAGE_ROWS
    context = {
        "people": people[::-1][begin:end],
        "count": len(people),
        "next_page": f"?from={end}" if end < len(people) else "",
        "is_first": not begin,
        "live": False,
    }
    return app.page(request, "do_not_contact.html", context)


def _begin(request: Request) -> int:
    """Return the place in a list at which a page of it begins."""
    start = request.query_params.get("from", "0")
    return int(start) if start.isascii() and start.isdigit() and len(start) < 9 else 0


def _status(app: AppContext, request: Request) -> Status:
    for each in app.cache.get(overview_of, app.clock).campaigns:
        if each.id == request.path_params["id"]:
            return each
    raise HTTPException(404)


def _statistics(app: AppContext, request: Request) -> Statistics | None:
    """Return a campaign's statistics, None while they are counted for the first time."""
    id, zone = _status(app, request).id, zone_of(request).key
    return app.cache.get_in_background(campaign_statistics, id, app.clock, zone)


def _needs(app: AppContext, status: Status, *, named: bool) -> list[dict[str, Any]]:
    """Return what needs a person, with the page of the dashboard where it can be done, else with a
    command."""
    at = f"/campaigns/{status.id}"
    here = {
        "resume": (at, "See it"),
        "resolve": ("/in-doubt", "Resolve them"),
        "retry": (f"{at}/failed", "See them"),
    }
    found = []
    for need in needs_of(status):
        word = need.words[0] if need.words else ""
        href, do = here.get(word, ("", ""))
        if word == "resolve" and not status.in_doubt:
            href = ""  # of a run that has died: only the API can be asked
        found.append(
            {
                "id": status.id,
                "campaign": status.campaign if named else "",
                "what": need.what,
                "since": need.since,
                "why": need.why,
                "href": href if named or word != "resume" else "",
                "do": do,
                "command": app.command(*need.words) if need.words and not href else "",
            }
        )
    return found
