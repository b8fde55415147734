"""What a ledger does when its disk, its file or its database fails."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from runner.errors import LedgerError, LedgerLocked, RunnerError
from runner.ledger import locks, schema
from runner.ledger.campaigns import registry
from runner.ledger.copies.backup import back_up
from runner.ledger.database import files, network_file_systems, sqlite
from runner.ledger.database.errors import translate, translate_driver_errors
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, decisions, outcomes, queue
from runner.ledger.messages.outcomes import Result
from runner.ledger.queries import totals
from runner.message.evidence import Evidence
from runner.message.status import MessageStatus
from tests.support import SENDER, make_campaign, make_intent, make_queue, own_lane

S = MessageStatus


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a ledger may be made."""
    return tmp_path / "state.db"


def ids_of(ledger: Ledger, campaign: int, count: int = 1000) -> list[int]:
    return [due.id for due in ledger.read(queue.due, campaign, SENDER, 5.0, count)]


def queue_of(ledger: Ledger, count: int) -> int:
    """A campaign with so many queued messages; its number."""
    row = make_campaign(ledger)
    make_queue(ledger, row, list(range(1, count + 1)))
    return row.id


async def together(*waiting: Awaitable[Any]) -> list[Any]:
    """What each comes to, an exception too."""
    return await asyncio.gather(*waiting, return_exceptions=True)


def accepted(message: int) -> Result:
    return Result(message, 1, Evidence.ACCEPTED, 20.0, message_id=f"m{message}")


# What is said


@pytest.mark.parametrize(
    ("name", "told", "hint"),
    [
        ("SQLITE_FULL", "no space left for the ledger state.db", "make room"),
        ("SQLITE_IOERR_WRITE", "the disk of the ledger state.db failed", "over a quota"),
        ("SQLITE_READONLY_DBMOVED", "state.db cannot be written", "let it be written"),
        ("SQLITE_CANTOPEN_ISDIR", "state.db cannot be opened", "permissions"),
        ("SQLITE_CORRUPT_INDEX", "state.db is damaged", "run-campaign db backup"),
        ("SQLITE_NOTADB", "state.db is damaged or not a ledger", "do not remove it"),
        ("SQLITE_BUSY_SNAPSHOT", "another program has held the ledger state.db", "end it"),
        ("SQLITE_MISMATCH", "the ledger state.db failed: words", ""),
    ],
)
def test_sqlites_code_decides_what_is_said(name: str, told: str, hint: str) -> None:
    error = sqlite3.OperationalError("words\nof its own, e.g. that it is full and locked")
    error.sqlite_errorname = name
    found = translate(error, "state.db")
    assert told in str(found)
    assert "\n" not in str(found)
    assert hint in found.hint


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("57P01", "the connection to pg was cut"),
        ("53100", "pg lacks a resource"),
        ("25006", "pg cannot be written"),
        ("40P01", "pg rolled a change back"),
        ("55P03", "another program has held the ledger pg"),
        (None, "the ledger pg failed"),
    ],
)
def test_postgresqls_code_decides_what_is_said(code: str | None, told: str) -> None:
    class Said(Exception):
        sqlstate = code

    with pytest.raises(LedgerError, match=told), translate_driver_errors("pg"):
        raise OperationalError("SELECT", {}, Said("words"))


# Where it lies


@pytest.mark.parametrize(
    ("folder", "kind", "refused"),
    [
        ("/data/a", "ext4", False),
        ("/data/share/a", "nfs4", True),
        ("/data/share", "nfs4", True),
        ("/data/shared", "ext4", False),
        ("/data/with space/a", "fuse.sshfs", True),
        ("/s3", "fuse.s3fs", True),
        ("/cloud", "fuse.rclone", True),
        ("/bucket", "fuse", True),
        ("/usb", "fuseblk", False),
        ("/rootless", "fuse.fuse-overlayfs", False),
        ("/host", "virtiofs", True),
        ("/twice", "tmpfs", False),
    ],
)
def test_a_network_file_system_is_known_by_the_mount_table(
    folder: str, kind: str, refused: bool
) -> None:
    mounts = r"""/dev/sda / ext4 rw 0 0
server:/x /data/share nfs4 rw 0 0
me@host: /data/with\040space fuse.sshfs rw 0 0
s3fs /s3 fuse.s3fs rw 0 0
drive: /cloud fuse.rclone rw 0 0
s3 /bucket fuse rw 0 0
/dev/sdb1 /usb fuseblk rw 0 0
overlay /rootless fuse.fuse-overlayfs rw 0 0
mac /host virtiofs rw 0 0
server:/y /twice nfs rw 0 0
none /twice tmpfs rw 0 0
"""
    assert network_file_systems.file_system_of(Path(folder), mounts) == kind
    assert network_file_systems.is_network(kind) is refused


