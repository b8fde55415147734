"""The ledger's tables, whose constraints refuse what must never happen.

Times are Unix seconds (UTC) as floats. Texts of people are stored as they were rendered.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.sql import FromClause

from runner.message.evidence import AttemptOutcome
from runner.message.status import OPEN, MessageStatus, SkipReason

SCHEMA_VERSION = 15

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows only for INTEGER keys


def _one_of(column: str, values: type[MessageStatus] | type[AttemptOutcome]) -> str:
    # Not `IN`: for each row that is written, SQLite would make a table of the values.
    return " OR ".join(f"{column} = '{value}'" for value in values)


meta = Table(
    "meta",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", String, nullable=False),
)

campaign = Table(
    "campaign",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("is_test", Boolean, nullable=False, server_default=text("false")),
    Column("rehearsal", Boolean, nullable=False, server_default=text("false")),
    # Of its own team's opt-outs alone (`suppress.scope: team`).
    Column("own_opt_outs", Boolean, nullable=False, server_default=text("false")),
    Column("path", String, nullable=False),
    Column("source", String, nullable=False),
    Column("platform", String, nullable=False),
    Column("id_type", String, nullable=False),
    Column("origin", String),  # bound by the first live run
    Column("team", String),
    Column("fingerprint", String),  # of everything that the last plan was made from
    Column("planned_at", Float),
    Column("created_at", Float, nullable=False),
    # What takes a person out of its steps, names with spaces between; see `follow_up.StopOn`.
    Column("stop_on", String, nullable=False, server_default=""),
    CheckConstraint("(origin IS NULL) = (team IS NULL)", name="campaign_bound_whole"),
)

message = Table(
    "message",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("campaign", ForeignKey("campaign.id"), nullable=False),
    Column("step", String, nullable=False),
    # Of a follow-up: the step that it comes after, and how long after that is sent (s).
    Column("previous", String, nullable=False, server_default=""),
    Column("after", Float, nullable=False, server_default=text("0")),
    Column("held", Float, nullable=False, server_default=text("0")),  # s on hold: not counted
    Column("row", Integer, nullable=False),
    Column("platform", String, nullable=False),
    Column("id_type", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("generation", Integer, nullable=False, server_default=text("0")),
    Column("sender", String, nullable=False),
    Column("zone", String, nullable=False, server_default=""),  # the recipient's own, if any
    Column("text", Text, nullable=False),
    Column("columns", Text, nullable=False),  # JSON object of the prospect's cells
    Column("status", String, nullable=False),
    Column("reason", String, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    # When it is due; of one skipped as contacted: when its recipient is free, 0 for not known.
    Column("not_before", Float, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("tries", Integer, nullable=False, server_default=text("0")),  # of `retry.attempts`
    Column("unplanned", Boolean, nullable=False, server_default=text("false")),  # see `may_go`
    # A plan was made while it was under way or in doubt: `unplanned` once it comes back.
    Column("outdated", Boolean, nullable=False, server_default=text("false")),
    Column("message_id", String),
    Column("thread_id", String),
    Column("sent_at", Float),
    Column("variant", String, nullable=False, server_default=""),  # of the text, if there are any
    # The variant, by a person; not dealt, and so not compared.
    Column("chosen", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("campaign", "step", "platform", "id_type", "recipient", name="message_once"),
    CheckConstraint(_one_of("status", MessageStatus), name="message_status"),
    CheckConstraint("status <> 'sent' OR sent_at IS NOT NULL", name="message_sent_when"),
    CheckConstraint("status NOT IN ('sending', 'in_doubt') OR attempts > 0", name="message_tried"),
    CheckConstraint("status <> 'skipped' OR reason <> ''", name="message_skipped_why"),
)
message_by_status = Index("message_by_status", message.c.campaign, message.c.status, message.c.id)


def status_is(of: FromClause, *statuses: MessageStatus) -> ColumnElement[bool]:
    """Build the condition that a message has one of these statuses, as partial indexes have it:
    SQLite takes such an index only for the very words that it was made with, not for values given
    later."""
    column: ColumnElement[str] = of.c.status
    words: list[ColumnElement[str]] = [literal_column(f"'{status}'") for status in statuses]
    return column == words[0] if len(words) == 1 else column.in_(words)


def _only(name: str, condition: ColumnElement[bool], *columns: Column[Any]) -> Index:
    """Make a partial index. It has its condition's column among its own: of indexes that seem as
    good, SQLite takes any, and it is to take this one."""
    return Index(name, *columns, sqlite_where=condition)


def set_partial_indexes() -> None:
    """Give partial indexes their conditions for PostgreSQL. Late: with them SQLAlchemy loads all
    that it has for PostgreSQL, which a ledger in a file never needs."""
    for index in message.indexes | attempt.indexes | inbound.indexes:
        condition = index.dialect_options["sqlite"]["where"]
        index.dialect_options["postgresql"]["where"] = condition


message_queued = _only(
    "message_queued",
    status_is(message, MessageStatus.QUEUED),
    message.c.campaign,
    message.c.status,
    message.c.sender,
    message.c.id,
    message.c.zone,
    message.c.not_before,
    message.c.previous,
)
message_open = _only(
    "message_open",
    status_is(message, *OPEN),
    message.c.recipient,
    message.c.platform,
    message.c.id_type,
    message.c.status,
    message.c.campaign,
)
message_sent = _only(
    "message_sent",
    status_is(message, MessageStatus.SENT),
    message.c.campaign,
    message.c.status,
    message.c.sent_at,
)
message_unplanned = _only(
    "message_unplanned",
    message.c.unplanned.is_(True),
    message.c.campaign,
    message.c.status,
    message.c.unplanned,
)
message_by_recipient = Index(
    "message_by_recipient", message.c.recipient, message.c.platform, message.c.id_type
)
message_by_message_id = _only(
    "message_by_message_id", message.c.message_id.is_not(None), message.c.message_id
)
message_by_thread = _only(
    "message_by_thread", message.c.thread_id.is_not(None), message.c.thread_id
)
message_waiting = _only(
    "message_waiting",
    status_is(message, MessageStatus.WAITING),
    message.c.recipient,
    message.c.status,
    message.c.campaign,
)
message_follow_up = _only(
    "message_follow_up",
    status_is(message, MessageStatus.QUEUED) & (message.c.previous != literal_column("''")),
    message.c.campaign,
    message.c.status,
    message.c.sender,
    message.c.not_before,
    message.c.previous,
)
message_contacted = _only(
    "message_contacted",
    message.c.reason == SkipReason.CONTACTED,
    message.c.campaign,
    message.c.not_before,
)

row_skip = Table(
    "row_skip",
    metadata,
    Column("campaign", ForeignKey("campaign.id"), primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("reason", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("recipient", String, nullable=False, server_default=""),
    Column("columns", Text, nullable=False),
)

run = Table(
    "run",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("ending", String, nullable=False, server_default=""),
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String, nullable=False),
    # A worker's last sign of life, by the database's clock; None for a run of one machine.
    Column("beat_at", Float),
)

lane = Table(
    "lane",
    metadata,
    Column("id", String, primary_key=True),  # as `rehearsals.lane_name` has it
    Column("epoch", Integer, nullable=False),
    Column("run", ForeignKey("run.id"), nullable=False),
)

attempt = Table(
    "attempt",
    metadata,
    Column("message", ForeignKey("message.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("run", ForeignKey("run.id"), nullable=False),
    Column("sender", String, nullable=False),
    Column("version", String, nullable=False),
    Column("base_url", String, nullable=False),
    Column("lane", String, nullable=False),
    Column("key", String, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the exact bytes, to be sent again unchanged
    Column("started_at", Float, nullable=False),
    Column("server_at", Float, nullable=False),  # the same moment by the server's clock
    Column("ended_at", Float),
    Column("outcome", String, nullable=False, server_default=AttemptOutcome.UNKNOWN),
    Column("evidence", String, nullable=False, server_default=""),
    Column("reason", String, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Column("http_status", Integer, nullable=False, server_default=text("0")),
    Column("request_id", String, nullable=False, server_default=""),
    Column("message_id", String, nullable=False, server_default=""),
    Column("thread_id", String, nullable=False, server_default=""),
    CheckConstraint(_one_of("outcome", AttemptOutcome), name="attempt_outcome"),
    CheckConstraint("outcome = 'unknown' OR ended_at IS NOT NULL", name="attempt_ended"),
)
Index("attempt_by_lane", attempt.c.lane, attempt.c.server_at)
attempt_by_message_id = _only(
    "attempt_by_message_id", attempt.c.message_id != "", attempt.c.message_id
)
Index("attempt_by_sender", attempt.c.sender, attempt.c.server_at)

resolution = Table(
    "word",
    metadata,
    Column("message", ForeignKey("message.id"), primary_key=True),
    Column("run", BigInteger, nullable=False),  # the last run at that time, 0 for none
    Column("status", String, nullable=False),  # what it made of the message
    Column("before", Text, nullable=False),  # JSON: the message and its attempts as they were
)
"""A person's last resolution of a message in doubt, which can be undone until the next run."""

