"""The passwords in a database's address: kept out of all that is shown or kept.

An address can hold them before its `@`, in its query (`?password=…`) and as libpq's own words
(`host=db password=…`). Of a query only values that are known to be harmless are shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
"""The mark in a secret's place."""

HARMLESS = frozenset(
    {
        *("host", "hostaddr", "port", "dbname", "user", "passfile", "service", "servicefile"),
        *("application_name", "fallback_application_name", "client_encoding", "options"),
        *("connect_timeout", "tcp_user_timeout", "keepalives", "keepalives_idle"),
        *("keepalives_interval", "keepalives_count", "target_session_attrs", "replication"),
        *("load_balance_hosts", "channel_binding", "require_auth", "requirepeer"),
        *("sslmode", "requiressl", "sslnegotiation", "sslcompression", "sslcert", "sslkey"),
        *("sslrootcert", "sslcrl", "sslcrldir", "sslsni", "sslcertmode"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "min_protocol_version"),
        *("max_protocol_version", "gssencmode", "krbsrvname", "gsslib", "gssdelegation"),
    }
)
"""Parameters of a query that may be shown: those of libpq (its manual 34.1.2) that hold no secret.
The place of a file is none."""

SHORTEST = 4
"""Characters from which on a secret is looked for in texts; shorter ones stand in any of them."""

_USER_INFO = re.compile(r"([^:/]*):([^@]*)@")
"""As SQLAlchemy reads it, which asks for no `%3A` and `%2F` in a password."""
_ADDRESS = re.compile(r"postgres\w*(?:\+\w+)?://\S+", re.IGNORECASE)
_OTHER_ADDRESS = re.compile(r"(\w://[^\s:/@]*):[^\s/@]*@")
_BEHIND = re.compile(r"""['"`)\],;:.]*$""")
"""Matches the signs that a sentence may have after an address."""
_WORDS = re.compile(r"(?i)(?<![?&])\b((?:pg|ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&'\"]+)")


def hide_password(address: str) -> str:
    """Return a database's address without its secrets; what is none stays as it is."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        return _WORDS.sub(rf"\1{HIDDEN}", address)
    info = _USER_INFO.match(rest)
    shown = f"{info[1]}:{HIDDEN}@" if info else ""
    place, asks, query = rest[info.end() if info else 0 :].partition("?")
    if info and "@" in place:  # of a password too, where it is not written as %40
        place = place.rpartition("@")[2]
    return f"{scheme}://{shown}{place}{asks}{'&'.join(map(_hide_value, query.split('&')))}"


def _hide_value(part: str) -> str:
    name, equals, value = part.partition("=")
    if not value or _is_harmless(name):
        return part
    return f"{name}{equals}{HIDDEN}"


def _is_harmless(name: str) -> bool:
    return unquote_plus(name).strip().lower() in HARMLESS


def passwords_in(address: str) -> set[str]:
    """Return the secrets of a database's address, in each spelling that a driver may repeat."""
    _, mark, rest = address.partition("://")
    if mark:
        secrets = set(_secrets_in_url(rest))
    else:
        secrets = {match[2].strip("'") for match in _WORDS.finditer(address)}
    plain = {made for each in secrets for made in (each, unquote(each), unquote_plus(each))}
    spelled = {quote(each, safe=safe) for each in plain for safe in ("", "/", " +")}
    spelled |= plain | set(map(quote_plus, plain))
    escaped = {each.replace("\\", "\\\\").replace("'", "\\'") for each in plain}
    return {each for each in spelled | escaped if len(each) >= SHORTEST}


def _secrets_in_url(rest: str) -> Iterator[str]:
    info = _USER_INFO.match(rest)
    if info:
        yield info[2]
    place, _, query = rest[info.end() if info else 0 :].partition("?")
    if info and "@" in place:
        yield place.rpartition("@")[0]
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if not _is_harmless(name):
            yield value


def hide_passwords(text: str, secrets: Collection[str] = ()) -> str:
    """Return `text` without the secrets of any database's address in it, and without `secrets`."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _ADDRESS.sub(lambda match: _hide_address(match[0]), text)
    text = _OTHER_ADDRESS.sub(rf"\1:{HIDDEN}@", text)
    return _WORDS.sub(rf"\1{HIDDEN}", text)


def _hide_address(address: str) -> str:
    behind = _BEHIND.search(address)
    assert behind is not None
    return hide_password(address[: behind.start()]) + behind[0]
