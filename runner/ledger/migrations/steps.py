"""Migrations: the steps from each schema to the next, and the refusal of another one."""

from __future__ import annotations

import json
from collections.abc import Callable

from sqlalchemy import (
    CheckConstraint,
    Connection,
    case,
    delete,
    insert,
    inspect,
    literal,
    select,
    text,
    update,
)

from runner.addresses import is_loopback
from runner.errors import LedgerError
from runner.ledger.locks import lock_schema, refuse_live_runs
from runner.ledger.rehearsals import lane_name
from runner.ledger.schema import (
    SCHEMA_VERSION,
    acquaintance,
    action,
    attempt,
    attempt_by_message_id,
    brake,
    campaign,
    erased,
    feed,
    handle,
    hold,
    inbound,
    lane,
    message,
    message_by_message_id,
    message_by_thread,
    message_contacted,
    message_follow_up,
    message_open,
    message_queued,
    message_sent,
    message_unplanned,
    message_waiting,
    meta,
    note,
    opt_out,
    other_id,
    read_back,
    request,
    resolution,
    set_note,
    status_is,
    submission,
    tagged,
)
from runner.message.key import REHEARSAL
from runner.message.status import OPEN


def _add_resolutions(connection: Connection) -> None:
    resolution.create(connection)


def _add_brakes_zones_and_contacts(connection: Connection) -> None:
    brake.create(connection)
    message_contacted.create(connection, checkfirst=True)
    connection.execute(text("ALTER TABLE message ADD COLUMN zone VARCHAR NOT NULL DEFAULT ''"))
    message_queued.drop(connection)  # the index of today comes with its last column
    for index in attempt.indexes:  # in the order of the server's clock now
        index.drop(connection, checkfirst=True)
        index.create(connection)
    connection.execute(campaign.update().values(fingerprint=None))  # the next plan fills them


def _index_what_is_asked_for(connection: Connection) -> None:
    """Index only ids that are there; and by themselves the statuses that `status` counts."""
    message_queued.drop(connection, checkfirst=True)
    for index in (message_by_message_id, attempt_by_message_id):
        index.drop(connection)
        index.create(connection)
    for index in (message_open, message_sent, message_unplanned):
        index.create(connection)


def _add_submissions(connection: Connection) -> None:
    submission.create(connection)
    kind = "FLOAT" if connection.dialect.name == "sqlite" else "DOUBLE PRECISION"
    connection.execute(text(f"ALTER TABLE run ADD COLUMN beat_at {kind}"))


def _add_actions(connection: Connection) -> None:
    """Add the table of actions, with what brakes tell of earlier ones: who paused, cancelled and
    resumed."""
    action.create(connection)
    what = case(
        (brake.c.kind == "paused", "pause"), (brake.c.kind == "cancelled", "cancel"), else_="resume"
    )
    known = select(
        brake.c.set_at,
        brake.c.said_by,
        literal("cli"),
        what,
        brake.c.campaign,
        literal(0),
        text("'{}'"),
    ).where(brake.c.campaign.is_not(None), brake.c.said_by != "")
    columns = ["at", "said_by", "via", "what", "campaign", "changed", "detail"]
    connection.execute(insert(action).from_select(columns, known.order_by(brake.c.id)))


def _add_outdated(connection: Connection) -> None:
    """Mark what may come back from doubt to be planned then: plans may have been made meanwhile."""
    default = "BOOLEAN NOT NULL DEFAULT false"
    connection.execute(text(f"ALTER TABLE message ADD COLUMN outdated {default}"))
    is_open = status_is(message, *OPEN)
    connection.execute(update(message).where(is_open).values(outdated=True))


def _keep_rehearsals_apart(connection: Connection) -> None:
    """Make rehearsals, with a rehearsal's name, of what was sent to an address of this machine; and
    name lanes by their teams."""
    connection.execute(
        text("ALTER TABLE campaign ADD COLUMN rehearsal BOOLEAN NOT NULL DEFAULT false")
    )
    each = campaign.c
    for row in connection.execute(select(each.id, each.name, each.origin)).all():
        if row.origin is not None and is_loopback(row.origin):
            values = {"rehearsal": True, "name": row.name + REHEARSAL}
            connection.execute(update(campaign).where(each.id == row.id).values(values))
            _forget_notes_of(connection, row.name)
    for old in connection.execute(select(lane.c.id)).scalars().all():
        origin, _, team = old.rpartition("|")
        if origin:
            _rename_lane(connection, old, lane_name(team, rehearsal=is_loopback(origin)))


def _forget_notes_of(connection: Connection, name: str) -> None:
    """Delete what was agreed to, accepted and counted for a campaign: it is asked again."""
    of_name = [f"{what} {name}" for what in ("agreed", "accepted", "presumed")]
    lists = meta.c.key.startswith(f"list {name} ", autoescape=True)
    sheet = meta.c.key.startswith("prospects ") & (meta.c.value == name)
    connection.execute(delete(meta).where(meta.c.key.in_(of_name) | lists | sheet))


def _rename_lane(connection: Connection, old: str, new: str) -> None:
    """Rename a lane; one team's two lanes become one, with the newer owner and the longer waits."""
    epoch, owner = connection.execute(
        select(lane.c.epoch, lane.c.run).where(lane.c.id == old)
    ).one()
    connection.execute(delete(lane).where(lane.c.id == old))
    known = connection.scalar(select(lane.c.epoch).where(lane.c.id == new))
    if known is None:
        connection.execute(insert(lane).values(id=new, epoch=epoch, run=owner))
    elif known < epoch:
        connection.execute(update(lane).where(lane.c.id == new).values(epoch=epoch, run=owner))
    for column in (attempt.c.lane, request.c.lane, submission.c.lane):
        connection.execute(update(column.table).where(column == old).values({column.name: new}))
    for what in ("hold ", "gaps ", "driven "):
        its = meta.c.key.startswith(what + old, autoescape=True)
        for key, value in connection.execute(select(meta.c.key, meta.c.value).where(its)).all():
            rest = key.removeprefix(what + old)
            if rest and not rest.startswith(" "):
                continue  # a lane whose name only begins so
            connection.execute(delete(meta).where(meta.c.key == key))
            there = note(connection, what + new + rest)
            longer = what == "hold " and there and json.loads(there)[0] < json.loads(value)[0]
            if longer or not there:
                set_note(connection, what + new + rest, value)


