"""The loader of campaign files: every mistake at once, by file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from runner.campaign.bases.chain import Chain, read_chain
from runner.campaign.bases.locked import looser
from runner.campaign.bases.text import campaign_text, paths_from
from runner.campaign.inputs import Suppress, SuppressList
from runner.campaign.schema import Campaign
from runner.campaign.yaml_document import Document, Loc, dotted
from runner.campaign.yaml_errors import shown
from runner.errors import CampaignError, Problem
from runner.findings import Finding


def load_campaign(path: Path, text: str | None = None, start: str = "") -> Campaign:
    """Read and check a campaign file and the bases that it extends. Files that it names are not
    opened. `text`: what the file holds, where it is not at hand; `start`: said instead of its
    `schedule.start`.

    Raises CampaignError with every mistake, one line each, sorted by file and line.
    """
    return _load(read_chain(path, text), start)[0]


class Explained(NamedTuple):
    """A campaign, and where each of its values stands. `paths`: as its own file would write those
    that its bases have, by the identity of their texts."""

    campaign: Campaign
    document: Document
    paths: Mapping[int, str]


def explain_campaign(path: Path) -> Explained:
    """Read and check a campaign file as `load_campaign` does, and keep where its values stand."""
    chain = read_chain(path)
    campaign, paths = _load(chain)
    return Explained(campaign, chain.document, paths_from(path.parent, paths))


def _load(chain: Chain, start: str = "") -> tuple[Campaign, Mapping[int, Path]]:
    """Return a campaign, and its paths by the identity of their texts."""
    document, path = chain.document, chain.files[0].path
    said = document.value
    if start:
        said = {**said, "schedule": {**(said.get("schedule") or {}), "start": start}}
    problems = [each for above, merged in chain.steps for each in looser(above, merged)]
    problems = document.problems + problems
    campaign = None
    # Not resolved: a path in a message then reads as the user would write it.
    paths: dict[int, Path] = {}
    context = {"folder": path.parent, "stem": path.stem, "paths": paths}
    try:
        campaign = Campaign.model_validate(said, context=context)
    except ValidationError as error:
        # The error itself is dropped: it holds the values, and with them perhaps a token.
        found = error.errors(include_url=False)
        told = {problem.path for problem in problems}
        for each in found:
            problem = _problem(document, each)
            # What the reader has refused already came here empty; a list of which every entry
            # was refused came as an empty one.
            echo = each["type"] == "too_short" and _is_above(each, found)
            if problem.path not in told and not echo:
                problems.append(problem)
    if campaign is None or problems:
        files = [str(each.path) for each in chain.files]
        places = {shown(file, 4000): index for index, file in enumerate(files)}
        unique = dict.fromkeys(problems)
        raise CampaignError(sorted(unique, key=lambda each: (places.get(each.file, 0), each.line)))
    campaign._path = path
    campaign._files = tuple((each.path, each.text) for each in chain.files)
    campaign._whole = campaign_text(document, paths) if chain.steps else chain.files[0].text
    campaign._findings = _cut_off(document)
    _keep_text_places(campaign, document, "", campaign.message.texts, ("message",))
    for index, step in enumerate(campaign.steps):
        _keep_text_places(campaign, document, step.name, step.texts, ("steps", index))
    return campaign, paths


def _keep_text_places(
    campaign: Campaign, document: Document, step: str, variants: Iterable[str], of: Loc
) -> None:
    """Keep where the texts of a message stand, by the names of their variants."""
    for variant in variants:
        loc: Loc = (*of, "variants", variant) if variant else of
        at: Loc = (*loc, "text") if (*loc, "text") in document.lines else loc
        line, counts = document.texts.get(at, (document.line_of(at), False))
        campaign._text_places[step, variant] = document.place_of(at)[0], line, counts


def _cut_off(document: Document) -> list[Finding]:
    """Return texts of which YAML takes the rest for a comment."""
    found = []
    for loc, rest in document.comments.items():
        text = loc in (("message",), ("message", "text")) or loc[:2] == ("prospects", "defaults")
        text |= loc[:1] == ("steps",) and loc[-1] == "text"
        text |= loc[:2] == ("message", "variants") and loc[-1] == "text"
        # After a value to compare with, `# only active ones` is a comment; `#1` is not.
        if text or (loc[:2] == ("prospects", "where") and not re.match(r"#+\s+[^\W\d]", rest)):
            what, instead = _comment(document, loc)
            what = f"{dotted(loc)}: {what}"
            found.append(Finding("text_cut_off", what, instead, *document.place_of(loc)))
    return found


def _comment(document: Document, loc: Loc) -> tuple[str, str]:
    rest = shown(document.comments[loc], 30)
    return f"everything from {rest} on is a comment to YAML", "put the text in quotes"


def _is_above(error: ErrorDetails, others: list[ErrorDetails]) -> bool:
    """Return whether another mistake is inside the value that this one is about."""
    loc = error["loc"]
    return any(len(o["loc"]) > len(loc) and o["loc"][: len(loc)] == loc for o in others)


def _problem(document: Document, error: ErrorDetails) -> Problem:
    context = error.get("ctx", {})
    loc: Loc = (*error["loc"], *context.get("at", ()))
    # Inside a short form (`message: text`) the full form's keys are not in the file.
    for end in range(len(loc)):
        if loc[:end] in document.scalars:
            loc = loc[:end]
            break
    if loc[:2] == ("suppress", "lists") and loc[:2] not in document.lines:
        loc = ("suppress", *loc[2:])  # a list of files, or one
    if loc[-1:] == ("[key]",):  # the name of an entry, not its value
        loc = loc[:-1]
    what, instead = _words(document, loc, error)
    for at in (loc, (*loc, "text")):
        if document.scalars.get(at, ("", ""))[1] == "empty" and at in document.comments:
            return Problem(*document.place_of(at), dotted(at), *_comment(document, at))
    path = ".".join(shown(str(part)) for part in loc)
    for part in loc:
        if isinstance(part, int):
            path = path.replace(f".{part}", f"[{part}]", 1)
    return Problem(*document.place_of(loc), path, what, instead)


def _words(document: Document, loc: Loc, error: ErrorDetails) -> tuple[str, str]:
    """Return the mistake in words, and what to write instead."""
    context = error.get("ctx", {})
    source, kind = document.scalars.get(loc, ("", ""))
    written = f"`{shown(source)}`"
    match error["type"]:
        case "refused":
            return context["what"], context["instead"]
        case "missing":
            return "is missing", _EXAMPLES.get(str(loc[-1]), "add it")
        case "extra_forbidden":
            return _unknown(loc)
        case "string_type" if kind == "empty":
            return "is empty", "write a value or remove the line"
        case "string_type" | "path_type" | "is_instance_of" if source:
            return f"{written} is {kind} to YAML, not text", f'quote it: "{shown(source)}"'
        case "string_type" | "path_type" | "is_instance_of":
            return "must be text", ""
        case "int_type" if kind == "empty":
            return "is empty", "write a number or remove the line"
        case "int_type" | "int_parsing" | "int_from_float":
            return (
                f"must be a whole number{f', not {written}' if source else ''}",
                "write digits only",
            )
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            return f"{error['msg'].replace('Input should', 'must')}", _bound(error)
        case "literal_error":
            allowed = context["expected"]
            return f"{written if source else 'this'} is not known here", f"write {allowed}"
        case "model_type" if kind not in ("", "text", "empty") and loc[0] in _SHORT_FORMS:
            return f"{written} is {kind} to YAML, not text", f'quote it: "{shown(source)}"'
        case "model_type" | "model_attributes_type" | "dict_type":
            return "must be keys and values", ""
        case "tuple_type":
            return "must be a list", "put the value in brackets: [ ]"
        case "too_short":
            return "is an empty list", "name at least one"
        case "string_too_short":
            return "is empty", "write a value or remove the line"
        case "string_pattern_mismatch" | "string_too_long" if loc[:1] == ("senders",):
            return (
                f"{written} is not the id of an account link",
                "ids are small letters and digits; `run-campaign senders` lists yours",
            )
        case "string_pattern_mismatch" if loc[:2] == ("message", "variants"):
            instead = "write letters, digits, - and _, 40 at most, a letter or digit first"
            return "is not the name of a variant", instead
        case "string_pattern_mismatch":
            return f"{written} is not known here", "write small letters and digits"
        case _:
            return shown(error["msg"], 200), ""


_SHORT_FORMS = frozenset({"senders", "prospects", "message", "suppress"})
"""Sections that may be a text instead. Not `api`: what stands there may be a token, never shown."""

_EXAMPLES = {
    "senders": "add `senders: [ID]`; `run-campaign senders` lists yours",
    "prospects": "add `prospects: FILE.csv`",
    "message": "add `message:` with the text, or `message: {template: FILE}`",
    "source": "add `source: FILE.csv`",
    "id": "add `id: ID`; `run-campaign senders` lists yours",
    "days": "add days such as `days: mon-fri`",
    "from": 'add a time such as `from: "09:00"`',
    "to": 'add a time such as `to: "17:30"`',
}


def _bound(error: ErrorDetails) -> str:
    """Return the advice to write `none` where a limit or rate of 0 was tried; empty elsewhere."""
    key = str(error["loc"][-1])
    return "write none to switch it off" if key.startswith("per_") else ""


def _unknown(loc: Loc) -> tuple[str, str]:
    key = str(loc[-1])
    known = _keys_at(loc[:-1])
    near = get_close_matches(key, known, 1)
    if near:
        return "unknown key", f"did you mean {near[0]}?"
    return "unknown key", f"known here: {', '.join(known)}"


def _keys_at(loc: Loc) -> list[str]:
    """Return the keys that may stand at a place of the file."""
    model: Any = Campaign
    is_name = False  # of an entry, such as a variant's
    for part in loc:
        if is_name:
            is_name = False
        elif isinstance(part, str):
            annotation = model.model_fields[part].annotation
            model = _model_in(annotation)
            is_name = any(get_origin(each) is dict for each in (annotation, *get_args(annotation)))
        elif model is Suppress:  # the list itself, in its short form
            model = SuppressList
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel]:
    """Return the model inside `Model | None`, `tuple[Model, ...]`, `dict[str, Model]` or itself."""
    inside = [annotation]
    while inside:
        each = inside.pop(0)
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
        inside += get_args(each)
    raise TypeError(f"{annotation} holds no model")
