"""People who are erased: gone from every row and every file, and never written down again."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, text

from runner.clock import SystemClock
from runner.control import erasure as control
from runner.errors import LaneHeld, OldLedger
from runner.ledger import schema
from runner.ledger.campaigns import audit, submissions
from runner.ledger.copies import staleness
from runner.ledger.copies.backup import back_up
from runner.ledger.erasure import compaction, erasure, records, traces
from runner.ledger.erasure.columns import FATES, Fate, may_hold_text
from runner.ledger.erasure.erasure import UnsettledError
from runner.ledger.erasure.records import Person
from runner.ledger.ledger import Ledger, hold_lane, open_ledger
from runner.ledger.messages import claims, decisions, outcomes, queue, replies, usage
from runner.ledger.messages.decisions import RetryRequest
from runner.ledger.messages.outcomes import Result
from runner.ledger.messages.replies import Batch, Heard, Kind
from runner.ledger.people import erased, handles, tags
from runner.ledger.queries import exports, people, replied, statistics, totals
from runner.message.acquaintance import Acquaintance
from runner.message.erased import PLACEHOLDER
from runner.message.evidence import Evidence
from runner.message.handle import HandleAnswer, KeptHandle
from runner.message.status import MessageStatus
from runner.project.ledgers.move_ledger import move
from runner.project.ledgers.old_copies import allow_changes, remember_erased
from tests.databases import Databases
from tests.postgresql import FOLDER
from tests.postgresql import new_database as make_database
from tests.support import (
    LANE,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_queue,
    own_lane,
    recipient,
)

from .filling import fill
from .marked import CONTACT, HANDLE, ID, OTHER, OTHER_ID, THREAD, Marks, mark_person

S = MessageStatus


def marked(ledger: Ledger) -> Marks:
    """Fill a ledger with a person who is in every table."""
    row = make_campaign(ledger)
    run, _ = own_lane(ledger)
    return ledger.write(mark_person, row.id, run)


def erase(ledger: Ledger, *ids: str) -> erasure.Erased:
    person = ledger.read(records.known_as, ids)
    return ledger.write(
        erasure.erase, person, 99.0, by="bob", via="cli", count=len(ids), handle_columns=("handle",)
    )


def everything(connection: Connection) -> str:
    """Every value of every row, as one text."""
    rows = [
        repr(tuple(row))
        for table in schema.metadata.tables.values()
        for row in connection.execute(select(table))
    ]
    return "\n".join(rows)


def test_every_column_that_may_hold_a_text_has_a_fate(tmp_path: Path) -> None:
    """A new table or column fails here until it is decided what erasing does with it."""
    with open_ledger(str(tmp_path / "state.db")) as ledger:
        shown = ledger.read(records.records, Person()).rows
    assert set(FATES) == set(schema.metadata.tables.values())
    for table, fates in FATES.items():
        numbered = {column.name for column in table.c if column.foreign_keys}
        wanted = {column.name for column in table.c if may_hold_text(column.type)}
        assert set(fates) == wanted - numbered, table.name
        assert table in shown or set(fates.values()) == {Fate.KEPT}, table.name


def test_all_that_erasing_touches_is_shown_to_the_person_first(ledger: Ledger) -> None:
    marks = marked(ledger)
    story = ledger.read(people.stories, ID, SystemClock(), ("handle",))[0]
    told = json.dumps(story.records)
    for place, mark in marks.items():
        assert mark in told, place
    for table, fates in FATES.items():
        rows = story.records.get(records.NAMES.get(table.name, table.name), [])
        for column, fate in fates.items():
            assert fate is Fate.KEPT or column in rows[0], (table.name, column)
    assert story.records["mentions"] == [
        {"table": "message", "campaign": "spring", "row": 50, "column": "brought_by"}
    ]
    assert OTHER not in told


def test_no_row_of_any_table_has_anything_of_them_left(ledger: Ledger) -> None:
    marks = marked(ledger)
    before = ledger.read(everything)
    assert all(mark in before for mark in marks.values())
    done = erase(ledger, ID)
    assert done.stopped == 1
    left = ledger.read(everything)
    for place, mark in marks.items():
        assert mark not in left, place
    for word in (ID, OTHER_ID, HANDLE, CONTACT, THREAD):
        assert word not in left
    person = Person(frozenset({ID, CONTACT}), frozenset({("twitter", HANDLE)}))
    assert ledger.read(traces.in_tables, person.ids, [HANDLE]) == []
    assert OTHER in left
    assert "Hi Ben" in left
    [act] = [each for each in ledger.read(audit.actions).rows if each.what == audit.Act.ERASE]
    assert (act.recipients, act.count, act.why) == ((), 1, "")
    assert ledger.read(erased.erased_at, ID) == 99.0


def test_all_profiles_of_a_contact_are_one_person(ledger: Ledger) -> None:
    marked(ledger)
    profile = Acquaintance("urn:li:ada", 5.0, CONTACT)
    ledger.write(decisions.keep_acquaintances, [profile], LANE, "linkedin")
    wanted = {ID, OTHER_ID, CONTACT, "urn:li:ada"}
    for by in sorted(wanted):
        person = ledger.read(records.known_as, [by])
        assert person.ids == wanted
        assert person.handles == {("twitter", HANDLE)}
    assert ledger.read(records.known_as, (), [("twitter", HANDLE)]).ids == wanted
    assert ledger.read(records.known_as, [OTHER]) == Person(frozenset({OTHER}))


def test_traces_say_where_a_person_is_still(ledger: Ledger) -> None:
    marked(ledger)
    found = {each.place for each in ledger.read(traces.in_tables, {ID}, {HANDLE})}
    assert found == {
        "message.recipient",
        "message.columns",
        "row_skip.recipient",
        "row_skip.columns",
        "suppression.recipient",
        "opt_out.recipient",
        "hold.recipient",
        "handle.id",
        "handle.handle",
        "acquaintance.recipient",
        "other_id.recipient",
        "action.detail",
        "submission.suppressed",
    }
    assert ledger.read(traces.in_tables, {"marked-attempt-body-secret"}, ()) != []


def counts(ledger: Ledger, campaign: int) -> dict[str, int]:
    return {str(status): count for status, count in ledger.read(totals.counts, campaign).items()}


def test_counts_stay_and_what_was_queued_is_skipped(ledger: Ledger) -> None:
    marked(ledger)
    before = counts(ledger, 1)
    figures = ledger.read(replied.figures, 1)
    erase(ledger, ID)
    queued, skipped = before.pop("queued"), before.pop("skipped")
    after = counts(ledger, 1)
    assert (after.pop("queued"), after.pop("skipped")) == (queued - 1, skipped + 1)
    assert after == before
    assert ledger.read(replied.figures, 1) == figures
    assert ("skipped", "erased", 2) in ledger.read(totals.reasons, 1)  # queued, contacted
    rows = ledger.read(lambda connection: list(exports.export_rows(connection, 1)))
    theirs = [row for row in rows if row.recipient.startswith(PLACEHOLDER)]
    assert len(theirs) == 7
    assert len({row.recipient for row in theirs}) == 1
    assert {row.columns for row in theirs} == {"{}"}


def test_what_is_not_settled_keeps_a_person_from_being_erased(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [5, 6])
    run, epoch = own_lane(ledger)
    [due, _] = ledger.read(queue.due, row.id, SENDER, 5.0, 100)
    claim_one(ledger, make_intent(due.id, run, epoch))
    before = ledger.read(everything)
    with pytest.raises(UnsettledError, match="a message to 5 is being sent in spring") as caught:
        erase(ledger, "5", "6")
    assert caught.value.hint.endswith("run-campaign resolve /spring.yaml")
    assert ledger.read(everything) == before
    doubt = Result(due.id, 1, Evidence.UNKNOWN, 20.0, reason="timeout", answered=False)
    ledger.write(outcomes.record, [doubt])
    with pytest.raises(UnsettledError, match="in doubt in spring"):
        erase(ledger, "5")
    erase(ledger, "6")


def test_nothing_erased_can_be_claimed_or_come_back(ledger: Ledger) -> None:
    """The claim asks nothing more for it: an erased person has nothing in the queue, and nothing
    puts it there."""
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    run, epoch = own_lane(ledger)
    [due] = ledger.read(queue.due, row.id, SENDER, 5.0, 100)
    erase(ledger, "5")  # while a live run has the message at hand
    assert ledger.write(claims.claim, [make_intent(due.id, run, epoch)]) == [
        claims.NotClaimed.MOVED
    ]
    for status in S:
        request = RetryRequest(row.id, frozenset({status}))
        assert ledger.write(decisions.retry, request) == 0
    assert ledger.read(decisions.retryable_recipients, RetryRequest(row.id), 9) == []
    ledger.write(decisions.unsuppress, ["5"])
    assert counts(ledger, row.id)["queued"] == 0


def test_a_retry_passes_over_what_an_erased_person_did_not_get(ledger: Ledger) -> None:
    marked(ledger)
    erase(ledger, ID)
    assert ledger.write(decisions.retry, RetryRequest(1)) == 0


def test_late_truth_does_not_bring_ids_back(ledger: Ledger) -> None:
    """An answer that comes after a person said "not sent", and after the erasing."""
    row = make_campaign(ledger)
    make_queue(ledger, row, [5])
    run, epoch = own_lane(ledger)
    [due] = ledger.read(queue.due, row.id, SENDER, 5.0, 100)
    claim_one(ledger, make_intent(due.id, run, epoch))
    said = Result(due.id, 1, Evidence.NOT_WRITTEN, 20.0, reason="too_late")
    ledger.write(outcomes.record, [said])
    erase(ledger, "5")
    late = Result(
        due.id,
        1,
        Evidence.ACCEPTED,
        30.0,
        message_id="late-m",
        thread_id="late-t",
        request_id="late-r",
    )
    ledger.write(outcomes.record, [late])
    left = ledger.read(everything)
    assert counts(ledger, row.id)["sent"] == 1
    assert "late-" not in left


def test_nothing_writes_an_erased_person_down_again(ledger: Ledger) -> None:
    marked(ledger)
    erase(ledger, ID)
    row = make_campaign(ledger, "autumn")
    both = dict.fromkeys((ID, OTHER), ("asked", 5.0))
    assert ledger.write(decisions.suppress_each, both) == ([OTHER], 0)
    held = ledger.write(decisions.hold_each, [ID, OTHER], None, why="", at=5.0, by="bob")
    assert held == [OTHER]
    known = [Acquaintance(ID, 5.0, "c1"), Acquaintance(OTHER, 5.0, "c2")]
    ledger.write(decisions.keep_acquaintances, known, LANE, "twitter")
    found = [
        KeptHandle(HANDLE, HandleAnswer.NOT_FOUND, "", HANDLE, "", "inbox", 5.0),
        KeptHandle("ada_renamed", HandleAnswer.FOUND, ID, "Ada_Renamed", "Ada", "inbox", 5.0),
    ]
    ledger.write(handles.keep, found, "twitter", rehearsal=False)
    assert ledger.read(erased.people).has_handle("twitter", "Ada_Renamed")
    with ledger.writing() as connection:
        submissions.submit(
            connection,
            row.name,
            lane_id=LANE,
            token_env="A",
            path="/a.yaml",
            file="",
            start="",
            suppressed={ID, OTHER},
            at=5.0,
            by="bob",
        )
    heard = Heard("m-new", THREAD, 5.0, Kind.OPEN)
    other = Heard("m-other", "thread-of-another", 5.0, Kind.OPEN)
    ledger.write(replies.record, Batch(LANE, 5.0, [heard, other]))
    left = ledger.read(everything)
    for word in (ID, "m-new", "Ada", "ada_renamed", CONTACT):
        assert word not in left
    assert "m-other" in left
    assert ledger.read(tags.untagged, 1, "another tag", 100) == [(50, "platform", OTHER)]


def test_who_is_erased_by_another_id_is_not_written_to(ledger: Ledger) -> None:
    """That two ids are of one contact may be known only later, when Inbox is asked."""
    marked(ledger)
    erase(ledger, ID)
    row = make_campaign(ledger, "autumn")
    make_queue(ledger, row, ["8", "9"])
    known = [Acquaintance("8", 5.0, CONTACT), Acquaintance("9", 5.0, "c9")]
    ledger.write(decisions.keep_acquaintances, known, LANE, "twitter")
    assert counts(ledger, row.id)["queued"] == 1
    [(listed, why, _)] = ledger.read(totals.suppression_list)
    assert (listed, why) == ("8", erased.TO_ERASE)
    erase(ledger, "8")
    assert CONTACT not in ledger.read(everything)


def test_a_second_erasing_finds_nothing(ledger: Ledger) -> None:
    marked(ledger)
    erase(ledger, ID)
    before = ledger.read(everything)
    assert not any(erase(ledger, ID).rows.values())
    acts = [each.what for each in ledger.read(audit.actions).rows]
    assert acts.count(audit.Act.ERASE) == 2
    assert len(ledger.read(everything)) < len(before) + 200


# Files --------------------------------------------------------------------------------------------


def stirred(ledger: Ledger) -> None:
    """Leave what was erased in as many places as a ledger's life does: rows that were written again
    and again, deleted ones, statistics."""
    with ledger.writing() as connection:
        for number in range(300):
            connection.execute(
                text("INSERT INTO suppression (recipient, reason, added_at) VALUES (:id, :why, 1)"),
                {"id": f"{ID}{number:03}", "why": "x" * number},
            )
    with ledger.writing() as connection:
        connection.execute(text("UPDATE message SET row = row + 0, text = text || ' '"))
        connection.execute(
            text("DELETE FROM suppression WHERE reason <> '' AND length(reason) < 290")
        )
    if ledger.file is None:
        with ledger.writing() as connection:
            connection.execute(text("ANALYZE"))
    with ledger.writing() as connection:
        connection.execute(text(f"DELETE FROM suppression WHERE recipient LIKE '{ID}_%'"))


def bytes_of(ledger: Ledger) -> dict[str, bytes]:
    """Every file that the ledger's database consists of, but the server's write-ahead log."""
    if ledger.file is not None:
        beside = sorted(ledger.file.parent.rglob("*"))
        return {str(path): path.read_bytes() for path in beside if path.is_file()}
    with ledger.outside_transactions() as driver:
        driver.set_autocommit(True)
        driver.execute("CHECKPOINT")
        [folder] = driver.execute(
            "SELECT oid FROM pg_database WHERE datname = current_database()"
        ).fetchone()
        driver.set_autocommit(False)
    base = Path(os.environ[FOLDER]) / "data" / "base" / str(folder)
    return {str(path): path.read_bytes() for path in base.iterdir() if path.is_file()}


def holding(files: dict[str, bytes], words: Collection[str]) -> list[tuple[str, str]]:
    return [
        (name, word)
        for name, content in files.items()
        for word in words
        if word.encode() in content
    ]


@pytest.fixture(params=["sqlite", "postgres"])
def untouched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger whose files have never held another one: what that has left is looked for, too."""
    location = str(tmp_path / "state.db")
    if request.param == "postgres":
        location = make_database(request.getfixturevalue("postgres"))
    with open_ledger(location) as opened:
        yield opened


