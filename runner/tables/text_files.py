"""Text files: opened, unpacked, and read line by line."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from runner.errors import AudienceError

Row = tuple[int, list[str]]
"""A row's number as a person sees it, and its cells."""

MOST_OF_A_LINE = 16 << 20
"""Characters of one line, and of one cell. Our own choice: a longer one is no person's, and fills
the memory."""


def wrong(path: Path, row: int, what: str, instead: str = "") -> AudienceError:
    """Return an AudienceError in one line: file, row, what, and what instead."""
    where = f"{path}: row {row}" if row else str(path)
    return AudienceError(f"{where}: {what}" + (f"; {instead}" if instead else ""))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system and gzip raise into an AudienceError."""
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
    """Return the file's bytes, unpacked."""
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rb")
    return path.open("rb")


def text_lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the file's lines with their ends; refuses NUL, which no text file holds."""
    for block in text_blocks(path, encoding, 1 << 10):
        yield from lines_of(block)


def text_blocks(path: Path, encoding: str, size: int) -> Iterator[str]:
    """Yield the file's text in pieces of about `size` characters that end where a line ends;
    refuses NUL, after the lines above it."""
    with (
        reading(path),
        open_bytes(path) as stream,
        io.TextIOWrapper(stream, encoding, newline="") as text,
    ):
        while block := text.read(min(size, MOST_OF_A_LINE)):
            rest = text.readline(MOST_OF_A_LINE)
            block += rest
            error: type[Exception] | None = None
            end = len(block)
            if len(rest) == MOST_OF_A_LINE:
                error, end = LongError, len(block) - 1
            if "\0" in block:
                error, end = NulError, block.index("\0")
            if error is None:
                yield block
                continue
            whole = max(block.rfind("\n", 0, end), block.rfind("\r", 0, end)) + 1
            if whole:
                yield block[:whole]
            raise error


def lines_of(block: str) -> list[str]:
    """Return the lines of a text with their ends, of any of the three kinds."""
    return io.StringIO(block, newline="").readlines()


class NulError(Exception):
    """A NUL character where text should be."""


class LongError(Exception):
    """A line that does not end."""


def nul(path: Path, row: int) -> AudienceError:
    what = "holds a NUL character: this is not a text file, or UTF-16 without its mark"
    return wrong(path, row, what, "save it as CSV UTF-8, or set prospects.encoding: utf-16-le")


def long(path: Path, row: int) -> AudienceError:
    what = f"is longer than {MOST_OF_A_LINE >> 20} MiB"
    return wrong(path, row, what, "is this a table, with a line for each person?")
