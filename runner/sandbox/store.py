"""The store of the sandbox: account links, threads, messages, events, and its own list of sends.

``accepted`` is that list. An entry is added when a message counts as sent, before any answer goes
out, and with ``record`` it is on file by then. A sandbox given the record of an earlier one goes on
from it, since the real service does not forget when a client dies.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.sandbox.answers import Agenda
from runner.sandbox.feed import Event, Feed
from runner.sandbox.options import AccountLink, Options, default_links
from runner.sandbox.people import People, Person, made_up_id, made_up_number

MEMBER_ID = "r3km7xj9wq5p2bvnhfdteoly"
TOKEN_ID = "t9wq5p2bvnhfdteolyr3km7x"

ENTRY_KEYS = (
    "seq",
    "at",
    "version",
    "sender",
    "recipient",
    "message_id",
    "thread_id",
    "content",
    "key",
    "person",
)


def stamp(at: float) -> str:
    """Return Unix seconds as the API writes times: UTC, milliseconds, ``Z``."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


@dataclass(frozen=True)
class Reaction:
    """A person's reaction to a message."""

    emoji: str
    at: float


@dataclass
class Message:
    """A message of a thread. ``sent`` is the text as given, ``content`` as shown afterwards."""

    id: str
    thread: "Thread"
    number: int
    outbound: bool
    content: str
    created_at: float
    platform_id: str
    shown_at: float
    reply_to: "Message | None" = None
    origin: str = "api"
    campaign_id: str | None = None
    failed: bool = False
    edited_at: float | None = None
    deleted_at: float | None = None
    reactions: list[Reaction] = field(default_factory=list)


@dataclass
class Thread:
    """The thread between an account link and a person."""

    id: str
    link: AccountLink
    person: Person
    created_at: float
    messages: list[Message] = field(default_factory=list)
    archived: bool = False
    assigned: bool = False
    restrictions: list[str] = field(default_factory=list)
    accepted: int = 0

    @property
    def platform_id(self) -> str:
        """Return X conversation id, ``smallerUserId:largerUserId`` (docs guides/core-concepts)."""
        ids = (self.link.platform_id, self.person.platform_id)
        return ":".join(sorted(ids, key=lambda one: (len(one), one)))

    def shown(self, now: float) -> list[Message]:
        """Return the messages that listings show by now, oldest first."""
        return [message for message in self.messages if message.shown_at <= now]

    @property
    def activity_at(self) -> float:
        """Time of the newest message."""
        return self.messages[-1].created_at if self.messages else self.created_at


@dataclass(frozen=True)
class Order:
    """A send that passed every check: who writes to whom, and what."""

    link: AccountLink
    person: Person
    addressed: str
    content: str
    reply_to: Message | None = None


@dataclass(frozen=True)
class Elsewhere:
    """The origin of a message that was written in the app, on the platform or by another program.
    ``origin`` is internal, external or api, as v1 tells it; ``ago`` is in seconds before ``at``,
    which is now unless given."""

    origin: str = "internal"
    campaign_id: str | None = None
    ago: float = 0.0
    at: float | None = None


