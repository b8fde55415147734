"""The files outside of a ledger in which people stand: sheets and do-not-contact lists of its
campaigns, and an older ledger that has moved into it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from runner.errors import RunnerError
from runner.ledger.campaigns import registry
from runner.ledger.copies.seen_ledgers import SeenLedger
from runner.ledger.erasure.records import Person, is_one_of
from runner.ledger.ledger import Ledger
from runner.project.campaign_files import campaign_of
from runner.project.ledgers.old_copies import memory_folder
from runner.project.open import file_of, kept_file
from runner.tables.reader import read_table

LINES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
"""Endings of files that are searched as they are, line by line."""

TOLD = 20
"""Places of one file that are told at most."""


def places_of(ledger: Ledger, person: Person, handle_columns: Collection[str]) -> list[str]:
    """Return where these people stand in the files of the ledger's campaigns, by line or row; and
    which of the files cannot be read."""
    found: list[str] = []
    for path in sorted(set(_files(ledger))):
        try:
            places = [*_places(path, person, handle_columns)]
        except (RunnerError, OSError, ValueError):
            if path.exists():
                found.append(f"{path}: cannot be read; look for them there")
            continue
        found += places[:TOLD]
        if len(places) > TOLD:
            found.append(f"{path}: {len(places) - TOLD} more lines")
    return found


def _files(ledger: Ledger) -> Iterator[Path]:
    for row in ledger.read(registry.campaigns):
        yield kept_file(ledger, row.source).resolve()
        path = file_of(ledger, row)
        try:
            campaign = campaign_of(ledger, row, path)
        except (RunnerError, OSError):
            continue  # it cannot be read, and so names no list
        yield campaign.prospects.source.resolve()
        yield from (each.source.resolve() for each in campaign.suppress.lists)


def _places(path: Path, person: Person, handle_columns: Collection[str]) -> Iterator[str]:
    if not path.is_file():
        return
    if path.suffix.lower() in LINES:
        wanted = [each.encode() for each in sorted(person.ids)]
        wanted += [f"{sign}{name}".encode() for _, name in person.handles for sign in "@/"]
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if any(each in line or each in line.lower() for each in wanted):
                    yield f"{path}:{number}"
        return
    table = read_table(path)
    for number, cells in table.rows():
        row: Mapping[str, str] = dict(zip(table.columns, cells, strict=False))
        if any(is_one_of(person, name, str(cell), handle_columns) for name, cell in row.items()):
            yield f"{path}: row {number}"


def moved_from(ledger: Ledger, environ: Mapping[str, str]) -> list[str]:
    """Return the files of ledgers that have moved into this one, as far as this machine knows: all
    that they held is in them still."""
    folder = memory_folder(environ)
    seen = (SeenLedger(folder, file.stem, "") for file in sorted(folder.glob("*.json")))
    return sorted(
        each.last_place()
        for each in seen
        if each.moved_to() == ledger.place and Path(each.last_place()).exists()
    )
