"""Ledgers that a command is about, and their row of its campaign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runner.clock import SystemClock
from runner.errors import RunnerError, UsageError
from runner.ledger.campaigns import registry
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.project.ledgers.ledger_location import (
    STATE_VARIABLE,
    ledger_location,
    ledger_upward,
    open_existing,
)

if TYPE_CHECKING:
    from runner.campaign.identity import Identity


@contextmanager
def opened(
    path: Path,
    state: str | None,
    environ: Mapping[str, str],
    *,
    read_only: bool = True,
    accept_old_ledger: bool = False,
) -> Iterator[tuple[Ledger, CampaignRow]]:
    """Open a campaign's ledger, which must be there. Yields it and the campaign's row in it: from
    any host, where the ledger is a database. Raises OldLedger when it is to be changed and is an
    old copy, unless that is to be accepted."""
    location = location_of(path, state, environ)
    with open_existing(location, read_only=read_only) as ledger:
        row = row_of(path, ledger)
        if read_only:
            yield ledger, row
            return
        from runner.project.ledgers.old_copies import person_changes

        names = [] if row.rehearsal else [row.name]
        at = SystemClock().now()
        with person_changes(ledger, environ, at, accept=accept_old_ledger, names=names):
            yield ledger, row


@contextmanager
def opened_any(
    path: Path | None, state: str | None, environ: Mapping[str, str], folder: Path
) -> Iterator[tuple[Ledger, CampaignRow]]:
    """Open as `opened` does, to be read; without a path the only campaign of the ledger found
    upward from `folder`. Raises UsageError when it has several."""
    if path is not None:
        with opened(path, state, environ) as found:
            yield found
        return
    with open_existing(ledger_upward(state, environ, folder)) as ledger:
        rows = _real_first(ledger)
        if not rows:
            raise RunnerError(f"no campaign yet in the ledger {ledger.place}", "run one first")
        if len(rows) > 1:
            known = ", ".join(row.path for row in rows)
            raise UsageError(
                f"the ledger {ledger.place} has several campaigns; name one of {known}"
            )
        yield ledger, rows[0]


def location_of(path: Path, state: str | None, environ: Mapping[str, str]) -> str:
    """Return where the ledger of a campaign lies whose file may be on another host."""
    said = state or environ.get(STATE_VARIABLE, "")
    if "://" in said and not path.exists():
        return said
    return ledger_location(state, environ, [_identified(path)], live=False)


def row_of(path: Path, ledger: Ledger) -> CampaignRow:
    """Return the row of the campaign at `path`, known by the file's name where that is on another
    host."""
    if path.exists():
        name = _identified(path).name
        return require(ledger.read(registry.find_campaign, name), name, ledger)
    rows = _real_first(ledger)
    found = [row for row in rows if Path(row.path).name == path.name]
    found = found or [row for row in rows if row.name == path.stem]
    if len(found) > 1:
        listed = ", ".join(row.path for row in found)
        raise UsageError(
            f"there is no {path} here, and several of that name in the ledger: {listed}"
        )
    return require(found[0] if found else None, path.stem, ledger)


def _identified(path: Path) -> Identity:
    """Return what a campaign's file says of its identity."""
    # Late: a command that names no file reads no YAML.
    from runner.campaign.identity import identify

    return identify(path)


def _real_first(ledger: Ledger) -> list[CampaignRow]:
    """Return the campaigns that a command may mean that names no file here: rehearsals only where
    there is nothing else."""
    rows = ledger.read(registry.campaigns)
    return [row for row in rows if not row.rehearsal] or rows


def require(row: CampaignRow | None, name: str, ledger: Ledger) -> CampaignRow:
    """Return the campaign's row. Raises RunnerError if this ledger has none."""
    if row is None:
        known = ", ".join(other.name for other in ledger.read(registry.campaigns)) or "none"
        raise RunnerError(
            f"campaign {name} is not in the ledger {ledger.place} (it knows: {known})",
            "run it first, or name its ledger with --state",
        )
    return row


def file_of(ledger: Ledger, row: CampaignRow) -> Path:
    """Return where a campaign's file was when it was last planned."""
    return kept_file(ledger, row.path)


def kept_file(ledger: Ledger, kept: str) -> Path:
    """Return a file by what the ledger keeps of its path: a ledger in a file keeps it relative to
    itself."""
    return Path(kept) if ledger.file is None else ledger.file.resolve().parent / kept
