"""What may be sent to a dashboard, as a browser or as somebody who wants in."""

from __future__ import annotations

import http.client
import os
import re
import shutil
from email.message import Message
from typing import NamedTuple
from urllib.parse import urlsplit

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
IN_CI = bool(os.environ.get("CI"))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Answer(NamedTuple):
    """What a dashboard answers."""

    status: int
    headers: Message
    text: str


class Browser:
    """What may be sent to a dashboard, byte by byte if need be."""

    def __init__(self, link: str) -> None:
        self.link = urlsplit(link)
        self.host = self.link.netloc
        self.cookie = ""

    def ask(self, path: str, method: str = "GET", body: str = "", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.link.port or 0, timeout=60)
        told = {"Host": self.host, "Cookie": self.cookie}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in told.items() if value}
        connection.request(method, path, body or None, kept)
        answer = connection.getresponse()
        told_back = Answer(answer.status, answer.headers, answer.read().decode())
        connection.close()
        return told_back

    def enter(self) -> None:
        answer = self.ask(f"/?{self.link.query}")
        assert answer.status == 200
        told = answer.headers.get("Set-Cookie") or ""
        assert "HttpOnly" in told
        assert "SameSite=Strict" in told
        self.cookie = told.partition(";")[0]

    def form_word(self, path: str) -> str:
        found = re.search(r'name="word" value="(\w+)"', self.ask(path).text)
        assert found is not None
        return found[1]