class Store:
    """One team's data."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.links: dict[str, AccountLink] = {
            link.id: link for link in (default_links() if options.links is None else options.links)
        }
        for link in self.links.values():
            link.team = options.team_id
        self.people = People(dict(options.contacts))
        self.threads: dict[str, Thread] = {}
        self.messages: dict[str, Message] = {}
        self.feed = Feed(options.feed, options.seed)
        self.agenda = Agenda()
        self.accepted: list[dict[str, Any]] = []
        self.received: list[tuple[float, str]] = []
        """The times at which people wrote to an account, with their platform ids."""
        self.tags: dict[str, str] = {}
        self.statuses: dict[str, str] = {}
        self._recorded_threads: dict[tuple[str, str], str] = {}
        self._ids = 0
        self._record: int | None = None

    def tag_named(self, ref: str) -> str | None:
        """Return the id of the tag with this id or name, None for none."""
        named = {name.lower(): id for id, name in self.tags.items()}
        return ref if ref in self.tags else named.get(ref.lower())

    def tag(self, name: str) -> str:
        """Return the id of a tag, which is made if it is not there. Case does not count."""
        found = {known.lower(): id for id, known in self.tags.items()}
        id = found.get(name.lower()) or made_up_id("tag", name.lower())
        self.tags.setdefault(id, name)
        return id

    def status(self, name: str) -> str:
        """Return the id of a status, which is made if it is not there. Case does not count."""
        found = {known.lower(): id for id, known in self.statuses.items()}
        id = found.get(name.lower()) or made_up_id("status", name.lower())
        self.statuses.setdefault(id, name)
        return id

    def new_message_id(self, asked: bytes = b"") -> str:
        """Reserve an id for a message that may come to be; ``asked``: the request, so that a
        sandbox that is started again does not give the ids of the one before to others."""
        while True:
            self._ids += 1
            message_id = made_up_id("message", self._options.seed, self._ids, asked)
            if message_id not in self.messages:
                return message_id

    def thread_of(self, link: AccountLink, person: Person) -> Thread | None:
        """Return the thread between the two, shown in listings or not yet."""
        return self.threads.get(self._thread_id(link, person))

    def _thread_id(self, link: AccountLink, person: Person) -> str:
        """Return the id of the thread between the two: of the record, or else of this sandbox."""
        kept = self._recorded_threads.get((link.id, person.platform_id))
        return kept or made_up_id("thread", self._options.seed, link.id, person.platform_id)

    def shown_threads(self, now: float) -> list[Thread]:
        """Return the threads that listings show by now, newest activity first."""
        shown = [thread for thread in self.threads.values() if thread.shown(now)]
        return sorted(shown, key=lambda thread: (thread.activity_at, thread.id), reverse=True)

    def threads_with(self, person: Person, now: float) -> list[Thread]:
        """Return the threads with one person that listings show by now, newest activity first."""
        found = [self.thread_of(link, person) for link in self.links.values()]
        shown = [thread for thread in found if thread is not None and thread.shown(now)]
        return sorted(shown, key=lambda thread: (thread.activity_at, thread.id), reverse=True)

    def shows_contact(self, person: Person, now: float) -> bool:
        """Say whether listings show a contact by now: with its first message, or from the start."""
        return self.people.is_imported(person) or bool(self.threads_with(person, now))

    def events_after(self, after: int, now: float, most: int | None = None) -> list[Event]:
        """Return the events after a number that are kept and shown by now; ``most`` are kept in
        all."""
        return self.feed.after(after, now - self._options.show_after, most=most)

    def accept(
        self,
        order: Order,
        message_id: str,
        *,
        version: int,
        key: str | None,
        body: bytes,
        unconfirmed: bool = False,
    ) -> Message:
        """Count a message as sent: put it in the list, on file, and in its thread.

        ``body`` and ``unconfirmed`` go on file only, so that the key can be restored.
        """
        now = self._options.clock()
        entry: dict[str, Any] = {
            "seq": len(self.accepted) + 1,
            "at": now,
            "version": version,
            "sender": order.link.id,
            "recipient": order.addressed,
            "message_id": message_id,
            "thread_id": self._thread_id(order.link, order.person),
            "content": order.content,
            "key": key,
            "person": order.person.platform_id,
        }
        self._write(entry | {"body": body.decode("utf-8", "replace"), "unconfirmed": unconfirmed})
        self.accepted.append(entry)
        self._options.accepts()
        return self._add_accepted(order, message_id, now)

    def _add_accepted(self, order: Order, message_id: str, at: float) -> Message:
        message = self._add(order, message_id, at, outbound=True)
        thread = message.thread
        thread.accepted += 1
        options = self._options
        for place, act in options.answers.to_message(message, thread.accepted, options.seed):
            self.agenda.add(at + act.after, act, message, place)
        return message

    def write_elsewhere(
        self,
        link: AccountLink,
        person: Person,
        content: str,
        how: Elsewhere,
        message_id: str | None = None,
    ) -> Message:
        """Add an outbound message that is no send of this API's client: not in the list."""
        order = Order(link, person, person.platform_id, content)
        at = (self._options.clock() if how.at is None else how.at) - how.ago
        message = self._add(order, message_id or self.new_message_id(), at, outbound=True)
        message.origin, message.campaign_id = how.origin, how.campaign_id
        message.thread.messages.sort(key=lambda one: one.created_at)
        return message

    def receive(
        self,
        link: AccountLink,
        person: Person,
        content: str,
        *,
        at: float | None = None,
        message_id: str | None = None,
    ) -> Message:
        """Add an inbound message: the person writes to the account, now unless ``at`` is given."""
        order = Order(link, person, person.platform_id, content)
        when = self._options.clock() if at is None else at
        self.received.append((when, person.platform_id))
        return self._add(order, message_id or self.new_message_id(), when, outbound=False)

    def remove(self, thread: Thread, at: float) -> None:
        """Delete a thread, with its messages."""
        del self.threads[thread.id]
        for message in thread.messages:
            del self.messages[message.id]
        data = {"accountLinkId": thread.link.id, "platform": thread.link.platform}
        self.feed.note("thread.deleted", at, thread, data=data)

    def _add(self, order: Order, message_id: str, now: float, *, outbound: bool) -> Message:
        thread = self.thread_of(order.link, order.person)
        if thread is None:
            thread_id = self._thread_id(order.link, order.person)
            thread = Thread(thread_id, order.link, order.person, now)
            self.threads[thread_id] = thread
            self.people.add_contact(order.person)
            self.feed.note("thread.created", now, thread)
        message = Message(
            id=message_id,
            thread=thread,
            number=len(self.messages) + 1,
            outbound=outbound,
            content=self._options.mangled(order.content) if outbound else order.content,
            created_at=now,
            platform_id=made_up_number("message", message_id),
            shown_at=now + self._options.show_after,
            reply_to=order.reply_to,
            origin="api" if outbound else "external",
        )
        thread.messages.append(message)
        self.messages[message_id] = message
        kind = "message.sent" if outbound else "message.received"
        self.feed.note(kind, now, thread, message)
        return message

    def tally(self) -> dict[str, Any]:
        """Return the number of sends and of people, and those who got more than one (as first
        addressed)."""
        addressed: dict[str, str] = {}
        counts: dict[str, int] = defaultdict(int)
        for entry in self.accepted:
            addressed.setdefault(entry["person"], entry["recipient"])
            counts[entry["person"]] += 1
        return {
            "accepted": len(self.accepted),
            "recipients": len(counts),
            "doubled": [addressed[person] for person, count in counts.items() if count > 1],
        }

    def close(self) -> None:
        """Close the record file; a later send opens it again."""
        if self._record is not None:
            os.close(self._record)
            self._record = None

    def _write(self, entry: dict[str, Any]) -> None:
        if self._options.record is None:
            return
        if self._record is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._record = os.open(self._options.record, flags, 0o600)
        line = json.dumps(entry) + "\n"
        # One write, straight to the kernel: whole lines survive a SIGKILL of this process.
        os.write(self._record, line.encode())

    def restore(self, entry: dict[str, Any]) -> None:
        """Add what an entry of the record tells. Raises ValueError."""
        link = self.links.get(entry["sender"])
        if link is None:
            raise ValueError(f"record: no account link {entry['sender']!r}")
        person = self.people.by_inbox_id(entry["recipient"])
        if person is None or person.platform_id != entry["person"]:
            person = self.people.by_platform_id(link.platform, entry["person"])
        if person is None:
            raise ValueError(f"record: no person {entry['person']!r}")
        order = Order(link, person, entry["recipient"], entry["content"])
        self._recorded_threads[link.id, person.platform_id] = entry["thread_id"]
        self.accepted.append({name: entry[name] for name in ENTRY_KEYS})
        self._add_accepted(order, entry["message_id"], entry["at"])


def record_entries(record: Path | None) -> Iterable[dict[str, Any]]:
    """Give the entries of an earlier sandbox's record. Raises ValueError for a bad line."""
    if record is None or not record.exists():
        return
    data = record.read_bytes()
    if data and not data.endswith(b"\n"):
        # A line that a dying machine did not finish was never answered for.
        data = data[: data.rfind(b"\n") + 1]
        record.write_bytes(data)
    for number, line in enumerate(data.splitlines(), 1):
        try:
            entry = json.loads(line)
            missing = [name for name in (*ENTRY_KEYS, "body", "unconfirmed") if name not in entry]
        except (ValueError, TypeError):
            missing = ["JSON"]
        if missing:
            raise ValueError(f"{record} line {number}: not a record line, no {missing[0]}")
        yield entry
