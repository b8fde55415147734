"""Records of a file of separated values, with their numbers and lines.

The csv module reads them rather than pandas: it keeps every cell as it is written, notices a row
with a field too few (pandas pads it), and needs a fifth of the memory at the same speed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from runner.tables.encodings import Readings, wrong_encoding
from runner.tables.text_files import (
    MOST_OF_A_LINE,
    LongError,
    NulError,
    Row,
    lines_of,
    long,
    nul,
    text_blocks,
    wrong,
)

_UNWRAPPED = re.compile(r'="((?:[^"]|"")*)"')
BLOCK = 1 << 14
"""Characters that are read together, about."""


class CsvPart(NamedTuple):
    """Records that follow one another: the number of the first, and their cells, none where a line
    is blank. `lines`: one for each record, or all of a single one."""

    first: int
    rows: list[list[str]]
    lines: Sequence[str]


class CsvRecords:
    """Every record with its number, those without a cell left out of what is yielded.

    A quoted line break does not start a new record, as in a spreadsheet. Quotes are read as people
    write them: after spaces, before spaces, and as `="007"`.
    """

    def __init__(
        self, path: Path, encoding: str, separator: str, told: bool, seen: Readings | None = None
    ) -> None:
        self.path, self.encoding, self.separator, self.told = path, encoding, separator, told
        self._formula = False
        self._seen = seen
        mark = re.escape(separator)
        gap = " " if separator == "\t" else " \t"
        # Both match every quoted cell whole: what stands inside one is no beginning of another.
        self._padded = re.compile(rf'((?:^|{mark}) *"(?:[^"]|"")*")[{gap}]*(?={mark}|\r?\n?$)')
        self._equals = re.compile(
            rf'(^|{mark})[{gap}]*(=?)("(?:[^"]|"")*")[{gap}]*(?={mark}|\r?\n?$)'
        )

    def __iter__(self) -> Iterator[Row]:
        for part in self.parts():
            for number, cells in enumerate(part.rows, part.first):
                if cells:
                    yield number, cells

    def parts(self) -> Iterator[CsvPart]:
        """Yield all records: many together where each is a line, else one by one."""
        csv.field_size_limit(MOST_OF_A_LINE)
        number = 0
        try:
            blocks = self._blocks()
            for lines in blocks:
                rows = self._rows_of(lines)
                if rows is not None:
                    yield CsvPart(number + 1, rows, lines)
                    number += len(rows)
                    continue
                for one in self._one_by_one(lines, blocks):
                    number += 1
                    yield CsvPart(number, *one)
        except (UnicodeError, LookupError):
            raise wrong_encoding(self.path, self.encoding, self.separator) from None
        except NulError:
            raise nul(self.path, number + 1) from None
        except LongError:
            raise long(self.path, number + 1) from None
        except csv.Error as error:
            what = f"the quotes do not match ({error})"
            if "unexpected end of data" in str(error):
                what = "a quote is opened and never closed"
            if "field larger" in str(error):
                what = f"has a cell of more than {MOST_OF_A_LINE >> 20} MiB, or a quote is open"
            instead = 'write a quote inside quoted text twice: ""'
            raise wrong(self.path, number + 1, what, instead) from None

    def _blocks(self) -> Iterator[list[str]]:
        told = self.told
        for block in text_blocks(self.path, self.encoding, BLOCK):
            lines = lines_of(block)
            if self._seen is not None and not block.isascii():
                for line in lines[told:]:
                    if not line.isascii():
                        self._seen.add(line)
            yield lines[told:]
            told = False

    def _reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        # strict: a quote that is never closed would else swallow the rest of the people silently.
        return csv.reader(lines, delimiter=self.separator, strict=True, skipinitialspace=True)

    def _rows_of(self, lines: Sequence[str]) -> list[list[str]] | None:
        """Return the cells of lines of which each is a record, None where that is not sure."""
        whole = "".join(lines)
        if '"' in whole and ('="' in whole or '" ' in whole or '"\t' in whole):
            return None
        try:
            rows = list(self._reader(lines))
        except csv.Error:
            return None
        return rows if len(rows) == len(lines) else None

    def _one_by_one(
        self, lines: Sequence[str], more: Iterator[list[str]]
    ) -> Iterator[tuple[list[list[str]], Sequence[str]]]:
        """Yield the records that begin in `lines`, each with its own lines; the last may end in
        what `more` gives."""
        raw: list[str] = []
        for cells in self._reader(self._mended(lines, more, raw)):
            formula, self._formula = self._formula, False
            yield [[_unwrapped(cell) for cell in cells] if formula else cells], tuple(raw)
            raw.clear()

    def _mended(
        self, lines: Sequence[str], more: Iterator[list[str]], raw: list[str]
    ) -> Iterator[str]:
        """Yield lines as the csv module reads them. `raw`: those of the record that is being
        read."""
        while True:
            for read in lines:
                line = read
                if '"' in line:
                    if '="' in line:
                        self._formula = True
                        if not raw:
                            line = self._equals.sub(_without_equals, line)
                    if not raw and ('" ' in line or '"\t' in line):
                        line = self._padded.sub(r"\1", line)
                raw.append(line)
                yield line
            if not raw:
                return
            following = next(more, None)
            if following is None:
                return
            lines = following


def _without_equals(found: re.Match[str]) -> str:
    return f"{found[1]}{found[3]}" if found[2] else found[0]


def _unwrapped(cell: str) -> str:
    """Return `="007"`, by which other programs keep Excel from calculating, as `007`."""
    found = _UNWRAPPED.fullmatch(cell)
    return found[1].replace('""', '"') if found else cell
