"""Small helpers that several test folders share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from runner.ledger import lanes, schema
from runner.ledger.campaigns import registry, submissions
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.messages import claims
from runner.ledger.messages.claims import SendRequest
from runner.ledger.messages.plans import PlanWriter
from runner.message.evidence import AttemptOutcome
from runner.message.plan import Change, Entry, PlannedMessage
from runner.message.prospect import Recipient
from runner.message.status import MessageStatus

ORIGIN = "https://api.example"
LANE = "team1"
"""Of the campaigns that are bound to that origin and team."""
SENDER = "df6jbw4h36qm5d9iu2sgn7kx"


def recipient(id: str | int) -> Recipient:
    return Recipient("twitter", "platform", str(id))


def make_campaign(ledger: Ledger, name: str = "spring") -> CampaignRow:
    return ledger.write(
        registry.add_campaign,
        name=name,
        path=f"/{name}.yaml",
        source=f"/{name}.csv",
        platform="twitter",
        id_type="platform",
        at=1.0,
    )


def make_queue(
    ledger: Ledger,
    row: CampaignRow,
    ids: Sequence[str | int],
    zones: Mapping[int, str] | None = None,
) -> None:
    """Plan a message for each id, in order; `zones`: of those who have one of their own."""
    planned = [
        PlannedMessage(index + 2, recipient(id), SENDER, f"Hi {id}", {"a": "b"})
        for index, id in enumerate(ids)
    ]
    entries = [
        Entry(each._replace(zone=(zones or {}).get(id, "")), Change.NEW)  # type: ignore[arg-type]
        for each, id in zip(planned, ids, strict=True)
    ]
    with ledger.writing() as connection:
        writer = PlanWriter(connection, row)
        writer.write(entries)
        writer.finish("fingerprint", 2.0)


def plan_again(ledger: Ledger, row: CampaignRow) -> None:
    """Say that the plan covers the queue as it is: nothing in the files has changed."""
    with ledger.writing() as connection:
        connection.execute(
            text("UPDATE message SET unplanned = false WHERE campaign = :id"), {"id": row.id}
        )


def make_old(connection: Connection, version: int) -> None:
    """Take out of a ledger what schemas after this one have added."""
    connection.execute(
        text("UPDATE meta SET value = :version WHERE key = 'schema_version'"),
        {"version": str(version)},
    )
    schema.erased.drop(connection)
    schema.other_id.drop(connection)
    if version == 14:
        return
    connection.execute(text("ALTER TABLE message DROP COLUMN variant"))
    connection.execute(text("ALTER TABLE message DROP COLUMN chosen"))
    if version == 13:
        return
    schema.opt_out.drop(connection)
    connection.execute(text("ALTER TABLE campaign DROP COLUMN own_opt_outs"))
    if version == 12:
        return
    for index in (schema.message_waiting, schema.message_follow_up, schema.message_queued):
        index.drop(connection)
    columns = "campaign, status, sender, id, zone, not_before"
    queued = f"CREATE INDEX message_queued ON message ({columns}) WHERE status = 'queued'"
    connection.execute(text(queued))
    for column in ("previous", "after", "held"):
        connection.execute(text(f"ALTER TABLE message DROP COLUMN {column}"))
    connection.execute(text("ALTER TABLE campaign DROP COLUMN stop_on"))
    _refuse_waiting(connection)
    if version == 11:
        return
    for added in (schema.feed, schema.inbound, schema.read_back):
        added.drop(connection)
    schema.message_by_thread.drop(connection)
    if version == 10:
        return
    schema.tagged.drop(connection)
    schema.acquaintance.drop(connection)
    schema.handle.drop(connection)
    if version == 9:
        return
    schema.hold.drop(connection)
    if version == 8:
        return
    connection.execute(text("ALTER TABLE campaign DROP COLUMN rehearsal"))
    connection.execute(text("UPDATE campaign SET name = replace(name, ' (SANDBOX)', '')"))
    origin = connection.execute(text("SELECT max(origin) FROM campaign")).scalar() or ORIGIN
    for column in ("lane.id", "attempt.lane", "request.lane", "submission.lane"):
        table, name = column.split(".")
        team = f"replace({name}, 'SANDBOX ', '')"
        connection.execute(
            text(f"UPDATE {table} SET {name} = :origin || '|' || {team}"), {"origin": origin}
        )
    if version == 7:
        return
    connection.execute(text("ALTER TABLE message DROP COLUMN outdated"))
    if version == 6:
        return
    schema.action.drop(connection)
    if version == 5:
        return
    schema.submission.drop(connection)
    connection.execute(text("ALTER TABLE run DROP COLUMN beat_at"))
    if version == 4:
        return
    for index in (schema.message_open, schema.message_sent, schema.message_unplanned):
        index.drop(connection)
    if version < 2:
        schema.resolution.drop(connection)
    for table in ("message", "attempt"):
        connection.execute(text(f"DROP INDEX {table}_by_message_id"))
        connection.execute(text(f"CREATE INDEX {table}_by_message_id ON {table} (message_id)"))
    connection.execute(text("DROP INDEX message_queued"))
    if version == 3:
        connection.execute(
            text(
                "CREATE INDEX message_queued ON message (campaign, sender, id, zone)"
                " WHERE status='queued'"
            )
        )
        return
    schema.brake.drop(connection)
    connection.execute(text("ALTER TABLE message DROP COLUMN zone"))
    connection.execute(
        text("CREATE INDEX message_queued ON message (campaign, sender, id) WHERE status='queued'")
    )
    connection.execute(text("DROP INDEX attempt_by_lane"))
    connection.execute(text("CREATE INDEX attempt_by_lane ON attempt (lane, started_at)"))


def _refuse_waiting(connection: Connection) -> None:
    """Let messages have no status that came with schema 12."""
    known = [each for each in MessageStatus if each is not MessageStatus.WAITING]
    check = " OR ".join(f"status = '{each}'" for each in known)
    if connection.dialect.name != "sqlite":
        connection.execute(text("ALTER TABLE message DROP CONSTRAINT message_status"))
        add = f"ALTER TABLE message ADD CONSTRAINT message_status CHECK ({check})"
        connection.execute(text(add))
        return
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    old = "UPDATE sqlite_schema SET sql = replace(sql, ' OR status = ''waiting''', '')"
    connection.exec_driver_sql(f"{old} WHERE name = 'message'")
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")


def own_lane(ledger: Ledger, lane: str = LANE) -> tuple[int, int]:
    """Begin a run and take a lane: (run, epoch)."""
    run = ledger.write(lanes.begin_run, 1.0, "test")
    return run, ledger.write(lanes.take_lane, lane, run)


def make_intent(message: int, run: int, epoch: int, **changes: object) -> SendRequest:
    values: dict[str, object] = {
        "message": message,
        "campaign": 1,
        "recipient": recipient(1),
        "lane": LANE,
        "epoch": epoch,
        "run": run,
        "sender": SENDER,
        "version": "v2",
        "base_url": "https://api.example/api/v2",
        "key": "rc1-key",
        "body": b"{}",
        "started_at": 10.0,
        "server_at": 10.0,
    }
    return SendRequest(**{**values, **changes})  # type: ignore[arg-type]  # tests name the fields


def claim_one(ledger: Ledger, intent: SendRequest) -> int:
    """Commit an intent that can be; its attempt's number."""
    [number] = ledger.write(claims.claim, [intent])
    assert isinstance(number, int)
    return number