brake = Table(
    "brake",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("campaign", ForeignKey("campaign.id")),
    Column("sender", String),
    Column("kind", String, nullable=False),
    Column("set_at", Float, nullable=False),
    Column("said_by", String, nullable=False, server_default=""),  # a person; empty: a run itself
    Column("why", Text, nullable=False, server_default=""),
    CheckConstraint("(campaign IS NULL) <> (sender IS NULL)", name="brake_of_one"),
)
"""The stops of a campaign or a sender, and their releases. Never changed, only added to."""
Index("brake_by_campaign", brake.c.campaign, brake.c.id)
Index("brake_by_sender", brake.c.sender, brake.c.id)

action = Table(
    "action",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", Float, nullable=False),
    Column("said_by", String, nullable=False),
    Column("via", String, nullable=False),  # the command line or the dashboard
    Column("what", String, nullable=False),
    Column("campaign", ForeignKey("campaign.id")),  # None: about the do-not-contact list
    Column("changed", Integer, nullable=False),  # how many messages or people
    Column("detail", Text, nullable=False),  # JSON: who, as far as they are named, and why
)
"""The acts of persons, and what they changed. Never read to decide anything, only added to."""
Index("action_by_campaign", action.c.campaign, action.c.id)

request = Table(
    "request",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("lane", String, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
)
"""API requests that are not sends: look-ups and checks use the same quota."""
Index("request_by_lane", request.c.lane, request.c.started_at)

submission = Table(
    "submission",
    metadata,
    Column("campaign", ForeignKey("campaign.id"), primary_key=True),
    Column("lane", String, nullable=False),
    Column("token_env", String, nullable=False),  # the variable's name, never what it holds
    Column("path", String, nullable=False),  # where the campaign file was
    Column("file", Text, nullable=False),  # its text
    Column("start", String, nullable=False, server_default=""),  # instead of the file's
    Column("suppressed", Text, nullable=False),  # JSON array: its own lists' ids
    Column("submitted_at", Float, nullable=False),
    Column("said_by", String, nullable=False),
    Column("next_at", Float),  # when its lane is due; None for not before it is woken
    Column("wakes", Integer, nullable=False, server_default=text("0")),  # how often it was woken
    Column("trouble", Text, nullable=False, server_default=""),  # why no worker could drive it
)
"""Campaigns that workers drive, with all that they need of the campaign file."""
Index("submission_by_lane", submission.c.lane)

suppression = Table(
    "suppression",
    metadata,
    Column("recipient", String, primary_key=True),
    Column("reason", Text, nullable=False, server_default=""),
    Column("added_at", Float, nullable=False),
)

opt_out = Table(
    "opt_out",
    metadata,
    Column("recipient", String, primary_key=True),
    Column("team", String, primary_key=True),
)
"""The teams whose messages people of the do-not-contact list have opted out of. An entry of the
list without any is a person's own, and for everybody."""

hold = Table(
    "hold",
    metadata,
    Column("recipient", String, primary_key=True),
    Column("until", Float),  # None: until they are taken off
    Column("why", Text, nullable=False, server_default=""),
    Column("made_at", Float, nullable=False),
    Column("made_by", String, nullable=False),  # a person; empty: a run itself
)
"""The people to whom no campaign writes for now; their messages stay queued."""

handle = Table(
    "handle",
    metadata,
    Column("rehearsal", Boolean, primary_key=True),  # answered by a stand-in of the API
    Column("platform", String, primary_key=True),
    Column("handle", String, primary_key=True),  # as `message.handle.one_handle` has it
    Column("answer", String, nullable=False),  # a `HandleAnswer`
    Column("id", String, nullable=False, server_default=""),
    Column("before", String, nullable=False, server_default=""),  # the id it had, if another
    Column("shown", String, nullable=False, server_default=""),  # as the platform spells it
    Column("name", Text, nullable=False, server_default=""),
    Column("source", String, nullable=False),  # whom was asked: inbox or x
    Column("asked_at", Float, nullable=False),
    CheckConstraint("answer <> 'found' OR id <> ''", name="handle_found_id"),
)
"""The ids of people who are known by their handles. Never asked for again by itself."""
Index("handle_by_id", handle.c.id, handle.c.platform)

acquaintance = Table(
    "acquaintance",
    metadata,
    Column("lane", String, primary_key=True),  # of the team that was asked
    Column("platform", String, primary_key=True),
    Column("recipient", String, primary_key=True),
    Column("asked_at", Float, nullable=False),
    Column("contact", String, nullable=False, server_default=""),  # empty: Inbox has none
    Column("state", String, nullable=False, server_default=""),
    Column("assignee", String, nullable=False, server_default=""),
    Column("status", Text, nullable=False, server_default=""),
    Column("tags", Text, nullable=False, server_default="[]"),  # JSON array of names
    Column("talk", Text, nullable=False, server_default=""),  # JSON array: when, where, by whom
)
"""The answers of Inbox to the question whether a team talks to people; no texts."""

tagged = Table(
    "tagged",
    metadata,
    Column("message", ForeignKey("message.id"), primary_key=True),
    Column("tag", String, primary_key=True),
    Column("at", Float, nullable=False),
)
"""The sent messages whose recipients have the campaign's tag, or cannot get it."""

feed = Table(
    "feed",
    metadata,
    Column("lane", String, primary_key=True),
    Column("cursor", BigInteger),  # the number of the last event read; None: there was none yet
    Column("read_at", Float, nullable=False),  # when it was last read to its end
    Column("torn_at", Float),  # when events may have been lost, or before the first read
)
"""The place up to which the events of each lane's team have been read."""

inbound = Table(
    "inbound",
    metadata,
    Column("lane", String, primary_key=True),
    Column("message_id", String, primary_key=True),
    Column("thread_id", String, nullable=False),
    Column("at", Float, nullable=False),  # by the server's clock
    Column("heard_at", Float, nullable=False),
    Column("kind", String, nullable=False),  # see `inbound.Kind`
    Column("answers", ForeignKey("message.id")),  # the message of ours
    Column("wish", String, nullable=False, server_default=""),  # see `opt_out.Wish`
    Column("words", Text, nullable=False, server_default=""),  # of an opt-out, as evidence
    CheckConstraint("(kind IN ('open', 'none')) = (answers IS NULL)", name="inbound_answers"),
)
"""Messages from the other side, each once. Their texts are not kept."""
_only("inbound_by_answers", inbound.c.answers.is_not(None), inbound.c.answers)
_only(
    "inbound_unsettled",
    inbound.c.kind.in_([literal_column("'open'"), literal_column("'unread'")]),
    inbound.c.lane,
    inbound.c.kind,
    inbound.c.thread_id,
)

read_back = Table(
    "read_back",
    metadata,
    Column("lane", String, primary_key=True),
    Column("thread_id", String, primary_key=True),
    Column("since", Float, nullable=False),  # Unix s, the smallest first; 0: before all others
)
"""Threads of ours that have to be read themselves, since the events may not tell of all in them."""
Index("read_back_by_since", read_back.c.lane, read_back.c.since)

other_id = Table(
    "other_id",
    metadata,
    Column("id", String, primary_key=True),
    Column("recipient", String, nullable=False),  # the id that they were written to by
)
"""The other ids of people who were put on a list or on hold with all that their contact has."""
Index("other_id_by_recipient", other_id.c.recipient)

erased = Table(
    "erased",
    metadata,
    Column("hash", String, primary_key=True),  # keyed: see `message.erased`
    Column("at", Float, nullable=False),
)
"""The people of whom nothing is kept any more, and their threads: by keyed hashes alone."""


def note(connection: Connection, key: str) -> str:
    """Read a small fact that the ledger keeps beside its rows; empty when there is none."""
    place = "?" if connection.dialect.name == "sqlite" else "%s"
    found: str | None = connection.exec_driver_sql(f"{_NOTED}{place}", (key,)).scalar()
    return found or ""


def set_note(connection: Connection, key: str, value: str) -> None:
    """Keep a small fact. In one statement: another process may note the same."""
    connection.execute(_NOTE, {"key": key, "value": value})


_NOTED = "SELECT value FROM meta WHERE key = "
_NOTE = text(
    "INSERT INTO meta (key, value) VALUES (:key, :value)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
