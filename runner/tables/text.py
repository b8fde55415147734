"""Tables that are text: separated values and JSON lines, streamed a row at a time.

The csv module reads them rather than pandas: it keeps every cell as it is written, notices a row
with a field too few (pandas pads it), and needs a fifth of the memory at the same speed.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from runner.errors import AudienceError

Row = tuple[int, list[str]]
"""A row's number as a person sees it, and its cells."""

_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# Numbers as the text they are: a float would round a 19-digit id.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_BAD_JSON = re.compile("[\x00\ud800-\udfff]")


MOST_OF_A_LINE = 16 << 20
"""Characters of one line. Our own choice: a longer one is no person's, and fills the memory."""


def wrong(path: Path, row: int, what: str, instead: str = "") -> AudienceError:
    """An AudienceError in one line: file, row, what, and what instead."""
    where = f"{path}: row {row}" if row else str(path)
    return AudienceError(f"{where}: {what}" + (f"; {instead}" if instead else ""))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what the system and gzip raise into an AudienceError."""
    try:
        yield
    except FileNotFoundError:
        raise wrong(path, 0, "no such file") from None
    except IsADirectoryError:
        raise wrong(path, 0, "is a folder", "name the file in it") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise wrong(path, 0, "is a broken .gz file", "make it again, or unpack it") from None
    except OSError as error:
        raise wrong(path, 0, f"cannot be read ({error.strerror})") from None


def open_bytes(path: Path) -> IO[bytes] | gzip.GzipFile:
    """The file's bytes, unpacked."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def find_encoding(path: Path, encoding: str | None) -> str:
    """The encoding by the file's byte mark, else the one asked for, else UTF-8."""
    with reading(path), open_bytes(path) as stream:
        head = stream.read(3)
    marked = next((name for mark, name in _BOMS.items() if head.startswith(mark)), None)
    if encoding is None:
        return marked or "utf-8"
    if marked is not None and not encoding.replace("_", "-").startswith(marked[:5]):
        what = f"begins with the mark of {marked.removesuffix('-sig').upper()}, not of {encoding}"
        raise wrong(path, 0, what, "remove prospects.encoding")
    return marked or encoding


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """The file's lines with their ends; refuses NUL, which no text file holds."""
    with (
        reading(path),
        open_bytes(path) as stream,
        io.TextIOWrapper(stream, encoding, newline="") as text,
    ):
        while line := text.readline(MOST_OF_A_LINE):
            if len(line) == MOST_OF_A_LINE:
                raise _Long
            if "\0" in line:
                raise _Nul
            yield line


class _Nul(Exception):
    """A NUL character where text should be."""


class _Long(Exception):
    """A line that does not end."""


# Separated values -------------------------------------------------------------------------------


def find_separator(path: Path, encoding: str) -> tuple[str, bool]:
    """The separator by the header line, and whether Excel's own `sep=;` line stands above it."""
    try:
        head = next(_lines(path, encoding), "")
    except (UnicodeError, LookupError):
        raise wrong_encoding(path, encoding, ",") from None
    except _Nul:
        raise _nul(path, 1) from None
    except _Long:
        raise _long(path, 1) from None
    told = re.fullmatch(r"sep=(.)\s*", head)
    if told:
        return told[1], True
    bare = re.sub(r'"[^"]*"', "", head)
    preferred = "\t;,|" if ".tsv" in path.name.lower() else ",;\t|"
    return max(preferred, key=bare.count), False


def separated_rows(path: Path, encoding: str, separator: str, told: bool) -> Iterator[Row]:
    """Every record, the header included as row 1; blank ones are counted and left out.

    A quoted line break does not start a new row, as in a spreadsheet.
    """
    lines = _lines(path, encoding)
    if told:
        next(lines, None)
    # strict: a quote that is never closed would else swallow the rest of the people silently.
    reader = csv.reader(lines, delimiter=separator, strict=True)
    number = 0
    try:
        for cells in reader:
            number += 1
            if cells:
                yield number, cells
    except UnicodeError:
        raise wrong_encoding(path, encoding, separator) from None
    except _Nul:
        raise _nul(path, number + 1) from None
    except _Long:
        raise _long(path, number + 1) from None
    except csv.Error as error:
        what = f"the quotes do not match ({error})"
        if "unexpected end of data" in str(error) or "field larger" in str(error):
            what = "a quote is opened and never closed"
        raise wrong(path, number + 1, what, 'write a quote inside quoted text twice: ""') from None


