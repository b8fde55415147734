"""Generated campaigns, and the commands that run on them."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import CLIENT_CORE, RUN_CAMPAIGN, Process, Ran, start

LINK = "df6jbw4h36qm5d9iu2sgn7kx"
TOKEN = "tok-5f0c7a1e9b3d4c68a2e7"
TEXT = "Hi {{ first_name }}, saw your talk at {{ company }}. Shall I send the notes?"
FIRST_ID = 1_500_000_123_456_789_101
DAY = 86_400.0
PER_DAY = 100_000
"""The API's own limit: how old the attempts of a half-sent campaign are."""

COLUMNS = ("x_user_id", "first_name", "company", "role", "city", "country", "topic", "source",
           "website", "notes")  # fmt: skip


def row_of(number: int) -> tuple[str, str, str]:
    """Id, first name and company of a person."""
    return str(FIRST_ID + number), f"Person{number}", f"Company {number % 997}"


def text_of(number: int) -> str:
    """What a person is sent: `TEXT`, rendered."""
    _, name, company = row_of(number)
    return f"Hi {name}, saw your talk at {company}. Shall I send the notes?"


@dataclass(slots=True)
class Project:
    """A folder with a campaign against `base`, its ledger, and the commands on it."""

    folder: Path
    base: str
    version: str = "v2"
    started: int = field(default=0)

    @property
    def campaign(self) -> Path:
        return self.folder / "campaign.yaml"

    @property
    def sheet(self) -> Path:
        return self.folder / "people.csv"

    @property
    def ledger(self) -> Path:
        return self.folder / "state.db"

    def write(self, rows: int, *, at_once: int = 16, faulty: bool = False, more: str = "") -> None:
        """Write a campaign without limits, and its people. `faulty`: ten columns, 1 % duplicates
        and 0.2 % ids that are none, as sheets are."""
        self.folder.mkdir(parents=True, exist_ok=True)
        none = "per_hour: none, per_day: none"
        self.campaign.write_text(
            f"api: {{version: {self.version}, base_url: {self.base}/api/{self.version}}}\n"
            f"senders:\n  - {{id: {LINK}, {none}, gap: none}}\n"
            f"prospects: {self.sheet.name}\n"
            f"message: {json.dumps(TEXT)}\n"
            f"limits: {{per_minute: none, {none}, concurrency: {at_once}}}\n{more}"
        )
        with self.sheet.open("w", encoding="utf-8") as out:
            out.write(",".join(COLUMNS if faulty else COLUMNS[:3]) + "\n")
            out.writelines(_sheet(rows) if faulty else map(_line, range(rows)))

    @property
    def env(self) -> dict[str, str]:
        """What `run-campaign` needs of its environment here."""
        return {"INBOX_API_TOKEN": TOKEN, "RUN_CAMPAIGN_MEMORY": str(self.folder / "memory")}

    def start(self, *words: str | Path, env: Mapping[str, str] | None = None) -> Process:
        """Start `run-campaign` with these words."""
        self.started += 1
        return start(
            [*RUN_CAMPAIGN, *words],
            self.folder,
            env=self.env | dict(env or {}),
            core=CLIENT_CORE,
            name=f"output-{self.started}",
        )

    def run(self, *words: str | Path, code: int = 0) -> Ran:
        """Run `run-campaign` to its end."""
        with self.start(*words).or_killed() as process:
            return process.wait(code)

    def sent(self) -> int:
        """How many messages the ledger knows as sent."""
        with closing(sqlite3.connect(self.ledger)) as ledger:
            [[count]] = ledger.execute("select count(*) from message where status = 'sent'")
            return int(count)


def _line(number: int) -> str:
    return ",".join(row_of(number)) + "\n"


def _sheet(rows: int) -> Iterator[str]:
    luck = random.Random(7)
    for number in range(rows):
        chance = luck.random()
        id, name, company = row_of(number)
        if chance < 0.002:
            id = f"@person{number}"
        elif chance < 0.012 and number:
            id = str(FIRST_ID + luck.randrange(number))
        yield (
            f"{id},{name},{company},Head of Data,Utrecht,NL,incremental builds,conference list,"
            f"https://company{number % 997}.example,met at booth {number % 53}\n"
        )


def half_sent(ledger: Path, at: float | None = None) -> int:
    """Turn the first half of a planned ledger into messages sent, at the API's daily limit until
    now, as if a run had been killed there; how many."""
    now = time.time() if at is None else at
    with closing(sqlite3.connect(ledger)) as connection, connection:
        queued = "select id from message where status = 'queued' order by id"
        ids = [id for (id,) in connection.execute(queued)]
        half = len(ids) // 2
        [lane, run] = connection.execute("select id, run from lane").fetchone()
        [base] = connection.execute("select origin from campaign").fetchone()
        apart = DAY / PER_DAY
        connection.executemany(
            "insert into attempt (message, number, run, sender, version, base_url, lane, key, body,"
            " started_at, server_at, ended_at, outcome, evidence, http_status, message_id,"
            " thread_id) select id, 1, ?, sender, 'v2', ?, ?, 'rc1-' || hex(randomblob(32)),"
            " cast(text as blob), ?, ?, ?, 'accepted', 'accepted', 201, 'old' || id, 'thr' || id"
            " from message where id = ?",
            (
                (run, f"{base}/api/v2", lane, sent, sent, sent + 0.02, id)
                for id, sent in zip(
                    ids[:half], (now - 60 - apart * (half - n) for n in range(half)), strict=True
                )
            ),
        )
        connection.execute(
            "update message set status = 'sent', attempts = 1, message_id = 'old' || id,"
            " thread_id = 'thr' || id, sent_at = (select ended_at from attempt where"
            " attempt.message = message.id) where id in"
            f" ({queued} limit ?)",
            (half,),
        )
        return half
