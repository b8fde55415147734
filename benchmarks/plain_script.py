"""What one would write instead: a script with aiohttp and a table of who was written to.

    python plain_script.py BASE SHEET DATABASE AT_ONCE TOKEN [careful]

Run again, it goes on with people who are not marked as sent. Like most such scripts it marks people
after the answer, with a commit for each and sqlite3 as it comes. `careful`: it also commits before
sending, in WAL mode, and leaves alone whom it had begun with: nobody is written to twice, and those
who were under way are left for a person to find out.
"""

from __future__ import annotations

import asyncio
import csv
import sqlite3
import sys

import aiohttp

LINK = "df6jbw4h36qm5d9iu2sgn7kx"


async def campaign(
    base: str, sheet: str, database: str, at_once: int, token: str, careful: bool
) -> None:
    db = sqlite3.connect(database)
    if careful:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE IF NOT EXISTS person (id TEXT PRIMARY KEY, status TEXT)")
    with open(sheet, newline="", encoding="utf-8") as lines:  # noqa: ASYNC230  # before the first
        people = list(csv.DictReader(lines))
    done = {id for (id,) in db.execute("SELECT id FROM person")}
    left = iter([person for person in people if person["x_user_id"] not in done])

    def mark(id: str, status: str) -> None:
        db.execute("INSERT OR REPLACE INTO person VALUES (?, ?)", (id, status))
        db.commit()

    async def work(session: aiohttp.ClientSession) -> None:
        for person in left:
            id = person["x_user_id"]
            name, company = person["first_name"], person["company"]
            text = f"Hi {name}, saw your talk at {company}. Shall I send the notes?"
            target = {
                "type": "profile",
                "accountLinkId": LINK,
                "platform": "twitter",
                "platformId": id,
            }
            if careful:
                mark(id, "sending")
            body = {"target": target, "content": text}
            async with session.post(f"{base}/api/v2/messages", json=body) as answer:
                await answer.json()
                answer.raise_for_status()
            mark(id, "sent")

    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        await asyncio.gather(*(work(session) for _ in range(at_once)))


if __name__ == "__main__":
    base, sheet, database, at_once, token, *more = sys.argv[1:]
    asyncio.run(campaign(base, sheet, database, int(at_once), token, "careful" in more))