@pytest.mark.slow
def test_no_file_of_the_ledger_has_a_byte_of_them_left(untouched: Ledger) -> None:
    ledger = untouched
    marks = marked(ledger)
    words = [*marks.values(), ID, OTHER_ID, HANDLE, CONTACT, THREAD]
    stirred(ledger)
    assert {word for _, word in holding(bytes_of(ledger), words)} >= {ID, HANDLE}
    erase(ledger, ID)
    assert holding(bytes_of(ledger), words)  # in free pages, and the log
    progress = ledger.read(staleness.progress_marks)
    assert control.compact(ledger, 5.0) == []
    assert holding(bytes_of(ledger), words) == []
    assert ledger.read(staleness.progress_marks) == progress
    assert b"Hi Ben" in b"".join(bytes_of(ledger).values())


def test_files_are_left_as_they_are_beside_a_live_run(location: str) -> None:
    with open_ledger(location) as ledger:
        marked(ledger)
        with open_ledger(location) as other, hold_lane(other, LANE, "run", 1.0, wait=False):
            erase(ledger, ID)
            with pytest.raises(LaneHeld, match="a run is live on this ledger"):
                control.compact(ledger, 5.0)
        assert control.compact(ledger, 5.0) == []


def test_a_session_that_still_reads_what_was_erased_is_told(
    new_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.erasure.compaction.OLD_READERS_SECONDS", 0.0)
    with open_ledger(new_database) as ledger, open_ledger(new_database) as other:
        marked(ledger)
        with other.reading() as connection:
            connection.execute(select(schema.message)).all()
            erase(ledger, ID)
            [told] = control.compact(ledger, 5.0)
            assert "began before the erasing" in told
        monkeypatch.undo()
        assert control.compact(ledger, 5.0) == []


def test_a_transaction_of_another_database_keeps_what_was_erased_and_is_told(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """No snapshot of a server's is younger than its oldest transaction that writes."""
    location = make_database(request.getfixturevalue("postgres"))
    with databases.empty() as elsewhere, open_ledger(location) as ledger:
        words = [*marked(ledger).values(), ID]
        with open_ledger(elsewhere) as other, other.writing() as writing:
            writing.execute(text("SELECT txid_current()"))
            erase(ledger, ID)
            with monkeypatch.context() as hasty:
                hasty.setattr(compaction, "OLD_READERS_SECONDS", 0.0)
                [told] = control.compact(ledger, 5.0)
            assert "began before the erasing" in told
        assert control.compact(ledger, 5.0) == []
        assert holding(bytes_of(ledger), words) == []


def test_who_may_not_write_the_statistics_again_is_told(new_database: str) -> None:
    """An owner of the tables alone."""
    with open_ledger(new_database) as ledger:
        marked(ledger)
        with ledger.outside_transactions() as driver:
            driver.execute("CREATE ROLE tables_only")
            for table in schema.metadata.tables:
                driver.execute(f"ALTER TABLE {table} OWNER TO tables_only")
            driver.commit()
            driver.execute("SET ROLE tables_only")
            driver.commit()
            [told] = compaction.compact_tables(driver)
            driver.execute("RESET ROLE")
            driver.execute("REASSIGN OWNED BY tables_only TO CURRENT_USER")
            driver.execute("DROP ROLE tables_only")
            driver.commit()
    assert 'permission denied to vacuum "pg_statistic"' in told
    assert told.endswith("let the owner of the database run: VACUUM FULL pg_catalog.pg_statistic")


@pytest.mark.slow
def test_many_are_found_as_few_are(ledger: Ledger) -> None:
    marked(ledger)
    many = [f"{number:020}" for number in range(400)]
    few, more = (ledger.read(records.known_as, [ID, *others]) for others in ([], many))
    assert (
        ledger.read(records.records, more, ("handle",)).rows
        == ledger.read(records.records, few, ("handle",)).rows
    )
    handles_of = {name for _, name in few.handles}
    assert ledger.read(traces.in_tables, more.ids, handles_of) == ledger.read(
        traces.in_tables, few.ids, handles_of
    )
    files = [Path(name) for name in bytes_of(ledger)] if ledger.file else []
    assert traces.in_files(files, few.ids, ()) == traces.in_files(files, more.ids, ())
    erase(ledger, ID, *many)
    assert ledger.read(traces.in_tables, more.ids, handles_of) == []


# Other ledgers ------------------------------------------------------------------------------------


def test_who_was_erased_from_one_of_two_ledgers_is_erased_from_both(
    tmp_path: Path, new_database: str
) -> None:
    (tmp_path / "project").mkdir()
    file = str(tmp_path / "project" / "state.db")
    with open_ledger(file) as source, open_ledger(new_database) as target:
        for ledger, name in ((source, "spring"), (target, "autumn")):
            make_queue(ledger, make_campaign(ledger, name), ["5", "6", "7"])
        run, epoch = own_lane(target)
        [*_, due] = target.read(queue.due, 1, SENDER, 5.0, 100)
        claim_one(target, make_intent(due.id, run, epoch, recipient=recipient(7)))
        erase(source, "5")
        erase(source, "7")
        erase(target, "6")
    env = {"RUN_CAMPAIGN_MEMORY": str(tmp_path / "memory")}
    move(file, new_database, env, SystemClock(), lambda *_: None)
    with open_ledger(new_database) as ledger:
        assert [counts(ledger, id)["queued"] for id in (1, 2)] == [0, 0]
        assert counts(ledger, 1)["sending"] == 1  # what is not settled is on the list till then
        [(listed, why, _)] = ledger.read(totals.suppression_list)
        assert (listed, why) == ("7", erased.TO_ERASE)
        gone = ledger.read(erased.people)
        assert len(gone.keys) == 2
        assert all(gone.has_id(id) for id in "567")
        assert ledger.read(traces.in_tables, {"5", "6"}, ()) == []


def test_an_older_copy_that_is_gone_on_with_erases_them_again(tmp_path: Path) -> None:
    env = {"RUN_CAMPAIGN_MEMORY": str(tmp_path / "memory")}
    file, copy = tmp_path / "state.db", tmp_path / "copy.db"
    with open_ledger(str(file)) as ledger:
        make_queue(ledger, make_campaign(ledger), ["5", "6"])
        allow_changes(ledger, env, 1.0)
    back_up(str(file), copy)
    with open_ledger(str(file)) as ledger:
        allow_changes(ledger, env, 2.0)
        erase(ledger, "5")
        remember_erased(ledger, env)
    copy.replace(file)
    with open_ledger(str(file)) as ledger:
        assert not ledger.read(erased.people)
        with pytest.raises(OldLedger):
            allow_changes(ledger, env, 3.0)
        allow_changes(ledger, env, 3.0, accept=True)
        assert ledger.read(erased.erased_at, "5") == 3.0
        assert ledger.read(traces.in_tables, {"5"}, ()) == []
        assert counts(ledger, 1)["queued"] == 1


# Any ledger ---------------------------------------------------------------------------------------


TO_COME = ("queued", "waiting", "skipped")


def public_figures(ledger: Ledger) -> dict[str, Any]:
    """All that status and report count, but for what was still to go, and skipped."""
    told: dict[str, Any] = {
        "requests": ledger.read(usage.past_requests, "https://api.example|both", 0.0, 0.0),
        "sends": ledger.read(usage.past_sends, ["sender0", "sender1"], 0.0),
        "days": ledger.read(usage.days_sent, ["sender0", "sender1"]),
    }
    for id in (1, 2):
        found = counts(ledger, id)
        told[f"total {id}"] = sum(found.values())
        told[f"counts {id}"] = {k: v for k, v in found.items() if k not in TO_COME}
        told[f"settled {id}"] = Counter(
            {
                (str(status), reason): count
                for status, reason, count in ledger.read(totals.reasons, id)
                if status is not S.SKIPPED
            }
        )
        told[f"replied {id}"] = ledger.read(replied.figures, id)
        sent = ledger.read(statistics.sent, id, 3600)
        told[f"by time {id}"] = ledger.read(statistics.ended, id, 3600, sent)
        told[f"between {id}"] = ledger.read(statistics.ended_between, id)
        of_senders = told[f"of senders {id}"] = Counter[tuple[str, str]]()
        for each in ledger.read(statistics.by_sender, id, sent):
            if each.status not in TO_COME:
                of_senders[each.sender, str(each.status)] += each.messages
    return told


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), chosen=st.sets(st.integers(0, 40), min_size=1, max_size=8))
@example(seed=45, chosen={4})  # whose zone is gone with them
def test_erasing_anybody_changes_no_count(
    tmp_path_factory: pytest.TempPathFactory, seed: int, chosen: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with open_ledger(str(folder / "state.db")) as ledger:
        ledger.write(fill, seed)
        before, open_before = public_figures(ledger), counts(ledger, 1)
        ids = [f"{each:05}" for each in sorted(chosen)]
        try:
            erase(ledger, *ids)
        except UnsettledError:
            assert public_figures(ledger) == before
            return
        assert public_figures(ledger) == before
        after = counts(ledger, 1)
        assert sum(after[k] for k in TO_COME) == sum(open_before[k] for k in TO_COME)
        left = ledger.read(lambda c: c.execute(select(schema.message.c.recipient)).scalars().all())
        assert not set(left) & set(ids)
        stray = ledger.read(
            lambda c: c.execute(
                select(func.count()).where(erased.is_erased(), schema.message.c.status == "queued")
            ).scalar_one()
        )
        assert stray == 0
