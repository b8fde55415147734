"""Statistics by others, to which the project's own are held. Each takes half a second to load,
which only a test that compares pays for."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any


def scipy_stats() -> Any:
    return _loaded("scipy.stats")


def statsmodels(name: str) -> Any:
    """A module of its statistics."""
    return _loaded(f"statsmodels.stats.{name}")


def _loaded(name: str) -> Any:
    """Load a module that tries others which need not be there: once pygal is loaded, whose finder
    is of an old kind, Python warns of each such trial."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        return import_module(name)
