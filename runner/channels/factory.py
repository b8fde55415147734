"""The factory of channels: a version, an address and a token give one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from runner.channels.base import Channel, Gate, Token
from runner.clock import Clock
from runner.errors import ChannelError
from runner.instrumentation import Measures

if TYPE_CHECKING:
    from runner.channels.http import HttpSession
    from runner.channels.v2.inbox_v2_people import PeopleV2
    from runner.channels.x_users import XUsers

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def connect(
    api_version: str,
    base_url: str,
    token: Token,
    clock: Clock,
    *,
    timeout: float,
    gate: Gate,
    notice: Callable[[str], None],
    platform: str,
    concurrency: int,
    server_ahead: float | None = None,
    measures: Measures | None = None,
) -> Channel:
    """Return a channel of `api_version` (`v1` or `v2`) at `base_url`. Opens nothing yet; close it.

    `timeout`: seconds for one request and its answer; later the answer counts as lost. `notice` is
    told, once each, what a person should know about the version's end. `platform` is v2's platform
    of recipients that name none. `concurrency`: sends that may run at once.
    `server_ahead`: the server's clock less boot time, if another channel has learnt it.
    `measures`: who is told how long requests take. Raises `ChannelError` for an address or token
    that cannot be used.
    """
    # Late: aiohttp takes long to load, and many commands ask nobody.
    from runner.channels.v1 import inbox_v1 as v1
    from runner.channels.v2 import inbox_v2 as v2

    http = _open(
        base_url,
        token,
        clock,
        timeout=timeout,
        notice=notice,
        concurrency=concurrency,
        keepalive=v1.KEEPALIVE if api_version == "v1" else v2.KEEPALIVE,
        server_ahead=server_ahead,
        measures=measures,
    )
    match api_version:
        case "v1":
            return v1.InboxV1(http, gate)
        case "v2":
            return v2.InboxV2(http, gate, platform)
    raise ChannelError(f"there is no API version {api_version}", "set api.version to v2 or v1")


def connect_people(
    base_url: str,
    token: Token,
    clock: Clock,
    *,
    timeout: float,
    gate: Gate,
    platform: str,
    measures: Measures | None = None,
) -> PeopleV2:
    """Return what asks version 2 at `base_url` about people. Opens nothing yet; close it. Raises
    `ChannelError` for an address or token that cannot be used."""
    from runner.channels.v2.inbox_v2_people import PeopleV2

    http = _open(base_url, token, clock, timeout=timeout, measures=measures)
    return PeopleV2(http, gate, platform)


def connect_x(base_url: str, token: Token, clock: Clock, *, timeout: float) -> XUsers:
    """Return what asks X's own API at `base_url`. Opens nothing yet; close it. Raises
    `ChannelError` for an address or token that cannot be used."""
    from runner.channels.x_users import XUsers

    return XUsers(_open(base_url, token, clock, timeout=timeout))


def _open(
    base_url: str,
    token: Token,
    clock: Clock,
    *,
    timeout: float,
    notice: Callable[[str], None] = lambda _: None,
    concurrency: int = 1,
    keepalive: float = 15.0,
    server_ahead: float | None = None,
    measures: Measures | None = None,
) -> HttpSession:
    from runner.channels.http import HttpSession

    _check(base_url, token)
    return HttpSession(
        base_url,
        token,
        clock,
        timeout=timeout,
        notice=notice,
        concurrency=concurrency,
        keepalive=keepalive,
        agent=f"run-campaign/{_own_version()}",
        server_ahead=server_ahead,
        answered=None if measures is None else measures.answered,
    )


def _check(base_url: str, token: Token) -> None:
    from yarl import URL

    try:
        url = URL(base_url)
        url.origin()
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string:
        raise ChannelError(
            "api.base_url is not an address that can be used",
            "set it to something like https://inboxapp.com/api/v2",
        )
    if url.scheme == "http" and url.host not in _LOOPBACK:
        raise ChannelError(
            "api.base_url would send the token without encryption",
            "use https; plain http is for this machine only",
        )
    if not re.fullmatch(r"[\x21-\x7e]+", token.reveal()):
        raise ChannelError(
            "the token is empty or has characters that no token has",
            "set the token variable again, without quotes, spaces or line ends",
        )


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("run-campaign")
    except PackageNotFoundError:
        return "dev"
