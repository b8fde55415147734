"""The dashboard's cache: one read for all tabs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pytest

from runner.dashboard.cache import EVERY, SHARE, Cache
from runner.ledger.ledger import Ledger
from runner.project.ledgers.ledger_reader import LedgerReader
from tests.figures import Clock

T = TypeVar("T")


class Reader:
    """A reader of no ledger."""

    def read(self, how: Callable[[Ledger], T]) -> T:
        return how(cast("Ledger", None))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache:
    return Cache(cast("LedgerReader", Reader()), clock)


def test_a_read_is_kept_for_its_arguments_until_it_is_old(cache: Cache, clock: Clock) -> None:
    reads: list[Any] = []

    def read(_: Ledger, id: int, *, zone: str = "") -> int:
        reads.append((id, zone))
        return len(reads)

    assert [cache.get(read, 1), cache.get(read, 1), cache.get(read, 2)] == [1, 1, 2]
    assert [cache.get(read, 1, zone="UTC"), cache.get(read, 1)] == [3, 1]
    clock.at += EVERY
    assert cache.get(read, 1) == 4
    cache.clear()
    assert cache.get(read, 1) == 5


def test_a_read_that_takes_long_is_kept_for_longer(cache: Cache, clock: Clock) -> None:
    def read(_: Ledger) -> float:
        clock.at += 2.0
        return clock.at

    first = cache.get(read)
    clock.at += 2.0 * SHARE - 0.1
    assert cache.get(read) == first
    clock.at += 0.1
    assert cache.get(read) != first


def test_a_read_in_the_background_raises_for_the_next_page(cache: Cache) -> None:
    def read(_: Ledger) -> int:
        raise ValueError("no ledger")

    assert cache.get_in_background(read) is None
    for thread in threading.enumerate():
        if thread.name == "background read":
            thread.join()
    with pytest.raises(ValueError, match="no ledger"):
        cache.get_in_background(read)
