"""In which row an id stood first, against a dict."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Sequence

from runner.audience.duplicates import FirstRows


def test_it_is_a_dict_of_first_rows() -> None:
    luck = random.Random(7)
    numbers = [0, 2**64 - 1, *(luck.choice([luck.randrange(999), luck.randrange(2**64)])
                               for _ in range(20_000))]  # fmt: skip
    firsts, known = FirstRows(), dict[int, int]()
    for row, number in enumerate(numbers, 2):
        assert firsts.first(number, row) == known.setdefault(number, row)


def test_ids_that_fall_together_are_told_apart() -> None:
    firsts = FirstRows()
    numbers = [n * 4095 for n in range(200)]  # one place for all of them
    for row, number in enumerate(numbers, 2):
        assert firsts.first(number, row) == row
    assert [firsts.first(number, 999) for number in numbers] == list(range(2, 202))


def test_it_is_small() -> None:
    tracemalloc.start()
    try:
        firsts = FirstRows()
        for row in range(1, 30_001):
            firsts.first(1_500_000_000_000_000_000 + (row << 22), row)
        assert tracemalloc.get_traced_memory()[0] < 45 * 30_000
    finally:
        tracemalloc.stop()


def _seconds(numbers: Sequence[int]) -> float:
    firsts, began = FirstRows(), time.process_time()
    for row, number in enumerate(numbers, 2):
        firsts.first(number, row)
    return time.process_time() - began


def test_ids_that_follow_one_another_need_not_come_in_order() -> None:
    ordered = range(1_500_000_000_000_000_000, 1_500_000_000_000_150_000)
    mixed = random.Random(7).sample(ordered, 80_000)
    assert _seconds(mixed) < 12 * _seconds(ordered[:80_000])  # 37 times, where they lie in a row
