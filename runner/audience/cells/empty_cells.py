"""Cells that hold nothing, in words or in signs that nobody sees; and texts written in HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from html.entities import html5

_UNSEEN = (
    "\\s\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SEEN = re.compile(f"[^{_UNSEEN}]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_TIMES_ESCAPED = 3


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ERRORS = _words(
    "#N/A #REF! #NAME? #VALUE! #DIV/0! #NULL! #NUM! #GETTING_DATA #SPILL! #CALC! #FIELD! "
    "#BLOCKED! #CONNECT! #UNKNOWN! #BUSY! #ERROR! #EXTERNAL! #PYTHON! #TIMEOUT! #CIRCULAR! "
    "#NV #BEZUG! #WERT! #ZAHL! #ÜBERLAUF! #KALK! #FEHLER! #N/D #NOM? #VALEUR! #NOMBRE! #NUL! "
    "#PROPAGATION! #EPARS! #CALCUL! #¡REF! #¿NOMBRE? #¡VALOR! #¡DIV/0! #¡NUM! #¡NULO! "
    "#¡DESBORDAMIENTO! #¡CALC! #RIF! #NOME? #VALORE! #NULLO! #VALOR! #NÚM! #NULO! #N/B #VERW! "
    "#NAAM? #WAARDE! #GETAL! #LEEG! #DEEL/0! #OVERLOOP! #ADR! #NAZWA? #ARG! #LICZBA! #ZERO! "
    "#DZIEL/0! #Н/Д #ССЫЛКА! #ИМЯ? #ЗНАЧ! #ДЕЛ/0! #ЧИСЛО! #ПУСТО! #SAKNAS! #REFERENS! #NAMN? "
    "#VÄRDEFEL! #DIVISION/0! #OGILTIGT! #SKÄRNING! #I/T #REFERENCE! #NAVN? #VÆRDI! #VERDI! "
    "#PUUTTUU! #VIITTAUS! #NIMI? #ARVO! #JAKO/0! #LUKU! #TYHJÄ! #NENÍ_K_DISPOZICI #ODKAZ! "
    "#NÁZEV? #HODNOTA! #DĚLENÍ_NULOU! #ČÍSLO! #HIÁNYZIK #HIV! #NÉV? #ÉRTÉK! #ZÉRÓOSZTÓ! "
    "#SZÁM! #NULLA! #YOK #BAŞV! #AD? #DEĞER! #SAYI/0! #SAYI! #BOŞ! Loading... Loading… "
    "Err:501 Err:502 Err:503 Err:504 Err:508 Err:509 Err:511 Err:512 Err:519 Err:520 Err:521 "
    "Err:522 Err:523"
) | {"#" * width for width in range(2, 40)}
"""Never a person's word, whatever the campaign says."""

WORDS = _words(
    "null NULL None NONE none nan NaN N/A n/a N/a n.a. undefined \\N (null) (NULL) [null] "
    "<null> <NULL> <NA> <nil> NaT (blank) (empty) (none) - -- --- – — _ ? ?? ??? . .. ... … / "
    "// *"
)
"""Words that programs and people write for no value. `prospects.empty` takes its place."""

MAYBE_NAMES = _words("Null Nan Na None NA NAN NONE none Nil NIL Undefined UNDEFINED")
"""A person's name, or a program's word for nothing: a person has to say which."""

_NAMES = re.compile(
    r"(?:^|_)(?:(?:first|last|middle|sur|fore|given|family|full|nick|your|contact|person|lead|"
    r"display|vor|nach|ruf)_?)?names?(?:$|_)|vorname|nachname|prénom|prenom|apellido|cognome|"
    r"nazwisko|fornavn|etternavn|förnamn|efternamn|voornaam|achternaam|sobrenome|jméno|příjmení|"
    r"имя|фамилия|姓|名|(?:^|_)(?:nombre|nom|nome|naam|navn|namn|imię|imie|first|last|firstname|"
    r"lastname|fullname|surname)(?:$|_)"
)
_OTHER_NAMES = re.compile(
    r"compan|firm|organi|account|user|file|product|event|campaign|domain|brand|business|employer|"
    r"project|school|team|site|list|empresa|entreprise|société|azienda"
)


def is_name_column(column: str) -> bool:
    """Return whether a column, by its normalised name, has people's names."""
    return bool(_NAMES.search(column)) and not _OTHER_NAMES.search(column)


def empty_words(column: str, said: Iterable[str] | None) -> frozenset[str]:
    """Return the cells of a column that hold nothing. `said`: what the campaign counts as such,
    None for the words that programs write; a spreadsheet's error counts always."""
    if said is not None:
        return ERRORS | frozenset(each.strip() for each in said)
    return ERRORS | (WORDS - MAYBE_NAMES if is_name_column(column) else WORDS)


def seen(cell: str) -> str:
    """Return the cell; empty when it has no sign that a person sees."""
    return cell if _SEEN.search(cell) else ""


def unescaped(cell: str) -> str:
    """Return the cell without HTML's way to write signs: `Ren&eacute;` is `René`. `R&D Ltd`
    stays."""
    for _ in range(_TIMES_ESCAPED):  # some programs do it twice: &amp;amp;
        plain = _ENTITY.sub(_entity, cell)
        if plain == cell:
            break
        cell = plain
    return cell


def _entity(found: re.Match[str]) -> str:
    written = found[0]
    if written[1] == "#" or written[1:] in _KNOWN:
        return html.unescape(written)
    return written


_KNOWN: Mapping[str, str] = html5


def plain_cell(cell: str) -> str:
    """Return a stripped cell as it is printed: signs of HTML read, and nothing where nothing is
    seen."""
    if "&" in cell:
        cell = unescaped(cell).strip()
    if cell.isascii() and cell.isprintable():
        return cell
    return seen(cell)