def hand_in(
    ledger: Ledger,
    row: CampaignRow,
    lane: str = LANE,
    at: float = 5.0,
    file: str = "senders: [a]\n",
) -> None:
    ledger.write(
        submissions.submit,
        row.name,
        lane_id=lane,
        token_env="ACME",
        path="/srv/spring.yaml",
        file=file,
        start="2026-12-01T09:00",
        suppressed={"9", "7"},
        at=at,
        by="ada",
    )


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt as it is known."""

    recipient: str
    number: int
    outcome: AttemptOutcome
    evidence: str
    reason: str
    http_status: int
    message_id: str
    started_at: float
    ended_at: float | None


def attempts_of(connection: Connection, id: int) -> list[AttemptRow]:
    """Every attempt of a campaign, in order."""
    rows = connection.execute(
        select(
            schema.message.c.recipient,
            schema.attempt.c.number,
            schema.attempt.c.outcome,
            schema.attempt.c.evidence,
            schema.attempt.c.reason,
            schema.attempt.c.http_status,
            schema.attempt.c.message_id,
            schema.attempt.c.started_at,
            schema.attempt.c.ended_at,
        )
        .join(schema.attempt, schema.attempt.c.message == schema.message.c.id)
        .where(schema.message.c.campaign == id)
        .order_by(schema.message.c.id, schema.attempt.c.number)
    )
    return [AttemptRow(row[0], row[1], AttemptOutcome(row[2]), *row[3:]) for row in rows]