def test_the_real_place_of_a_linked_ledger_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "share").mkdir()
    link = tmp_path / "state.db"
    link.symlink_to(tmp_path / "share" / "state.db")
    mounts = f"/dev/sda / ext4 rw 0 0\nserver:/x {tmp_path.resolve()}/share nfs rw 0 0\n"
    monkeypatch.setattr(files, "read_mounts", lambda: mounts)
    with pytest.raises(LedgerError, match="network file system"):
        open_ledger(str(link))
    assert list((tmp_path / "share").iterdir()) == []


def test_a_reader_by_a_link_sees_what_a_live_run_has_committed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "state.db"
    link.symlink_to(tmp_path / "far" / "state.db")
    with open_ledger(str(link)) as ledger:
        make_campaign(ledger)
        with open_ledger(str(link), read_only=True) as reader:
            assert len(reader.read(registry.campaigns)) == 1


# Files that go away under a live run


def _removed(file: Path) -> None:
    file.unlink()


def _renamed(file: Path) -> None:
    file.rename(file.with_name("away.db"))


def _replaced(file: Path) -> None:
    shutil.copy(file, file.with_name("copy.db"))
    file.with_name("copy.db").replace(file)


def _made_a_folder(file: Path) -> None:
    file.rename(file.with_name("away.db"))
    file.mkdir()


def _moved_with_its_folder(file: Path) -> None:
    file.parent.rename(file.parent.with_name("elsewhere"))


def _without_wal(file: Path) -> None:
    Path(f"{file}-wal").unlink()


def _without_shared_memory(file: Path) -> None:
    Path(f"{file}-shm").unlink()


LOSSES = [
    _removed,
    _renamed,
    _replaced,
    _made_a_folder,
    _moved_with_its_folder,
    _without_wal,
    _without_shared_memory,
]


