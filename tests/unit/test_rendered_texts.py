"""Texts that are kept between a question and the plan after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from runner.message.prospect import Prospect
from runner.message.status import SkipReason
from runner.planning import rendered_texts
from runner.planning.planner import Rendered
from runner.planning.rendered_texts import TEXTS_IN_MEMORY, RenderedTexts
from tests.support import recipient


def prospect(row: int) -> Prospect:
    return Prospect(row, recipient(row), {})


def counting(rows: list[int]) -> Callable[[Prospect], Rendered]:
    """What renders a row, every third of which has no text, and writes down that it did."""

    def render(one: Prospect) -> Rendered:
        rows.append(one.row)
        if one.row % 3 == 0:
            return (("", SkipReason.TEMPLATE_ERROR, "line 1: no such column"),)
        return ((f"Hi ü\ud800 {one.row}", None, ""),)

    return render


def test_a_second_pass_renders_only_what_the_first_has_not(tmp_path: Path) -> None:
    rendered: list[int] = []
    count = 2 * TEXTS_IN_MEMORY + 7
    with RenderedTexts(counting(rendered), tmp_path) as texts:
        first = {row: texts.first(prospect(row)) for row in range(2, count, 2)}
        assert rendered == list(first)
        assert list(tmp_path.iterdir()) == []  # it has no name
        again = {row: texts.again(prospect(row)) for row in range(4, count)}
    assert rendered == [*first, *range(5, count, 2)]
    assert again == {row: counting([])(prospect(row)) for row in range(4, count)}


def test_nobody_else_can_read_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def temporary(dir: Path | None) -> object:
        opened.append(TemporaryFile(dir=dir))  # noqa: SIM115 - closed by what is tested
        return opened[-1]

    monkeypatch.setattr(rendered_texts, "TemporaryFile", temporary)
    with RenderedTexts(counting([]), tmp_path):
        found = os.fstat(opened[0].fileno())
        assert (found.st_mode & 0o777, found.st_nlink) == (0o600, 0)
    assert opened[0].closed


class Full:
    """A file on a disk that is full."""

    def write(self, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        raise OSError(28, "No space left on device")


def test_where_nothing_can_be_kept_rows_are_rendered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def passes(folder: Path, count: int) -> list[int]:
        rendered: list[int] = []
        with RenderedTexts(counting(rendered), folder) as texts:
            first = [texts.first(prospect(row)) for row in range(2, count)]
            assert [texts.again(prospect(row)) for row in range(2, count)] == first
        return rendered

    assert passes(tmp_path / "missing", 5) == [2, 3, 4, 2, 3, 4]
    monkeypatch.setattr(rendered_texts, "TemporaryFile", lambda dir: Full())
    assert passes(tmp_path, 5) == [2, 3, 4, 2, 3, 4]
    rows = list(range(2, TEXTS_IN_MEMORY + 5))
    assert passes(tmp_path, TEXTS_IN_MEMORY + 5) == [*rows, *rows]
