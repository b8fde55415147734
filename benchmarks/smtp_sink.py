"""An SMTP server that accepts everything: one address a line in a file, its port on stdout.

python smtp_sink.py FILE
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from aiosmtpd.smtp import SMTP


class Keeper:
    """Writes down whom mail was accepted for."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        with open(self._path, "a", encoding="utf-8") as file:  # noqa: ASYNC230
            file.writelines(f"{address}\n" for address in envelope.rcpt_tos)
        return "250 OK"


async def serve(path: str) -> None:
    keeper = Keeper(path)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(keeper), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
