"""The erasing of people from a ledger: who they are in it, what is told of them before, and what is
done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.audience.handles import HANDLE_COLUMNS, CellHandle, read_handle
from runner.clock import Clock
from runner.errors import UsageError
from runner.ledger import locks
from runner.ledger.erasure import compaction, erasure, records, traces
from runner.ledger.erasure.erasure import Erased
from runner.ledger.erasure.records import Person, Records
from runner.ledger.erasure.traces import Trace
from runner.ledger.ledger import Ledger
from runner.ledger.people import erased
from runner.ledger.schema import acquaintance, attempt, inbound, message
from runner.message.erased import is_placeholder
from runner.message.handle import one_handle
from runner.project.files_with_people import moved_from, places_of
from runner.project.people import named_people


@dataclass(frozen=True, slots=True)
class InboxIds:
    """The ids under which Inbox itself keeps a person, for its support."""

    contacts: Sequence[str] = ()
    threads: Sequence[str] = ()
    messages: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.contacts or self.threads or self.messages)

    def lines(self) -> Iterable[str]:
        """Return them as lines of text."""
        for what in ("contacts", "threads", "messages"):
            for id in getattr(self, what):
                yield f"{what.removesuffix('s')} {id}"


@dataclass(frozen=True, slots=True)
class FoundPeople:
    """People before they are erased. `named`: how many were asked for; `erased_at`: when those of
    them who were erased before were (Unix s), by id; `is_new`: there is something to erase, or one
    of them was not erased before."""

    named: int
    person: Person
    records: Records
    inbox: InboxIds
    places: Sequence[str]
    erased_at: Mapping[str, float]
    is_new: bool


def find(
    ledger: Ledger,
    words: Iterable[str],
    platform: str,
    id_type: str,
    *,
    ids: Collection[str] = (),
    handles: Collection[str] = (),
    environ: Mapping[str, str],
) -> FoundPeople:
    """Find people by ids or handles, and all that the ledger has of them. `ids`, `handles`: those
    of a file. Raises UsageError for a word that is neither, UnsettledError for one to whom
    something is on its way or in doubt."""
    wanted, named = set(ids), {(platform, one_handle(each)) for each in handles}
    count = len(wanted) + len(named)
    for word in dict.fromkeys(each.strip() for each in words):
        handle = _handle(word, platform, id_type)
        if handle is None:
            wanted.add(_named(ledger, word, platform, id_type))
        else:
            named.add(handle)
        count += 1
    person = ledger.read(records.known_as, wanted, named)
    if open_ones := ledger.read(erasure.unsettled, person.ids):
        raise erasure.refusal(open_ones)
    found = ledger.read(records.records, person, HANDLE_COLUMNS)
    places = places_of(ledger, person, HANDLE_COLUMNS)
    told = "an older ledger that has moved here, with all that it held"
    places += [f"{each}: {told}" for each in moved_from(ledger, environ)]
    times = {id: ledger.read(erased.erased_at, id) for id in person.ids}
    before = {id: at for id, at in times.items() if at is not None}
    gone = ledger.read(erased.people)
    kept_out = all(map(gone.has_id, person.ids)) and all(
        gone.has_handle(*each) for each in person.handles
    )
    is_new = any(found.counts().values()) or bool(found.mentions) or not kept_out
    return FoundPeople(count, person, found, _inbox_ids(person, found), places, before, is_new)


def _named(ledger: Ledger, word: str, platform: str, id_type: str) -> str:
    if is_placeholder(word):
        raise UsageError(f"{word} is what is left of an id", "name the id itself")
    [id] = named_people(ledger, [word], platform=platform, id_type=id_type, checked=True)
    return id


def _handle(word: str, platform: str, id_type: str) -> tuple[str, str] | None:
    """Return a handle with its platform; None for a word that is none. It needs no kept id: rows
    that were never resolved have handles too."""
    if not (word.startswith("@") or "/" in word or id_type == "username"):
        return None
    of = "linkedin" if "linkedin." in word.lower() else platform
    read = read_handle(word, of)
    if isinstance(read, CellHandle) and read.handle:
        return of, one_handle(read.handle)
    return None


def _inbox_ids(person: Person, found: Records) -> InboxIds:
    rows = found.rows
    contacts = {*person.contacts, *(row.contact for row in rows[acquaintance])}
    messages = {row.message_id for each in (message, attempt, inbound) for row in rows[each]}
    threads = {*found.threads, *(row.thread_id for row in rows[inbound])}

    def real(ids: Iterable[str | None]) -> list[str]:
        return sorted(id for id in ids if id and not is_placeholder(id))

    return InboxIds(real(contacts), real(threads), real(messages))


def erase(ledger: Ledger, clock: Clock, found: FoundPeople, *, by: str, via: str) -> Erased:
    """Erase people from the ledger's rows, with the audit entry. Raises UnsettledError as `find`
    does."""
    return ledger.write(
        erasure.erase,
        found.person,
        clock.now(),
        by=by,
        via=via,
        count=found.named,
        handle_columns=HANDLE_COLUMNS,
    )


def compact(ledger: Ledger, at: float) -> list[str]:
    """Write the ledger's files again without what was deleted; return, in words, what of them could
    not be. Raises LaneHeld while a run is live."""
    if ledger.file is None:
        ledger.write(locks.refuse_live_runs)
        with ledger.outside_transactions() as driver:
            return compaction.compact_tables(driver)
    folder = ledger.file.resolve().parent / ".run-campaign"
    with (
        locks.hold_all_lane_files(folder, "erase", at),
        ledger.outside_transactions() as driver,
    ):
        return compaction.compact_file(driver)


def traces_of(ledger: Ledger, person: Person) -> list[Trace]:
    """Return where the ledger's tables, and its files where it is one, have one of these people's
    ids or handles."""
    handles = sorted({name for _, name in person.handles})
    found = ledger.read(traces.in_tables, person.ids, handles)
    return found + traces.in_files(_files_of(ledger), person.ids, handles)


def _files_of(ledger: Ledger) -> list[Path]:
    if ledger.file is None:
        return []
    file = ledger.file.resolve()
    beside = [file.with_name(f"{file.name}{end}") for end in ("", "-wal", "-shm", "-journal")]
    return [*beside, *sorted((file.parent / ".run-campaign").glob("*"))]


def checked(
    ledger: Ledger, words: Iterable[str], platform: str, id_type: str
) -> tuple[Person, dict[str, float]]:
    """Return people to be looked for as they are named and as the ledger knows them, and when those
    of them who were erased were (Unix s), by id and by `@handle`."""
    ids, handles = set(), set()
    for word in words:
        handle = _handle(word.strip(), platform, id_type)
        if handle is None:
            ids.add(_named(ledger, word.strip(), platform, id_type))
        else:
            handles.add(handle)
    person = ledger.read(records.known_as, ids, handles)
    times = {id: ledger.read(erased.erased_at, id) for id in person.ids}
    for of, name in person.handles:
        times[f"@{name}"] = ledger.read(erased.handle_erased_at, name, of)
    return person, {word: at for word, at in times.items() if at is not None}
