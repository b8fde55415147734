"""The variations of the files as people really have them: see `tests/acceptance/test_cases.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.cases import VARIATIONS, hold_case
from tests.acceptance.support import Api


@pytest.mark.parametrize("name", VARIATIONS)
def test_case(name: str, tmp_path: Path, case_api: Api) -> None:
    hold_case(name, tmp_path, case_api)
