"""New files, written together or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.project.new_files import write_together
from tests.acceptance.support import everything_in


def test_all_are_written_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_bytes(b"\xff\x00")
    secret = tmp_path / "new" / ".env"
    write_together({secret: "a", tmp_path / "new" / "b" / "c.csv": source}, frozenset({secret}))
    assert everything_in(tmp_path / "new") == {".env": b"a", "b/c.csv": b"\xff\x00"}
    assert secret.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("at", [1, 2])
def test_an_interruption_leaves_no_file_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    link, calls = os.link, iter(range(1, 3))

    def interrupted(source: Path, target: Path) -> None:
        if next(calls) == at:
            raise KeyboardInterrupt
        link(source, target)

    monkeypatch.setattr(os, "link", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_together({tmp_path / "new" / "a": "1", tmp_path / "new" / "b" / "c": "2"})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays_and_nothing_is_written_beside_it(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        write_together({tmp_path / "new" / "a": "1", tmp_path / "b": "2"})
    assert everything_in(tmp_path) == {"b": b"mine"}
    assert not (tmp_path / "new").exists()
