"""Number formats: what a spreadsheet shows of a number."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.tables.excel.number_format import (
    is_date,
    plain_moment,
    plain_number,
    serial_of,
    shown_number,
    shown_text,
)

at = datetime.fromisoformat
DAY = serial_of(at("2026-03-05"), False)
MOMENT = serial_of(at("2026-03-05T14:07:09"), False)
ACCOUNT = '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\);_("$"* "-"??_);_(@_)'


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("General", 3, "3"),
        ("General", 59.970000000000006, "59.97"),
        ('General" pcs"', 2.5, "2.5 pcs"),
        ("0%", 0.15000000000000002, "15%"),
        ("0%", 0.285, "29%"),
        ("0.0%", 0.075, "7.5%"),
        ("0.00%", -0.5, "-50.00%"),
        ("0 %", 0.5, "50 %"),
        ("0", 2.5, "3"),
        ("0.00", 0.30000000000000004, "0.30"),
        ("0.00", 1.005, "1.01"),
        ("#.##", 5, "5."),
        ("#,##0", 1234567.4, "1,234,567"),
        ("#,##0", 12, "12"),
        ("#,##0.00", 0, "0.00"),
        ("#,##0,", 1234567, "1,235"),
        ('0.0,,"M"', 1234567, "1.2M"),
        ("00000", 2134, "02134"),
        ("00000-0000", 21340001, "02134-0001"),
        ("000-00-0000", 78051120, "078-05-1120"),
        ("[<=9999999]###-####;(###) ###-####", 5551234, "555-1234"),
        ("[<=9999999]###-####;(###) ###-####", 2125551234, "(212) 555-1234"),
        ('"$"#,##0.00', 1234.5, "$1,234.50"),
        ('"$"#,##0.00', -1234.5, "-$1,234.50"),
        ("$#,##0.00", 59.97, "$59.97"),
        ("[$€-407]#,##0.00", 59.97, "€59.97"),
        ("#,##0.00 [$€-407]", 1234.5, "1,234.50 €"),
        ("#,##0.00\\ [$zł-415]", 7, "7.00 zł"),
        ('#,##0.00\\ "€";[Red]\\-#,##0.00\\ "€"', -7, "-7.00 €"),
        ("£#,##0", 1000, "£1,000"),
        ("[$¥-411]#,##0", 1000, "¥1,000"),
        (ACCOUNT, 59.970000000000006, "$59.97"),
        (ACCOUNT, -59.97, "$(59.97)"),
        (ACCOUNT, 0, "$-"),
        ("#,##0;[Red](#,##0)", -5, "(5)"),
        ('0;-0;"none"', 0, "none"),
        (";;;", 5, ""),
        ("0.00E+00", 12345, "1.23E+04"),
        ("0.0E-0", 0.00012, "1.2E-4"),
        ("@", 12.5, "12.5"),
        ('0.0"x"', 1.5, "1.5x"),
        ("[>=1000]0.0,\\K;0", 1500, "1.5K"),
        ("[>=1000]0.0,\\K;0", 15, "15"),
        ("yyyy-mm-dd", DAY, "2026-03-05"),
        ("d mmmm yyyy", DAY, "5 March 2026"),
        ("d mmmm yyyy", MOMENT, "5 March 2026"),
        ("[$-409]d\\-mmm\\-yy;@", DAY, "5-Mar-26"),
        ("[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", DAY, "Thursday, March 05, 2026"),
        ("[$-407]d\\. mmmm yyyy;@", DAY, "5. März 2026"),
        ("[$-de-DE]dddd", DAY, "Donnerstag"),
        ("[$-40C]d mmm yyyy", DAY, "5 mars 2026"),
        ("[$-1010409]m/d/yyyy", DAY, "3/5/2026"),
        ("dd/mm/yyyy hh:mm", MOMENT, "05/03/2026 14:07"),
        ("dd.mm.yyyy", DAY, "05.03.2026"),
        ("mmmmm", DAY, "M"),
        ("ddd", DAY, "Thu"),
        ("h:mm AM/PM", MOMENT, "2:07 PM"),
        ("h:mm A/P", 9.5 / 24, "9:30 A"),
        ("h:mm AM/PM", 0, "12:00 AM"),
        ("hh:mm:ss", MOMENT, "14:07:09"),
        ("mm:ss.0", 61.26 / 86400, "01:01.3"),
        ("h:mm", 0.395833333, "9:30"),
        ("[h]:mm", 1.5, "36:00"),
        ("[mm]:ss", 1 / 24, "60:00"),
        ("yyyy\\-mm\\-dd\\Thh:mm", MOMENT, "2026-03-05T14:07"),
        ('yyyy"年"m"月"d"日"', DAY, "2026年3月5日"),
        ("d-mmm-yy", 1, "1-Jan-00"),
    ],
)
def test_a_number_as_it_is_shown(code: str, value: float, shown: str) -> None:
    assert shown_number(code, value) == shown


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("[DBNum1]0", 3),
        ("ggge", DAY),
        ("# ?/?", 0.5),
        ("##0.0E+0", 12345),
        ("yyyy-mm-dd", -1),
        ("yyyy-mm-dd", 1e9),
        ("[$-419]d mmmm", DAY),
        ("[$-C0A]ddd", DAY),
        ("[<1]0;[>2]0", 1.5),
        ("0;0;0;0;0", 1),
        ("nonsense", 1),
    ],
)
def test_a_format_that_is_not_known(code: str, value: float) -> None:
    assert shown_number(code, value) is None


def test_days_from_1904_on() -> None:
    assert shown_number("yyyy-mm-dd", 0, base_1904=True) == "1904-01-01"
    moment = at("2026-03-05")
    assert shown_number("d.m.yyyy", serial_of(moment, True), base_1904=True) == "5.3.2026"
    assert plain_moment(serial_of(moment, True), True) == "2026-03-05"


def test_plain_moments() -> None:
    assert plain_moment(MOMENT, False) == "2026-03-05 14:07:09"
    assert plain_moment(0.5, False) == "12:00:00"
    assert plain_moment(-2, False) == "-2"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("d mmmm", True),
        ("[h]:mm", True),
        ("0.00", False),
        ("General", False),
        ("[Red]0.0E+0", False),
        ('0 "days"', False),
    ],
)
def test_formats_of_moments(code: str, expected: bool) -> None:
    assert is_date(code) is expected


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("@", "Ada"),
        ("General", "Ada"),
        ("0.00", "Ada"),
        (ACCOUNT, "Ada"),
        ('"Dr. "@', "Dr. Ada"),
        ('0;-0;0;@" (text)"', "Ada (text)"),
        (";;;", "Ada"),
    ],
)
def test_a_text_as_it_is_shown(code: str, shown: str) -> None:
    assert shown_text(code, "Ada") == shown


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE)
def test_a_plain_number_is_the_number_to_15_digits(value: float) -> None:
    text = plain_number(value)
    assert Decimal(text) == Decimal(f"{value:.15g}")
    digits = text.partition("E")[0].replace(".", "").lstrip("-0").rstrip("0")
    assert len(digits) <= 15


@given(st.integers(-(10**14), 10**14), st.integers(0, 6))
def test_decimals_are_those_of_the_format(units: int, places: int) -> None:
    value = units / 10**places
    exact = Decimal(units).scaleb(-places)
    for code in ("0", "#,##0"):
        told = shown_number(code + ("." + "0" * places if places else ""), value)
        assert told is not None
        if len(str(abs(units))) <= 15:
            assert Decimal(told.replace(",", "")) == exact


@given(st.integers(0, 99999))
def test_zip_codes_have_five_digits(number: int) -> None:
    assert shown_number("00000", number) == f"{number:05}"


@given(st.datetimes(at("1900-03-01"), at("9999-12-31T23:59:59")), st.booleans())
def test_moments_are_shown_to_the_second(moment: datetime, base_1904: bool) -> None:
    moment = moment.replace(microsecond=0)
    if base_1904 and moment.year < 1904:
        return
    value = serial_of(moment, base_1904)
    shown = shown_number("yyyy-mm-dd hh:mm:ss", value, base_1904)
    assert shown == moment.isoformat(" ")


@given(st.text('0#?.,%;@E+-/\\_*"[]$€ymdhsAP$<>=1 (x', max_size=12), FINITE)
def test_any_format_shows_something_or_is_not_known(code: str, value: float) -> None:
    told = shown_number(code, value)
    assert told is None or told == told.strip(" ")
    assert isinstance(shown_text(code, "a"), str)
