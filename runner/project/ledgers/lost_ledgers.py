"""Lost ledgers: used once, gone from their place, and missed there by a new one until a person says
that they were only for trying out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.errors import RunnerError, UsageError
from runner.ledger.copies import staleness
from runner.ledger.copies.seen_ledgers import SeenLedger
from runner.project.ledgers.ledger_location import LEDGER_NAME, STATE_VARIABLE, open_existing
from runner.project.ledgers.old_copies import memory_folder, seen_ledgers


def lost_ledgers(
    state: str | None, environ: Mapping[str, str], folder: Path
) -> tuple[str, Sequence[SeenLedger]]:
    """Return a place, and the ledgers that are missed there: the place that was said, or the
    nearest `state.db` upward of `folder`, there or missed. Raises UsageError for none, and
    RunnerError while a used ledger lies there."""
    if said := state or environ.get(STATE_VARIABLE):
        return _lost_at(said, environ)
    for each in (folder, *folder.parents):
        place, lost = _lost_at(str(each / LEDGER_NAME), environ)
        if lost:
            return place, lost
    raise UsageError(
        f"no ledger is missed here or in a folder above: {LEDGER_NAME} can begin here",
        "name another place: --state PATH",
    )


def _lost_at(location: str, environ: Mapping[str, str]) -> tuple[str, Sequence[SeenLedger]]:
    if "://" not in location and not Path(location).exists():
        place = str(Path(location).resolve())
        return place, SeenLedger(memory_folder(environ), "", place).lost()
    with open_existing(location, even_moved=True) as ledger:
        seen_ledger, lost = seen_ledgers(ledger, environ)
        if not ledger.read(staleness.progress_marks).is_new:
            what = "drop the database" if ledger.file is None else "move the file away"
            raise RunnerError(
                f"the ledger {ledger.place} is still there: nothing of it is forgotten",
                f"to start over, {what} first",
            )
        return seen_ledger.place, lost


def forget(lost: Sequence[SeenLedger]) -> None:
    """Let a new ledger take the place of these, without a word; one that comes back is an old copy.
    Raises RunnerError where that cannot be kept."""
    try:
        for each in lost:
            each.outdate()
    except OSError as error:
        raise RunnerError(f"they cannot be forgotten: {error}", "see to the folder") from None
