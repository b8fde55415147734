"""Handles in do-not-contact lists: whom they protect, and which protect nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runner.audience.handles import handle_checker
from runner.audience.lists.suppression import PeopleList
from runner.findings import Finding, Rows
from runner.message.erased import ErasedPeople
from runner.message.handle import KeptHandle, one_handle


def handles_resolved(
    read: PeopleList, platform: str, kept: Mapping[str, KeptHandle], resolve: str
) -> PeopleList:
    """Return a list with the ids that are kept for its handles, also those that they had before,
    and findings for handles of whom nobody is known by now. `resolve`: the command that asks."""
    if not read.handles:
        return read
    people, check = dict(read.people), handle_checker(platform, kept, resolve)
    open, unknown = Rows(), Rows()
    first: dict[str, str] = {}
    for handle, entry in read.handles.items():
        if (known := kept.get(one_handle(handle))) is not None:
            for id in filter(None, (known.id, known.before)):  # both accounts
                people.setdefault(id, entry)
        found = check(f"@{handle}")
        if isinstance(found, str):
            continue
        asked = known is not None
        (unknown if asked else open).add(entry.row)
        first.setdefault("list_handle_unknown" if asked else "list_handle_open", found.detail)
    findings = [each for each in read.findings if each.code not in _OF_HANDLES]
    for code, rows, what in (
        ("list_handle_open", open, "not resolved, so that they protect nobody yet"),
        ("list_handle_unknown", unknown, "of nobody known: written by id, they would be reached"),
    ):
        if rows.count:
            told = f"{rows} {'has' if rows.count == 1 else 'have'} handles {what}"
            instead = f"run {resolve}" if code == "list_handle_open" else first[code]
            findings.append(Finding(code, told, instead, file=str(read.source.path)))
    return replace(read, people=people, findings=findings)


def without_erased(read: PeopleList, platform: str, gone: ErasedPeople) -> PeopleList:
    """Return a list without the handles of erased people: nobody writes to them anyway, and nothing
    of them is asked for again."""
    kept = {name: row for name, row in read.handles.items() if not gone.has_handle(platform, name)}
    return replace(read, handles=kept)


_OF_HANDLES = ("list_handle_open", "list_handle_unknown")
