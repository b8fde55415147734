"""Files as people really have them, through the installed command: who gets which text, and what
the person at the keyboard is told. One of each kind; `tests/slow/test_cases.py` has the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import CASES, FIRST, FOLDER, STEPS, hold_case
from .support import Api


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST)
def test_case(name: str, tmp_path: Path, case_api: Api) -> None:
    hold_case(name, tmp_path, case_api)


def test_every_folder_is_a_case() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir()}
    assert folders == set(CASES)
    assert set(STEPS) <= folders
