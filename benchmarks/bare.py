"""The sender to be measured against: a tuned aiohttp loop that keeps no state and can do nothing
but send.

    python -m benchmarks.bare BASE VERSION ROWS AT_ONCE [fast] [gap=SECONDS]

It sends the same bytes under the same headers as `run-campaign`, over one session without a cookie
jar, with everything so far kept out of the garbage collector, and looks at an answer's status only.
`fast`: on uvloop, with orjson. `gap`: the seconds that each of the `AT_ONCE` waits after an answer.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
from yarl import URL

from benchmarks.projects import LINK, TOKEN, row_of, text_of

Encode = Callable[[Any], bytes]


def compact(value: Any) -> bytes:
    """The bytes that `run-campaign` sends for a body."""
    return _ENCODER(value).encode()


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def body_of(version: str, number: int) -> dict[str, object]:
    """The body of a send to the person of a row."""
    id, text = row_of(number)[0], text_of(number)
    if version == "v1":
        return {"accountLinkId": LINK, "content": text, "externalPlatformId": id}
    target = {
        "type": "profile",
        "accountLinkId": LINK,
        "platform": "twitter",
        "platformId": id,
    }
    return {"target": target, "content": text}


def key_of(number: int) -> str:
    """A key as long as those of `run-campaign`, made with as much work."""
    return f"rc1-{hashlib.sha256(compact(['bare', number])).hexdigest()}"


async def send_all(
    base: str, version: str, rows: int, at_once: int, encode: Encode, gap: float = 0.0
) -> None:
    """Send to all rows, so many at once, each `gap` seconds after the answer before."""
    path = "threads/messages" if version == "v1" else "messages"
    url = URL(f"{base}/api/{version}/{path}")
    left = iter(range(rows))
    own = {
        "Authorization": f"Bearer {TOKEN}",
        "User-Agent": "bare",
        "Accept": "application/json",
        "Content-Type": "application/json",
    }

    async def work(session: aiohttp.ClientSession) -> None:
        for number in left:
            body = encode(body_of(version, number))
            headers = {"Idempotency-Key": key_of(number)} if version == "v2" else None
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                if answer.status not in (200, 201):
                    raise SystemExit(f"HTTP {answer.status}")
            if gap:
                await asyncio.sleep(gap)

    connector = aiohttp.TCPConnector(limit=at_once)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar, headers=own) as session:
        gc.freeze()
        await asyncio.gather(*(work(session) for _ in range(at_once)))


def main(words: list[str]) -> None:
    base, version, rows, at_once = words[:4]
    gap = next((float(word[4:]) for word in words if word.startswith("gap=")), 0.0)
    work = send_all(base, version, int(rows), int(at_once), compact, gap)
    if "fast" not in words:
        asyncio.run(work)
        return
    work.close()
    uvloop, orjson = importlib.import_module("uvloop"), importlib.import_module("orjson")
    gc.set_threshold(100_000, 50, 50)
    uvloop.run(send_all(base, version, int(rows), int(at_once), orjson.dumps, gap))


if __name__ == "__main__":
    main(sys.argv[1:])
