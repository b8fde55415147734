"""`run-campaign erase`: forget people, for good."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.cli.ledger import ledger_to_change, ledger_to_read
from runner.cli.options import examples, kind_options, people_arguments, state_option
from runner.clock import SystemClock
from runner.control import erasure
from runner.control.campaigns import user
from runner.control.erasure import FoundPeople
from runner.errors import LaneHeld, RunnerError, UsageError
from runner.formats import counted, moment, number, safe
from runner.ledger.campaigns.audit import CLI
from runner.ledger.erasure.traces import SHORT
from runner.ledger.ledger import Ledger
from runner.project.ledgers.old_copies import remember_erased

NAMED = 10
"""People who are named before the question; of more it is told how many."""

NOT_WHOLLY = 4
"""The exit code of an erasing that has left something."""


@click.command(
    "erase",
    short_help="Erase people from the ledger, for good.",
    epilog=examples(
        "run-campaign erase 9184620175530281101",
        "run-campaign erase @ada --out for-support.txt --yes",
        "run-campaign erase --file requests.csv --id twitter_id",
        "run-campaign erase --check 9184620175530281101",
    ),
)
@people_arguments
@click.option("--check", is_flag=True, help="Only look for them, in all tables and files.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write their ids at Inbox, for its support, to a new FILE.",
)
@kind_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    ids: tuple[str, ...],
    file: Path | None,
    column: str | None,
    check: bool,
    out: Path | None,
    id_type: str,
    platform: str,
    yes: bool,
    state: str | None,
) -> int:
    """Erase people: texts, cells, ids, words. Counts stay, and nobody writes to them again.

    Cannot be undone. Nothing is deleted on the platform or at Inbox. Sheets, exports and backups
    stay as they are; those sheets that the ledger knows are told by line.
    """
    call.about((), state)
    if column is not None and file is None:
        raise click.UsageError("--id names a column of --file FILE")
    if not ids and file is None:
        raise click.UsageError("name the ids of the people, or --file FILE")
    if check:
        if file is not None or out is not None or yes:
            raise click.UsageError("--check takes ids or handles alone")
        return _check(ids, platform, id_type, state)
    listed, handles = ([], []) if file is None else _in_file(file, column, id_type, platform)
    clock = SystemClock()
    with ledger_to_change(state) as ledger:
        found = erasure.find(
            ledger, ids, platform, id_type, ids=listed, handles=handles, environ=os.environ
        )
        for line in _lines(found, clock.now()):
            click.echo(safe(line))
        if found.is_new:
            _tell_inbox_ids(found, out)
            if not _is_agreed(found, yes=yes):
                return 1
            done = erasure.erase(ledger, clock, found, by=user(), via=CLI)
            remember_erased(ledger, os.environ)
            click.echo(f"erased: {_people(found.named)} ({ledger.place})")
            if done.stopped:
                click.echo(f"taken out of the queue: {counted(done.stopped, 'message')}")
        return _finish(ledger, found, clock.now())


def _in_file(
    file: Path, column: str | None, id_type: str, platform: str
) -> tuple[list[str], list[str]]:
    from runner.audience.lists.suppression import read_list, refuse_errors

    say = f"run-campaign erase --file {file} --id COLUMN"
    read = read_list(file, id_type, platform, id=column, say=say)
    refuse_errors([read])
    return [*read.people], [*read.handles]


def _lines(found: FoundPeople, now: float) -> Iterable[str]:
    """Return who is to be erased, and how much there is of them."""
    words = found.person.words
    yield from words[:NAMED]
    if len(words) > NAMED:
        yield f"and {number(len(words) - NAMED)} more names"
    for id, at in sorted(found.erased_at.items())[:NAMED]:
        yield f"  {id} was erased {moment(at, now)}"
    told = [f"{name} {number(count)}" for name, count in found.records.counts().items() if count]
    yield f"  rows: {', '.join(told) or 'none'}"
    if found.records.mentions:
        yield f"  named in cells of other people's rows: {number(len(found.records.mentions))}"
    for place in found.places:
        yield f"  stays, delete it yourself: {place}"


def _tell_inbox_ids(found: FoundPeople, out: Path | None) -> None:
    """Tell under which ids Inbox itself keeps them: only on a terminal, or in a file. Raises
    UsageError where they would be lost."""
    if not found.inbox:
        return
    if out is not None:
        _write(out, found.inbox.lines())
        click.echo(f"their ids at Inbox, for its support: {safe(str(out))}")
        return
    if not (sys.stdout.isatty() or sys.stderr.isatty()):
        raise UsageError(
            "Inbox itself keeps them under ids that are gone from here afterwards; these are told "
            "on a terminal alone",
            "keep them for its support: --out FILE",
        )
    err = not sys.stdout.isatty()
    click.echo("  at Inbox itself, for its support:", err=err)
    for line in found.inbox.lines():
        click.echo(safe(f"    {line}"), err=err)


def _write(out: Path, lines: Iterable[str]) -> None:
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"--out {out}: exists already", "name a new file") from None
    except OSError as error:
        raise RunnerError(f"--out {out}: cannot be written ({error.strerror})") from None
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def _is_agreed(found: FoundPeople, *, yes: bool) -> bool:
    from runner.cli.prompts import agree  # brings what limits need, which other commands do not

    return agree(f"Erase {_people(found.named)} for good? This cannot be undone.", yes=yes)


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{number(count)} people"


def _finish(ledger: Ledger, found: FoundPeople, at: float) -> int:
    """Write the files again without what was erased, and look for what is left."""
    try:
        left = erasure.compact(ledger, at)
    except LaneHeld as error:
        raise LaneHeld(
            f"{error}; nothing is written to them, but the ledger's files may still hold old bytes",
            "once it has ended, run the same command again",
        ) from None
    for each in left:
        click.echo(f"not gone yet: {safe(each)}")
    traces = erasure.traces_of(ledger, found.person)
    for trace in traces:
        click.echo(f"still there: {safe(str(trace))}")
    if ledger.file is None:
        click.echo(_ELSEWHERE)
    if not left and not traces:
        click.echo("nothing of them is found in the ledger any more")
    return NOT_WHOLLY if left or traces else 0


_ELSEWHERE = (
    "not searched: the server's write-ahead log (until it is recycled), its replicas, backups and "
    "own logs"
)


def _check(ids: tuple[str, ...], platform: str, id_type: str, state: str | None) -> int:
    with ledger_to_read(state) as ledger:
        person, erased_at = erasure.checked(ledger, ids, platform, id_type)
        traces = erasure.traces_of(ledger, person)
        is_file = ledger.file is not None
    for word in person.words:
        known = erased_at.get(word)
        told = "never erased" if known is None else f"erased {moment(known, SystemClock().now())}"
        click.echo(f"{safe(word)}: {told}")
    if short := [id for id in person.ids if len(id) < SHORT]:
        click.echo(f"too short to be looked for in whole files: {safe(', '.join(sorted(short)))}")
    for trace in traces:
        click.echo(f"found in {safe(str(trace))}")
    if not traces:
        click.echo("not found in any table" + (" or file of the ledger" if is_file else ""))
    if not is_file:
        click.echo(_ELSEWHERE)
    return 1 if traces else 0
