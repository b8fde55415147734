"""Account links as people name them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from runner.message.handle import one_handle


class AccountName(NamedTuple):
    """The handle (without `@`) and the name of an account link, as Inbox has them."""

    handle: str = ""
    name: str = ""


def sender_text(id: str, links: Mapping[str, AccountName]) -> str:
    """Return an account link for people: `@acmecorp (df6jbw…)`; its id where no handle is known."""
    handle = links.get(id, AccountName()).handle
    return f"@{handle} ({id})" if handle else id


def sender_finder(
    senders: Collection[str], links: Mapping[str, AccountName]
) -> Callable[[str], tuple[str, str]]:
    """Return a function of a cell that names a sender by id, name or `@handle`, in any case: it
    gives the sender's id, empty for an empty cell, and why there is none."""
    named: dict[str, set[str]] = {}
    for id in senders:
        link = links.get(id, AccountName())
        for word in (id, link.handle, f"@{link.handle}" if link.handle else "", link.name):
            if word:
                named.setdefault(one_handle(word.strip()), set()).add(id)

    def find(cell: str) -> tuple[str, str]:
        wanted = cell.strip()
        if not wanted:
            return "", ""
        found = named.get(one_handle(wanted), set())
        if len(found) == 1:
            return next(iter(found)), ""
        if found:
            return "", f"several senders are called {wanted}; write the id of one"
        if any(id not in links for id in senders):
            return "", f"no sender is called {wanted}; names are known once a run has asked Inbox"
        return "", f"no sender of this campaign is called {wanted}"

    return find