def checked_rows(path: Path, columns: int, rows: Iterator[Row], separator: str) -> Iterator[Row]:
    """Rows of exactly `columns` cells. Empty cells too many at a row's end are dropped."""
    for number, cells in rows:
        if len(cells) == columns:
            yield number, cells
            continue
        if len(cells) > columns and not any(cells[columns:]):
            yield number, cells[:columns]
            continue
        what = f"has {len(cells)} fields, the header has {columns}"
        hint = f'put a text with `{separator}` or a line break in it into double quotes ("")'
        if separator == "\t":
            hint = "put a text with a tab or a line break in it into double quotes"
        raise wrong(path, number, what, hint)


def _nul(path: Path, row: int) -> AudienceError:
    what = "holds a NUL character: this is no text file, or UTF-16 without its mark"
    return wrong(path, row, what, "save it as CSV UTF-8, or set prospects.encoding: utf-16-le")


def _long(path: Path, row: int) -> AudienceError:
    what = f"is longer than {MOST_OF_A_LINE >> 20} MiB"
    return wrong(path, row, what, "is this a table, with a line for each person?")


def wrong_encoding(path: Path, encoding: str, separator: str) -> AudienceError:
    """Reads the file again, slowly, to name the first cell that is not of this encoding."""
    name = encoding.removesuffix("-sig")
    other = "utf-8" if name.startswith("cp") else "cp1252"
    instead = f"set prospects.encoding (encoding: {other}?), or save the file as CSV UTF-8"
    columns: list[str] = []
    number = 0
    try:
        with (
            reading(path),
            open_bytes(path) as stream,
            io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="") as text,
        ):
            for cells in csv.reader(text, delimiter=separator):
                number += 1
                columns = columns or cells
                for index, cell in enumerate(cells):
                    if re.search("[\udc80-\udcff]", cell):
                        column = columns[index] if index < len(columns) and number > 1 else ""
                        column = "" if re.search("[\udc80-\udcff]", column) else column
                        where = f", column {column}" if column else f", column {index + 1}"
                        return AudienceError(
                            f"{path}: row {number}{where}: is not {name.upper()} text; {instead}"
                        )
    except (UnicodeError, LookupError, csv.Error, AudienceError):
        pass  # a codec that cannot skip what it does not know: the file is all we can name
    return wrong(path, number, f"is not {name.upper()} text", instead)


# JSON lines -------------------------------------------------------------------------------------


def json_objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Every line's object, numbered by line as an editor does, all values as text.

    Whole numbers keep all their digits, other numbers stay as written, null is empty.
    """
    number = 0
    try:
        for line in _lines(path, encoding):
            number += 1
            if not line.strip():
                continue
            found = _JSON.decode(line)
            if not isinstance(found, dict):
                raise wrong(path, number, "is not a JSON object", 'write {"column": "value"}')
            for key, value in found.items():
                if type(value) is not str:
                    found[key] = _json_text(path, number, key, value)
            if "\\" in line:
                _refuse_halves(path, number, found)
            yield number, found
    except UnicodeError:
        raise wrong(path, number + 1, f"is not {encoding.upper()} text", "save as UTF-8") from None
    except _Nul:
        raise _nul(path, number + 1) from None
    except _Long:
        raise _long(path, number + 1) from None
    except (json.JSONDecodeError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise wrong(path, number, f"is no JSON ({what})", "write one object to a line") from None


def _json_text(path: Path, row: int, key: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    kind = "a list" if isinstance(value, list) else "an object"
    raise wrong(path, row, f"{key} holds {kind}", "only text and numbers can be columns")


def _refuse_halves(path: Path, row: int, found: dict[str, str]) -> None:
    """`\\ud83d` alone is half a character and can never be sent."""
    for key, value in found.items():
        if _BAD_JSON.search(value) or _BAD_JSON.search(key):
            what = f"{key.encode('ascii', 'replace').decode()} holds half a character or a NUL"
            raise wrong(path, row, what, "write the character itself")
