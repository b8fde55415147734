"""People as commands name them: by id, or by a handle whose id the ledger keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runner.audience.handles import CellHandle, read_handle, why_unknown
from runner.audience.ids import checked_ids
from runner.errors import UsageError
from runner.ledger.campaigns import registry
from runner.ledger.ledger import Ledger
from runner.ledger.people import handles
from runner.message.handle import HandleAnswer, KeptHandle, one_handle

RESOLVE = "run-campaign handles CAMPAIGN"


def named_people(
    ledger: Ledger | None,
    words: Iterable[str],
    *,
    platform: str | None = None,
    id_type: str = "platform",
    rehearsal: bool | None = None,
    checked: bool = False,
) -> list[str]:
    """Return the ids of people who are named by id or by handle; nobody is asked.

    `@ada` and the address of a profile are handles; so is `ada` where ids are numbers and one is
    kept for it, and every word with the `id_type` username. `platform` and `rehearsal`: None for
    any, then real ones first. Raises UsageError for a handle without a kept id; and, if `checked`,
    for a word that is no id either.
    """
    found = []
    for word in words:
        id = _by_handle(ledger, word.strip(), platform, id_type, rehearsal)
        if id is None:
            kind = "platform" if id_type == "username" else id_type
            id = checked_ids([word], platform or "twitter", kind)[0] if checked else word
        found.append(id)
    return found


def _by_handle(
    ledger: Ledger | None, word: str, platform: str | None, id_type: str, rehearsal: bool | None
) -> str | None:
    """Return the id that is kept for a handle; None for a word that is none."""
    sure = word.startswith("@") or "/" in word or id_type == "username"
    of = platform or ("linkedin" if "linkedin." in word.lower() else "twitter")
    if not sure and (of != "twitter" or id_type != "platform" or word.isdigit()):
        return None
    read = read_handle(word, of)
    if not isinstance(read, CellHandle):
        if sure and "/" in word:
            raise UsageError(read.detail, "name the id, or @NAME")
        return None
    if read.id:
        return read.id
    known = kept_handle(ledger, read.handle, platform, rehearsal)
    if known is not None and known.answer is HandleAnswer.FOUND:
        return known.id
    if not sure:
        return None
    if known is None:
        raise UsageError(
            f"{word} is a username, and no id is kept for it", f"run {RESOLVE}, or name the id"
        )
    raise UsageError(why_unknown(read.handle, known, RESOLVE, of), "name the id")


def kept_handle(
    ledger: Ledger | None, handle: str, platform: str | None, rehearsal: bool | None
) -> KeptHandle | None:
    """Return what is kept of a handle. Raises UsageError for one of several platforms, and for one
    that only a rehearsal has resolved in a ledger with real campaigns."""
    if ledger is None:
        return None
    kinds: Sequence[bool] = (False, True) if rehearsal is None else (rehearsal,)
    for kind in kinds:
        found = ledger.read(handles.kept_among, [one_handle(handle)], platform, rehearsal=kind)
        if len({(each.answer, each.id) for each in found}) > 1:
            raise UsageError(f"@{handle} is a handle on several platforms", "name the id")
        if found:
            if rehearsal is None and kind and _has_real_campaigns(ledger):
                raise UsageError(
                    f"@{handle} is resolved in a rehearsal only, where ids are made up",
                    f"run {RESOLVE} for a real campaign, or name the id",
                )
            return found[0]
    return None


def _has_real_campaigns(ledger: Ledger) -> bool:
    return not all(each.rehearsal for each in ledger.read(registry.campaigns))