def _add_holds(connection: Connection) -> None:
    hold.create(connection)


def _add_handles_acquaintances_and_tags(connection: Connection) -> None:
    for table in (handle, acquaintance, tagged):
        table.create(connection)


def _add_steps(connection: Connection) -> None:
    _add_column(connection, "message", "previous VARCHAR NOT NULL DEFAULT ''")
    for column in ("after", "held"):
        _add_column(connection, "message", column + " {float} NOT NULL DEFAULT 0")
    _add_column(connection, "campaign", "stop_on VARCHAR NOT NULL DEFAULT ''")
    _allow_new_statuses(connection)
    message_queued.drop(connection, checkfirst=True)
    message_queued.create(connection)
    for index in (message_waiting, message_follow_up):
        index.create(connection)


def _add_column(connection: Connection, table: str, column: str) -> None:
    """Add a column; `{float}` in its type is the database's own."""
    kind = "FLOAT" if connection.dialect.name == "sqlite" else "DOUBLE PRECISION"
    connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column.format(float=kind)}"))


def _allow_new_statuses(connection: Connection) -> None:
    """Let messages have every status that there is now."""
    [check] = [each for each in message.constraints if each.name == "message_status"]
    assert isinstance(check, CheckConstraint)
    if connection.dialect.name != "sqlite":
        connection.execute(text("ALTER TABLE message DROP CONSTRAINT message_status"))
        add = f"ALTER TABLE message ADD CONSTRAINT message_status CHECK ({check.sqltext})"
        connection.execute(text(add))
        return
    # SQLite changes no constraint of a table that is there. A check that refuses less may be
    # written into its schema (sqlite.org/lang_altertable.html, section 7).
    made = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'message'"
    sql: str = connection.exec_driver_sql(made).scalar_one()
    begins = sql.index("CONSTRAINT message_status CHECK (") + len(
        "CONSTRAINT message_status CHECK "
    )
    ends, depth = begins, 0
    for ends in range(begins, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[ends], 0)
        if depth == 0:
            break
    changed = f"{sql[:begins]}({check.sqltext}){sql[ends + 1 :]}"
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.execute(
        text("UPDATE sqlite_schema SET sql = :sql WHERE type = 'table' AND name = 'message'"),
        {"sql": changed},
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")


def _add_replies(connection: Connection) -> None:
    for table in (feed, inbound, read_back):
        table.create(connection)
    message_by_thread.create(connection)


def _add_opt_outs_of_teams(connection: Connection) -> None:
    opt_out.create(connection)
    connection.execute(
        text("ALTER TABLE campaign ADD COLUMN own_opt_outs BOOLEAN NOT NULL DEFAULT false")
    )


def _add_variants(connection: Connection) -> None:
    for column in ("variant VARCHAR NOT NULL DEFAULT ''", "chosen BOOLEAN NOT NULL DEFAULT false"):
        _add_column(connection, "message", column)


def _add_erased_and_other_ids(connection: Connection) -> None:
    for table in (erased, other_id):
        table.create(connection)


MIGRATIONS: dict[int, Callable[[Connection], None]] = {
    1: _add_resolutions,
    2: _add_brakes_zones_and_contacts,
    3: _index_what_is_asked_for,
    4: _add_submissions,
    5: _add_actions,
    6: _add_outdated,
    7: _keep_rehearsals_apart,
    8: _add_holds,
    9: _add_handles_acquaintances_and_tags,
    10: _add_replies,
    11: _add_steps,
    12: _add_opt_outs_of_teams,
    13: _add_variants,
    14: _add_erased_and_other_ids,
}
"""By schema version, the step to the next one."""


def migrate(connection: Connection) -> int:
    """Bring a ledger to this version's schema, and return which one it had.

    Raises LaneHeld when a run of any version is live on it in PostgreSQL.
    """
    refuse_live_runs(connection)
    before = version = int(note(connection, "schema_version"))  # another may have been here first
    while version < SCHEMA_VERSION:
        MIGRATIONS[version](connection)
        version += 1
        connection.execute(
            meta.update().where(meta.c.key == "schema_version").values(value=str(version))
        )
    return before


def refuse_another_schema(connection: Connection) -> None:
    """Raise LedgerError when the ledger's schema is no longer the one that this process knows."""
    version = note(connection, "schema_version")
    if version != str(SCHEMA_VERSION):
        raise LedgerError(
            f"the ledger has been brought to schema {version} meanwhile", "upgrade run-campaign"
        )


def refuse_upgraded(connection: Connection) -> None:
    """Raise LedgerError when the ledger was upgraded since this process opened it. To be called
    when a lane has just been taken: from then on no upgrade begins."""
    lock_schema(connection, shared=True)
    refuse_another_schema(connection)


def has_table(connection: Connection, name: str) -> bool:
    """Return whether the database has a table, one of ours or not."""
    return inspect(connection).has_table(name)


def run_script(connection: Connection, script: str) -> None:
    """Run SQL of several statements as it stands, in this transaction."""
    connection.exec_driver_sql(script, execution_options={"no_parameters": True})
