"""Fault rules: what goes wrong, on which requests. Written ``NAME[:key=value,...]``.

FAULTS lists the names with their own keys; SELECTORS the keys that every fault takes. A fault hits
a request when all its selectors agree; of several faults the first that agrees acts. ``sunset``
only adds headers, so it acts beside another.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

SELECTORS: dict[str, str] = {
    "every": "every Nth matching request",
    "at": "exactly the Nth matching request",
    "first": "the first N matching requests",
    "times": "at most N times",
    "rate": "this share of matching requests, 0 to 1, drawn with the sandbox's seed",
    "recipient": "only requests about this platform, contact or profile id",
    "on": "send (POST of a message), lookup (GET below /threads, /contacts, /messages) or any",
}

FAULTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "accept_then_reset": ("accept, then reset the connection", ()),
    "reset_before": ("reset the connection, nothing accepted", ()),
    "error_before": ("5xx, nothing accepted", ("status",)),
    "error_after": ("accept, then 5xx", ("status",)),
    "garbage": ("unreadable body under a good status", ("accept",)),
    "slow": ("wait before accepting, or after it", ("seconds", "phase")),
    "accept_late": ("wait until the client has gone, then accept", ("seconds",)),
    "unconfirmed": ("v2 502 sendUnconfirmed, v1 500", ("delivered",)),
    "rate_limit": ("429 with Retry-After, nothing accepted", ("retry_after",)),
    "platform_rate_limit": ("429 platformRateLimited, nothing accepted", ("retry_after",)),
    "redirect": ("307, nothing accepted", ("to", "status")),
    "html": ("HTML page as of a proxy", ("status", "accept")),
    "endless": ("a body that never ends", ("accept",)),
    "half": ("half of an answer, then reset", ("accept",)),
    "unauthorized": ("401, nothing accepted", ()),
    "plan_required": ("403, nothing accepted", ()),
    "disconnected": ("v2 409 accountLinkDisconnected, v1 403, nothing accepted", ()),
    "in_progress": ("409, v2 sendInProgress, nothing accepted", ()),
    "key_reused": ("422, v2 idempotencyKeyReused, nothing accepted", ()),
    "syncing": ("say that older messages are still coming; default on=lookup", ()),
    "stall": ("never answer", ("accept",)),
    "sunset": ("add Sunset and Deprecation headers; default on=any", ()),
    "accept_then_kill": ("accept, then SIGKILL a process, no answer", ("pid", "pidfile")),
    "not_as_asked": ("accept, then answer about something else", ("what", "id")),
}

AMISS = ("link", "thread", "text", "id")
"""What of an acceptance is another one's: account link, thread, text, or the message's id, which is
then ``id``, or that of the first message of all."""

ACCEPTS_BY_DEFAULT = frozenset(
    {
        "accept_then_reset",
        "error_after",
        "garbage",
        "slow",
        "accept_late",
        "unconfirmed",
        "endless",
        "half",
        "sunset",
        "syncing",
        "accept_then_kill",
        "not_as_asked",
    }
)


@dataclass(frozen=True)
class Fault:
    """One rule; None is "not given". ``status``, ``seconds`` and the others are those of FAULTS."""

    name: str
    status: int | None = None
    accept: bool | None = None
    seconds: float = 1.0
    phase: str = "before"
    delivered: bool = True
    retry_after: int | None = None
    to: str = "/login"
    pid: int | None = None
    pidfile: str | None = None
    what: str = "text"
    id: str | None = None
    every: int | None = None
    at: int | None = None
    first: int | None = None
    times: int | None = None
    rate: float | None = None
    recipient: str | None = None
    on: str | None = None

    @property
    def accepts(self) -> bool:
        """Say whether a send that the fault hits is accepted."""
        return self.name in ACCEPTS_BY_DEFAULT if self.accept is None else self.accept

    @property
    def hits(self) -> str:
        """Return the requests that the fault is for: send, lookup or any."""
        return self.on or {"sunset": "any", "syncing": "lookup"}.get(self.name, "send")

    def __str__(self) -> str:
        plain = Fault(self.name)
        parts = [
            f"{item.name}={_written(getattr(self, item.name))}"
            for item in fields(self)
            if getattr(self, item.name) != getattr(plain, item.name)
        ]
        return self.name + (":" + ",".join(parts) if parts else "")


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise ValueError(f"a whole number from {least}")
        number = int(text)
        if number < least or (most is not None and number > most):
            upto = "" if most is None else f" to {most}"
            raise ValueError(f"a whole number from {least}{upto}")
        return number

    return read


def _decimal(most: float, what: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= most:
            raise ValueError(what)
        return number

    return read


def _choice(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(" or ".join(choices))
        return text

    return read


def _yes_no(text: str) -> bool:
    return _choice("yes", "no")(text) == "yes"


def _text(text: str) -> str:
    if not text:
        raise ValueError("some text")
    return text


def _path(text: str) -> str:
    if not text.startswith("/") or not text.isprintable():
        raise ValueError("a path that starts with /")
    return text


_READERS: dict[str, Callable[[str], object]] = {
    "status": _whole(300, 599),
    "accept": _yes_no,
    "seconds": _decimal(86400.0, "seconds from 0 to 86400"),
    "phase": _choice("before", "after"),
    "delivered": _yes_no,
    "retry_after": _whole(0),
    "to": _path,
    # Never the init process, nor a group of processes.
    "pid": _whole(2),
    "pidfile": _text,
    "what": _choice(*AMISS),
    "id": _text,
    "every": _whole(1),
    "at": _whole(1),
    "first": _whole(1),
    "times": _whole(1),
    "rate": _decimal(1.0, "a share from 0 to 1"),
    "recipient": _text,
    "on": _choice("send", "lookup", "any"),
}


def parse_fault(text: str) -> Fault:
    """Read one rule. Raises ValueError with one line that says what is wrong and what would do."""
    name, _, rest = text.partition(":")
    if name not in FAULTS:
        raise ValueError(f"unknown fault {name!r}; known: {', '.join(sorted(FAULTS))}")
    known = (*FAULTS[name][1], *SELECTORS)
    given: dict[str, Any] = {}
    for part in rest.split(",") if rest else ():
        key, equals, value = part.partition("=")
        if key not in known:
            raise ValueError(f"fault {name}: unknown key {key!r}; known: {', '.join(known)}")
        if not equals:
            raise ValueError(f"fault {name}: {key} needs a value: {key}=...")
        if key in given:
            raise ValueError(f"fault {name}: {key} stands twice")
        try:
            given[key] = _READERS[key](value)
        except ValueError as problem:
            raise ValueError(f"fault {name}: {key} must be {problem}, not {value!r}") from None
    _check(name, given)
    return replace(Fault(name), **given)


def _check(name: str, given: dict[str, Any]) -> None:
    status = given.get("status")
    if isinstance(status, int):
        least, most = (300, 399) if name == "redirect" else (500, 599)
        if not least <= status <= most:
            raise ValueError(f"fault {name}: status must be {least} to {most}, not {status}")
    if name == "accept_then_kill" and ("pid" in given) == ("pidfile" in given):
        raise ValueError("fault accept_then_kill: give either pid=N or pidfile=PATH")


class FaultBook:
    """The rules in force, each with its own count of matching requests."""

    def __init__(self, faults: Iterable[Fault | str] = (), seed: int = 0) -> None:
        self._seed = seed
        self.fired: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.replace(faults)

    def replace(self, faults: Iterable[Fault | str]) -> None:
        """Put other rules in force; their counts start at nothing. Raises ValueError."""
        self.faults = [parse_fault(item) if isinstance(item, str) else item for item in faults]
        self._seen = [0] * len(self.faults)
        self._hits = [0] * len(self.faults)
        self._chance = [
            random.Random(f"{self._seed}:{index}:{fault}")
            for index, fault in enumerate(self.faults)
        ]

    def pick(self, kind: str, about: frozenset[str]) -> tuple[Fault | None, bool]:
        """Give the fault that hits a request, and whether ``sunset`` does.

        ``kind`` is send, lookup or other; ``about`` holds the ids that the request names.
        """
        chosen: Fault | None = None
        sunset = False
        for index, fault in enumerate(self.faults):
            if not self._agrees(index, fault, kind, about):
                continue
            if fault.name == "sunset":
                sunset = True
            elif chosen is None:
                chosen = fault
            else:
                continue
            self._hits[index] += 1
            self.fired[fault.name] += 1
        return chosen, sunset

    def _agrees(self, index: int, fault: Fault, kind: str, about: frozenset[str]) -> bool:
        if fault.hits not in ("any", kind):
            return False
        if fault.recipient is not None and fault.recipient not in about:
            return False
        self._seen[index] += 1
        count = self._seen[index]
        # Drawn every time, so that a draw depends on the request's number alone.
        lucky = fault.rate is None or self._chance[index].random() < fault.rate
        return (
            lucky
            and (fault.every is None or count % fault.every == 0)
            and (fault.at is None or count == fault.at)
            and (fault.first is None or count <= fault.first)
            and (fault.times is None or self._hits[index] < fault.times)
        )
