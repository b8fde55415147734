"""The keys of a campaign file: each with its type, unit and default."""

from __future__ import annotations

import codecs
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from runner.addresses import is_loopback
from runner.campaign.identity import project_dir
from runner.campaign.values import (
    Days,
    Duration,
    DurationOrNone,
    File,
    Gap,
    Limit,
    LocalTime,
    Rate,
    Region,
    Text,
    Texts,
    TimeOfDay,
    TokenName,
    Written,
    WrittenTexts,
    YesOrNo,
    Zone,
    normal_address,
    refuse,
)
from runner.findings import Finding, refuse_code
from runner.message.key import REHEARSAL, TEST, normal_name
from runner.schedule import ALWAYS, Hours, local_time, make_week, parse_time

# Else pydantic reads what every installed package has to say of itself, to find plugins of its own.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

MAX_NAME = 100

BASE_URLS: Mapping[str, str] = {
    "v2": "https://inboxapp.com/api/v2",
    "v1": "https://inboxapp.com/api/v1",
}


def _none_for_null(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [
        {"const": "none"} if each == {"type": "null"} else each for each in schema["anyOf"]
    ]
    schema["default"] = "none"


def _also_as_text(schema: dict[str, Any], meaning: str) -> None:
    full = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", "minLength": 1, "description": meaning}, full]


def _one_or_many_schema(schema: dict[str, Any]) -> None:
    items = schema.pop("items")
    schema.pop("type", None)
    schema["anyOf"] = [items, {"type": "array", "items": items}]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Api(_Model):
    """The API: its version, its address, and the team."""

    version: Literal["v2", "v1"] = Field(
        "v2", description="API version: v2 (default) or v1 (announced to stop on 2026-12-03)."
    )
    base_url: str = Field(
        default_factory=lambda data: BASE_URLS[data.get("version", "v2")],
        description="Address of the API; plain http only to this machine. "
        "Default: https://inboxapp.com/api/v2, or /api/v1 by version.",
    )
    token_env: TokenName = Field(
        "INBOX_API_TOKEN",
        alias="token",
        description="Environment variable with the token, as ${NAME}; never the token itself. "
        "Default: ${INBOX_API_TOKEN}.",
    )
    platform: str = Field(
        "twitter",
        pattern=r"^[a-z][a-z0-9_-]{0,39}$",
        description="Platform of the recipients' profiles (v2); x is twitter. Default: twitter.",
    )

    gateway: YesOrNo = Field(
        False,
        description="Whether base_url is a gateway on this machine to the real API. What is sent "
        "to any other address of this machine is a rehearsal. Default: false.",
    )

    @field_validator("platform")
    @classmethod
    def _by_its_older_name(cls, value: str) -> str:
        return "twitter" if value == "x" else value

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str, info: ValidationInfo) -> str:
        return normal_address(value, info.data.get("version", ""))


class Ramp(_Model):
    """The warm-up of a sender: fewer messages on the first days on which it sends."""

    start: int = Field(ge=1, le=10**9, description="Messages on its first day, such as 20.")
    step: int = Field(
        ge=1,
        le=10**9,
        description="How many more on each further day on which it sends, such as 10.",
    )


