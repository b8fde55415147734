"""A ledger filled at random, and what a ledger says without its numbers."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from runner.ledger import schema
from runner.message.evidence import AttemptOutcome
from runner.message.status import MessageStatus

S = MessageStatus
TEXTS = ("Hi Ada", "Grüße 👋\nund\ttschüß", "back\\slash \\N \\.", "", "'; DROP TABLE message; --")
CALLED: dict[tuple[str, str], str] = {
    ("row_skip", "campaign"): "campaign",
    ("message", "campaign"): "campaign",
    ("brake", "campaign"): "campaign",
    ("action", "campaign"): "campaign",
    ("attempt", "message"): "message",
    ("attempt", "run"): "run",
    ("word", "message"): "message",
    ("word", "run"): "run",
    ("tagged", "message"): "message",
    ("lane", "run"): "run",
}
"""Columns that hold another row's number, and whose."""


def fill(connection: Connection, seed: int, names: Sequence[str] = ("spring", "autumn")) -> None:
    """Messages in every status, with all that hangs on them, at random."""
    chance = random.Random(seed)

    def add(table: Table, **values: Any) -> int:
        made = connection.execute(insert(table).values(**values)).inserted_primary_key
        assert made is not None
        return int(made[0]) if str(made[0]).isdecimal() else 0

    def number() -> float:
        return chance.random() * 1e9

    def some(value: Any) -> Any:
        return value if chance.random() < 0.5 else None

    runs = [
        add(
            schema.run,
            started_at=number(),
            ended_at=some(number()),
            host=f"host{seed}",
            pid=chance.randrange(1 << 22),
            version="0",
        )
        for _ in range(4)
    ]
    for at, lane in enumerate((f"https://api.example|team{seed}", "https://api.example|both")):
        add(schema.lane, id=lane, epoch=seed + at, run=runs[at])
        for _ in range(5):
            add(schema.request, lane=lane, started_at=number(), ended_at=some(number()))
    for position, name in enumerate(names):
        bound = some("team1")
        campaign = add(
            schema.campaign,
            name=name,
            is_test=name.endswith("(test)"),
            path=f"../{name}.yaml",
            source=f"sheets/{name}.csv",
            platform="twitter",
            id_type="platform",
            origin="https://api.example" if bound else None,
            team=bound,
            fingerprint=some("f" * 64),
            planned_at=some(number()),
            created_at=number(),
        )
        for row in range(3):
            add(
                schema.row_skip,
                campaign=campaign,
                row=row,
                reason="no_id",
                detail=chance.choice(TEXTS),
                columns="{}",
            )
        for kind in chance.choices(("paused", "resumed", "guarded"), k=3):
            add(schema.brake, campaign=campaign, kind=kind, set_at=number(), said_by="ada")
            add(schema.brake, sender=f"sender{seed}", kind="stopped", set_at=number(), why="403")
        for what, of in (("retry", campaign), ("suppress", None)):
            add(
                schema.action,
                at=number(),
                said_by="ada",
                via="cli",
                what=what,
                campaign=of,
                changed=position,
                detail="{}",
            )
        for index, status in enumerate([*S, *chance.choices(list(S), k=20)]):
            attempts = chance.randrange(1, 4) if status in (S.SENDING, S.IN_DOUBT) else 0
            attempts = attempts or chance.randrange(4)
            message = add(
                schema.message,
                campaign=campaign,
                step="1",
                row=index,
                platform="twitter",
                id_type="platform",
                recipient=f"{index + 7 * position:05}",
                generation=chance.randrange(3),
                sender=f"sender{chance.randrange(2)}",
                zone=chance.choice(("", "Europe/London")),
                text=chance.choice(TEXTS),
                columns=json.dumps({"name": chance.choice(TEXTS)}),
                status=status,
                reason="removed" if status is S.SKIPPED else "",
                detail=chance.choice(TEXTS),
                not_before=number(),
                attempts=attempts,
                tries=chance.randrange(3),
                unplanned=chance.random() < 0.5,
                message_id=some(f"m{name}{index}"),
                thread_id=some("t"),
                sent_at=number() if status is S.SENT else some(number()),
            )
            for each in range(attempts):
                outcome = chance.choice(list(AttemptOutcome))
                add(
                    schema.attempt,
                    message=message,
                    number=each + 1,
                    run=chance.choice(runs),
                    sender="sender0",
                    version="v2",
                    base_url="https://api.example/api/v2",
                    lane="https://api.example|both",
                    key=f"rc1-{name}{index}",
                    body=chance.randbytes(chance.randrange(40)),
                    started_at=number(),
                    server_at=number(),
                    ended_at=number(),
                    outcome=outcome,
                    detail=chance.choice(TEXTS),
                    http_status=chance.choice((0, 200, 429)),
                    message_id=some("m") or "",
                )
            if status is S.SENT:
                add(schema.tagged, message=message, tag="spring", at=number())
            if status is S.SENT and chance.random() < 0.5:
                before = json.dumps({"message": {"status": "in_doubt"}, "attempts": []})
                add(schema.resolution, message=message, run=runs[-1], status="sent", before=before)
    for each in range(12):
        answer = "found" if each % 3 else "not_found"
        found = {"id": f"{each:05}", "shown": f"Ada{each}", "name": chance.choice(TEXTS)}
        add(schema.handle, rehearsal=False, platform="twitter", handle=f"ada{seed}x{each}",
            answer=answer, source=chance.choice(("x", "inbox")), asked_at=number(),
            **(found if each % 3 else {}))  # fmt: skip
        add(schema.acquaintance, lane="https://api.example|both", platform="twitter",
            recipient=f"{seed}x{each}", asked_at=number(), contact="c", status="Customer",
            talk=json.dumps([number(), "l", "them"]))  # fmt: skip
    for id in chance.sample(range(60), 15):
        add(schema.suppression, recipient=f"{id:05}", reason=chance.choice(TEXTS), added_at=seed)
        for team in chance.sample(("acme", "other"), chance.randrange(3)):
            add(schema.opt_out, recipient=f"{id:05}", team=team)
    for key, value in (
        (f"prospects {seed}", names[0]),
        ("characters https://api.example twitter", str(1000 + seed)),
        ("hold https://api.example|both ", json.dumps([float(seed), "asked"])),
        (f"presumed {names[0]}", json.dumps({"since": 1.0, "at": 2.0})),
        ("driven https://api.example|both", json.dumps({"run": runs[-1], "heard": {"1": 1}})),
    ):
        add(schema.meta, key=key, value=value)


