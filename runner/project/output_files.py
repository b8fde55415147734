"""Files that a command writes: never one that a campaign reads, nor the ledger."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.errors import RunnerError, UsageError
from runner.ledger.campaigns import registry
from runner.ledger.ledger import Ledger
from runner.project.campaign_files import campaign_of
from runner.project.open import file_of, kept_file

_BESIDE_A_LEDGER = ("", "-wal", "-shm", "-journal")


def refuse_used(
    target: Path, ledger: Ledger | None, campaigns: Iterable[Path] = (), *, option: str = "-o "
) -> None:
    """Raise UsageError when `target` is the ledger or one of its files, a campaign file, a sheet, a
    template or a do-not-contact list of a campaign: of those that the ledger knows, and of the
    files `campaigns`. Symbolic and hard links are followed. `option`: what precedes it in the
    error."""
    used = chain(
        _of_ledger(ledger.file if ledger is not None else None),
        _of_files(campaigns),
        _known_to(ledger),
    )
    _refuse(target, used, option)


def refuse_log(target: Path, location: str, campaigns: Iterable[Path]) -> None:
    """Raise UsageError as `refuse_used` does for a log file, before the ledger at `location` is
    opened or made."""
    of_ledger = _of_ledger(None if "://" in location else Path(location))
    _refuse(target, chain(of_ledger, _of_files(campaigns)), "--log-file ")


def _refuse(target: Path, used: Iterable[tuple[Path, str]], option: str) -> None:
    for path, what in used:
        if _is_same(target, path):
            raise UsageError(f"{option}{target}: is {what}; name another file")


def _of_ledger(file: Path | None) -> Iterator[tuple[Path, str]]:
    for ending in _BESIDE_A_LEDGER if file is not None else ():
        # SQLite puts them beside the file itself, wherever links to it lie.
        yield Path(f"{os.path.realpath(str(file))}{ending}"), "the ledger, or a file of it"


def _of_files(campaigns: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    for path in campaigns:
        yield path, "a campaign file"
        try:
            yield from _read_by(load_campaign(path))
        except (RunnerError, OSError):
            continue  # it cannot be read, and so reads nothing


def _known_to(ledger: Ledger | None) -> Iterator[tuple[Path, str]]:
    for row in ledger.read(registry.campaigns) if ledger is not None else ():
        assert ledger is not None
        path = file_of(ledger, row)
        yield path, f"the file of campaign {row.name}"
        yield kept_file(ledger, row.source), f"the sheet of campaign {row.name}"
        try:
            yield from _read_by(campaign_of(ledger, row, path))
        except (RunnerError, OSError):
            continue


def _read_by(campaign: Campaign) -> Iterator[tuple[Path, str]]:
    of = f"of campaign {campaign.name}"
    yield campaign.prospects.source, f"the sheet {of}"
    for text in (campaign.message, *campaign.steps):
        if text.template is not None:
            yield text.template, f"a template {of}"
    for each in campaign.suppress:
        yield each.source, f"a do-not-contact list {of}"


def _is_same(target: Path, used: Path) -> bool:
    try:
        return target.samefile(used)
    except (OSError, ValueError):  # one of them is not there
        return os.path.realpath(target) == os.path.realpath(used)
