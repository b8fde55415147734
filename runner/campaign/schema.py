"""The keys of a campaign file: each with its type, unit and default. Those of senders and of the
files that it reads are beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from runner.addresses import is_loopback
from runner.campaign.identity import project_dir
from runner.campaign.inputs import MessageSource, Prospects, SkipKnown, Suppress, TextSource
from runner.campaign.schedules import Schedule
from runner.campaign.section import CampaignSection, one_or_many, require_of_whole_files
from runner.campaign.senders import Sender
from runner.campaign.steps import Step, refuse_other_variants, refuse_repeats
from runner.campaign.values import (
    Duration,
    DurationOrNone,
    File,
    Limit,
    Rate,
    Text,
    Texts,
    TokenName,
    YesOrNo,
    normal_address,
    refuse,
)
from runner.findings import Finding, refuse_code
from runner.message.acquaintance import SkipRules, one_name
from runner.message.key import REHEARSAL, TEST, normal_name

MAX_NAME = 100

BASE_URLS: Mapping[str, str] = {
    "v2": "https://inboxapp.com/api/v2",
    "v1": "https://inboxapp.com/api/v1",
}


def refuse_on_v1(*at: str) -> NoReturn:
    """Refuse what only version 2 has."""
    refuse("needs api.version v2: v1 is announced to end on 2026-12-03", "use v2, or remove it", at)


class Api(CampaignSection):
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


class Limits(CampaignSection):
    """Limits of the team's requests; look-ups count too, and the strictest always wins."""

    per_minute: Limit = Field(300, description="API requests per minute, or none. Default: 300.")
    per_hour: Limit = Field(10_000, description="API requests per hour, or none. Default: 10000.")
    per_day: Limit = Field(100_000, description="API requests per day, or none. Default: 100000.")
    concurrency: int = Field(
        16, ge=1, le=512, description="Sends under way at once, 1 to 512. Default: 16."
    )


class Retry(CampaignSection):
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


class Guard(CampaignSection):
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


class Replies(CampaignSection):
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


Lock = Literal["limits", "guard", "suppress"]


