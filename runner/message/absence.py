"""Absence: what a look-up proves that finds no message, held or sent again by `retry.absent`."""

from __future__ import annotations

from runner.message.evidence import Evidence, Way
from runner.message.outcome import Absent, Found, LookupResult, Unclear


def evidence_of_lookup(
    finding: LookupResult, *, absent: str, idempotent: bool, barred: bool, presumed: bool
) -> Evidence | Way:
    """Return the kind of evidence that a look-up is, under the policy `retry.absent`; or that the
    message is to be repeated, since under its key that cannot make two."""
    match finding:
        case Found():
            return Evidence.FOUND
        case Unclear():
            return Evidence.UNCLEAR
        case Absent() if absent != "resend" or barred or presumed:
            return Evidence.ABSENT_HELD  # from whom a lost run sent it is not known either
        case Absent() if idempotent:
            return Way.REPEAT
    return Evidence.ABSENT_ASSUMED
