"""Answers: acts of people, and of colleagues in the app, some time after a message to them.

Written in YAML. ``people`` has a list of acts per platform id, ``everyone`` one for all others::

    people:
      "1876543210987654321":
        - {after: 2h, write: Sounds good}
        - {after: 1d, to: 2, write: stop}
    everyone:
      - {share: 0.2, after: 30m, write: Thanks}

For a rehearsal of days ``trouble`` says what befalls the run itself, so long after its start::

    trouble:
      - {after: 3d, what: run_killed}
"""

import heapq
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from runner.sandbox.people import small_number

if TYPE_CHECKING:
    from runner.sandbox.store import Message

ACTS = {
    "write": "the person writes this text",
    "react": "the person reacts to our last message with this emoji",
    "unreact": "the person takes this emoji off again",
    "edit": "the person changes their last message to this text",
    "delete": "the person deletes their last message: self or all",
    "type": "the person types: true",
    "colleague": "a colleague writes this text in the app",
    "outside": "a colleague writes this text in the platform's own app",
    "remove": "a colleague deletes the thread: true",
}
"""The kinds of acts by their keys."""

TROUBLES = {
    "feed_torn": "the API has lost all events so far",
    "run_killed": "the run dies at its next send, before the answer, and is started again",
}
"""The kinds of troubles by their names."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smhd])?")


@dataclass(frozen=True)
class Act:
    """One act: ``after`` seconds after our message number ``to``, by a ``share`` of people."""

    kind: str
    value: str
    after: float = 0.0
    to: int = 1
    share: float = 1.0


@dataclass(frozen=True)
class Trouble:
    """One of TROUBLES, ``after`` seconds after a rehearsal's start."""

    what: str
    after: float


@dataclass(frozen=True)
class Answers:
    """The acts of each person, and of everyone who is not named; the troubles of a rehearsal."""

    people: Mapping[str, tuple[Act, ...]] = field(default_factory=dict)
    everyone: tuple[Act, ...] = ()
    troubles: tuple[Trouble, ...] = ()

    def to_message(self, message: "Message", number: int, seed: int) -> Iterator[tuple[int, Act]]:
        """Give the acts that our message ``number`` to a person leads to, with their places."""
        person = message.thread.person.platform_id
        for place, act in enumerate(self.people.get(person, self.everyone)):
            drawn = small_number(999_999, "share", seed, place, person) / 1_000_000
            if act.to == number and drawn < act.share:
                yield place, act


NO_ANSWERS = Answers()

USUAL_ANSWERS = Answers(
    everyone=(
        Act("write", "Sure, send it over", 180.0, share=0.04),
        Act("write", "Sorry, just seeing this. Tell me more?", 2 * 86400.0, share=0.06),
        Act("write", "Thanks for the nudge, yes", 86400.0, to=2, share=0.05),
        Act("write", "stop", 6 * 3600.0, share=0.02),
        Act("react", "👍", 3600.0, share=0.04),
        Act("colleague", "Hi, I'll take this from here", 86400.0, share=0.03),
    )
)
"""The answers in a rehearsal that is given none: some at once, some after days, some after a second
message, some with an opt-out, some with a reaction, some by a colleague; most people never. The
shares are our own choice."""