class Sender(_Model):
    """An account link that messages are sent from, and how fast it may go."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: _also_as_text(schema, "Id of the account link.")
    )

    id: str = Field(
        pattern=r"^[0-9a-z]+$",
        max_length=64,
        description="Id of the account link, as `run-campaign senders` lists it.",
    )
    per_hour: Limit = Field(
        20,
        description="Messages per hour of this sender, or none. Default: 20, the API maker's own "
        "advice for account safety.",
    )
    per_day: Limit = Field(
        150,
        description="Messages per day of this sender, in its calendar and in any 24 hours, or "
        "none. Default: 150, our own careful choice: no source tells what the platforms allow.",
    )
    ramp: Ramp | None = Field(
        None,
        json_schema_extra=_none_for_null,
        description="Warm-up of a new account: `start` messages on the first day on which it "
        "sends, `step` more on each further one, up to per_day; or none. Default: none.",
    )
    gap: Gap = Field(
        None,
        description="Pause between two messages of this sender: one duration (60s), a range to "
        "draw it from (45s..120s), or none. Default: spread evenly over the hour "
        "(3600 s / per_hour).",
    )

    @field_validator("ramp", mode="before")
    @classmethod
    def _ramp_or_none(cls, value: Any) -> Any:
        if value == "none":
            return None
        if not isinstance(value, dict | Ramp):
            refuse("is no warm-up", "write {start: 20, step: 10}, or none")
        return value

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"id": data} if isinstance(data, str) else data


class Prospects(_Model):
    """The people to write to."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: _also_as_text(schema, "Path of the prospects file.")
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
        "platform_id, inbox_id.",
    )
    id_type: Literal["platform", "inbox"] | None = Field(
        None,
        description="What the ids are: the platform's user ids, or Inbox ids. "
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
            refuse("is no text encoding", "write utf-8, cp1252, latin-1 or the like")


class SuppressList(_Model):
    """A file of people who are never written to."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: _also_as_text(schema, "Path of the list.")
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


class MessageSource(_Model):
    """The text to send."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: _also_as_text(schema, "The text itself, as a template.")
    )

    template: File | None = Field(
        None, description="Path of a template file (Jinja2), relative to this file."
    )
    text: str | None = Field(None, description="The text itself, as a template (Jinja2).")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        return {"text": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _exactly_one(self) -> MessageSource:
        if self.template is not None and self.text is not None:
            refuse("has both template and text", "keep one")
        if self.template is None and (self.text is None or not self.text.strip()):
            refuse("is empty", "write template: FILE, or the text itself")
        return self


class Window(_Model):
    """A part of a day in which messages may go."""

    days: Days = Field(description="Days of the week: mon-fri, mon,wed, sat or fri-mon.")
    from_: TimeOfDay = Field(alias="from", description='Local time of opening, such as "09:00".')
    to: TimeOfDay = Field(description='Local time of closing, such as "17:30"; "24:00" at most.')

    @model_validator(mode="after")
    def _in_order(self) -> Window:
        if self.span[0] >= self.span[1]:
            what = f"{self.from_} is not before {self.to}"
            refuse(what, "for a night write two windows, one to 24:00 and one from 00:00")
        return self

    @property
    def span(self) -> tuple[int, int]:
        """Return from and to in minutes after midnight."""
        return parse_time(self.from_), parse_time(self.to)


class Schedule(_Model):
    """The schedule: when messages may go."""

    start: LocalTime | None = Field(
        None, description="Nothing goes before this local time, such as 2026-03-02 09:00."
    )
    grace: Duration = Field(
        7200.0,
        description="A start missed by more than this asks instead of sending, such as 2h. "
        "Default: 2h.",
    )
    timezone: Zone | None = Field(
        None,
        description="IANA time zone of start, windows and holidays, such as Europe/London. The "
        "prospects' own, prospects.timezone, wins for windows and holidays.",
    )
    windows: tuple[Window, ...] = Field(
        (), min_length=1, description="When messages may go, in local time. Default: always."
    )
    skip_holidays: Region | None = Field(
        None, description="Country (US) or part of one (DE-BY) on whose public holidays none go."
    )

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key, value in data.items():
                if value is None:  # nobody means "at once" or "always" by an empty line
                    refuse("is empty", "write a value or remove the line", at=(key,))
        return data

    @model_validator(mode="after")
    def _in_a_zone(self) -> Schedule:
        if self.timezone is None and (self.start or self.windows or self.skip_holidays):
            refuse("has no timezone", "add one such as `timezone: Europe/London`")
        return self

    @property
    def starts_at(self) -> float | None:
        """Return the start in Unix seconds."""
        if self.start is None or self.timezone is None:
            return None
        return local_time(self.start, self.timezone)

    @property
    def hours(self) -> Hours | None:
        """Return the hours in which messages may go once the campaign has begun; None for
        always."""
        if self.timezone is None or not (self.windows or self.skip_holidays):
            return None
        spans = [(window.days, *window.span) for window in self.windows]
        week = make_week(spans) if spans else ALWAYS
        return Hours(self.timezone, week, self.skip_holidays or "")


class Limits(_Model):
    """Limits of the team's requests; look-ups count too, and the strictest always wins."""

    per_minute: Limit = Field(300, description="API requests per minute, or none. Default: 300.")
    per_hour: Limit = Field(10_000, description="API requests per hour, or none. Default: 10000.")
    per_day: Limit = Field(100_000, description="API requests per day, or none. Default: 100000.")
    concurrency: int = Field(
        16, ge=1, le=512, description="Sends under way at once, 1 to 512. Default: 16."
    )


class Retry(_Model):
    """Retries, and what happens to a message in doubt."""

    attempts: int = Field(
        5, ge=1, le=100, description="Tries per message, each proven not sent. Default: 5."
    )
    timeout: Annotated[Duration, Field(gt=0, le=3600)] = Field(
        60.0, description="Longest wait for an answer, such as 60s. Default: 60s."
    )
    settle: Duration = Field(
        120.0,
        description="Wait before a v1 message in doubt is looked up, such as 120s. Default: 120s.",
    )
    absent: Literal["hold", "resend"] = Field(
        "hold",
        description="What to do with a message in doubt that the API does not show: hold it for a "
        "person (default), or resend.",
    )
    key_life: Duration = Field(
        3600.0,
        description="How long a v2 message is sent again under its key, counted from the first "
        "attempt, such as 1h. Default: 1h.",
    )


class Guard(_Model):
    """The guard: failures at which a campaign stops by itself, until it is run again."""

    consecutive_failures: Limit = Field(
        10,
        description="So many messages in a row rejected, failed or in doubt, or none. Default: 10.",
    )
    failure_rate: Rate = Field(
        0.2,
        description="More than this share (0 to 1) of the last 50 messages rejected, failed or in "
        "doubt, once there are 20; or none. Default: 0.2.",
    )
    in_doubt: Limit = Field(
        50, description="So many messages of one run in doubt at once, or none. Default: 50."
    )
    opt_out_rate: Rate = Field(
        0.5,
        description="More than this share (0 to 1) of the people who answered have opted out, once "
        "20 have answered; or none (v2). Default: 0.5.",
    )


class Replies(_Model):
    """The reading of replies (v2)."""

    poll: Annotated[Duration, Field(ge=10, le=86400)] = Field(
        60.0, description="Time between two readings while a run lasts, such as 60s. Default: 60s."
    )
    keep: Annotated[Duration, Field(ge=60, le=365 * 86400)] = Field(
        14 * 86400.0,
        alias="for",
        description="How long people may answer a message, such as 14d. Default: 14d.",
    )
    stop: Texts = Field(
        default=(),
        description="Phrases of your own that are an opt-out when they are the whole message, "
        "besides the built-in ones in seven languages.",
    )


class Campaign(_Model):
    """A campaign file: who is written to, by whom, what, and how fast."""

    _path: Path = PrivateAttr(default=Path())
    _findings: list[Finding] = PrivateAttr(default_factory=list)
    _text_lines: tuple[int, bool] = PrivateAttr(default=(0, False))

    own_name: str = Field(
        "",
        alias="name",
        description="The campaign's identity in the ledger, 1 to 100 characters. "
        "Default: the file's name without its ending.",
    )
    api: Api = Field(default_factory=Api, description="Which API, where, and for whom.")
    senders: tuple[Sender, ...] = Field(
        min_length=1, description="Account links to send from: ids, or id with limits of its own."
    )
    prospects: Prospects = Field(description="The people to write to: a path, or source with more.")
    accept: Texts = Field(
        default=(),
        description="Codes of questions about the files that are answered: what they ask about is "
        "meant, such as [hidden_rows].",
    )
    suppress: tuple[SuppressList, ...] = Field(
        default=(),
        description="Files of ids that are never written to.",
        json_schema_extra=_one_or_many_schema,
    )
    contact_once_in: DurationOrNone = Field(
        30 * 86400.0,
        description="How long nobody is written to whom another campaign of the ledger has "
        "written to, such as 30d, or none. Default: 30d.",
    )
    message: MessageSource = Field(description="The text to send: itself, or template: FILE.")
    schedule: Schedule = Field(
        default_factory=Schedule, description="When messages may go. Default: at once and always."
    )
    limits: Limits = Field(default_factory=Limits, description="Limits of the whole team.")
    retry: Retry = Field(default_factory=Retry, description="What happens when a send fails.")
    guard: Guard = Field(default_factory=Guard, description="When the campaign stops by itself.")
    replies: Replies = Field(
        default_factory=Replies, description="How answers are read, and what is an opt-out (v2)."
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any, info: ValidationInfo) -> Any:
        if isinstance(data, dict) and "name" not in data and info.context:
            return {**data, "name": info.context["stem"]}
        return data

    @field_validator("own_name")
    @classmethod
    def _speakable(cls, value: str) -> str:
        name = normal_name(value)
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            refuse(f"is not 1 to {MAX_NAME} printable characters", "set name: to a short one")
        for end in (REHEARSAL, TEST):
            if name.endswith(end):
                refuse(f"ends with{end}, as only the program names campaigns", "leave that out")
        return name

    @field_validator("accept")
    @classmethod
    def _known_codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, code in enumerate(value):
            if why := refuse_code(code):
                refuse(f"{code}: {why}", "a run names the codes it asks about", at=(index,))
        return value

    @field_validator("replies")
    @classmethod
    def _heard_on_v2(cls, value: Replies, info: ValidationInfo) -> Replies:
        api = info.data.get("api")
        if api is not None and api.version != "v2":
            refuse(
                "is for v2; replies are not read on v1, which is announced to stop on 2026-12-03",
                "take it out, or set api.version: v2",
            )
        return value

    @field_validator("suppress", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | dict) else value

    @field_validator("senders")
    @classmethod
    def _each_once(cls, value: tuple[Sender, ...]) -> tuple[Sender, ...]:
        first: dict[str, int] = {}
        for index, sender in enumerate(value):
            if sender.id in first:
                what = f"{sender.id} is a sender already, in place {first[sender.id] + 1}"
                refuse(what, "keep one", at=(index,))
            first[sender.id] = index
        return value

    @property
    def rehearsal(self) -> bool:
        """Return whether nothing of it is real: it is sent to a stand-in of the API on this
        machine."""
        return is_loopback(self.api.base_url) and not self.api.gateway

    @property
    def name(self) -> str:
        """Return its identity in the ledger, where a rehearsal is another campaign than the real
        one."""
        return self.own_name + REHEARSAL if self.rehearsal else self.own_name

    @property
    def path(self) -> Path:
        """Return the campaign file, as the user named it."""
        return self._path

    @property
    def findings(self) -> list[Finding]:
        """Return findings about the campaign file itself."""
        return self._findings

    def text_line(self, line: int) -> int:
        """Return the file's line on which a line of the message's own text stands; in a quoted
        text, where it begins."""
        first, counts = self._text_lines
        return first + max(0, line - 1) if counts else first

    @property
    def origin(self) -> str:
        """Return the API's address, `scheme://host[:port]/path`, in one spelling: what a campaign
        is bound to."""
        return self.api.base_url

    @property
    def project_dir(self) -> Path:
        """Return the folder where the ledger lies."""
        return project_dir(self._path)


def campaign_schema() -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) of the campaign file, short forms included, for
    editors."""
    schema = Campaign.model_json_schema(by_alias=True)
    del schema["properties"]["name"]["default"]  # the file's stem, not ""
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "run-campaign campaign file"
    schema["properties"]["contact_once_in"]["default"] = "30d"
    for section in schema["$defs"].values():
        for name, entry in section.get("properties", {}).items():
            if name == "token":
                entry["default"] = "${INBOX_API_TOKEN}"
            elif isinstance(entry.get("default"), float) and not name.endswith("_rate"):
                entry["default"] = f"{entry['default']:.0f}s"
    return schema
