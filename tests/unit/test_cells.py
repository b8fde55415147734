"""Cells that hold nothing, yes and no, numbers and names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.audience.cells.empty_cells import empty_words, is_name_column, seen, unescaped
from runner.audience.cells.mojibake import mended, suspect
from runner.audience.inspection import decimal_sign, inspect
from runner.audience.prospects import Audience, read_audience
from runner.campaign.loader import load_campaign
from runner.findings import Finding
from runner.message.prospect import Prospect
from runner.tables.cell_types import Truth
from runner.templating.name_filters import first_word, title
from runner.templating.numbers import decimal_of_cells
from runner.templating.template import RowRenderError, Template, compile_template

BASE = 1566123362161725000


def opened(
    folder: Path, text: str, sheet: str, more: str = "", name: str = "p.csv"
) -> tuple[Audience, Template]:
    (folder / name).write_text(sheet, encoding="utf-8")
    (folder / "c.yaml").write_text(
        "senders: [df6jbw4h36qm5d9iu2sgn7kx]\n"
        f"prospects:\n  source: {name}\n{more}message:\n  template: t.j2\n",
        encoding="utf-8",
    )
    (folder / "t.j2").write_text(text, encoding="utf-8")
    template = compile_template(text, "t.j2")
    audience = read_audience(load_campaign(folder / "c.yaml"), template.needs)
    template.decimal_of = lambda column: decimal_sign(audience, column)
    return audience, template


def sheet_of(column: str, *cells: str) -> str:
    quoted = ('"' + cell.replace('"', '""') + '"' for cell in cells)
    rows = [f"{BASE + 7 * n},{cell}" for n, cell in enumerate(quoted, 111)]
    return "\n".join([f"x_user_id,{column}", *rows])


def found(folder: Path, text: str, sheet: str, more: str = "") -> list[Finding]:
    audience, template = opened(folder, text, sheet, more)
    return [*template.findings(audience.columns), *inspect(audience, [template], lambda _: None)]


def values(audience: Audience, column: str) -> list[str]:
    return [row.columns[column] for row in audience.rows()]


def texts(audience: Audience, template: Template) -> list[str]:
    return [template.render(row.columns) for row in audience.rows() if isinstance(row, Prospect)]


@pytest.mark.parametrize(
    "cell", ["\u200b", "\ufeff", "\u3164", "\u2800", "\u00ad", "\u180e \u115f"]
)
def test_a_cell_without_a_visible_sign_is_empty(cell: str) -> None:
    assert seen(cell) == ""


LETTERS = st.characters(
    categories=["L", "N", "P"], exclude_characters="\u3164\u2800\u115f\u1160\uffa0"
)


@given(st.text(LETTERS, min_size=1))
def test_a_cell_with_a_letter_stays(cell: str) -> None:
    assert seen(cell) == cell


@given(
    st.sampled_from("\u200b \ufeff\u3164\u2800\u00ad\u2060\u180e\u115f\u200d\ufe0f"),
    st.integers(1, 9),
)
def test_unseen_signs_are_nothing_however_many(sign: str, times: int) -> None:
    assert seen(sign * times) == ""


def test_words_for_nothing_are_empty_where_they_are_printed(tmp_path: Path) -> None:
    sheet = sheet_of("first_name,note", "x").replace('"x"', "#N/A,NULL")
    audience, template = opened(tmp_path, "Hi {{ first_name | default('you') }}", sheet)
    assert values(audience, "first_name") == [""]
    assert values(audience, "note") == ["NULL"]
    assert texts(audience, template) == ["Hi you"]
    [note] = inspect(audience, [template], lambda _: None)
    assert str(note).endswith("column first_name: row 2 says #N/A; it counts as empty")


def test_a_name_that_may_be_nothing_is_asked_about_and_stays(tmp_path: Path) -> None:
    sheet = sheet_of("first_name", "Null", "Ada")
    [question] = found(tmp_path, "Hi {{ first_name }}", sheet)
    assert question.code == "names_like_nothing"
    assert "row 2 is Null; is that someone's name?" in str(question)
    audience, _ = opened(tmp_path, "Hi {{ first_name }}", sheet)
    assert values(audience, "first_name") == ["Null", "Ada"]


def test_the_campaign_may_say_what_is_nothing(tmp_path: Path) -> None:
    sheet = sheet_of("topic", "unknown", "null", "#REF!")
    more = "  empty: [unknown]\n"
    audience, _ = opened(tmp_path, "{{ topic }}", sheet, more)
    assert values(audience, "topic") == ["", "null", ""]


@pytest.mark.parametrize("column", ["first_name", "name", "vorname", "prénom", "nombre", "имя"])
def test_columns_of_names(column: str) -> None:
    assert is_name_column(column)
    assert not is_name_column("company_name")
    assert "None" not in empty_words(column, None)
    assert "None" in empty_words("company", None)


@pytest.mark.parametrize(
    ("cell", "plain"),
    [
        ("Ren&eacute;", "René"),
        ("Smith &amp; Sons", "Smith & Sons"),
        ("R&amp;amp;D", "R&D"),
        ("Fabrikam&#39;s", "Fabrikam's"),
        ("R&D Ltd", "R&D Ltd"),
        ("AT&T; Sons", "AT&T; Sons"),
        ("Q&A", "Q&A"),
    ],
)
def test_signs_of_html_are_read(cell: str, plain: str) -> None:
    assert unescaped(cell) == plain


@pytest.mark.parametrize(
    ("cell", "was"),
    [
        ("JosÃ©", "José"),
        ("Donâ€™t", "Don’t"),
        ("Р—РѕСЏ", "Зоя"),
        ("Å\x81ukasz", "Łukasz"),
        ("Ã\x85sa", "Åsa"),
        ("Bj\ufffdrn", ""),
    ],
)
def test_text_that_was_misread_is_seen(cell: str, was: str) -> None:
    assert suspect(cell)
    assert mended(cell) == was


@pytest.mark.parametrize(
    "cell",
    [
        *("José", "SÃO PAULO", "Łukasz", "Зоя Петрова", "Zoë’s", "李明", "Ångström", "£5 – €7"),
        "one\x85two",
    ],
)
def test_text_that_is_right_is_not_asked_about(cell: str) -> None:
    assert not suspect(cell) or mended(cell) is None


@given(st.text(st.characters(codec="latin-1", categories=["L"], min_codepoint=0xC0), min_size=1))
def test_any_latin_name_misread_once_is_found(name: str) -> None:
    broken = name.encode().decode("latin-1")
    assert suspect(broken)
    assert mended(broken) is not None


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (["TRUE", "FALSE", ""], "truth_of_text"),
        (["ja", "nein"], "truth_of_text"),
        (["1", "0"], "truth_of_text"),
        (["12", "0", "7"], "truth_of_text"),
        (["yes", ""], ""),
        (["Tables", "No", "Trees", "Rivers", "Songs"], ""),
        (["m", "f"], ""),
    ],
)
def test_a_bare_if_on_words_of_truth(tmp_path: Path, cells: list[str], code: str) -> None:
    text = "{% if a %}thanks{% else %}hello{% endif %}"
    assert [each.code for each in found(tmp_path, text, sheet_of("a", *cells))] == (
        [code] * bool(code)
    )


def test_yes_reads_words_of_truth_and_no_other(tmp_path: Path) -> None:
    sheet = sheet_of("a", "TRUE", "oui", "0", "", "nein")
    audience, template = opened(tmp_path, "{% if a | yes %}x{% else %}y{% endif %}", sheet)
    assert texts(audience, template) == ["x", "x", "y", "y", "y"]
    with pytest.raises(RowRenderError, match="a says perhaps, which is neither yes nor no"):
        template.render({"a": "perhaps"})


@pytest.mark.parametrize(
    ("test", "instead"),
    [
        ("a > 1000", "`a | number > 1000`"),
        ('a >= "1000"', "`a | number >= 1000`"),
        ("1000 < a", "`1000 < a | number`"),
        ("a == 5", "`a | number == 5`"),
        ("a > -1", "`a | number > -1`"),
        ("a == true", "a | yes"),
        ('a == "5"', ""),
        ('a > "m"', ""),
        ("a | number > 1000", ""),
        ("a | length > 3", ""),
    ],
)
def test_text_compared_with_a_number(test: str, instead: str) -> None:
    findings = compile_template(f"{{% if {test} %}}x{{% endif %}}", "t.j2").findings(["a"])
    assert len(findings) == bool(instead)
    assert all(instead in each.instead for each in findings)


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["999", "12000", "12,500", "8K"], "999 12000 12500 8000"),
        (["999", "12000", "12.500"], "999 12000 12500"),
        (["€ 1.234,50", "2.500"], "1234.5 2500"),
        (["$1,234.50", "2,500"], "1234.5 2500"),
        (["1.2M", "10%", "(5)", "1 234,5"], "1200000 10 -5 1234.5"),
        (["59.970000000000006"], "59.97"),
    ],
)
def test_number_reads_a_column_in_its_own_way(
    tmp_path: Path, cells: list[str], numbers: str
) -> None:
    audience, template = opened(tmp_path, "{{ n | number }}", sheet_of("n", *cells))
    if cells[0] != "1.2M":
        assert " ".join(texts(audience, template)) == numbers


@pytest.mark.parametrize("cell", ["8 or 9", "abc", "1,5,2", "2026-03-02", "12.500"])
def test_what_is_no_number_is_the_rows_reason(cell: str) -> None:
    with pytest.raises(RowRenderError, match=cell.replace(".", r"\.")):
        compile_template("{{ n | number }}", "t.j2").render({"n": cell})


@given(st.integers(0, 10**12), st.sampled_from([",", "."]))
def test_a_grouped_number_is_read_back(number: int, group: str) -> None:
    cell = f"{number:,}".replace(",", group)
    decimal = "." if group == "," else ","
    template = compile_template("{{ n | number }}", "t.j2")
    template.decimal_of = lambda _: decimal
    assert template.render({"n": cell}) == str(number)


@given(st.lists(st.decimals(0, 10**6, places=2), min_size=1), st.sampled_from([".", ","]))
def test_decimals_show_their_sign(numbers: list[object], sign: str) -> None:
    cells = [str(each).replace(".", sign) for each in numbers]
    assert decimal_of_cells(cells) == sign


def test_an_empty_cell_is_no_number_but_can_be_guarded() -> None:
    assert compile_template("{{ n | number | default('many') }}", "t").render({"n": ""}) == "many"
    with pytest.raises(RowRenderError, match="n is empty, and a number is needed"):
        compile_template("{% if n | number > 3 %}x{% endif %}", "t").render({"n": ""})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ a | money('EUR') }}", "€1,234.50"),
        ("{{ a | money('EUR', 'de') }}", "1.234,50\xa0€"),
        ("{{ a | money }}", "1,234.50"),
        ("{{ a | round(1) }}", "1234.5"),
        ("{{ d | date }}", "March 2, 2026"),
        ("{{ d | date('d. MMMM', 'de') }}", "2. März"),
    ],
)
def test_money_and_dates(text: str, told: str) -> None:
    assert compile_template(text, "t").render({"a": "1234.5", "d": "2026-03-02"}) == told


def test_a_date_of_two_readings_is_the_rows_reason() -> None:
    with pytest.raises(RowRenderError, match="write it as 2026-MM-DD"):
        compile_template("{{ d | date }}", "t").render({"d": "03/02/2026"})


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Dr. Ada Novak, PhD", "Ada"),
        ("Herr Dr. Jonas Weber", "Jonas"),
        ("Mme Claire Petit", "Claire"),
        ("🚀 Cleo Marsh", "Cleo"),
        ("(She/Her) Hana", "Hana"),
        ("Ada, PhD", "Ada"),
        ("Novak, Ada", "Ada"),
        ("Dean Martin", "Dean"),
        ("Van Morrison", "Van"),
        ("李明", "李明"),
        ("محمد علي", "محمد"),
        ("Anne-Marie", "Anne-Marie"),
        ("Mrs. Gil", ""),
        ("Prince Nelson", ""),
        ("ada@example.com", ""),
        ("+44 7700 900123", ""),
    ],
)
def test_first_word_of_a_name(name: str, first: str) -> None:
    assert first_word(name) == first


def test_a_first_name_that_is_not_there_is_never_printed() -> None:
    template = "Hi {{ a | first_word | upper | title }}"
    with pytest.raises(RowRenderError, match=r"Mrs\. Gil holds no first name"):
        compile_template(template, "t").render({"a": "Mrs. Gil"})
    guarded = template.replace(" }}", " | default('there') }}")
    assert compile_template(guarded, "t").render({"a": "Mrs. Gil"}) == "Hi there"


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("İBRAHİM", "İbrahim"),
        ("McDONALD", "McDonald"),
        ("MCDONALD", "McDonald"),
        ("ßara", "ßara"),
        ("(ADA)", "(Ada)"),
        ('"ADA"', '"Ada"'),
        ("HENRY III", "Henry III"),
        ("O’BRIEN", "O’Brien"),
        ("D'ANGELO", "D'Angelo"),
        ("JEAN-LUC", "Jean-Luc"),
    ],
)
def test_title_of_names(name: str, result: str) -> None:
    assert title(name) == result


def test_real_booleans_decide_and_print(tmp_path: Path) -> None:
    template = compile_template("{% if a %}x{% else %}y{% endif %}{{ a }}", "t")
    assert [template.render({"a": Truth(each)}) for each in (True, False)] == ["xTRUE", "yFALSE"]


def test_ids_that_look_like_rows_are_asked_about(tmp_path: Path) -> None:
    def codes(*ids: str) -> list[str]:
        sheet = "\n".join(["x_user_id", *ids])
        return [each.code for each in found(tmp_path, "Hi {{ x_user_id }}", sheet)]

    assert codes("1", "2", "3") == ["ids_look_like_rows"]
    assert codes("5000000001", "5000000002", "5000000003") == ["ids_look_like_rows"]
    assert codes("12", "20") == []
    assert codes("12", "1566123362161725441", "1566123362161725442") == []


def test_ids_that_were_rounded_stop_the_campaign_and_one_alone_its_row(tmp_path: Path) -> None:
    def read(*ids: int) -> tuple[list[str], list[str]]:
        sheet = "\n".join(["x_user_id", *map(str, ids)])
        audience, template = opened(tmp_path, "Hi {{ x_user_id }}", sheet)
        codes = [each.code for each in inspect(audience, [template], lambda _: None)]
        return codes, [row.reason for row in audience.rows() if not isinstance(row, Prospect)]

    ids = [BASE + 441, BASE + 552, BASE + 663]
    assert read(*(each // 10_000 * 10_000 for each in ids))[0] == ["ids_rounded"]
    assert read(1566123362161720000, *ids) == ([], ["bad_id"])
    assert read(1566123362161725440, *ids) == ([], [])
    assert read(0, *ids) == ([], ["bad_id"])
