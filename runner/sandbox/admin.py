"""The sandbox's own endpoints below /sandbox: no token, no limits, not counted as requests."""

import json
from typing import Any

from aiohttp import web

from runner.sandbox.acts import perform, perform_due
from runner.sandbox.answers import Answers, read_act, read_answers
from runner.sandbox.api.v2_shapes import account_link
from runner.sandbox.feed import FeedSettings, feed_settings
from runner.sandbox.options import LINK_STATUSES, AccountLink
from runner.sandbox.people import Person
from runner.sandbox.service import Service
from runner.sandbox.store import Elsewhere, Message

_LINK_FIELDS = {
    "status": "status",
    "pauseReasons": "pause_reasons",
    "capabilities": "capabilities",
    "setUp": "set_up",
    "syncedAt": "synced_at",
}

_BETWEEN = ("accountLinkId", "platformId")
_HOW = {"origin": "origin", "campaignId": "campaign_id", "ago": "ago"}
ORIGINS = ("internal", "external", "api")


def change_link(service: Service, link_id: str, changes: dict[str, Any]) -> None:
    """Change fields of an account link. Raises ValueError."""
    link = service.store.links.get(link_id)
    if link is None:
        raise ValueError(f"no account link {link_id!r}")
    for name, value in changes.items():
        if name not in _LINK_FIELDS.values():
            raise ValueError(f"unknown link field {name!r}; known: {', '.join(_LINK_FIELDS)}")
        if name == "status" and value not in LINK_STATUSES:
            raise ValueError(f"status must be one of {', '.join(LINK_STATUSES)}, not {value!r}")
        if name in ("pause_reasons", "capabilities") and not _is_texts(value):
            raise ValueError(f"{name} must be a list of strings")
    for name, value in changes.items():
        setattr(link, name, value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def receive(service: Service, link_id: str, platform_id: str, content: str) -> Message:
    """Add an inbound message. Raises ValueError."""
    return service.store.receive(*_between(service, link_id, platform_id), content)


def write_elsewhere(
    service: Service, link_id: str, platform_id: str, content: str, **how: Any
) -> Message:
    """Add a message of the account that did not come through this API. Raises ValueError."""
    told = Elsewhere(**how)
    if told.origin not in ORIGINS:
        raise ValueError(f"origin must be one of {', '.join(ORIGINS)}, not {told.origin!r}")
    if not isinstance(told.ago, int | float) or not told.ago >= 0:
        raise ValueError(f"ago must be seconds from 0, not {told.ago!r}")
    return service.store.write_elsewhere(*_between(service, link_id, platform_id), content, told)


def act(service: Service, link_id: str, platform_id: str, value: dict[str, Any]) -> Message | None:
    """Let a person or a colleague act now, as an act of the answers is written. Raises
    ValueError."""
    now = service.options.clock()
    perform_due(service.store, now)
    link, person = _between(service, link_id, platform_id)
    return perform(service.store, link, person, read_act(value, "act"), now)


def set_answers(service: Service, answers: Answers) -> None:
    """Let people answer so from now on; what is due for earlier messages stays."""
    service.options.answers = answers


def set_feed(service: Service, settings: FeedSettings) -> None:
    """Give the feed of events other settings."""
    service.store.feed.settings = settings


def _between(service: Service, link_id: str, platform_id: str) -> tuple[AccountLink, Person]:
    link = service.store.links.get(link_id)
    if link is None:
        raise ValueError(f"no account link {link_id!r}")
    person = service.store.people.by_platform_id(link.platform, platform_id)
    if person is None:
        raise ValueError(f"no person {platform_id!r}")
    return link, person


def fail(service: Service, message_id: str) -> None:
    """Mark a message as failed, as v1 shows it. Raises ValueError."""
    if message_id not in service.store.messages:
        raise ValueError(f"no message {message_id!r}")
    service.store.messages[message_id].failed = True


async def _body(request: web.Request) -> Any:
    try:
        return json.loads(await request.text())
    except ValueError:
        raise ValueError("the body is not JSON") from None


def _texts(value: Any, *names: str) -> list[str]:
    if not isinstance(value, dict):
        raise ValueError("the body must be an object")
    for name in names:
        if not isinstance(value.get(name), str):
            raise ValueError(f"{name} must be a string")
    return [value[name] for name in names]


def add_routes(app: web.Application, service: Service) -> None:
    """Add the endpoints below /sandbox to an application."""

    async def accepted(request: web.Request) -> web.Response:
        return web.json_response(service.store.accepted)

    async def received(request: web.Request) -> web.Response:
        told = [{"at": at, "person": person} for at, person in service.store.received]
        return web.json_response(told)

    async def tally(request: web.Request) -> web.Response:
        return web.json_response(service.store.tally())

    async def requests(request: web.Request) -> web.Response:
        return web.json_response(service.requests())

    async def faults(request: web.Request) -> web.Response:
        value = await _body(request)
        rules: Any = value.get("faults") if isinstance(value, dict) else value
        if not _is_texts(rules):
            raise ValueError('the body must be {"faults": ["NAME[:key=value,...]", ...]}')
        service.faults.replace(rules)
        return web.json_response({"faults": [str(fault) for fault in service.faults.faults]})

    async def link(request: web.Request) -> web.Response:
        value = await _body(request)
        (link_id,) = _texts(value, "id")
        changes = {_LINK_FIELDS.get(name, name): one for name, one in value.items() if name != "id"}
        change_link(service, link_id, changes)
        return web.json_response(account_link(service.store.links[link_id]))

    async def inbound(request: web.Request) -> web.Response:
        link_id, platform_id, content = _texts(
            await _body(request), "accountLinkId", "platformId", "content"
        )
        message = receive(service, link_id, platform_id, content)
        return web.json_response({"messageId": message.id, "threadId": message.thread.id})

    async def outbound(request: web.Request) -> web.Response:
        value = await _body(request)
        named = _texts(value, "accountLinkId", "platformId", "content")
        how = {_HOW[name]: value[name] for name in _HOW if name in value}
        message = write_elsewhere(service, *named, **how)
        return web.json_response({"messageId": message.id, "threadId": message.thread.id})

    async def failed(request: web.Request) -> web.Response:
        (message_id,) = _texts(await _body(request), "id")
        fail(service, message_id)
        return web.json_response({"messageId": message_id})

    async def tags(request: web.Request) -> web.Response:
        return web.json_response(service.store.people.tagged())

    async def thread(request: web.Request) -> web.Response:
        value = await _body(request)
        (thread_id,) = _texts(value, "id")
        found = service.store.threads.get(thread_id)
        if found is None:
            raise ValueError(f"no thread {thread_id!r}")
        found.archived = bool(value.get("archived", found.archived))
        found.assigned = bool(value.get("assigned", found.assigned))
        restrictions = value.get("restrictions", found.restrictions)
        if not _is_texts(restrictions):
            raise ValueError("restrictions must be a list of strings")
        found.restrictions = restrictions
        return web.json_response({"threadId": thread_id})

    async def people(request: web.Request) -> web.Response:
        value = await _body(request)
        told = value.get("people") if isinstance(value, dict) else value
        if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
            raise ValueError('the body must be {"people": [{"platformId": "...", ...}]}')
        for each in told:
            service.describe(each)
        return web.json_response({"people": len(told)})

    async def x(request: web.Request) -> web.Response:
        if request.method == "POST":
            statuses = (await _body(request)).get("trouble")
            if not isinstance(statuses, list) or not all(type(one) is int for one in statuses):
                raise ValueError('the body must be {"trouble": [STATUS, ...]}')
            service.x.trouble(statuses)
        return web.json_response(service.x.counts())

    async def acts(request: web.Request) -> web.Response:
        value = await _body(request)
        link_id, platform_id = _texts(value, "accountLinkId", "platformId")
        about = {name: one for name, one in value.items() if name not in _BETWEEN}
        message = act(service, link_id, platform_id, about)
        return web.json_response({"messageId": message and message.id})

    async def answers(request: web.Request) -> web.Response:
        set_answers(service, read_answers(await _body(request)))
        return web.json_response({})

    async def feed(request: web.Request) -> web.Response:
        value = await _body(request)
        if not isinstance(value, dict):
            raise ValueError("the body must be an object")
        set_feed(service, feed_settings(value))
        return web.json_response(value)

    for method, path, handler in (
        ("GET", "accepted", accepted),
        ("GET", "received", received),
        ("GET", "tally", tally),
        ("GET", "requests", requests),
        ("POST", "faults", faults),
        ("POST", "link", link),
        ("POST", "inbound", inbound),
        ("POST", "outbound", outbound),
        ("POST", "failed", failed),
        ("POST", "people", people),
        ("POST", "thread", thread),
        ("GET", "tags", tags),
        ("GET", "x", x),
        ("POST", "x", x),
        ("POST", "act", acts),
        ("POST", "answers", answers),
        ("POST", "feed", feed),
    ):
        app.router.add_route(method, f"/sandbox/{path}", _guarded(handler))


def _guarded(handler: Any) -> Any:
    """Answer 400 with one line for a ValueError of a control endpoint."""

    async def guarded(request: web.Request) -> web.Response:
        try:
            response: web.Response = await handler(request)
        except ValueError as problem:
            return web.json_response({"error": str(problem)}, status=400)
        return response

    return guarded
