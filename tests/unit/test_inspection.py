"""The one look at the cells of a sheet before its plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import pytest

from runner.audience.inspection import CHUNK, inspect
from runner.audience.prospects import Audience, read_audience
from runner.campaign.loader import load_campaign
from runner.tables.text_files import Row
from runner.templating.template import compile_template

FIRST = 1876543210987654321
HI = compile_template("Hi {{ first_name }}", "t")


def audience_of(folder: Path, rows: list[str], listed: list[str], more: str = "") -> Audience:
    """A sheet with the columns x_user_id, first_name and country, and a do-not-contact list."""
    lines = ["x_user_id,first_name,country", *rows, ""]
    (folder / "people.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "list.csv").write_text("\n".join(["x_user_id", *listed, ""]))
    path = folder / "campaign.yaml"
    path.write_text(
        "senders: [df6jbw4h36qm5d9iu2sgn7kx]\nsuppress: [list.csv]\nmessage: Hi\n"
        f"prospects: {{source: people.csv{more}}}\n",
        encoding="utf-8",
    )
    return read_audience(load_campaign(path), HI.needs)


def told(audience: Audience) -> list[str]:
    return [f"{each.code}: {each.what}" for each in inspect(audience, [HI], lambda _: None)]


def test_rows_are_read_once_for_lists_ids_cells_and_where(tmp_path: Path) -> None:
    rows = [f"{FIRST + 7 * each},Ada,NL" for each in range(2 * CHUNK + 3)]
    whole = audience_of(tmp_path, rows, [str(FIRST)], ", where: {country: UK}")
    reads = []

    def counted() -> Iterator[Row]:
        reads.append("once")
        return whole.table.rows()

    audience = replace(whole, table=replace(whole.table, rows=counted))
    assert told(audience) == [
        "list_people: 1 person, 1 of them in the sheet",
        "nobody_selected: prospects.where selects nobody; there are: NL",
    ]
    assert reads == ["once"]


@pytest.mark.parametrize("cell", [f"{FIRST}", f"000{FIRST}", f" {FIRST} ", f"\u200b{FIRST}"])
@pytest.mark.parametrize("beside", ["", "Bela", f"{FIRST + 1}", "7"])
def test_an_id_on_a_list_is_found_however_it_is_written(
    tmp_path: Path, cell: str, beside: str
) -> None:
    rows = [f"{beside},Ada,NL", f"{cell},Ada,NL", f"{cell},Ada,NL"]
    found = told(audience_of(tmp_path, rows, [str(FIRST), str(FIRST + 2)]))
    assert "list_people: 2 people, 1 of them in the sheet" in found


def test_where_takes_an_accent_in_either_form(tmp_path: Path) -> None:
    rows = [f"{FIRST},#N/A,{normalize('NFD', 'Perú')}", f"{FIRST + 5},#N/A,NL"]
    found = told(audience_of(tmp_path, rows, [str(FIRST)], ", where: {country: Perú}"))
    assert "empty_words: row 2 says #N/A; it counts as empty" in found
