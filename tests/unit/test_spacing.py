"""Line breaks around statements that stand alone on their lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import TemplateError
from runner.templating.line_breaks import without_tag_lines
from runner.templating.template import compile_template


@pytest.mark.parametrize(
    ("text", "filled", "empty"),
    [
        ("Hi,\n\n{% if a %}\nYes {{ a }}.\n{% endif %}\nBye", "Hi,\n\nYes x.\nBye", "Hi,\n\nBye"),
        ("Hi,\n\n{% if a %}\nYes.\n{% endif %}\n\nBye", "Hi,\n\nYes.\n\nBye", "Hi,\n\nBye"),
        ("Hi,\r\n\r\n{% if a %}\r\nYes.\r\n{% endif %}\r\n\r\nBye", "Hi,\n\nYes.\n\nBye",
         "Hi,\n\nBye"),
        ("{% if a %}\nYes.\n{% endif %}\n\nBye", "Yes.\n\nBye", "Bye"),
        ("Hi\n\n{% if a %}\nA\n{% endif %}\n\n{% if a %}\nB\n{% endif %}\n\nBye",
         "Hi\n\nA\n\nB\n\nBye", "Hi\n\nBye"),
        ("Hi\n\n{% if a %}\nA\n{% else %}\nB\n{% endif %}\n\nBye", "Hi\n\nA\n\nBye",
         "Hi\n\nB\n\nBye"),
        ("Hi\n\n  {% if a %}  \n  A\n\t{% endif %}\nBye", "Hi\n\n  A\nBye", "Hi\n\nBye"),
        ("Hi\n{# a note #}\nBye", "Hi\nBye", "Hi\nBye"),
        ("Hi\n{# a note\nof two lines #}\nBye", "Hi\nBye", "Hi\nBye"),
        ("{% set b = 'c' %}\n{{ b }}", "c", "c"),
        ("Hi{% if a %} there{% endif %}\nBye", "Hi there\nBye", "Hi\nBye"),
        ("{% if a %}Hi{% endif %}\nBye", "Hi\nBye", "\nBye"),
        ("Hi\n{% if a %}{% endif %}\nBye", "Hi\nBye", "Hi\nBye"),
        ("Hi {{ '{% if %}' }}\nBye", "Hi {% if %}\nBye", "Hi {% if %}\nBye"),
        ("{% raw %}\n{% if x %}\n{% endraw %}\nBye", "\n{% if x %}\n\nBye", "\n{% if x %}\n\nBye"),
        ("Hi\n{%- if a %}\nA\n{%- endif %}\nBye", "Hi\nA\nBye", "Hi\nBye"),
        ("Hi\n{% if a == '%}' %}\nA\n{% endif %}\nBye", "Hi\nBye", "Hi\nBye"),
        ("Hi\n{% for b in a %}\n- {{ b }}\n{% endfor %}\nBye", "Hi\n- x\nBye", "Hi\nBye"),
    ],
)  # fmt: skip
def test_a_statement_alone_on_its_line_leaves_none(text: str, filled: str, empty: str) -> None:
    template = compile_template(text, "t.j2")
    assert template.render({"a": "x"}) == filled
    assert template.render({"a": ""}) == empty


def test_lines_keep_their_numbers() -> None:
    with pytest.raises(TemplateError, match=r"t\.j2:5: no filter titel"):
        compile_template("Hi\n  {% if a %}\n{# x\n #}\n{{ a | titel }}\n{% endif %}", "t.j2")


PIECES = ["{% if a %}", "{% endif %}", "{# x #}", "{{ a }}", "\n", " ", "x", "{%", "%}", "{", "'"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_only_spaces_and_line_breaks_move(text: str) -> None:
    changed = without_tag_lines(text)
    assert changed.count("\n") == text.count("\n")
    assert "".join(changed.split()) == "".join(text.split())


@given(st.text(st.characters(exclude_characters="{\r", codec="utf-8")))
def test_a_text_without_statements_stays(text: str) -> None:
    assert without_tag_lines(text) == text
