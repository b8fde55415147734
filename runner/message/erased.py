"""Erased people: whom nothing is kept of but keyed hashes, by which they are known again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from runner.message.handle import one_handle

PLACEHOLDER = "erased:"
"""The beginning of what stands in place of an erased person's id."""

_BYTES = 16
"""The length of a keyed hash: no two people share one by chance."""


def keyed_hash(key: str, what: str) -> str:
    """Return the hash of a text under a key (hex): without the key nothing can be compared with
    it."""
    made = hashlib.blake2b(what.encode(), key=bytes.fromhex(key), digest_size=_BYTES)
    return made.hexdigest()


def is_placeholder(id: str) -> bool:
    """Return whether an id is no id, but what is left of one."""
    return id.startswith(PLACEHOLDER)


def of_id(id: str) -> str:
    """Return the text that is hashed for an id: of any platform, as on do-not-contact lists."""
    return f"id {id}"


def of_handle(platform: str, handle: str) -> str:
    """Return the text that is hashed for a handle of a platform."""
    return f"handle {platform} {one_handle(handle)}"


def of_thread(thread: str) -> str:
    """Return the text that is hashed for a thread."""
    return f"thread {thread}"


@dataclass(frozen=True, slots=True)
class ErasedPeople:
    """The people whom a ledger has erased. `keys`: of its hashes; several where ledgers have moved
    into one."""

    keys: tuple[str, ...] = ()
    hashes: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def joined(self, other: ErasedPeople) -> ErasedPeople:
        """Return the people of both."""
        keys = tuple(dict.fromkeys((*self.keys, *other.keys)))
        return ErasedPeople(keys, self.hashes | other.hashes)

    def has_id(self, id: str) -> bool:
        """Return whether an id is of a person who was erased."""
        return is_placeholder(id) or bool(self._found(of_id(id)))

    def has_handle(self, platform: str, handle: str) -> bool:
        """Return whether a handle is of a person who was erased."""
        return bool(self._found(of_handle(platform, handle)))

    def has_thread(self, thread: str) -> bool:
        """Return whether a thread is with a person who was erased."""
        return bool(self._found(of_thread(thread)))

    def placeholder(self, id: str) -> str:
        """Return what stands in place of an erased person's id."""
        return id if is_placeholder(id) else PLACEHOLDER + self._found(of_id(id))

    def handle_placeholder(self, platform: str, handle: str) -> str:
        """Return what stands in place of the id where only an erased handle is known."""
        return PLACEHOLDER + self._found(of_handle(platform, handle))

    def _found(self, what: str) -> str:
        """Return the hash by which a text is known; empty for none."""
        if not self.hashes:
            return ""
        made = (keyed_hash(key, what) for key in self.keys)
        return next((each for each in made if each in self.hashes), "")


NOBODY = ErasedPeople()
