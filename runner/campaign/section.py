"""A section of a campaign file, and how editors are told of its short forms."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel, ConfigDict

# Else pydantic reads what every installed package has to say of itself, to find plugins of its own.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def none_for_null(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [
        {"const": "none"} if each == {"type": "null"} else each for each in schema["anyOf"]
    ]
    schema["default"] = "none"


def also_as_text(schema: dict[str, Any], meaning: str) -> None:
    full = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", "minLength": 1, "description": meaning}, full]


def one_or_many(schema: dict[str, Any]) -> None:
    items = schema.pop("items")
    schema.pop("type", None)
    schema["anyOf"] = [items, {"type": "array", "items": items}]


def require_of_whole_files(schema: dict[str, Any]) -> None:
    """Let a file leave out what its base may have, or the files that extend it: one with `extends`,
    or with `locked`."""
    source = schema["$defs"]["Prospects"]["anyOf"][1].pop("required")
    del schema["$defs"]["Ramp"]["required"]  # `ramp: {start: 10}` changes one of two
    prospects = {"anyOf": [{"type": "string"}, {"required": source}]}
    part = [{"required": ["extends"]}, {"required": ["locked"]}]
    schema["if"] = {"not": {"anyOf": part}}
    schema["then"] = {"required": schema.pop("required"), "properties": {"prospects": prospects}}


class CampaignSection(BaseModel):
    """A section of a campaign file: its keys, and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
