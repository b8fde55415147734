"""What the slow tests share."""

from tests.acceptance.conftest import api, both, make_fleet, on_v1, project, start_api, version
from tests.lane import make

__all__ = ["api", "both", "make", "make_fleet", "on_v1", "project", "start_api", "version"]
