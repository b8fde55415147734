"""Texts of a sheet's rows, kept between the question to a person and the plan after it."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from runner.message.prospect import Prospect
from runner.planning.planner import Render, Rendered

TEXTS_IN_MEMORY = 1000
"""Texts that are in memory at a time."""


class RenderedTexts:
    """The texts of a sheet's rows: rendered by a first pass over it, and given again to a second.

    They are in a file without a name, of mode 0600, in `folder` (None: the system's): the ledger
    must not have them before a person has agreed, and memory cannot hold those of a million rows.
    To keep and read a text takes a third of the time of rendering it. Where nothing can be kept,
    the second pass renders again.
    """

    def __init__(self, render: Render, folder: Path | None) -> None:
        self._render = render
        self._file: IO[bytes] | None = None
        with suppress(OSError):
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - `__exit__` closes it
        self._part: list[tuple[int, Rendered]] = []
        self._kept: Iterator[tuple[float, Rendered]] | None = None
        self._next: tuple[float, Rendered] = (-math.inf, ())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._close()

    def first(self, prospect: Prospect) -> Rendered:
        """Render a row, and keep what it gives."""
        found = self._render(prospect)
        if self._file is not None:
            self._part.append((prospect.row, found))
            if len(self._part) == TEXTS_IN_MEMORY:
                self._save()
        return found

    def again(self, prospect: Prospect) -> Rendered:
        """Return what the first pass rendered of a row, or render it if that did not. Rows come in
        the order of the sheet, of which nothing may have changed."""
        if self._kept is None:
            self._kept = self._read()
        while self._next[0] < prospect.row:
            self._next = next(self._kept, (math.inf, ()))
        row, found = self._next
        return found if row == prospect.row else self._render(prospect)

    def _save(self) -> None:
        assert self._file is not None
        try:
            pickle.dump(self._part, self._file)
            self._file.flush()
        except OSError:
            self._close()
        self._part = []

    def _read(self) -> Iterator[tuple[float, Rendered]]:
        if self._file is not None:
            self._save()
        if self._file is None:
            return
        self._file.seek(0)
        with suppress(EOFError):
            while True:
                yield from pickle.load(self._file)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what a full disk did not take
                file.close()
