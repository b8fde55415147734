"""Checks of an acceptance: it must be that of what was sent, by whom, to whom and in which
words."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping

from runner.channels.responses import Reply, as_map, parse_time, text_id
from runner.message.outcome import NOT_AS_ASKED, Accepted, InDoubt, Outcome

_LINK = re.compile(r"https?://\S+")


def checked(outcome: Outcome, reply: Reply, body: bytes) -> tuple[Outcome, float | None]:
    """Return an acceptance, in doubt where the answer is about something else than `body`; and
    when the API says that its message was written (Unix seconds), if that was just now."""
    if not isinstance(outcome, Accepted):
        return outcome, None
    answer = as_map(reply.json())
    if odd := next(_odd(as_map(json.loads(body)), answer), ""):
        return InDoubt(NOT_AS_ASKED, f"accepted, but {odd}"), None
    stamped_at = parse_time(as_map(answer.get("message")).get("createdAt"))
    return outcome, None if outcome.replay else stamped_at


def _odd(body: Mapping[str, object], answer: Mapping[str, object]) -> Iterator[str]:
    """Return the part of the answer that is not what was asked; what it does not say is not
    missed."""
    message, thread = as_map(answer.get("message")), as_map(answer.get("thread"))
    target = as_map(body.get("target")) or body
    sender = target.get("accountLinkId")
    for said in (message.get("accountLinkId"), thread.get("accountLinkId")):
        if said is not None and sender is not None and text_id(said) != sender:
            yield "from another account link"
    threads = (target.get("threadId"), message.get("threadId"), thread.get("id"))
    if len({text_id(each) for each in threads if each is not None}) > 1:
        yield "in another thread"
    prospect = as_map(thread.get("prospect"))
    for said, asked in (
        (thread.get("contactId"), target.get("contactId")),
        (prospect.get("platformId"), target.get("externalPlatformId")),
        (prospect.get("externalId"), target.get("externalId")),
    ):
        if said is not None and asked is not None and text_id(said) != asked:
            yield "to another person"
    text = message.get("content")
    if isinstance(text, str) and _plain(text) != _plain(str(body.get("content"))):
        yield "with another text"


def _plain(text: str) -> str:
    """Return a text without what platforms change of it: spaces, links, entities, how letters are
    made."""
    whole = unicodedata.normalize("NFC", html.unescape(text))
    return " ".join(_LINK.sub("\0", whole).split())
