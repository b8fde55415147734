"""The defaults of a campaign: values that none of its files says, and that hold all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from runner.campaign.bases.merged import in_full
from runner.campaign.schema import Api, Campaign, Guard
from runner.campaign.yaml_document import Document, Loc, Unquoted, Whole

SHARES = frozenset(key for key in Guard.model_fields if key.endswith("_rate"))
"""Keys of numbers that are no durations."""

UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def with_defaults(document: Document, campaign: Campaign) -> tuple[Document, frozenset[Loc]]:
    """Return a campaign's document with what it does not say, and the places of that. Without what
    has no value by default, such as `tag`, and what its version of the API does not have."""
    full, places = in_full(document), set[Loc]()
    full.value = _filled(full.value, campaign, (), places)
    if campaign.api.version == "v1":
        full.value.pop("replies", None)
    return full, frozenset(places)


def _filled(said: Mapping[str, Any], section: BaseModel, at: Loc, places: set[Loc]) -> Any:
    found = dict(said)
    for key, value in _values(section):
        there = (*at, key)
        own = found.get(key)
        if isinstance(value, BaseModel):
            if filled := _filled(own or {}, value, there, places):
                found[key] = filled
        elif key == "senders":
            pairs = enumerate(zip(found[key], value, strict=True))
            found[key] = tuple(
                _filled(one, sender, (*there, index), places) for index, (one, sender) in pairs
            )
        elif key == "variants" and value:
            found[key] = {
                name: each if isinstance(each, str) else _filled(each, value[name], (*there, name),
                                                                 places)
                for name, each in found[key].items()
            }  # fmt: skip
        elif key not in found and (written := _written(key, value)) is not None:
            found[key] = written
            places.add(there)
    return found


def _values(section: BaseModel) -> Iterator[tuple[str, Any]]:
    """Give a section's values by the keys that a file has for them."""
    for name, field in type(section).model_fields.items():
        if name == "judge_after" and getattr(section, "variants", None) is None:
            continue  # is for variants alone
        value = getattr(section, name)
        is_token = isinstance(section, Api) and name == "token_env"
        yield field.alias or name, f"${{{value}}}" if is_token else value


def _written(key: str, value: Any) -> Any:
    """Return a default as a file would have it; None for none."""
    if isinstance(value, bool):
        return Unquoted(str(value).lower(), "true or false")
    if isinstance(value, int):
        return Whole.of(str(value))
    if isinstance(value, float):
        if key in SHARES:
            return Unquoted(f"{value:g}", "a number")
        seconds, unit = next(each for each in UNITS if value % each[0] == 0)
        return f"{value / seconds:.0f}{unit}"
    return value if isinstance(value, str | tuple) and value else None
