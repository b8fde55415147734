"""Encodings of text files: what a file says of its own, and how its letters read in each."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from runner.errors import AudienceError
from runner.findings import SHOWN_ROWS, Finding, FindingError
from runner.tables.text_files import open_bytes, reading, wrong

_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_CANDIDATES = (
    *("cp1252", "cp1250", "mac_roman", "cp850", "cp1251", "shift_jis"),
    *("cp1253", "cp1254", "gb18030", "euc_kr", "big5"),
)
"""Encodings of which a cell's reading is shown, the most used first."""
SHOWN_READINGS = 6
_HALF = re.compile("[\udc80-\udcff]")
_WORD = re.compile(r"[^\s,;|\t\"]*[^\x00-\x7f\s,;|\t\"]+[^\s,;|\t\"]*")
_CLOSERS = "’”»…™®°ºª–—"
_OPENERS = "“‘„‚«¿¡€£¥§©–—"
_RARE = frozenset("ŠšŽžŸƒˆ")
"""Letters of cp1252 that stand where other encodings have é, ö and ü."""


def find_encoding(path: Path, encoding: str | None) -> str:
    """Return the encoding by the file's byte mark, else the one asked for, else UTF-8.

    Raises AudienceError where the one asked for is not the file's.
    """
    with reading(path), open_bytes(path) as stream:
        head = stream.read(3)
    marked = next((name for mark, name in _BOMS.items() if head.startswith(mark)), None)
    if encoding is None:
        return marked or "utf-8"
    if marked is not None and not encoding.replace("_", "-").startswith(marked[:5]):
        what = f"begins with the mark of {marked.removesuffix('-sig').upper()}, not of {encoding}"
        raise wrong(path, 0, what, "remove prospects.encoding")
    if marked is None and _is_byte_encoding(encoding):
        _refuse_utf8(path, encoding)
    return marked or encoding