@pytest.mark.parametrize("lose", LOSSES)
async def test_nothing_is_begun_in_a_file_that_nobody_finds_again(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    file = folder / "state.db"
    ledger = open_ledger(str(file))
    campaign = queue_of(ledger, 3)
    run, epoch = own_lane(ledger)
    ids = ids_of(ledger, campaign)
    first = await ledger.commit(claims.claim, make_intent(ids[0], run, epoch))
    assert first == 1
    lose(file)
    with pytest.raises(LedgerError, match=r"(gone|another file|removed or replaced)"):
        await ledger.commit(claims.claim, make_intent(ids[1], run, epoch))
    with pytest.raises(LedgerError):
        ledger.write(decisions.suppress, ["77"], "asked", 3.0)
    assert ledger.read(totals.counts, campaign)[S.SENDING] == 1, "an intent that was not to be"
    ledger.close()


async def test_a_wal_that_was_removed_is_folded_in_at_the_end(file: Path) -> None:
    with open_ledger(str(file)) as ledger:
        campaign = queue_of(ledger, 2)
        run, epoch = own_lane(ledger)
        ids = ids_of(ledger, campaign)
        await ledger.commit(claims.claim, make_intent(ids[0], run, epoch))
        _without_wal(file)
        with pytest.raises(LedgerError):
            await ledger.commit(claims.claim, make_intent(ids[1], run, epoch))
    with open_ledger(str(file)) as ledger:
        counts = ledger.read(totals.counts, campaign)
        assert (counts[S.SENDING], counts[S.QUEUED]) == (1, 1)


# After the first failure


async def test_after_a_failure_outcomes_are_recorded_and_nothing_is_begun(
    ledger: Ledger,
) -> None:
    campaign = queue_of(ledger, 4)
    run, epoch = own_lane(ledger)
    ids = ids_of(ledger, campaign)
    for id in ids[:2]:
        await ledger.commit(claims.claim, make_intent(id, run, epoch))

    def broken(_connection: Connection, _items: list[int]) -> list[int]:
        raise LedgerError("no space left")

    ended = await together(
        ledger.commit(broken, 1),
        ledger.commit(claims.claim, make_intent(ids[2], run, epoch)),
    )
    assert all(isinstance(each, LedgerError) for each in ended), ended
    # The disk has room again: what is under way may be recorded, but nothing begins any more.
    ended = await together(
        ledger.commit(claims.claim, make_intent(ids[3], run, epoch)),
        ledger.commit(outcomes.record, accepted(ids[0])),
    )
    assert isinstance(ended[0], LedgerError)
    assert await ledger.commit(outcomes.record, accepted(ids[1])) == outcomes.Recorded(S.SENT)
    counts = ledger.read(totals.counts, campaign)
    assert (counts[S.SENT], counts[S.QUEUED], counts[S.SENDING]) == (2, 2, 0)


async def test_an_outcome_is_not_lost_to_an_intent_that_fails_beside_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = queue_of(ledger, 2)
    run, epoch = own_lane(ledger)
    ids = ids_of(ledger, campaign)
    await ledger.commit(claims.claim, make_intent(ids[0], run, epoch))
    bad = make_intent(ids[1], 4711, epoch)  # there is no such run
    ended = await together(
        ledger.commit(claims.claim, bad),
        ledger.commit(outcomes.record, accepted(ids[0])),
    )
    assert isinstance(ended[0], LedgerError)
    counts = ledger.read(totals.counts, campaign)
    assert (counts[S.SENT], counts[S.QUEUED]) == (1, 1)


def test_what_an_aborted_run_has_learnt_is_still_committed(
    file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ledger = open_ledger(str(file))
    campaign = queue_of(ledger, 3)
    run, epoch = own_lane(ledger)
    ids = ids_of(ledger, campaign)
    ledger.write(claims.claim, [make_intent(id, run, epoch) for id in ids])
    held = threading.Event()

    def slow(_connection: Connection, items: list[int]) -> list[int]:
        held.wait(60)
        return items

    async def leave() -> None:
        first = asyncio.ensure_future(ledger.commit(slow, 0))
        rest = [asyncio.ensure_future(ledger.commit(outcomes.record, accepted(id))) for id in ids]
        await asyncio.sleep(0)
        assert not any(each.done() for each in (first, *rest))

    asyncio.run(leave())
    held.set()
    ledger.close()
    with open_ledger(str(file)) as again:
        assert again.read(totals.counts, campaign)[S.SENT] == 3
    assert capfd.readouterr().err == ""


# Held by another program


HOLDER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the write lock meanwhile."""
    words = [sys.executable, "-c", HOLDER, str(file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_who_holds_the_ledger_for_too_long_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ledger(str(file)).close()
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    with open_ledger(str(file)) as ledger, held_by_another(file) as process:
        with pytest.raises(LedgerLocked, match="has held the ledger") as caught:
            make_campaign(ledger)
        if Path("/proc/locks").exists():
            assert f"process {process.pid} (python" in str(caught.value)
    assert "nothing is lost" in caught.value.hint


# Damage


def filled(file: Path, count: int = 200) -> int:
    """A ledger at rest with so many messages, all in the file itself; the campaign's number."""
    with open_ledger(str(file)) as ledger:
        return queue_of(ledger, count)


def _header(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.write(b"\0" * 100)


def _a_page(file: Path) -> None:
    pages = file.stat().st_size // 4096
    with file.open("r+b") as stream:
        stream.seek(pages // 2 * 4096)
        stream.write(random.Random(1).randbytes(4096))


def _cut(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2 // 4096 * 4096)


@pytest.mark.parametrize("damage", [_header, _a_page, _cut])
def test_a_damaged_ledger_is_refused_and_left_alone(
    file: Path, damage: Callable[[Path], None]
) -> None:
    filled(file)
    damage(file)
    before = file.read_bytes()
    with pytest.raises(LedgerError, match="damaged") as caught:
        open_ledger(str(file))
    assert "run-campaign db backup" in caught.value.hint
    assert file.read_bytes() == before


def live_copy(file: Path, target: Path, work: Callable[[Ledger], object]) -> Path:
    """What a kill would leave of a ledger after `work`: the file and its WAL, as they lie."""
    target.mkdir()
    with open_ledger(str(file)) as ledger:
        work(ledger)
        for name in (file.name, f"{file.name}-wal"):
            shutil.copy(file.with_name(name), target / name)
    return target / file.name


def test_an_emptied_ledger_beside_its_wal_is_not_begun_anew(file: Path, tmp_path: Path) -> None:
    killed = live_copy(file, tmp_path / "killed", make_campaign)
    wal = Path(f"{killed}-wal")
    kept = wal.read_bytes()
    whole = killed.read_bytes()
    killed.write_bytes(b"")
    for read_only in (True, False):
        with pytest.raises(LedgerError, match="is empty, but its"):
            open_ledger(str(killed), read_only=read_only)
    killed.unlink()
    with pytest.raises(LedgerError, match="is gone, but its"):
        open_ledger(str(killed))
    assert wal.read_bytes() == kept
    killed.write_bytes(whole)
    with open_ledger(str(killed)) as ledger:
        assert len(ledger.read(registry.campaigns)) == 1


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_ledger_where_runs_took_place_is_not_begun_anew(
    file: Path, tmp_path: Path, content: bytes | None
) -> None:
    killed = live_copy(file, tmp_path / "killed", make_campaign)
    Path(f"{killed}-wal").unlink()  # all that it knew was in there
    if content is not None:
        killed.write_bytes(content)
    (killed.parent / ".run-campaign").mkdir()
    (killed.parent / ".run-campaign" / "lane-0123456789abcdef.lock").touch()
    with pytest.raises(LedgerError, match="runs took place"):
        open_ledger(str(killed))
    killed.unlink()  # as the hint has it
    open_ledger(str(killed)).close()


def test_a_cut_wal_gives_an_earlier_state_that_holds_together(file: Path, tmp_path: Path) -> None:
    def send_some(ledger: Ledger) -> None:
        campaign = queue_of(ledger, 20)
        run, epoch = own_lane(ledger)
        for id in ids_of(ledger, campaign):
            ledger.write(claims.claim, [make_intent(id, run, epoch)])
            ledger.write(outcomes.record, [accepted(id)])

    open_ledger(str(file)).close()
    killed = live_copy(file, tmp_path / "killed", send_some)
    whole = Path(f"{killed}-wal").read_bytes()
    start = killed.read_bytes()
    luck, seen = random.Random(7), set()
    for cut in sorted(luck.randrange(len(whole)) for _ in range(25)):
        Path(f"{killed}-shm").unlink(missing_ok=True)
        killed.write_bytes(start)
        Path(f"{killed}-wal").write_bytes(whole[:cut])
        with open_ledger(str(killed)) as ledger, ledger.reading() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
            sent = connection.execute(text("SELECT id FROM message WHERE status = 'sent'"))
            proven = connection.execute(
                text("SELECT message FROM attempt WHERE outcome = 'accepted'")
            )
            numbers = sorted(sent.scalars())
            assert numbers == sorted(proven.scalars())
            assert numbers == list(range(1, len(numbers) + 1)), "a later one without an earlier"
            seen.add(len(numbers))
    assert len(seen) > 3


def test_a_ledger_that_could_not_be_made_leaves_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LedgerError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(schema.metadata, "create_all", full)
        with pytest.raises(LedgerError, match="no space"):
            open_ledger(str(file))
    assert list(file.parent.iterdir()) == []
    open_ledger(str(file)).close()


@pytest.mark.parametrize(
    "tables",
    ["CREATE TABLE places (url TEXT)", "CREATE TABLE meta (id INTEGER); CREATE TABLE b (c TEXT)"],
)
def test_another_programs_database_is_refused_and_left_alone(file: Path, tables: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(tables)
    before = file.read_bytes()
    for read_only in (True, False):
        with pytest.raises(LedgerError, match="no ledger") as caught:
            open_ledger(str(file), read_only=read_only)
        assert "--state" in caught.value.hint
    assert file.read_bytes() == before


def test_a_ledger_without_a_schema_version_is_damaged(location: str) -> None:
    with open_ledger(location) as ledger, ledger.writing() as connection:
        connection.execute(text("DELETE FROM meta WHERE key = 'schema_version'"))
    with pytest.raises(LedgerError, match="damaged"):
        open_ledger(location)


# Backups


def test_copies_of_a_live_ledger_hold_together(file: Path, tmp_path: Path) -> None:
    with open_ledger(str(file)) as ledger:
        campaign = queue_of(ledger, 100)
        run, epoch = own_lane(ledger)
        ids = ids_of(ledger, campaign)
        done = threading.Event()

        def send() -> None:
            for id in ids:
                ledger.write(claims.claim, [make_intent(id, run, epoch)])
                ledger.write(outcomes.record, [accepted(id)])
            done.set()

        sending = threading.Thread(target=send)
        sending.start()
        seen: list[int] = []
        while not done.is_set() or not seen:
            target = tmp_path / f"copy-{len(seen)}.db"
            back_up(str(file), target)
            seen.append(_whole(target, 100))
        sending.join()
    assert target.stat().st_mode & 0o777 == 0o600
    assert seen == sorted(seen)
    assert len(set(seen)) > 2, "no copy was made while it was in use"
    assert {path.name for path in tmp_path.iterdir()} == {
        "state.db",
        *(f"copy-{number}.db" for number in range(len(seen))),
    }


def _whole(copy: Path, total: int) -> int:
    """How many a copy has as sent, once it has been checked."""
    with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as connection:

        def ask(what: str) -> list[Any]:
            return connection.execute(what).fetchall()

        assert ask("PRAGMA integrity_check") == [("ok",)]
        assert ask("PRAGMA foreign_key_check") == []
        assert ask("SELECT count(*) FROM message") == [(total,)]
        assert ask(
            "SELECT count(*) FROM message JOIN attempt ON message = id WHERE"
            " (status = 'sent') <> (outcome = 'accepted')"
        ) == [(0,)]
        [(sent,)] = ask("SELECT count(*) FROM message WHERE status = 'sent'")
        return int(sent)


def test_a_copy_never_overwrites_and_never_upgrades(file: Path, tmp_path: Path) -> None:
    filled(file, 3)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE meta SET value = '0' WHERE key = 'schema_version'")
        connection.commit()
    target = tmp_path / "copy.db"
    assert back_up(str(file), target) == str(file)
    for path in (file, target):
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'")
            assert found.fetchone() == ("0",)
    before = target.read_bytes()
    with pytest.raises(LedgerError, match="exists already"):
        back_up(str(file), target)
    assert target.read_bytes() == before
    with pytest.raises(RunnerError, match="cannot be written"):
        back_up(str(file), tmp_path / "nowhere" / "copy.db")


# PostgreSQL


@pytest.mark.slow
def test_moves_of_many_rows_never_lock_each_other_out(ledger: Ledger) -> None:
    count = 60
    campaign = queue_of(ledger, count)
    run, epoch = own_lane(ledger)
    ids = ids_of(ledger, campaign)
    luck = random.Random(3)
    went_wrong: list[BaseException] = []

    def hammer(work: Callable[[random.Random], None], seed: int) -> None:
        own = random.Random(seed)
        try:
            for _ in range(20):
                work(own)
        except BaseException as error:
            went_wrong.append(error)

    def send(own: random.Random) -> None:
        some = own.sample(ids, 30)
        numbers = ledger.write(claims.claim, [make_intent(id, run, epoch) for id in some])
        results = [
            Result(id, number, Evidence.NOT_WRITTEN, 20.0)
            for id, number in zip(some, numbers, strict=True)
            if isinstance(number, int)
        ]
        own.shuffle(results)
        if results:
            ledger.write(outcomes.record, results)

    def decide(own: random.Random) -> None:
        people = [str(number) for number in own.sample(range(1, count + 1), 30)]
        ledger.write(decisions.suppress, people, "asked", 3.0)
        ledger.write(decisions.unsuppress, people)
        ledger.write(decisions.withdraw, campaign)
        ledger.write(_queue_all)

    threads = [
        threading.Thread(target=hammer, args=(work, luck.random()))
        for work in (send, decide, decide)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert went_wrong == []


def _queue_all(connection: Connection) -> None:
    locks.lock_claims(connection)
    connection.execute(
        text(
            "UPDATE message SET status = 'queued', reason = ''"
            " WHERE status IN ('skipped', 'cancelled')"
        )
    )
