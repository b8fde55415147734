"""What the slow tests share, with the quick ones of the same kind."""

from tests.acceptance.conftest import (
    api,
    both,
    case_api,
    front,
    late_api,
    make_fleet,
    on_v1,
    project,
    server,
    start_api,
    version,
)
from tests.lane import make

__all__ = [
    "api",
    "both",
    "case_api",
    "front",
    "late_api",
    "make",
    "make_fleet",
    "on_v1",
    "project",
    "server",
    "start_api",
    "version",
]
