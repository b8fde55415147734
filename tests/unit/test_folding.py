"""Long lines on a narrow terminal: folded at words, commands whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.formats import fold

COMMAND = "run-campaign resolve campaigns/spring.yaml --sent 9000000000000001111"
WORDS = st.lists(st.text("abc-", min_size=1, max_size=12), min_size=1, max_size=40).map(" ".join)


@given(WORDS, st.integers(40, 120))
def test_no_word_is_broken_and_none_is_lost(line: str, width: int) -> None:
    lines = fold(line, width)
    assert all(len(each) <= width for each in lines)
    assert " ".join(each.strip() for each in lines) == line
    assert all(each.startswith("  ") for each in lines[1:])


def test_a_command_to_paste_stays_whole() -> None:
    told = f"3 in doubt; look into the threads, and say what is there: {COMMAND}; then run it again"
    lines = fold(told, 80)
    assert any(COMMAND in each for each in lines)
    assert len(lines) == 3
    narrow = fold(told, 50)
    assert any(COMMAND in each for each in narrow)


def test_an_indent_is_kept() -> None:
    first, second = fold("    " + "word " * 12, 50)
    assert first.startswith("    w")
    assert second.startswith("      w")


def test_a_short_line_is_left_alone() -> None:
    assert fold("a  b   c", 80) == ["a  b   c"]
