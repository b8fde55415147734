"""Ids that a program has rounded, and ids that end in zeros by chance."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.audience.cells.rounded_ids import Zeros, is_digits, rounded

SEEDS = st.integers(0, 2**32)


def _of(ids: list[str]) -> list[tuple[int, str]]:
    return list(enumerate(ids, 2))


def _spreadsheet(id: int) -> str:
    """As a spreadsheet keeps it: 15 digits."""
    return str(int(f"{id:.14e}".split("e")[0].replace(".", "")) * 10 ** (len(str(id)) - 15))


def _javascript(id: int) -> str:
    """As `String(Number(id))`: the shortest text that gives the same 64-bit number."""
    mantissa, exponent = repr(float(id)).split("e+")
    digits = mantissa.replace(".", "")
    return digits.ljust(int(exponent) + 1, "0")


@given(seed=SEEDS, many=st.integers(2, 600), digits=st.sampled_from([18, 19]))
def test_ids_that_a_spreadsheet_has_rounded_are_told(seed: int, many: int, digits: int) -> None:
    luck = random.Random(seed)
    ids = [_spreadsheet(luck.randrange(10 ** (digits - 1), 10**digits)) for _ in range(many)]
    found = rounded(_of(ids))
    assert found is not None
    assert (found.program, found.count, found.of) == ("a spreadsheet", many, many)


@given(seed=SEEDS, many=st.integers(4, 500))
def test_ids_that_javascript_has_rounded_are_told(seed: int, many: int) -> None:
    luck = random.Random(seed)
    ids = [_javascript(luck.randrange(10**18, 2 * 10**18)) for _ in range(many)]
    found = rounded(_of(ids))
    assert found is not None
    assert (found.program, found.count) == ("JavaScript", many) or found.digits == 15
    assert not found.alone


def test_one_with_more_zeros_does_not_hide_that_all_are_rounded() -> None:
    ids = ["1704666884379020000", *(f"15661233621617{n}00" for n in range(101, 110))]
    found = rounded(_of(ids))
    assert found is not None
    assert (found.program, found.count, found.of) == ("JavaScript", 10, 10)


@pytest.mark.slow
def test_ids_that_end_in_zeros_by_chance_are_left_alone() -> None:
    """Uniform ones, and those of X, whose last 12 bits are mostly 0."""
    luck = random.Random(11)
    for many in (20, 100, 400, 401, 2000, 20000):
        for _ in range(20_000 // many + 1):
            uniform = [str(luck.randrange(10**16, 2 * 10**18)) for _ in range(many)]
            of_x = [str(luck.randrange(2**48) << 12) for _ in range(many)]
            assert rounded(_of(uniform)) is None
            assert rounded(_of(of_x)) is None


@pytest.mark.parametrize("last", ["0", "00", "000"])
def test_one_id_with_some_zeros_is_an_id(last: str) -> None:
    assert rounded(_of(["1566123362161725441"[: -len(last)] + last])) is None


def test_one_id_that_lost_its_digits_is_told_alone() -> None:
    found = rounded([(7, "1566123362161720000"), (8, "1566123362161725441")])
    assert found is not None
    assert found.alone
    assert str(found.rows) == "row 7"
    told = "1 of 2 ids ends in zeros from the 16th digit on: a spreadsheet has rounded it"
    assert str(found) == told


def test_one_id_of_18_digits_is_told_where_it_stands_alone() -> None:
    found = rounded([(2, "156612336216172000")])
    assert found is not None
    assert (found.program, found.alone) == ("a spreadsheet", True)
    by_sequence = str(156612336216172 // 512 * 512) + "000"  # of X's own counting: not so rare
    assert rounded([(2, by_sequence)]) is None


def test_what_is_no_long_id_counts_for_nothing() -> None:
    ids = ["100000000000000", "1000", "", "x0000000000000000000", "１0000000000000000"]
    assert rounded(_of(ids)) is None


_ANY_ID = st.one_of(
    st.integers(1, 2**64).map(str),
    st.integers(1, 2**52).map(lambda id: str(id << 12)),
    st.integers(1, 9999).map(lambda id: f"{id}{'0' * 15}"),
    st.sampled_from(["", "0", "ada", "1876543210987654٣٢١", "1.87E+18"]),
)


@given(st.lists(st.lists(_ANY_ID, min_size=1, max_size=8), max_size=4))
def test_ids_counted_together_are_counted_as_each_alone(chunks: list[list[str]]) -> None:
    together, alone = Zeros(), Zeros()
    row = 2
    for ids in chunks:
        rows = range(row, row + len(ids))
        together.add_all(rows, ids, digits=is_digits(ids))
        for each in zip(rows, ids, strict=True):
            alone.add(*each)
        row += len(ids)
    assert +together._of == +alone._of
    assert (together._count, together._rows) == (alone._count, alone._rows)
    assert together.rounded() == alone.rounded()
