"""What the slow tests share, with the quick ones of the same kind."""

from tests.acceptance.conftest import api, both, case_api, on_v1, project, start_api, version
from tests.lane import make

__all__ = ["api", "both", "case_api", "make", "on_v1", "project", "start_api", "version"]
