"""The keys of the files that a campaign reads: prospects, do-not-contact lists, the text."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from runner.campaign.bases.merged import SUPPRESS_KEYS
from runner.campaign.section import CampaignSection, also_as_text
from runner.campaign.values import (
    Duration,
    DurationOrNone,
    File,
    Text,
    Texts,
    Written,
    WrittenTexts,
    YesOrNo,
    refuse,
)

VariantName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]


class Prospects(CampaignSection):
    """The people to write to."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: also_as_text(schema, "Path of the prospects file.")
    )

    source: File = Field(
        description="csv, tsv, txt, jsonl (each also .gz), xlsx or parquet; relative to this file."
    )
    encoding: str | None = Field(
        None,
        description="Text encoding, such as cp1252. Default: UTF-8, or UTF-16 by its byte mark.",
    )
    sheet: Text | None = Field(
        None,
        description="Name of the sheet of a workbook. Default: the first visible one with a "
        "header, where only one has.",
    )
    id: Text | None = Field(
        None,
        description="Column with the recipients' ids. Default: the only one present of x_user_id, "
        "platform_id, inbox_id; of handle, username for usernames.",
    )
    id_type: Literal["platform", "inbox", "username"] | None = Field(
        None,
        description="What the ids are: the platform's user ids, Inbox ids, or usernames (v2), "
        "which `run-campaign handles` resolves. "
        "Default: inbox for the column inbox_id, platform otherwise.",
    )
    defaults: dict[str, Written] = Field(
        default_factory=dict, description="Column: text that stands in for an empty cell."
    )
    empty: tuple[str, ...] | None = Field(
        None,
        description="Cells that count as empty in the columns that the text uses. Default: what "
        "programs write for no value, such as null, None, N/A and -; [] for none of these. A "
        "spreadsheet's error, such as #N/A, always does.",
    )
    where: dict[str, WrittenTexts] = Field(
        default_factory=dict,
        description="Column: value or list of values; other rows are not written to. "
        "Upper and lower case are the same; a value is the text that is written.",
    )
    timezone: Text | None = Field(
        None, description="Column with an IANA time zone such as Europe/London. Default: none."
    )
    sender: Text | None = Field(
        None,
        description="Column that names each row's sender (v2): its id, name or @handle, in any "
        "case; where it is empty, senders share the rows. Default: none.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        if isinstance(data, list | tuple):
            refuse("is a list, and one file is meant", "put all rows into one file and name that")
        return {"source": data} if isinstance(data, str) else data

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            "".encode(value)  # codecs.lookup alone would also take rot13 and zip
            return codecs.lookup(value).name
        except (LookupError, ValueError):
            refuse("is not a text encoding", "write utf-8, cp1252, latin-1 or the like")


class SuppressList(CampaignSection):
    """A file of people who are never written to."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: also_as_text(schema, "Path of the list.")
    )

    source: File = Field(
        description="csv, tsv, txt, jsonl (each also .gz), xlsx or parquet; relative to this file."
    )
    id: Text | None = Field(
        None,
        description="Column with the ids. Default: one named as the prospects' is, else the one "
        "present of x_user_id, platform_id, inbox_id, recipient, else the only one.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"source": data} if isinstance(data, str) else data


def _lists_or_section(schema: dict[str, Any]) -> None:
    one = schema["properties"]["lists"].pop("items")
    many = {"type": "array", "items": one}
    schema["properties"]["lists"] |= {"anyOf": [one, many]}
    del schema["properties"]["lists"]["type"]
    full = dict(schema)
    schema.clear()
    schema["anyOf"] = [one, many, full]


class Suppress(CampaignSection):
    """The people who are never written to: lists of the campaign, and whose opt-outs count."""

    model_config = ConfigDict(json_schema_extra=_lists_or_section)

    lists: tuple[SuppressList, ...] = Field(
        default=(), description="Files of ids that are never written to. Default: none."
    )
    scope: Literal["everybody", "team"] = Field(
        "everybody",
        description="Whose opt-outs in this ledger count: everybody's, or those of this team's "
        "messages alone; what a person has listed counts for all. Default: everybody.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        if isinstance(data, str) or (isinstance(data, dict) and not data.keys() & SUPPRESS_KEYS):
            data = (data,)
        if isinstance(data, list | tuple):
            data = {"lists": data}
        if isinstance(data, dict) and isinstance(data.get("lists"), str | dict):
            data = {**data, "lists": (data["lists"],)}
        return data


class SkipKnown(CampaignSection):
    """People who are not written to since Inbox knows them."""

    talked_within: DurationOrNone = Field(
        None,
        description="Who has written to an account of the team, or was written to from one, within "
        "this time, such as 90d, or none; this ledger's campaigns do not count. Default: none.",
    )
    assigned: YesOrNo = Field(
        False, description="Who is assigned to a member of the team. Default: false."
    )
    status: Texts = Field(default=(), description="Who has one of these statuses in Inbox.")
    tags: Texts = Field(default=(), description="Who has one of these tags in Inbox.")

    @model_validator(mode="after")
    def _any(self) -> SkipKnown:
        if self.talked_within is None and not (self.assigned or self.status or self.tags):
            refuse("has no rule", "write one such as {talked_within: 90d}")
        return self


class TextSource(CampaignSection):
    """A text, or the file that has it."""

    template: File | None = Field(
        None, description="Path of a template file (Jinja2), relative to this file."
    )
    text: str | None = Field(None, description="The text itself, as a template (Jinja2).")

    def refuse_unclear(self, instead: str) -> None:
        """Refuse both of them, and none."""
        if self.template is not None and self.text is not None:
            refuse("has both template and text", "keep one")
        if self.template is None and (self.text is None or not self.text.strip()):
            refuse("is empty", instead)


class VariantText(TextSource):
    """One of several texts, of which each person gets one."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: also_as_text(schema, "Path of a template file.")
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"template": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _exactly_one(self) -> VariantText:
        self.refuse_unclear("write template: FILE, or text: with the text itself")
        return self


class Variant(VariantText):
    """A text of the first message, and how many people are dealt it."""

    share: int = Field(
        1,
        ge=0,
        le=1000,
        description="How many people get it, in proportion to the other variants' shares; 0 for "
        "no more. Default: 1.",
    )


class MessageSource(TextSource):
    """The text to send."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: also_as_text(schema, "The text itself, as a template.")
    )

    variants: dict[VariantName, Variant] | None = Field(
        None,
        description="Instead of one text: several, by name, of which each person is dealt one at "
        "random (v2): a template's path, or template or text with a share.",
    )
    judge_after: Annotated[Duration, Field(ge=3600, le=365 * 86400)] = Field(
        7 * 86400.0,
        description="How long people have to answer before variants are compared, such as 7d. "
        "Default: 7d.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"text": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _exactly_one(self) -> MessageSource:
        if self.variants is None:
            if "judge_after" in self.model_fields_set:
                what = "is for variants, and there are none"
                refuse(what, "remove it, or write variants", ("judge_after",))
            self.refuse_unclear("write template: FILE, or the text itself")
            return self
        if self.template is not None or self.text is not None:
            refuse("has both variants and a text of its own", "make that text a variant")
        if len(self.variants) < 2:
            refuse("has one text alone", "write two or more, or template: FILE", ("variants",))
        if not any(each.share for each in self.variants.values()):
            refuse("has no share above 0", "give one variant a share", ("variants",))
        return self

    @property
    def texts(self) -> Mapping[str, TextSource]:
        """Return the texts by the names of their variants; one without a name where there are
        none."""
        return self.variants if self.variants is not None else {"": self}

    @property
    def has_equal_shares(self) -> bool:
        """Return whether every variant that is dealt is dealt as often as the others."""
        return len({each.share for each in (self.variants or {}).values() if each.share}) < 2