def read_act(value: Any, where: str) -> Act:
    """Read one act. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: must be an object such as {{after: 2h, write: Thanks}}")
    kinds = [name for name in value if name in ACTS]
    unknown = [name for name in value if name not in (*ACTS, "after", "to", "share")]
    if unknown:
        raise ValueError(f"{where}: unknown {unknown[0]!r}; known: {', '.join(ACTS)}")
    if len(kinds) != 1:
        raise ValueError(f"{where}: must have one of {', '.join(ACTS)}")
    (kind,) = kinds
    given = value[kind]
    if kind in ("type", "remove"):
        if given is not True:
            raise ValueError(f"{where}: {kind} must be true")
    elif not isinstance(given, str) or not given:
        raise ValueError(f"{where}: {kind} must be a text; yes and no need quotes")
    if kind == "delete" and given not in ("self", "all"):
        raise ValueError(f"{where}: delete must be self or all")
    to, share = value.get("to", 1), value.get("share", 1.0)
    if type(to) is not int or to < 1:
        raise ValueError(f"{where}: to must be the number of our message, from 1")
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ValueError(f"{where}: share must be from 0 to 1")
    return Act(kind, str(given), _seconds(value.get("after", 0), where), to, float(share))


def _seconds(value: object, where: str) -> float:
    found = _TIME.fullmatch(str(value))
    if found is None:
        raise ValueError(f"{where}: after must be a time such as 30s, 2h or 1d, not {value!r}")
    return float(found[1]) * _UNITS[found[2] or "s"]


def read_answers(value: Any, *, rehearsal: bool = False) -> Answers:
    """Read the acts of people, and of a rehearsal the troubles. Raises ValueError that says which
    is wrong."""
    known = ("people", "everyone", "trouble")
    if not isinstance(value, dict) or not value:
        raise ValueError("answers: must have people, everyone or both")
    if unknown := [name for name in value if name not in known]:
        raise ValueError(f"answers: unknown {unknown[0]!r}; known: {', '.join(known)}")
    if "trouble" in value and not rehearsal:
        raise ValueError("answers: trouble is for a rehearsal: run-campaign … --sandbox --days N")
    people = value.get("people", {})
    if not isinstance(people, dict):
        raise ValueError("answers: people must map platform ids to lists")
    for one in people:
        if not isinstance(one, str):
            raise ValueError(f"answers: the id {one} must stand in quotes")
    return Answers(
        {one: _acts(acts, f"answers: {one}") for one, acts in people.items()},
        _acts(value.get("everyone", []), "answers: everyone"),
        _troubles(value.get("trouble", []), "answers: trouble"),
    )


def _troubles(value: Any, where: str) -> tuple[Trouble, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: must be a list")
    found = []
    for at, one in enumerate(value, 1):
        place = f"{where}, number {at}"
        if not isinstance(one, dict) or one.keys() - {"after", "what"}:
            raise ValueError(f"{place}: must be an object such as {{after: 3d, what: feed_torn}}")
        if (what := one.get("what")) not in TROUBLES:
            raise ValueError(f"{place}: what must be one of {', '.join(TROUBLES)}, not {what!r}")
        found.append(Trouble(what, _seconds(one.get("after", 0), place)))
    return tuple(found)


def _acts(value: Any, where: str) -> tuple[Act, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: must be a list")
    return tuple(read_act(one, f"{where}, number {at}") for at, one in enumerate(value, 1))


def load_answers(path: Path, *, rehearsal: bool = False) -> Answers:
    """Read a file of answers, for a ``rehearsal`` with its troubles. Raises ValueError, also for a
    file that cannot be read."""
    try:
        value = yaml.safe_load(path.read_text("utf-8"))
    except OSError as problem:
        raise ValueError(f"{path}: cannot be read ({problem.strerror})") from None
    except (ValueError, yaml.YAMLError) as problem:
        told = " ".join(str(problem).split())
        raise ValueError(f"{path}: {told}") from None
    try:
        return read_answers(value, rehearsal=rehearsal)
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None


@dataclass(frozen=True, order=True)
class Due:
    """An act that is due at a moment, in answer to a message of ours."""

    at: float
    number: int
    act: Act = field(compare=False)
    message: "Message" = field(compare=False)
    place: int = field(compare=False)


class Agenda:
    """The acts that are still to come, soonest first."""

    def __init__(self) -> None:
        self._due: list[Due] = []
        self._number = 0

    def add(self, at: float, act: Act, message: "Message", place: int) -> None:
        """Add an act for a moment."""
        self._number += 1
        heapq.heappush(self._due, Due(at, self._number, act, message, place))

    def due(self, now: float) -> Iterator[Due]:
        """Take off and give what is due by now, in order; acts may add others meanwhile."""
        while self._due and self._due[0].at <= now:
            yield heapq.heappop(self._due)
