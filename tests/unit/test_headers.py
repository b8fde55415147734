"""Headers as a template writes them."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runner.audience.columns import as_written, folded, normal_column, normal_columns
from runner.audience.inspection import inspect
from runner.audience.prospects import read_audience
from runner.campaign.loader import load_campaign
from runner.errors import AudienceError, RunnerError
from runner.message.prospect import Prospect, RowSkip
from runner.planning.draft import make_draft
from runner.templating.template import compile_template


def project(folder: Path, header: list[str], rows: list[list[str]], rest: str = "") -> Path:
    """A campaign file with a sheet, and `rest`: more of its prospects."""
    with (folder / "p.csv").open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *rows])
    path = folder / "c.yaml"
    path.write_text(f"senders: [a1]\nprospects: {{source: p.csv{rest}}}\nmessage: Hi\n")
    return path


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (" First Name ", "first_name"),
        ("e-mail", "e_mail"),
        ("first__name", "first__name"),
        ("_First_", "_first_"),
        ("# Employees", "employees"),
        ("Industry/Sector", "industry_sector"),
        ("E-mail (work)", "e_mail_work"),
        ("first name?", "first_name"),
        ("1st name", "_1st_name"),
        ("2024", "_2024"),
        ("名前", "名前"),
        ("Имя", "имя"),
        ("Pre\u0301nom", "prénom"),
        ("Prénom", "prénom"),
        ("Straße", "strasse"),
        ("Ｎａｍｅ", "name"),
        ("First\u200bName", "firstname"),
        ("name's", "name_s"),
        ("Name – short", "name_short"),
        ("🌱 name", "name"),
        ("🌱", "seedling"),
        ("#", "number_sign"),
        ("%", "percent_sign"),
        ("True", "_true"),
        ("none", "_none"),
        ("Self", "_self"),
        ("{{ first_name }}", "first_name"),
        ("", ""),
    ],
)
def test_a_header_is_written_so(header: str, name: str) -> None:
    assert normal_column(header) == name
    if name:
        assert compile_template(f"{{{{ {name} }}}}", "t").render({name: "x"}) == "x"


@given(st.lists(st.text(st.characters(exclude_categories=["C"]), min_size=1), min_size=1))
def test_headers_have_names_of_their_own_or_two_are_told(headers: list[str]) -> None:
    headers = [header for header in headers if header.strip()]
    assume(headers)
    if len({normal_column(header) for header in headers}) < len(headers):
        with pytest.raises(AudienceError, match="are both read as"):
            normal_columns(Path("p.csv"), headers)
        return
    names, _ = normal_columns(Path("p.csv"), headers)
    assert len(set(names)) == len(headers)
    cells = {name: str(place) for place, name in enumerate(names)}
    template = compile_template(" ".join(f"{{{{ {name} }}}}" for name in names), "t")
    assert template.needs == set(names)
    assert template.requires_value == set(names)
    assert template.render(cells) == " ".join(cells.values())


@given(st.text(max_size=30))
def test_a_header_is_the_same_in_both_forms(header: str) -> None:
    name = normal_column(header)
    assert normal_column(unicodedata.normalize("NFD", header)) == name
    assert normal_column(name) == name


@given(st.text(max_size=30))
def test_cells_are_compared_in_one_form(cell: str) -> None:
    assert folded(folded(cell)) == folded(cell)
    assert folded(unicodedata.normalize("NFD", cell)) == folded(cell)


def test_a_name_in_a_template_may_have_either_form() -> None:
    template = compile_template("Salut {{ pre\u0301nom }}", "t")
    assert template.needs == {"prénom"}
    assert template.render({"prénom": "Zoé"}) == "Salut Zoé"


def test_columns_are_named_in_either_form_everywhere(tmp_path: Path) -> None:
    header, rows = ["nume\u0301ro", "pre\u0301nom", "ville"], [["5", "", "Besanc\u0327on"]]
    rest = ", id: Numéro, defaults: {Prénom: toi}, where: {Ville: BESANÇON}"
    audience = read_audience(load_campaign(project(tmp_path, header, rows, rest)))
    (row,) = audience.rows()
    assert isinstance(row, Prospect)
    assert row.columns["prénom"] == "toi"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ #_employees }}", "{{ #_employees }} is written {{ employees }}"),
        ("{{ # Employees }}", "{{ # Employees }} is written {{ employees }}"),
        ("{{industry/sector}}", "{{ industry/sector }} is written {{ industry_sector }}"),
        ("{{ First Name | title }}", "{{ First Name }} is written {{ first_name }}"),
        ("{{ First_Name }}", "{{ First_Name }} is written {{ first_name }}"),
        ("{{ first_name }} {{ nothing }}", ""),
    ],
)
def test_a_column_in_the_sheets_own_words_is_told_as_a_template_writes_it(
    tmp_path: Path, text: str, told: str
) -> None:
    assert as_written(text, ["first_name", "employees", "industry_sector"]) == told
    header = ["x_user_id", "First Name", "# Employees", "Industry/Sector"]
    path = project(tmp_path, header, [["5", "Ada", "120", "Tools"]])
    path.write_text(path.read_text().replace("Hi", f"'{text}'"))
    with pytest.raises(RunnerError) as caught:
        make_draft(load_campaign(path), None)
    assert caught.value.hint == told


def nobody(folder: Path, rows: list[list[str]], where: str) -> list[str]:
    """What is told of a sheet with the columns x_user_id, country and tier."""
    header = ["x_user_id", "country", "tier"]
    path = project(folder, header, rows, f", where: {{{where}}}")
    found = inspect(
        read_audience(load_campaign(path)), [compile_template("Hi", "t")], lambda _: None
    )
    return [f"{each.code} {each.column}: {each.what}" for each in found]


def test_a_where_that_selects_nobody_is_told_with_what_there_is(tmp_path: Path) -> None:
    rows = [[str(1876543210987654321 + 7 * each), f"C{each}", "gold"] for each in range(1, 9)]
    assert nobody(tmp_path, rows, "country: [UK, US]") == [
        "nobody_selected country: prospects.where selects nobody; there are: C1, C2, C3, C4, C5 …"
    ]
    assert nobody(tmp_path, [["5", "", "gold"]], "tier: gold, country: UK") == [
        "nobody_selected country: prospects.where selects nobody; there are: (empty)"
    ]
    rows = [["5", "UK", "tin"], ["783214", "US", "gold"]]
    assert nobody(tmp_path, rows, "tier: gold, country: UK") == [
        "nobody_selected : prospects.where selects nobody: no row has all of tier and country"
    ]
    assert nobody(tmp_path, rows, "tier: gold") == []
    assert nobody(tmp_path, [], "tier: gold") == []


def test_a_default_counts_as_what_a_cell_says(tmp_path: Path) -> None:
    rows = [["5", "", "gold"]]
    assert nobody(tmp_path, rows, "country: UK}, defaults: {country: uk") == []


@pytest.mark.parametrize(
    ("cell", "zone"),
    [
        ("america/new_york", "America/New_York"),
        ("America/New York", "America/New_York"),
        (
            "EST",
            "is the same all year, without summer time; write a place such as America/New_York",
        ),
        ("W. Europe Standard Time", "is not an IANA time zone; write Europe/Berlin"),
    ],
)
def test_a_rows_zone_is_answered_as_the_campaigns_is(tmp_path: Path, cell: str, zone: str) -> None:
    path = project(tmp_path, ["x_user_id", "tz"], [["5", cell], ["6", cell]], ", timezone: tz")
    rows = list(read_audience(load_campaign(path)).rows())
    told = [each.detail if isinstance(each, RowSkip) else each.zone for each in rows]
    assert told == [f"tz {cell} {zone}" if zone.startswith("is ") else zone] * 2