class Campaign(CampaignSection):
    """A campaign file: who is written to, by whom, what, and how fast."""

    _path: Path = PrivateAttr(default=Path())
    _findings: list[Finding] = PrivateAttr(default_factory=list)
    _text_places: dict[tuple[str, str], tuple[str, int, bool]] = PrivateAttr(default_factory=dict)
    _files: tuple[tuple[Path, str], ...] = PrivateAttr(default=())
    _whole: str = PrivateAttr(default="")

    own_name: str = Field(
        "",
        alias="name",
        description="The campaign's identity in the ledger, 1 to 100 characters. "
        "Default: the file's name without its ending.",
    )
    extends: File | None = Field(
        None,
        description="Base of this campaign: a file of the same keys, for what is not said here; "
        "relative to this file. Default: none.",
    )
    locked: tuple[Lock, ...] = Field(
        default=(),
        description="What files that extend this one may make stricter, and never looser: limits, "
        "guard, suppress. Default: nothing.",
        json_schema_extra=one_or_many,
    )
    require_plan: File | None = Field(
        None,
        description="Approved plan of this campaign, which `run-campaign plan` has written: only "
        "what is in it is sent; relative to this file. Default: none is needed.",
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
    suppress: Suppress = Field(
        default_factory=lambda: Suppress(lists=()),
        description="Files of ids that are never written to; or lists, with scope.",
    )
    contact_once_in: DurationOrNone = Field(
        30 * 86400.0,
        description="How long nobody is written to whom another campaign of the ledger has "
        "written to, such as 30d, or none. Default: 30d.",
    )
    skip_known: SkipKnown | None = Field(
        None,
        description="People who are not written to since the team knows them (v2): asked of Inbox "
        "at planning. Default: nobody is asked about.",
    )
    tag: Text | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="Tag that is put on the contact in Inbox after a message was sent (v2), slowly "
        "and without any effect on sending. Default: none.",
    )
    message: MessageSource = Field(description="The text to send: itself, or template: FILE.")
    steps: tuple[Step, ...] = Field(
        default=(),
        description="Follow-ups (v2): each goes so long after the message before it, in the same "
        "thread, to those who have not answered. Default: none.",
    )
    stop_on: tuple[Literal["reply", "colleague", "assigned"], ...] = Field(
        default=("reply", "colleague", "assigned"),
        description="What takes a person out of the steps that are left: their reply, a message of "
        "a colleague in the thread, a member whom it is assigned to. Default: all three.",
        json_schema_extra=one_or_many,
    )
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

    @model_validator(mode="after")
    def _of_v2_alone(self) -> Campaign:
        if self.api.version == "v1" and self.prospects.id_type == "username":
            refuse_on_v1("prospects", "id_type")
        if self.api.version == "v1" and self.prospects.sender is not None:
            refuse_on_v1("prospects", "sender")
        if self.api.version == "v1" and self.tag is not None:
            refuse_on_v1("tag")
        if self.api.version == "v1" and self.skip_known is not None:
            refuse_on_v1("skip_known")
        if self.api.version == "v1" and self.steps:
            refuse_on_v1("steps")
        if self.api.version == "v1" and self.message.variants is not None:
            refuse_on_v1("message", "variants")
        refuse_other_variants(self.steps, self.message.variants or {})
        if self.message.variants is not None and self.message.judge_after > self.replies.keep:
            what = "is longer than replies.for, after which answers are not read any more"
            refuse(what, "make replies.for as long", ("message", "judge_after"))
        if self.prospects.id_type == "inbox" and self.skip_known is not None:
            what = "asks by ids of the platform, and the sheet has Inbox ids"
            refuse(what, "use ids of the platform, or remove it", ("skip_known",))
        return self

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

    @field_validator("require_plan", mode="before")
    @classmethod
    def _named_plan(cls, value: Any) -> Any:
        if value is None:  # nobody means "send without one" by an empty line
            refuse("is empty", "name the plan, or remove the line")
        return value

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

    @field_validator("steps")
    @classmethod
    def _named_apart(cls, value: tuple[Step, ...]) -> tuple[Step, ...]:
        refuse_repeats(value)
        return value

    @field_validator("locked", "stop_on", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

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
    def skip_rules(self) -> SkipRules | None:
        """Return the rules of `skip_known`, None for none."""
        said = self.skip_known
        if said is None:
            return None
        names = (frozenset(map(one_name, each)) for each in (said.status, said.tags))
        return SkipRules(said.talked_within, said.assigned, *names)

    @property
    def rehearsal(self) -> bool:
        """Return whether nothing of it is real: it is sent to a stand-in of the API on this
        machine."""
        return is_loopback(self.api.base_url) and not self.api.gateway

    @property
    def own_opt_outs(self) -> bool:
        """Return whether it obeys the opt-outs of its own team alone. A rehearsal has a team of its
        own, and so obeys everybody's."""
        return self.suppress.scope == "team" and not self.rehearsal

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

    @property
    def files(self) -> Sequence[tuple[Path, str]]:
        """Return the files that it is written in, its own first, then the bases that it extends;
        each with its text as it was read."""
        return self._files

    @property
    def whole_text(self) -> str:
        """Return it as the text of one file, with all that its bases bring in."""
        return self._whole

    @property
    def texts(self) -> list[TextSource]:
        """Return the texts of all its messages, the first one's first."""
        found = (self.message.texts, *(each.texts for each in self.steps))
        return [text for texts in found for text in texts.values()]

    @property
    def templates(self) -> list[Path]:
        """Return the template files of all its texts, the first message's first."""
        return [each.template for each in self.texts if each.template is not None]

    def text_place(self, line: int, variant: str = "", step: str = "") -> tuple[str, int]:
        """Return the file and line on which a line of the message's own text, or of a variant's or
        a follow-up's, stands; in a quoted text, where it begins."""
        file, first, counts = self._text_places.get((step, variant), (str(self._path), 0, False))
        return file, first + max(0, line - 1) if counts else first

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
    require_of_whole_files(schema)
    for section in schema["$defs"].values():
        for name, entry in section.get("properties", {}).items():
            if name == "token":
                entry["default"] = "${INBOX_API_TOKEN}"
            elif isinstance(entry.get("default"), float) and not name.endswith("_rate"):
                entry["default"] = f"{entry['default']:.0f}s"
    return schema
