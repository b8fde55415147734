"""Number formats (ECMA-376 part 1, 18.8.31): the text that a spreadsheet shows of a number.

Separators are a format's own, `,` and `.`, since a file does not say how the computer that showed
it writes them. DateNames of months and days are English unless the format names another language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from runner.tables.excel.date_names import DateNames, names_of

GENERAL = "General"

BUILT_IN: dict[int, str] = {
    **{1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00"},
    **{5: '"$"#,##0;\\-"$"#,##0', 6: '"$"#,##0;\\-"$"#,##0'},
    **{7: '"$"#,##0.00;\\-"$"#,##0.00', 8: '"$"#,##0.00;\\-"$"#,##0.00'},
    **{12: "# ?/?", 13: "# ??/??", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy"},
    **{18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss"},
    **{37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)"},
    **{39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)"},
    **{41: '#,##0;(#,##0);"-"', 43: '#,##0.00;(#,##0.00);"-"'},
    **{42: '"$"#,##0;("$"#,##0);"$-"', 44: '"$"#,##0.00;("$"#,##0.00);"$-"'},
    **{45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@"},
}
"""Formats that a file names by number alone."""

OWN_DATES = frozenset({14, 22, *range(27, 37), *range(50, 59)})
"""Formats that each computer shows in its own way; dates all."""

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<general>General)|(?P<noon>AM/PM|A/P)|(?P<exp>E[+-])|(?P<date>y+|m+|d+|h+|s+)"
    r"|(?P<digit>[0#?])|(?P<point>\.)|(?P<comma>,)|(?P<percent>%)|(?P<text>@)|(?P<slash>/)"
    r"|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)(-?[0-9]+(?:\.[0-9]+)?)")
_COLOUR = re.compile(r"black|blue|cyan|green|magenta|red|white|yellow|color ?[0-9]+", re.IGNORECASE)
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
}
_BEGIN = datetime.fromisoformat("1899-12-30")
_LATEST = 2_958_466
"""The day after 9999-12-31."""


class _Unknown(Exception):
    """A format with something in it that is not known here."""


@dataclass(slots=True)
class _Section:
    items: list[tuple[str, str]] = field(default_factory=list)
    condition: tuple[str, float] | None = None
    names: DateNames | None = None  # None: of a language that is not known here

    def has(self, *kinds: str) -> bool:
        return any(kind in kinds for kind, _ in self.items)


def shown_number(code: str, value: float, base_1904: bool = False) -> str | None:
    """Return the text that a number is shown as; None for a format that is not known here, and for
    a number that the format cannot show, such as a date before 1900."""
    try:
        sections = _compiled(code)
        if sections is None:
            return None
        section, signed = _choose(sections, value)
        if section.has("date", "elapsed"):
            if value < 0 or value >= _LATEST:
                return None
            text = _date(section, value, base_1904)
        else:
            text = _number(section, abs(value))
            if signed and value < 0:
                text = "-" + text.lstrip()
    except (_Unknown, ArithmeticError):
        return None
    return text.strip(" ")


def shown_text(code: str, text: str) -> str:
    """Return a text as its format shows it: `"Dr. "@` puts something before it."""
    sections = _compiled(code) if "@" in code else None
    if not sections or (len(sections) < 4 and not sections[-1].has("text")):
        return text
    items = sections[-1].items
    if any(kind not in ("text", "literal", "space") for kind, _ in items):
        return text
    return "".join(
        text if kind == "text" else each if kind == "literal" else "" for kind, each in items
    )


def is_date(code: str) -> bool:
    """Return whether numbers of this format are moments."""
    bare = re.sub(r'"[^"]*"|\\.|_.|\*.|\[(?!h|m|s)[^\]]*\]|General|E[+-]', "", code, flags=re.I)
    return bool(re.search("[ymdhs]", bare, re.IGNORECASE))


def plain_number(value: float) -> str:
    """Return a number in digits, 15 significant ones at most: more are noise of its binary form."""
    text = f"{value:.15g}"
    if value and not 1e-9 <= abs(value) < 1e21:
        return text.upper()
    number = Decimal(text)
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) if number else "0"


def plain_moment(value: float, base_1904: bool) -> str:
    """Return a date, a time or both in ISO 8601, a number where it is none."""
    if not 0 <= value < _LATEST:
        return plain_number(value)
    moment = _moment(value, base_1904)
    if value < 1:
        return moment.time().isoformat("seconds")
    return moment.date().isoformat() if value == int(value) else moment.isoformat(" ", "seconds")


def serial_of(moment: datetime, base_1904: bool) -> float:
    """Return the number that a workbook keeps for a moment."""
    days = (moment - _BEGIN) / timedelta(days=1)
    return days - 1462 if base_1904 else days


# Reading a format -------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _compiled(code: str) -> Sequence[_Section] | None:
    """Return its sections; None where it is not known."""
    sections = [_Section(names=names_of(""))]
    try:
        for match in _TOKEN.finditer(code):
            kind = match.lastgroup or "other"
            text = match[kind]
            if kind == "other" and text == ";":
                sections.append(_Section(names=names_of("")))
            else:
                _add(sections[-1], kind, text)
    except _Unknown:
        return None
    return sections if len(sections) <= 4 else None


def _add(section: _Section, kind: str, text: str) -> None:
    items = section.items
    if kind in ("quoted", "escaped"):
        items.append(("literal", text))
    elif kind == "space":
        items.append(("space", " "))
    elif kind == "fill":
        pass  # as wide as the column
    elif kind == "bracket":
        _add_bracket(section, text)
    elif kind == "other":
        if text.isascii() and text.isalpha():
            raise _Unknown  # such as the years of an era
        items.append(("literal", text))
    elif kind == "date":
        items.append((kind, text.lower()))
    else:
        items.append((kind, text))


def _add_bracket(section: _Section, text: str) -> None:
    condition = _CONDITION.fullmatch(text)
    if condition:
        section.condition = condition[1], float(condition[2])
    elif text.startswith("$"):
        symbol, _, language = text[1:].partition("-")
        if symbol:
            section.items.append(("literal", symbol))
        section.names = names_of(language)
    elif _ELAPSED.fullmatch(text):
        section.items.append(("elapsed", text.lower()))
    elif not _COLOUR.fullmatch(text):
        raise _Unknown  # such as the digits of another script


def _choose(sections: Sequence[_Section], value: float) -> tuple[_Section, bool]:
    """Return the section for a number, and whether a minus goes before it."""
    numeric = sections[:3]
    if any(each.condition for each in numeric):
        for each in numeric:
            if each.condition is None or _COMPARE[each.condition[0]](value, each.condition[1]):
                return each, not (each.condition and each.condition == ("<", 0.0))
        raise _Unknown
    if len(numeric) == 1 or value > 0:
        return numeric[0], True
    if value < 0:
        # `yyyy-mm-dd;@`: the second is a text's
        return numeric[1], numeric[1].has("text", "general")
    return numeric[2 if len(numeric) > 2 else 0], False


# Numbers ----------------------------------------------------------------------------------------


def _number(section: _Section, value: float) -> str:
    items = section.items
    if section.has("slash", "noon"):
        raise _Unknown  # a fraction
    if section.has("exp"):
        return _scientific(items, value)
    if not section.has("digit"):
        whole = plain_number(value)
        return "".join(
            whole if kind in ("general", "text") else "%" if kind == "percent" else text
            for kind, text in items
        )
    places = [index for index, (kind, _) in enumerate(items) if kind == "digit"]
    point = next((i for i, (kind, _) in enumerate(items) if kind == "point"), len(items))
    number = Decimal(f"{value:.15g}")
    number *= Decimal(100) ** sum(kind == "percent" for kind, _ in items)
    before = [index for index in places if index < point]
    grouped, left_out = False, set()
    for index, (kind, _) in enumerate(items):
        if kind == "comma" and places[0] < index:
            left_out.add(index)
            if before and before[0] < index < before[-1]:
                grouped = True
            elif index < point or index > places[-1]:
                number /= 1000
    after = len(places) - len(before)
    number = number.quantize(Decimal(1).scaleb(-after), ROUND_HALF_UP) if number else Decimal(0)
    whole, _, rest = format(number, "f").partition(".")
    kept = [pair for index, pair in enumerate(items) if index not in left_out]
    cut = next((i for i, (kind, _) in enumerate(kept) if kind == "point"), len(kept))
    return _whole(kept[:cut], whole.lstrip("0"), grouped) + _rest(
        kept[cut:], rest.ljust(after, "0")
    )


def _whole(items: Sequence[tuple[str, str]], digits: str, grouped: bool) -> str:
    """Return the part before the point; the first place takes all digits that are left."""
    found: list[str] = []
    first = next((index for index, (kind, _) in enumerate(items) if kind == "digit"), -1)
    count = 0

    def put(digit: str) -> None:
        nonlocal count
        if grouped and count and count % 3 == 0:
            found.append("," if digit != " " else " ")
        found.append(digit)
        count += 1

    for index in range(len(items) - 1, -1, -1):
        kind, text = items[index]
        if kind != "digit":
            found.append("%" if kind == "percent" else text[::-1])
            continue
        if digits:
            put(digits[-1])
            digits = digits[:-1]
        elif text != "#":
            put("0" if text == "0" else " ")
        while index == first and digits:
            put(digits[-1])
            digits = digits[:-1]
    if first < 0 and digits:  # `.00` of 12.5
        found += digits[::-1]
    return "".join(found)[::-1]


def _rest(items: Sequence[tuple[str, str]], digits: str) -> str:
    """Return the point and what is after it."""
    found = []
    used = 0
    for kind, text in items:
        if kind != "digit":
            found.append("%" if kind == "percent" else text)
            continue
        zeros = not digits[used:].strip("0")
        found.append(digits[used] if text == "0" or not zeros else "" if text == "#" else " ")
        used += 1
    return "".join(found)


def _scientific(items: Sequence[tuple[str, str]], value: float) -> str:
    code = "".join(text for _, text in items)
    match = re.fullmatch(r"[0#](?:\.([0#?]+))?E([+-])([0#?]+)", code, re.IGNORECASE)
    if not match:
        raise _Unknown
    mantissa, _, power = f"{Decimal(f'{value:.15g}'):.{len(match[1] or '')}E}".partition("E")
    number = int(power)
    sign = "-" if number < 0 else "+" if match[2] == "+" else ""
    return f"{mantissa}E{sign}{str(abs(number)).rjust(len(match[3]), '0')}"


# Dates and times --------------------------------------------------------------------------------


def _moment(value: float, base_1904: bool, part: timedelta = timedelta(seconds=1)) -> datetime:
    """Return the moment of a serial number, rounded to whole parts of a second. The calendar that
    begins in 1900 has a 29 February 1900, which there was not."""
    days = value + 1462 if base_1904 else value if value >= 60 else value + 1
    return _BEGIN + round(timedelta(days=days) / part) * part


def _date(section: _Section, value: float, base_1904: bool) -> str:
    items = _with_fractions(section.items)
    digits = max((len(text) for kind, text in items if kind == "fraction"), default=0)
    part = timedelta(microseconds=10 ** (6 - digits))
    moment = _moment(value, base_1904, part)
    elapsed = round(timedelta(days=value) / part) * part
    noon = any(kind == "noon" for kind, _ in items)
    times = [index for index, (kind, _) in enumerate(items) if kind in ("date", "elapsed")]
    found = []
    for index, (kind, text) in enumerate(items):
        if kind == "fraction":
            found.append("." + f"{moment.microsecond:06}"[: len(text)])
        elif kind == "noon":
            word = "AM" if moment.hour < 12 else "PM"
            found.append(word if len(text) > 3 else word[0])
        elif kind == "elapsed":
            unit = {"h": 3600, "m": 60, "s": 1}[text[0]]
            found.append(str(int(elapsed.total_seconds()) // unit).rjust(len(text), "0"))
        elif kind == "date":
            at = times.index(index)
            near = [items[i][1][0] for i in times[max(at - 1, 0) : at]]
            near += [items[i][1][0] + "!" for i in times[at + 1 : at + 2]]
            minutes = text in ("m", "mm") and ("h" in near or "s!" in near)
            found.append(_part(text, moment, section.names, noon, minutes))
        elif kind in ("digit", "percent", "exp", "text", "general"):
            raise _Unknown
        else:
            found.append(text)
    return "".join(found)


def _with_fractions(items: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return `ss.00` with the last part of it as one item."""
    found: list[tuple[str, str]] = []
    for kind, text in items:
        if kind == "digit" and text == "0" and found and found[-1][0] in ("point", "fraction"):
            digits = found.pop()[1].removeprefix(".") + "0"
            if len(digits) > 3:
                raise _Unknown
            found.append(("fraction", digits))
        else:
            found.append((kind, text))
    return found


def _part(text: str, moment: datetime, names: DateNames | None, noon: bool, minutes: bool) -> str:
    letter, wide = text[0], len(text)
    if letter in "hs" or minutes:
        hour = (moment.hour % 12 or 12) if noon else moment.hour
        number = {"h": hour, "m": moment.minute, "s": moment.second}[letter]
        return f"{number:02}" if wide > 1 else str(number)
    if letter == "y":
        return f"{moment.year:04}" if wide > 2 else f"{moment.year % 100:02}"
    if wide < 3:
        return str(moment.month if letter == "m" else moment.day).rjust(wide, "0")
    if names is None:
        raise _Unknown
    if letter == "d":
        known = names.short_days if wide == 3 else names.days
        if not known:
            raise _Unknown
        return known[moment.weekday()]
    month = (names.short_months if wide == 3 else names.months)[moment.month - 1]
    return month[0] if wide == 5 else month
