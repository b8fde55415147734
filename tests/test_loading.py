"""What short commands load: each package that they do not need is time that a person waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from runner.ledger import open_ledger

NAMES = """
import sys
from runner.cli import main
sys.argv[0] = "run-campaign"
code = main()
print(code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""

OTHERS = frozenset({"__main__", "runner", "_distutils_hack", "sitecustomize", "coverage", "pytest"})
"""Ours, and what an interpreter or a measurement brings."""


def _loaded(folder: Path, *words: str) -> set[str]:
    """The packages of others that are in memory when a command has ended well."""
    done = subprocess.run(
        [sys.executable, "-c", NAMES, *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, *names = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr
    return set(names) - sys.stdlib_module_names - OTHERS


def test_help_loads_what_reads_the_command_line(tmp_path: Path) -> None:
    assert _loaded(tmp_path, "--help") == {"click", "click_default_group"}


def test_status_loads_nothing_that_asks_the_api_or_reads_sheets(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("x_user_id\n17\n")
    (tmp_path / "spring.yaml").write_text(
        "senders: [df6jbw4h36qm5d9iu2sgn7kx]\nprospects: people.csv\nmessage: Hello\n"
    )
    with open_ledger(str(tmp_path / "state.db")):
        pass
    loaded = _loaded(tmp_path, "status")
    assert "sqlalchemy" in loaded
    assert not loaded & {
        *("aiohttp", "yarl", "multidict", "uvloop", "orjson"),
        *("pandas", "numpy", "openpyxl", "pyarrow", "holidays", "psycopg", "rich"),
    }
