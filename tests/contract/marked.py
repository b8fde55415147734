"""A person in every table of a ledger, with a mark of its own in every column that may hold a
text."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Table, insert, text

from runner.ledger import schema
from runner.ledger.erasure.columns import FATES, Fate
from runner.message.status import MessageStatus

ID, OTHER = "9184620175530281101", "7000000000000000007"
HANDLE = "ada_of_marks"
CONTACT = "ckmarked0contact0id00ada"
OTHER_ID = "urn:li:member:marked-other-id"
THREAD = "thread-marked-ada"
STATUSES = ("sent", "queued", "failed", "rejected", "cancelled", "skipped")

Marks = dict[tuple[str, str], str]


def mark_person(connection: Connection, campaign: int, run: int) -> Marks:
    """Write a person down in every table, and somebody else beside; return the marks by table and
    column."""
    marks: Marks = {}

    def mark(table: Table, column: str) -> str:
        word = f"marked-{table.name}-{column}-secret"
        marks[table.name, column] = word
        return word

    def add(table: Table, **values: Any) -> None:
        for column, fate in FATES[table].items():
            if fate is not Fate.KEPT and column not in values:
                values[column] = mark(table, column)
        if isinstance(values.get("body"), str):
            values["body"] = values["body"].encode()
        connection.execute(insert(table).values(**values))

    def cells(table: Table) -> str:
        return json.dumps({"name": mark(table, "columns")}, separators=(",", ":"))

    for number, status in enumerate(STATUSES, 1):
        add(
            schema.message,
            id=number,
            campaign=campaign,
            step=f"{number}",
            row=number,
            platform="twitter",
            id_type="platform",
            recipient=ID,
            sender="sender1",
            columns=cells(schema.message),
            status=status,
            reason="contacted" if status == "skipped" else "",
            attempts=1,
            thread_id=THREAD,
            sent_at=7.0 if status == "sent" else None,
        )
        add(
            schema.attempt,
            message=number,
            number=1,
            run=run,
            sender="sender1",
            version="v2",
            base_url="https://api.example/api/v2",
            lane="team1",
            started_at=5.0,
            server_at=5.0,
            ended_at=6.0,
            outcome="accepted" if status == "sent" else "not_sent",
            thread_id=THREAD,
        )
    before = json.dumps({"message": {"detail": mark(schema.resolution, "before")}})
    add(schema.resolution, message=1, run=run, before=before)
    add(schema.tagged, message=1, tag="spring", at=8.0)
    for kind, answers in (("reply", 1), ("open", None)):
        add(
            schema.inbound,
            lane="team1",
            message_id=mark(schema.inbound, "message_id") + kind,
            thread_id=THREAD,
            at=9.0,
            heard_at=9.0,
            kind=kind,
            answers=answers,
            wish="opt_out",
        )
    add(schema.read_back, lane="team1", thread_id=THREAD, since=0.0)
    add(
        schema.row_skip,
        campaign=campaign,
        row=90,
        reason="duplicate",
        recipient=ID,
        columns=cells(schema.row_skip),
    )
    add(
        schema.row_skip,
        campaign=campaign,
        row=91,
        reason="unknown_handle",
        recipient="",
        columns=json.dumps({"handle": f"@{HANDLE}"}),
    )
    add(schema.suppression, recipient=ID, added_at=3.0)
    add(schema.opt_out, recipient=ID, team="acme")
    add(schema.hold, recipient=ID, made_at=3.0)
    add(
        schema.handle,
        rehearsal=False,
        platform="twitter",
        handle=HANDLE,
        answer="found",
        id=ID,
        before="",
        asked_at=3.0,
    )
    add(
        schema.acquaintance,
        lane="team1",
        platform="twitter",
        recipient=ID,
        asked_at=3.0,
        contact=CONTACT,
        tags=json.dumps([mark(schema.acquaintance, "tags")]),
        talk=json.dumps([1.0, mark(schema.acquaintance, "talk"), True]),
    )
    add(schema.other_id, id=OTHER_ID, recipient=ID)
    add(schema.suppression, recipient=OTHER_ID, added_at=3.0)
    both = {"recipients": [ID, OTHER], "why": f"about {ID}"}
    alone = {"recipients": [ID], "why": mark(schema.action, "detail")}
    for detail in (both, alone):
        add(
            schema.action,
            at=4.0,
            said_by="bob",
            via="cli",
            what="suppress",
            changed=len(detail["recipients"]),
            detail=json.dumps(detail),
        )
    add(
        schema.submission,
        campaign=campaign,
        lane="team1",
        token_env="TOKEN",
        path="/spring.yaml",
        file="senders: [a]",
        suppressed=json.dumps([OTHER, ID]),
        submitted_at=4.0,
        said_by="bob",
    )
    add(
        schema.message,
        id=50,
        campaign=campaign,
        step="1",
        row=50,
        platform="twitter",
        id_type="platform",
        recipient=OTHER,
        sender="sender1",
        zone="",
        text="Hi Ben",
        detail="",
        columns=json.dumps({"name": "Ben", "brought_by": ID}),
        status=MessageStatus.SENT,
        message_id="m50",
        thread_id="t50",
        sent_at=7.0,
    )
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT setval('message_id_seq', 100)"))
    return marks
