"""Lists and objects in the cells of a sheet."""

from __future__ import annotations

from collections.abc import Collection

from runner.audience.columns import listed
from runner.audience.prospects import Audience
from runner.findings import Finding


def nested_findings(audience: Audience, needs: Collection[str]) -> list[Finding]:
    """Return an error for each column with lists or objects that is used, a note for the others.
    `needs`: the columns of the texts."""
    used = {audience.id_column, audience.timezone, *audience.where, *needs}
    file = str(audience.table.path)
    found: list[Finding] = []
    left_out: list[str] = []
    for at, rows in audience.table.nested.items():
        name = audience.columns[at]
        if name in used:
            verb = "holds" if rows.count == 1 else "hold"
            what = f"{rows} {verb} a list or an object"
            found.append(Finding("nested_used", what, "write one text into it", file, column=name))
        else:
            left_out.append(name)
    if left_out:
        verb = "holds" if len(left_out) == 1 else "hold"
        what = f"{listed(left_out)} {verb} lists or objects; nothing uses them"
        found.append(Finding("nested_left_out", what, file=file))
    return found
