"""The writer of tables: whole or not at all, readable by their owner only."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import glob
import html
import importlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.errors import RunnerError

Cell = str | int | None

_PARTIAL = "run-campaign-partial"
"""The end of the names of files that are being written."""

_FORMULA = frozenset("=+-@\t\r")
_FORMULA_BEGUN = re.compile("\0[=+\\-@\t\r]")
_FORMULA_WITHIN = re.compile(r"(?<=[;\t\r\n])(?=[=+@]|-[\w(])")
"""The beginnings of cells in a spreadsheet that separates by semicolons, as in most of Europe:
quotes in the middle of what it takes for one keep nothing together."""

_DIGITS_LOST = re.compile(r"0\d+|\d{12,}")
"""Texts that Excel would change: it cuts zeros, and shows or rounds long numbers as 9E+18."""

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body{{font:14px/1.4 system-ui,sans-serif;margin:1.5rem}}
table{{border-collapse:collapse}}
th,td{{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}}
td{{white-space:pre-wrap;max-width:28rem;overflow-wrap:break-word;font-variant-numeric:tabular-nums}}
th{{background:#f3f3f3;color:#111;position:sticky;top:0;white-space:nowrap}}
tr:nth-child(even) td{{background:#fafafa}}
@media print{{body{{margin:0;font-size:9pt}}th{{position:static}}}}
</style>
<table><thead><tr>{heads}</tr></thead><tbody>
"""


def write_table(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, excel: bool = False
) -> None:
    """Write .csv, .jsonl, .xlsx or .html by the file's ending; None is an empty cell.

    The file appears under its name only when it is complete, with mode 0600: it holds people's
    data. Ids in .xlsx are text cells, so that Excel rounds none. A text that begins with
    = + - @ tab or a carriage return would run as a formula when a spreadsheet opens it: .csv puts
    a single quote ' before it, and before one after a semicolon or a new line within a text; .xlsx
    stores it as text and leaves it as it is. .jsonl and .html change nothing. `excel`: a .csv that
    a double click in Excel reads as it is: UTF-8 by its mark, and ids as ="…", which Excel keeps as
    text.

    Raises RunnerError for an unknown ending, a row of another length, or a file that cannot be
    written.
    """
    write = _writer_of(path, excel=excel)
    with replacing(path) as temporary:
        write(temporary, path, list(columns), _same_length(path, len(columns), rows))


_Write = Callable[[Path, Path, Sequence[str], Iterable[Sequence[Cell]]], None]


def _writer_of(path: Path, *, excel: bool) -> _Write:
    writers: dict[str, _Write] = {".csv": _csv, ".jsonl": _jsonl, ".xlsx": _xlsx, ".html": _html}
    write = writers.get(path.suffix.lower())
    if write is None:
        known = ", ".join(writers)
        raise RunnerError(f"{path}: an unknown ending {path.suffix or '(none)'}; known: {known}")
    if excel and path.suffix.lower() != ".csv":
        raise RunnerError(f"{path}: not a .csv", "an .xlsx needs nothing to suit Excel")
    return _csv_for_excel if excel else write


def refuse_ending(path: Path, *, excel: bool = False) -> None:
    """Raise RunnerError for a file of a kind that cannot be written, before its rows are read."""
    _writer_of(path, excel=excel)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a file to write to, of mode 0600, that takes `path`'s place when all of it is on disk;
    nothing of it stays otherwise, and what a killed process has left of an earlier one goes.
    Raises RunnerError when it cannot be written."""
    temporary: Path | None = None
    handle = -1
    try:
        _remove_leftovers(path)
        handle, temporary = _new_partial(path)
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
        temporary = None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RunnerError(f"{path}: cannot be written ({reason})") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if handle >= 0:
            os.close(handle)


def _new_partial(path: Path) -> tuple[int, Path]:
    """Return a new file beside `path`, locked for as long as its handle is open: a lock dies with
    its process. In the same folder, so that the last step is a rename and cannot fail half-way."""
    while True:
        handle, name = tempfile.mkstemp(f".{_PARTIAL}", f".{path.name[:100]}.", path.parent)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.path.exists(name):
            return handle, Path(name)
        os.close(handle)  # another process took it for a leftover before it was locked


def _remove_leftovers(path: Path) -> None:
    """Remove what processes that were killed have left of `path`: it holds people's data."""
    for left in path.parent.glob(f".{glob.escape(path.name[:100])}.*.{_PARTIAL}"):
        with contextlib.suppress(OSError), left.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def _same_length(
    path: Path, length: int, rows: Iterable[Sequence[Cell]]
) -> Iterable[Sequence[Cell]]:
    for number, row in enumerate(rows, 2):
        if len(row) != length:
            raise RunnerError(f"{path}: row {number} has {len(row)} cells for {length} columns")
        yield row


def _harmless(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    begun = f"'{cell}" if cell[:1] in _FORMULA else cell
    return _FORMULA_WITHIN.sub("'", begun)


def _csv(target: Path, _: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    with target.open("w", encoding="utf-8", errors="replace", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([_harmless(name) for name in columns])
        for row in rows:
            line = _plain_line(row)
            if line is not None:
                stream.write(line)
            else:
                writer.writerow(map(_harmless, row))


def _csv_for_excel(
    target: Path, _: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> None:
    with target.open("w", encoding="utf-8-sig", errors="replace", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([_harmless(name) for name in columns])
        for row in rows:
            writer.writerow(map(_kept, row))


def _kept(cell: Cell) -> Cell:
    """Return a cell as Excel keeps it: digits that it would round or cut as a text."""
    if isinstance(cell, str) and _DIGITS_LOST.fullmatch(cell):
        return f'="{cell}"'
    return _harmless(cell)


def _plain_line(row: Sequence[Cell]) -> str | None:
    """Return what the csv module would write of a row in which nothing but a comma needs quotes, in
    a third of its time; None of another row."""
    cells = ["" if cell is None else str(cell) for cell in row]
    whole = "\0" + "\0".join(cells)
    if (
        len(cells) == 1
        or '"' in whole
        or "\n" in whole
        or "\r" in whole
        or "\t" in whole
        or ";" in whole
        or _FORMULA_BEGUN.search(whole)
    ):
        return None
    return ",".join([f'"{cell}"' if "," in cell else cell for cell in cells]) + "\r\n"


def _jsonl(target: Path, _: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    with target.open("w", encoding="utf-8", errors="replace", newline="") as stream:
        for row in rows:
            stream.write(encode(dict(zip(columns, row, strict=True))) + "\n")


def _xlsx(target: Path, path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    importlib.import_module("runner.tables.excel.workbook_writer").write_workbook(
        target, path, columns, rows
    )


def _html(target: Path, path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    def text(cell: Cell) -> str:
        return "" if cell is None else html.escape(str(cell))

    with target.open("w", encoding="utf-8", errors="replace", newline="") as stream:
        heads = "".join(f"<th>{text(name)}</th>" for name in columns)
        stream.write(_PAGE.format(title=text(path.name), heads=heads))
        for row in rows:
            stream.write("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>\n")
        stream.write("</tbody></table></html>\n")
