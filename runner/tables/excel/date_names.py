"""Names of months and days as spreadsheets write them, in the languages that formats name most."""

from __future__ import annotations

from locale import windows_locale
from typing import NamedTuple


class DateNames(NamedTuple):
    """Months from January on, days from Monday on; no short days: not known here."""

    months: list[str]
    short_months: list[str]
    days: list[str]
    short_days: list[str]


def _names(months: str, short_months: str, days: str, short_days: str = "") -> DateNames:
    return DateNames(months.split(), short_months.split(), days.split(), short_days.split())


_KNOWN = {
    "en": _names(
        "January February March April May June July August September October November December",
        "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "Mon Tue Wed Thu Fri Sat Sun",
    ),
    "de": _names(
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "Jan Feb Mrz Apr Mai Jun Jul Aug Sep Okt Nov Dez",
        "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
        "Mo Di Mi Do Fr Sa So",
    ),
    "fr": _names(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "lun. mar. mer. jeu. ven. sam. dim.",
    ),
    "es": _names(
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "ene feb mar abr may jun jul ago sep oct nov dic",
        "lunes martes miércoles jueves viernes sábado domingo",
    ),
    "it": _names(
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
        "dicembre",
        "gen feb mar apr mag giu lug ago set ott nov dic",
        "lunedì martedì mercoledì giovedì venerdì sabato domenica",
        "lun mar mer gio ven sab dom",
    ),
    "pt": _names(
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "jan fev mar abr mai jun jul ago set out nov dez",
        "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
    ),
    "nl": _names(
        "januari februari maart april mei juni juli augustus september oktober november december",
        "jan feb mrt apr mei jun jul aug sep okt nov dec",
        "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
        "ma di wo do vr za zo",
    ),
}


def names_of(language: str) -> DateNames | None:
    """Return the names of a language as a number format writes it: `407` (a number of Windows in
    base 16), `de-DE`. English for none and for the computer's own (`F800`); None: not known
    here."""
    word = language.partition(",")[0].casefold()
    if word in ("", "f800", "f400", "x-sysdate", "x-systime"):
        return _KNOWN["en"]
    try:
        number = int(word, 16)
    except ValueError:
        return _KNOWN.get(word[:2])
    if number >> 16 & 0xFFFE:  # another calendar (0x01: the one of everyday)
        return None
    number &= 0xFFFF
    return _KNOWN.get(windows_locale.get(number, "en" if number in (0, 9) else "")[:2])
