"""Statistics by others, to which the project's own are held. Each takes half a second to load,
which only a test that compares pays for."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def scipy_stats() -> Any:
    return import_module("scipy.stats")


def statsmodels(name: str) -> Any:
    """A module of its statistics."""
    return import_module(f"statsmodels.stats.{name}")
