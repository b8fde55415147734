"""The merged document of a campaign file and the base that it extends.

Maps merge, `senders` merge by id, `suppress.lists` and `locked` only join, all else is the child's
where it says something. `name` is never inherited.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from runner.campaign.yaml_document import Document, Loc

T = TypeVar("T")

JOINED = (("suppress", "lists"), ("locked",))
"""Lists that a child adds to, and never replaces."""

SUPPRESS_KEYS = frozenset({"lists", "scope"})
"""Keys by which the section `suppress` is told from the one list that may stand there instead."""

OWN = ("name", "extends")
"""Keys that are of one file alone."""

TEXTS = ("text", "template", "variants")
"""Keys of a message of which one says what is written: a child's takes the place of another one."""

SHORT = {"prospects": "source", "message": "text"}
"""Sections that may be a text instead, and the key that it is short for."""


def merge(base: Document, child: Document) -> Document:
    """Return the document of both, each value with the file and line of the one that has it."""
    base, child = in_full(base), in_full(child)
    replaced: set[Loc] = set()
    moves: dict[Loc, Loc] = {}
    value = {key: each for key, each in base.value.items() if key not in OWN}
    for key, said in child.value.items():
        at = (key,)
        if key not in value:
            value[key] = said
        elif key == "senders":
            value[key] = _senders(value[key], said, at, replaced, moves)
        else:
            value[key] = _merged(value[key], said, at, replaced, moves)

    def of_base(loc: Loc) -> Loc | None:
        is_own = bool(loc) and loc[0] in OWN
        return None if is_own or any(loc[:end] in replaced for end in range(len(loc) + 1)) else loc

    def of_child(loc: Loc) -> Loc | None:
        for end in (1, 2, 3):
            if (to := moves.get(loc[:end])) is not None:
                return None if to == _GONE else (*to, *loc[end:])
        return loc

    above, own = _moved(base, of_base), _moved(child, of_child)
    files = {loc: above.files.get(loc, base.file) for loc in above.lines}
    return Document(
        child.file,
        value,
        above.lines | own.lines,
        above.scalars | own.scalars,
        above.comments | own.comments,
        above.texts | own.texts,
        base.problems + child.problems,
        {loc: file for loc, file in files.items() if loc not in own.lines} | own.files,
    )


_GONE: Loc = ("",)


def in_full(document: Document) -> Document:
    """Return a document without the short forms of what merges: `prospects: p.csv` is a map too."""
    value = dict(document.value)
    moves: dict[Loc, Loc] = {}
    for key, full in SHORT.items():
        if isinstance(value.get(key), str):
            value[key], moves[(key,)] = {full: value[key]}, (key, full)
    if isinstance(value.get("senders"), tuple):
        senders = list(value["senders"])
        for index, each in enumerate(senders):
            if isinstance(each, str):
                senders[index] = {"id": each}
                moves[("senders", index)] = ("senders", index, "id")
        value["senders"] = tuple(senders)
    if isinstance(value.get("locked"), str):
        value["locked"], moves[("locked",)] = (value["locked"],), ("locked", 0)
    lists, at, to = _suppress_in_full(value.get("suppress"))
    if "suppress" in value:
        value["suppress"] = lists

    def move(loc: Loc) -> Loc:
        if at and loc[: len(at)] == at:
            return (*to, *loc[len(at) :])
        return moves.get(loc, loc)

    full_form = _moved(document, move)
    full_form.value = value
    full_form.lines = document.lines | full_form.lines  # a map is where its short form is
    return full_form


def _suppress_in_full(said: Any) -> tuple[Any, Loc, Loc]:
    """Return `suppress` as a section with a tuple of lists; and which place has moved where, empty
    for none."""
    to: Loc = ("suppress", "lists")
    if isinstance(said, tuple):
        return {"lists": said}, ("suppress",), to
    if isinstance(said, str) or (isinstance(said, dict) and not said.keys() & SUPPRESS_KEYS):
        return {"lists": (said,)}, ("suppress",), (*to, 0)
    if isinstance(said, dict) and isinstance(said.get("lists"), str | dict):
        return {**said, "lists": (said["lists"],)}, to, (*to, 0)
    return said, (), ()


def _moved(document: Document, move: Callable[[Loc], Loc | None]) -> Document:
    """Return a document with the places of its values moved, those without a new one left out."""

    def each(places: dict[Loc, T]) -> dict[Loc, T]:
        return {to: value for loc, value in places.items() if (to := move(loc)) is not None}

    return Document(
        document.file,
        document.value,
        each(document.lines),
        each(document.scalars),
        each(document.comments),
        each(document.texts),
        document.problems,
        each(document.files),
    )


def _merged(base: Any, child: Any, at: Loc, replaced: set[Loc], moves: dict[Loc, Loc]) -> Any:
    if at in JOINED:
        return _joined(base, child, at, replaced, moves)
    if not (isinstance(base, dict) and isinstance(child, dict)):
        replaced.add(at)
        return child
    value = dict(base)
    if at == ("message",) and any(key in child for key in TEXTS):
        for key in TEXTS:
            if key in value and key not in child:
                del value[key]
                replaced.add((*at, key))
    for key, said in child.items():
        there = (*at, key)
        value[key] = _merged(value[key], said, there, replaced, moves) if key in value else said
    return value


def _joined(base: Any, child: Any, at: Loc, replaced: set[Loc], moves: dict[Loc, Loc]) -> Any:
    if not isinstance(child, tuple):
        replaced.add(at)
        return child  # refused, and with it the campaign
    if not isinstance(base, tuple):
        moves |= {at: _GONE} | {(*at, index): _GONE for index in range(len(child))}
        return base
    moves |= {(*at, index): (*at, index + len(base)) for index in range(len(child))}
    return base + child


def _senders(base: Any, child: Any, at: Loc, replaced: set[Loc], moves: dict[Loc, Loc]) -> Any:
    if not (isinstance(base, tuple) and isinstance(child, tuple)):
        replaced.add(at)
        return child
    value = list(base)
    known: dict[str, int] = {}
    for index, each in enumerate(base):
        if id := _id_of(each):
            known.setdefault(id, index)
    for index, each in enumerate(child):
        # One that the child names twice is there twice, and so refused.
        place = known.pop(_id_of(each), None)
        if place is None:
            place = len(value)
            value.append(each)
        else:
            value[place] = _merged(value[place], each, (*at, place), replaced, moves)
        moves[(*at, index)] = (*at, place)
    return tuple(value)


def _id_of(sender: Any) -> str:
    id = sender.get("id") if isinstance(sender, dict) else None
    return id if isinstance(id, str) else ""