def facts(connection: Connection) -> dict[str, Counter[tuple[Any, ...]]]:
    """Every row of every table but `meta`, named by what it says and not by its number."""
    named: dict[str, dict[int, tuple[Any, ...]]] = {"run": {}, "campaign": {}, "message": {}}
    told: dict[str, Counter[tuple[Any, ...]]] = {}
    for table in schema.metadata.sorted_tables:
        if table is schema.meta:
            continue
        rows = told[table.name] = Counter()
        for row in connection.execute(select(table)):
            said = []
            for column in table.c:
                value = getattr(row, column.name)
                whose = CALLED.get((table.name, column.name))
                if whose is not None and value is not None:
                    value = named[whose][value]
                if column.name in ("path", "source") and table is schema.campaign:
                    value = str(value).rpartition("/")[2]
                if not (column.name == "id" and isinstance(value, int)):
                    said.append(value)
            if table.name in named:
                named[table.name][row.id] = tuple(said)
            rows[tuple(said)] += 1
    return told


def brakes_in_order(connection: Connection) -> list[tuple[Any, ...]]:
    """What brakes say in the order of their numbers, by which the newest counts."""
    return [
        (row.kind, row.set_at)
        for row in connection.execute(select(schema.brake).order_by(schema.brake.c.id))
    ]
