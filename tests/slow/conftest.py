"""What the slow tests share."""

from tests.lane import make

__all__ = ["make"]