def _is_byte_encoding(encoding: str) -> bool:
    """Return whether UTF-8 can be mistaken for it: of no Unicode encoding, and known to Python."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        return False
    return not name.startswith("utf")


def _refuse_utf8(path: Path, encoding: str) -> None:
    """Raise AudienceError where the lines outside ASCII are UTF-8, most of them or all."""
    good = bad = first_bad = number = 0
    with reading(path), open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            if line.isascii():
                continue
            try:
                line.decode()
                good += 1
            except UnicodeDecodeError:
                bad += 1
                first_bad = first_bad or number
    if good and not bad:
        raise wrong(path, 0, f"it is UTF-8, not {encoding}", "remove prospects.encoding")
    if good > bad:
        what = f"line {first_bad} is not UTF-8, but {good} other lines are, so it is not {encoding}"
        raise wrong(
            path, 0, what, "correct that line, save as CSV UTF-8, remove prospects.encoding"
        )


def wrong_encoding(path: Path, encoding: str, separator: str = ",") -> AudienceError:
    """Return the error for a file that does not decode: its first row that does not, and how a cell
    of it reads in each encoding that may be meant. Reads the file again, slowly."""
    name = encoding.removesuffix("-sig")
    if not name.startswith("utf-8") and not _is_byte_encoding(name):
        return wrong(path, 0, f"is not {name.upper()} text", "save the file as CSV UTF-8")
    columns: list[str] = []
    place: tuple[int, str] | None = None
    cells_outside: list[bytes] = []
    good = bad = 0
    try:
        with (
            reading(path),
            open_bytes(path) as stream,
            io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="") as text,
        ):
            for number, cells in enumerate(csv.reader(text, delimiter=separator), 1):
                columns = columns or cells
                outside = [each for each in cells if not each.isascii()]
                broken = [each for each in outside if _HALF.search(each)]
                good, bad = good + bool(outside and not broken), bad + bool(broken)
                if broken and place is None:
                    at = cells.index(broken[0])
                    column = columns[at] if at < len(columns) and number > 1 else ""
                    place = number, "" if _HALF.search(column) else column or f"{at + 1}"
                if broken and len(cells_outside) < 200:
                    cells_outside += [each.encode("utf-8", "surrogateescape") for each in broken]
    except (UnicodeError, LookupError, csv.Error, AudienceError):
        pass  # what is known so far is told
    if place is None:
        return wrong(path, 0, f"is not {name.upper()} text", "save the file as CSV UTF-8")
    readings = _readings(cells_outside)
    what = f"is not {name.upper()} text"
    told = ", ".join(f"{each} ({'/'.join(names)})" for each, names in readings)
    instead = "save the file as CSV UTF-8"
    if good >= bad and good:
        what += f", but {good} other rows are UTF-8"
        instead = "correct this row and " + instead
    elif readings:
        instead = f"set prospects.encoding to the one that reads right, or {instead}"
    if told:
        what += f"; its text reads as {told}"
    return FindingError(
        Finding("encoding_unclear", what, instead, str(path), row=place[0], column=place[1])
    )


def _readings(cells: list[bytes]) -> list[tuple[str, list[str]]]:
    """Return how one cell reads, and in which encodings; the ways that look most like words first.

    The first cell is shown, as its row is named; an encoding in which another cell cannot be read
    is none of them.
    """
    found: dict[str, tuple[float, list[str]]] = {}
    for name in _CANDIDATES:
        try:
            texts = [cell.decode(name) for cell in cells]
        except UnicodeDecodeError:
            continue
        shown = " ".join(texts[0].split())
        shown = shown if len(shown) <= 40 else shown[:40] + "…"
        if not shown.isprintable():
            continue
        doubts = sum(bool(doubtful_words(text)) for text in texts) / len(texts)
        found.setdefault(shown, (doubts, []))[1].append(name)
    # Stable: among equals the most used encoding comes first.
    best = sorted(found.items(), key=lambda each: each[1][0])[:SHOWN_READINGS]
    return [(shown, names) for shown, (_, names) in best]


def doubtful_words(text: str) -> list[str]:
    """Return the words of a text that no language writes: signs inside of words, capitals after
    small letters, scripts mixed, Latin words of accents alone."""
    return [word for word in _WORD.findall(text) if _is_doubtful(word)]


def _is_doubtful(word: str) -> bool:
    bare = word.strip(_OPENERS + _CLOSERS + "().!?:'/&-+*#@")
    letters = [sign for sign in bare if sign.isalpha()]
    scripts = {unicodedata.name(sign, "?").split()[0] for sign in letters}
    scripts -= {"MODIFIER", "MASCULINE", "FEMININE"}
    if len(scripts & {"LATIN", "CYRILLIC", "GREEK"}) > 1:
        return True
    before = ""
    for sign in bare:
        if sign > "\x7f":
            kind = unicodedata.category(sign)
            if kind in ("Cc", "Cn", "Co") or sign in _RARE or "\uff61" <= sign <= "\uff9f":
                return True
            if letters and kind[0] in "SNP" and sign not in "’·-–—…™®°ºª²³" + "（）、。・ー":
                return True
            if letters and sign in "³²" and before.islower() and bare[-1] != sign:
                return True
            if kind == "Lu" and before.islower():
                return True
        before = sign
    accented = sum(sign > "\x7f" for sign in letters)
    if scripts == {"LATIN"} and len(letters) > 2 and accented * 2 > len(letters) + 1:
        return True
    # A stripped sign beside a letter: £ukasz, ¿ukasz.
    return bool(letters) and word[0] in "£¥§©„‚" and bare[0].isalpha()


class Readings:
    """Collects how texts outside ASCII read in an encoding that the campaign file names."""

    def __init__(self) -> None:
        self._plain: list[str] = []
        self._doubtful: list[str] = []

    def add(self, line: str) -> None:
        """Look at the words of one line."""
        if len(self._doubtful) >= SHOWN_ROWS:
            return
        for word in _WORD.findall(line):
            kept = self._doubtful if _is_doubtful(word) else self._plain
            if len(kept) < SHOWN_ROWS and word not in kept:
                kept.append(word[:40])

    def finding(self, path: Path, encoding: str) -> Iterable[Finding]:
        """Yield a question where words look wrong, else a note; nothing where all is ASCII."""
        if self._doubtful:
            told = ", ".join(map(repr_word, self._doubtful))
            what = f"read as {encoding}, texts are {told}; is that right?"
            instead = "if not, correct prospects.encoding or save the file as CSV UTF-8"
            yield Finding("encoding_doubtful", what, instead, str(path))
        elif self._plain:
            told = ", ".join(map(repr_word, self._plain))
            yield Finding("encoding_read", f"read as {encoding}: {told}", file=str(path))


def repr_word(word: str) -> str:
    """Return a word as it can be shown: signs without a shape as escapes."""
    return "".join(s if s.isprintable() else s.encode("unicode_escape").decode() for s in word)
