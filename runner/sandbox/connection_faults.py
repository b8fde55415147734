"""Faults of the connection itself, and answers that no API gives on purpose."""

import asyncio
import json
import os
import signal
import socket
import struct
from pathlib import Path

from aiohttp import web

from runner.sandbox.api.http import Answer, Call, json_answer
from runner.sandbox.api.refusals import Refusal
from runner.sandbox.faults import Fault

NO_ANSWER = "no answer"

HTML_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>\n"
GARBAGE = b'{"message": {"id": "p8rv\x00'
ENDLESS_PART = b'{"padding": "' + b"x" * 65536

_ERROR_CODES = {500: "internal", 502: "platformError", 503: "platformUnavailable"}


def plain(answer: Answer) -> web.Response:
    """Return the answer as it is."""
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers=answer.headers,
        content_type=answer.content_type,
    )


def abort(request: web.Request) -> None:
    """Reset the connection (TCP RST), so that the client sees a broken one."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        linger = struct.pack("ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


async def deliver(
    request: web.Request, call: Call, answer: Answer
) -> tuple[web.StreamResponse, str]:
    """Send an answer the way the call's fault has it. Gives the response and what to count it as.

    A fault that accepts spoils only answers of success: a refusal goes out as it is.
    """
    fault = call.fault
    if fault is None or (fault.accepts and answer.status >= 300):
        return _counted(plain(answer))
    name = fault.name
    if name in ("accept_then_reset", "reset_before"):
        abort(request)
        return web.Response(), NO_ANSWER
    if name == "stall":
        await asyncio.Event().wait()
    if name == "accept_then_kill":
        _kill(fault)
        await asyncio.Event().wait()
    if name == "half":
        return await _half(request, answer), NO_ANSWER
    if name == "endless":
        return await _endless(request, answer), NO_ANSWER
    spoilt = _spoilt(fault, call, answer)
    return _counted(plain(spoilt))


def _counted(response: web.Response) -> tuple[web.Response, str]:
    return response, str(response.status)


def _spoilt(fault: Fault, call: Call, answer: Answer) -> Answer:
    headers = answer.headers
    if fault.name in ("error_before", "error_after"):
        return _error(fault.status or 500, call, headers)
    if fault.name == "garbage":
        status = answer.status
        if call.method == "POST" and call.version == 2 and not fault.accepts:
            status = 201
        return Answer(status, GARBAGE, headers)
    if fault.name == "html":
        return Answer(fault.status or 502, HTML_PAGE, headers, "text/html")
    if fault.name == "syncing":
        return _syncing(answer)
    if fault.name == "redirect":
        return Answer(fault.status or 307, b"", headers | {"Location": fault.to}, "text/html")
    return answer


def _syncing(answer: Answer) -> Answer:
    """Return the same, with every thread and page in it marked as still being pulled."""
    value = json.loads(answer.body)
    for one in (value, *(value.get("data", ()) if isinstance(value, dict) else ())):
        for name in ("isSyncing", "syncing"):
            if isinstance(one, dict) and name in one:
                one[name] = True
    return Answer(answer.status, json.dumps(value).encode(), answer.headers)


def _error(status: int, call: Call, headers: dict[str, str]) -> Answer:
    """Return a 5xx in the API's form, or as a proxy's page where v2 documents no such status."""
    code = _ERROR_CODES.get(status)
    if call.version == 2 and code is None:
        return Answer(status, HTML_PAGE, headers, "text/html")
    body = Refusal(code or "internal").body(call.version, call.request_id)
    if call.version == 1:
        body["error"].update(code=f"UNDOCUMENTED_{status}", status=status)
    answer = json_answer(status, body)
    answer.headers = headers
    return answer


def _kill(fault: Fault) -> None:
    pid = fault.pid
    if pid is None:
        pid = int(Path(fault.pidfile or "").read_text(encoding="ascii").split()[0])
    if pid < 2:
        raise ValueError(f"{fault.pidfile}: will not kill process {pid}")
    os.kill(pid, signal.SIGKILL)


async def _half(request: web.Request, answer: Answer) -> web.StreamResponse:
    body = answer.body or b'{"message": {"id": "p8rvk2m5j0xn4wq7ybftcael"}}'
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = answer.content_type
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    # A plain close after what was written: a reset could overtake it.
    if request.transport is not None:
        request.transport.close()
    return response


async def _endless(request: web.Request, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_type = answer.content_type
    await response.prepare(request)
    while True:
        await response.write(ENDLESS_PART)
        # Also when the client reads faster than this writes, others get their turn.
        await asyncio.sleep(0)
