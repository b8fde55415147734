"""The people of a list that a command reads: by id, and by the handles that are kept."""

from __future__ import annotations

from runner.audience.lists.listed_handles import handles_resolved, without_erased
from runner.audience.lists.suppression import PeopleList, refuse_errors
from runner.errors import UsageError
from runner.findings import Level
from runner.ledger.ledger import Ledger
from runner.ledger.people import erased
from runner.message.handle import KeptHandle
from runner.project.people import RESOLVE, kept_handle


def with_handles(ledger: Ledger, read: PeopleList, platform: str) -> PeopleList:
    """Return a list with the ids that are kept for its handles. Raises UsageError for one without:
    it would protect nobody."""
    read = without_erased(read, platform, ledger.read(erased.people))
    found: dict[str, KeptHandle] = {}
    for handle in read.handles:
        kept = kept_handle(ledger, handle, platform, None)
        if kept is not None:
            found[kept.handle] = kept
    done = handles_resolved(read, platform, found, RESOLVE)
    refuse_errors([done])
    for each in done.findings:
        if each.level is Level.QUESTION:
            raise UsageError(str(each), "nobody of it was taken; give these by their ids")
    return done
