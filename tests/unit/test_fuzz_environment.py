"""Odd surroundings: no streams, no folder, no room, names that are no text. Never a traceback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.processes import COMMAND

CAMPAIGN = "senders: [df6jbw4h36qm5d9iu2sgn7kx]\nprospects: p.csv\nmessage: Hé {{ a }}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(CAMPAIGN)
    (tmp_path / "p.csv").write_text("x_user_id,a\n1876543210987654321,Zoë\n783214,日本語\n")
    (tmp_path / "gone").mkdir()
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "code", "told"),
    [
        ("$R c.yaml --dry-run >&-", 0, ""),
        ("$R c.yaml <&-", 2, "error: no API token: INBOX_API_TOKEN is not set"),
        ("$R c.yaml --dry-run --json > /dev/full", 1, "No space left on device"),
        ("cd gone && rmdir ../gone && $R status", 1, "error: the folder that you are in is gone"),
        ("mv c.yaml $(printf 'c\\351.yaml') && $R c*.yaml", 2, "its name is not UTF-8"),
        ("$R c.yaml --state $(printf '\\351.db')", 2, "the ledger's name is not UTF-8"),
        ("printf '\\377' > .env && $R c.yaml", 2, ".env: is not UTF-8 text"),
        (
            "COLUMNS=1 TERM=dumb PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 LC_ALL=C $R c.yaml --dry-run",
            0,
            "",
        ),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_surroundings(project: Path, script: str, code: int, told: str) -> None:
    environment = {"PATH": os.environ["PATH"], "R": " ".join(COMMAND)}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = done.stderr.decode("utf-8", "replace")
    assert done.returncode == code, said
    assert told in said
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    assert "bug" not in said
