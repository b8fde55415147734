"""What the tests of the contracts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract import lock_order
from tests.lane import make

__all__ = ["make"]


@pytest.fixture(autouse=True)
def locks_out_of_order() -> Iterator[list[str]]:
    """Every transaction takes its locks in the order that `runner.ledger.locks` gives them."""
    with lock_order.watched() as wrong:
        yield wrong
    assert wrong == []
