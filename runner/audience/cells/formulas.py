"""Formulas of a workbook whose results were never stored, where a campaign uses them."""

from __future__ import annotations

from collections.abc import Collection

from runner.audience.prospects import Audience
from runner.findings import Finding

_INSTEAD = "open the workbook, save it, and run again"


def uncalculated(audience: Audience, needs: Collection[str]) -> list[Finding]:
    """Return an error for each column with such a formula that is used: by the text (`needs`),
    guarded or not, or to choose people and their time zones. One in the id column is its row's
    fault."""
    used = {*needs, *audience.where}
    used |= {audience.timezone} if audience.timezone else set()
    used -= {audience.id_column}
    found = []
    for index, rows in audience.table.uncalculated.items():
        name = audience.columns[index]
        if name in used:
            held = "holds a formula" if rows.count == 1 else "hold formulas"
            were = "was" if rows.count == 1 else "were"
            what = f"{rows} {held} that {were} never calculated"
            path = str(audience.table.path)
            found.append(Finding("formula_uncalculated", what, _INSTEAD, path, column=name))
    return found
