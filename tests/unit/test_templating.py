"""Templates: what they need, what they print, and what they refuse."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import TemplateError
from runner.templating.name_filters import default, first_word, title
from runner.templating.template import MAX_TEXT, RowRenderError, compile_template, load_template
from tests.fuzz.templates import HUGE

SAMPLE = Path(__file__).parents[2] / "templates" / "spring.j2"


def render(text: str, **columns: str) -> str:
    return compile_template(text, "t.j2").render(columns)


@pytest.mark.parametrize(
    ("text", "columns", "result"),
    [
        ("Hi {{ a }}!\n\n", {"a": "Ann"}, "Hi Ann!"),
        ("<b>{{ a }}</b>", {"a": "x & <y>"}, "<b>x & <y></b>"),
        ("Hi {{ a | default('there') }}", {"a": ""}, "Hi there"),
        ("Hi {{ a | default('there', true) }}", {"a": " "}, "Hi there"),
        ("Hi {{ a | d('there') }}", {"a": "Ann"}, "Hi Ann"),
        ("Hi{{ a | default }}", {"a": ""}, "Hi"),
        ("{% if a %}yes {{ a }}{% else %}no{% endif %}", {"a": ""}, "no"),
        ("{{ 'x' if a == '1' else 'y' }}", {"a": "1"}, "x"),
        ("{% for t in a.split(',') %}{{ loop.index }}{{ t }} {% endfor %}", {"a": "p,q"}, "1p 2q"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", {}, "012"),
        ("{% set x = a | upper %}{{ x }}{{ 1 + 2 * 3 }}", {"a": "b"}, "B7"),
        ("{{ a.lower().replace('b', 'c') }}", {"a": "AB"}, "ac"),
        ("{# nothing #}{{ a | trim | title }}", {"a": " ann o'brien "}, "Ann O'Brien"),
        ("{{ a | length }} {{ a | int + 1 }} {{ 7 / 2 }}", {"a": "41"}, "2 42 3.5"),
        ("{{ a }}", {"a": "{{ b }}"}, "{{ b }}"),
        ("{{ a }}", {"a": "nan"}, "nan"),
    ],
)
def test_renders(text: str, columns: dict[str, str], result: str) -> None:
    assert render(text, **columns) == result


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\n{{ nope }}", "t.j2:2: 'nope' is undefined"),
        ("{% if nope %}x{% endif %}", "t.j2:1: 'nope' is undefined"),
        ("x\n{{ a.nope }}", "t.j2:2: a text has no attribute 'nope'"),
        ("{{ 1 / 0 }}", "t.j2:1: division by zero"),
        ("{{ a.upper }}", "t.j2:1: a function cannot be printed; call it with ()"),
        ("{{ a.split() }}", "t.j2:1: a list cannot be printed"),
        ("{{ a == 'x' }}", "t.j2:1: a yes/no value cannot be printed; use {% if … %}"),
        ("{{ ''.__class__ }}", "t.j2:1: only the usual text methods"),
        ("{{ a.format(1) }}", "t.j2:1: only the usual text methods"),
        ("{{ a.center(999999999) }}", "t.j2:1: only the usual text methods"),
        ("{{ '%999999999d' % 1 }}", "t.j2:1: `%` works on numbers here"),
        ("{{ a * 1000000000 }}", "t.j2:1: `*` works on numbers here"),
        ("{{ a + 1 }}", "t.j2:1: `+` works on numbers here"),
        ("{% if a > 1 %}x{% endif %}", "t.j2:1: compares a text with a number; write `| number`"),
        ("{{ 10 ** 10 ** 10 }}", "t.j2:1: no `**`"),
        ("{{ 999999999999 * 999999999999 }}", "t.j2:1: a number grows too large"),
        ("{% for i in range(1001) %}x{% endfor %}", "t.j2:1: range() gives at most 1000 numbers"),
        ("{% for i in range(999) %}{{ a }}{{ a }}{% endfor %}", "t.j2: the text is longer than"),
        ("{{ a }}" * 1001, "t.j2: the text is longer than"),
        ("{{ a | first | int(none_given) }}", "t.j2:1: 'none_given' is undefined"),
    ],
)
def test_a_row_that_cannot_be_rendered_says_where_and_why(text: str, told: str) -> None:
    template = compile_template(text, "t.j2")
    with pytest.raises(RowRenderError) as caught:
        template.render({"a": "x" * 100})
    assert str(caught.value).startswith(told)
    assert caught.value.what
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "t.j2: is empty; write the message's text"),
        (" \n", "t.j2: is empty; write the message's text"),
        ("a\n{{ b", "t.j2:2: ends inside a `{% … %}` or `{{ … }}`; close it"),
        ("a\n{{", "t.j2:2: ends inside a `{% … %}` or `{{ … }}`; close it"),
        ("{% if a %}", "t.j2:1: ends inside a `{% … %}` or `{{ … }}`; close it"),
        ("{% foo %}", "t.j2:1: no such statement: foo; known are if, for and set"),
        ("\n\n{{ a | titel }}", "t.j2:3: no filter titel; did you mean title?"),
        ("{% if a %}{{ a | xyz }}{% endif %}", "t.j2:1: no filter xyz; known: abs, "),
        ("{{ a | random }}", "t.j2:1: no filter random"),
        ("{% if a is evne %}{% endif %}", "t.j2:1: no test evne; did you mean even?"),
        ("{% include 'x' %}", "t.j2:1: {% include %} is not for messages; write the text into"),
        ("{% import 'x' as y %}", "t.j2:1: {% import %} is not for messages"),
        ("{% from 'x' import y %}", "t.j2:1: {% from … import %} is not for messages"),
        ("{% extends 'x' %}", "t.j2:1: {% extends %} is not for messages"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "t.j2:1: {% macro %} is not for messages"),
        ("{{ none }}", 't.j2:1: None is not text; write ""'),
        ("{{ 'a' ~ none }}", 't.j2:1: None is not text; write ""'),
        ("{{ 1e999 }}", 't.j2:1: inf is not text; write ""'),
        ("{% for x in a recursive %}{% endfor %}", "t.j2:1: a recursive loop"),
        ("{% for x in a %}" * 3 + "{% endfor %}" * 3, "t.j2:1: loops more than 2 deep"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "t.j2: cannot be compiled"),
        ("{{ " + "9" * 5000 + " }}", "t.j2: cannot be compiled"),
        ("x" * 100_001, "t.j2: is longer than 100,000 characters"),
    ],
)
def test_a_template_that_cannot_work_is_refused_once(text: str, told: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(text, "t.j2")
    assert str(caught.value).startswith(told)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("text", "needs", "required"),
    [
        ("plain", "", ""),
        ("{{ a }} {{ b }}", "a b", "a b"),
        ("{{ a | default('x') }}", "a", ""),
        ("{{ a | title | default('x') | upper }}", "a", ""),
        ("{{ a | default(b) }}", "a b", "b"),
        ("{{ a | default(b | default('x')) }}", "a b", ""),
        ("{{ (a ~ b) | default('x') }}", "a b", "a b"),
        ("{{ a | default('x') }}{{ a }}", "a", "a"),
        ("{% if a %}{{ a }}{% endif %}", "a", ""),
        ("{% if a %}{{ b }}{% endif %}", "a b", "b"),
        ("{% if a %}x{% else %}{{ a }}{% endif %}", "a", "a"),
        ("{% if not a %}x{% else %}{{ a }}{% endif %}", "a", ""),
        ("{% if a and b %}{{ a }}{{ b }}{% endif %}", "a b", ""),
        ("{% if a or b %}{{ a }}{{ b }}{% endif %}", "a b", "a b"),
        ("{% if not a or not b %}x{% else %}{{ a }}{{ b }}{% endif %}", "a b", ""),
        ("{% if a %}{{ a }}{% elif b %}{{ b }}{{ a }}{% endif %}", "a b", "a"),
        ("{% if not a %}x{% elif b %}{{ a }}{{ b }}{% else %}{{ a }}{% endif %}", "a b", ""),
        ("{{ a if a else 'x' }}", "a", ""),
        ("{{ 'x' if a else a }}", "a", "a"),
        ("{{ a if a }}", "a", ""),
        ("{% if a == 'x' %}{{ b | default('') }}{% endif %}", "a b", ""),
        ("{% set x = a %}{{ x }}", "a", "a"),
        ("{% for x in a.split() %}{{ x }}{{ loop.index }}{% endfor %}", "a", "a"),
        ("{% for i in range(2) %}{{ i }}{% endfor %}", "", ""),
    ],
)
def test_what_a_template_needs(text: str, needs: str, required: str) -> None:
    template = compile_template(text, "t.j2")
    assert template.needs == set(needs.split())
    assert template.requires_value == set(required.split())


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("ann", "Ann"), ("ANN", "Ann"), ("O'BRIEN", "O'Brien"), ("o'brien", "O'Brien"),
        ("O\u2019BRIEN", "O\u2019Brien"), ("McDonald", "McDonald"), ("deShawn", "DeShawn"),
        ("jean-luc d'arc", "Jean-Luc D'Arc"), ("it's", "It's"), ("\u00e9MILE", "\u00c9MILE"),
        ("\u00c9MILE", "\u00c9mile"), ("", ""), ("  van der berg", "  Van Der Berg"), ("3m", "3m"),
        ("\u738b\u5c0f\u660e", "\u738b\u5c0f\u660e"), ("o'", "O'"), ("-", "-"),
    ],
)  # fmt: skip
def test_title(name: str, result: str) -> None:
    assert title(name) == result


def test_first_word_and_default() -> None:
    assert first_word("  Ada Maria ") == "Ada"
    assert first_word("") == ""
    assert default("", "x") == default(" \t", "x") == "x"
    assert default("0", "x") == "0"


def test_load_template(tmp_path: Path) -> None:
    good = tmp_path / "spring.j2"
    good.write_bytes(b"\xef\xbb\xbfHi {{ a }}\r\n")
    assert load_template(good).render({"a": "Ann"}) == "Hi Ann"
    with pytest.raises(TemplateError, match=r"no such file; did you mean .*spring\.j2\?"):
        load_template(tmp_path / "sprnig.j2")
    with pytest.raises(TemplateError, match="is a folder"):
        load_template(tmp_path)
    with pytest.raises(TemplateError, match="cannot be read"):
        load_template(tmp_path / "a\0b")
    good.write_bytes(b"ok\n\xe9")
    with pytest.raises(TemplateError, match=r"spring\.j2:2: is not UTF-8 text"):
        load_template(good)


def test_the_sample_is_friendly_and_complete() -> None:
    template = load_template(SAMPLE)
    assert template.needs == {"first_name", "topic", "company"}
    assert template.requires_value == {"topic"}
    text = template.render({"first_name": "BRUNO B", "topic": "flaky tests", "company": "Acme"})
    assert text.startswith("Hi Bruno, I enjoyed what you wrote about flaky tests at Acme.\n")
    assert "I will not write again" in text
    without = template.render({"first_name": "Ann", "topic": "x", "company": ""})
    assert "about x.\n" in without
    assert template.render({"first_name": "", "topic": "x", "company": ""}).startswith("Hi there,")


@given(st.text(max_size=200))
def test_a_cell_comes_out_as_it_is(cell: str) -> None:
    assert render("{{ a }}", a=cell) == cell.rstrip()


_PIECES = st.sampled_from(
    [
        *("{{", "}}", "{%", "%}", "{#", "#}", " a ", " b ", "|", "default", "title", "('x')", "."),
        *("upper", "()", "if", "else", "endif", "for", "in", "endfor", "set x =", "none", "nan"),
        *("1", "0", "/", "*", "+", "-", "~", "%", "[", "]", "'", '"', "not", "is", "==", "1e308"),
        *("range", "loop", "self", "\n", "text", "_", "__class__", "int", "join", "truncate"),
    ]
)


@settings(deadline=None)  # compiling takes its time
@given(st.lists(_PIECES, max_size=14).map("".join) | st.text(max_size=100), st.text(max_size=20))
def test_any_template_compiles_and_renders_or_is_refused(text: str, cell: str) -> None:
    told = ""
    try:
        template = compile_template(text, "t.j2")
        assert template.requires_value <= template.needs
        assert len(template.render({"a": cell, "b": ""})) <= MAX_TEXT
    except TemplateError as error:
        told = str(error)
    assert "\n" not in told


@given(st.sampled_from(["a", "a + b", "a - b", "a * b", "a / b", "a // b", "a % b", "'' ~ a / b"]))
def test_no_arithmetic_prints_nan_or_infinity(expression: str) -> None:
    source = f"{{% set a = {10**17} / 3 %}}{{% set b = 1 / {10**17} %}}{{{{ {expression} }}}}"
    try:
        text = compile_template(source, "t.j2").render({})
    except RowRenderError:
        return
    assert math.isfinite(float(text))


@pytest.mark.parametrize("template", HUGE)
def test_no_template_runs_for_long(template: str) -> None:
    began = time.process_time()
    with contextlib.suppress(TemplateError):
        render(template, a="q", b="é" * 90_000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "step", ["{% set x = x + x %}", "{% set x = x ~ x %}", "{% set x = x|replace('', x) %}"]
)
def test_a_text_that_grows_is_stopped(step: str) -> None:
    with pytest.raises(RowRenderError, match=r"t\.j2:1: does too much for one message; shorten"):
        render("{% set x = a %}" + step * 30 + "{{ x | length }}", a="12345678")


def test_what_needs_no_column_and_fails_is_told() -> None:
    with pytest.raises(TemplateError, match=r"t\.j2: cannot be compiled: int object has no"):
        compile_template("{{ {3[2.5]: 1} }}", "t.j2")


def test_nothing_of_one_row_is_left_for_the_next() -> None:
    setting = compile_template("{% if a %}{% set b = a %}{% endif %}{{ b | default('-') }}", "t")
    assert [setting.render({"a": a, "b": "c"}) for a in ("x", "", "y")] == ["x", "c", "y"]
    plain = compile_template("Hi {{ a }}{% if b %} of {{ b }}{% endif %}", "t")
    assert [plain.render(row) for row in ({"a": "Ann", "b": "X"}, {"a": "Bo", "b": ""})] == [
        "Hi Ann of X",
        "Hi Bo",
    ]
    with pytest.raises(RowRenderError):
        plain.render({"a": "Cy"})


def test_threads_do_not_render_each_others_rows() -> None:
    template = compile_template("{{ a }}", "t")

    def wrong(name: str) -> int:
        return sum(template.render({"a": name}) != name for _ in range(4000))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(wrong, ["Ann", "Bo", "Cy", "Di"])) == 0
    finally:
        sys.setswitchinterval(before)


_MANY = "has more than 20,000 parts"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begins", "more", "ends", "told"),
    [
        ("{{ a", " ~a", " }}", _MANY),
        ("{{ a", "~a", " }}", _MANY),
        ("{{ a", "~'b'", " }}", _MANY),
        ("{{ a", " + a", " }}", "t.j2:"),
        ("{{ a", "|lower", " }}", "t.j2:"),
        ("{% if a", " and a", " %}x{% endif %}", "t.j2:"),
        ("{% if a", " or a == 'b'", " %}x{% endif %}", "t.j2:"),
        ("{% if a", " == a", " %}x{% endif %}", _MANY),
        ("{% if ", "not ", "a %}x{% endif %}", "t.j2:"),
        ("{{ [", "a,", "] | length }}", _MANY),
        ("{{ {", "'b':a,", "} | length }}", _MANY),
        ("{{ a.replace(", "a,", ") }}", _MANY),
        ("{{ ", "[", "a }}", "t.j2:"),
        ("{{ ", "(", "a }}", "t.j2:"),
        ("{{ a", "[0]", " }}", "t.j2:"),
        ("{{ a", ".lower()", " }}", "t.j2:"),
        ("{{ ", "a if b else ", "a }}", "t.j2:"),
        ("{% if a %}", "{% elif a %}b", "{% endif %}", "t.j2:"),
        ("{% if a %}", "{% if a %}", "", "t.j2:"),
        ("", "{%if a%}b{%endif%}", "", _MANY),
        ("{{ a }}", "{", "", "t.j2:"),
        ("{{ a }}", "{{", "", "t.j2:"),
        ("{{ a }}", "{{ '", "", "t.j2:"),
        ("{{ a }}", "{{ a | ", "", "t.j2:"),
        ("{{ a }}", "{#", "", "t.j2:"),
        ("{{ a }}", "{%", "", "t.j2:"),
        ("{{ a }}", "{%-", "", "t.j2:"),
        ("{{ a }}", "{% raw %}", "", "t.j2:"),
    ],
)
def test_a_template_of_one_thing_over_and_over_is_refused_in_time(
    begins: str, more: str, ends: str, told: str
) -> None:
    text = begins + more * (90_000 // len(more)) + ends
    began = time.process_time()
    with pytest.raises(TemplateError, match=told) as caught:
        compile_template(text, "t.j2")
    assert time.process_time() - began < 3
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ a" + " | replace('x', 'y')" * 80 + " }}", "b"),
        (
            "{% if "
            + " or ".join(f"a == '{i}'" for i in range(80))
            + " or a == 'b' %}b{% endif %}",
            "b",
        ),
        ("{% if a == '' %}" + "{% elif a == 'c' %}c" * 1_000 + "{% else %}b{% endif %}", "b"),
        ("{{ a }} word " * 5_000, ("b word " * 5_000).rstrip()),
        ("{{ " + " ~ ".join(["a", "'b'"] * 1_000) + " }}", "b" * 2_000),
        ("{# a #}{# " * 5_000 + "#}{{ a }}", "b"),
        ("{% raw %}{{ {% {# {% endraw %}{{ a }}{% raw %}}}{% endraw %}", "{{ {% {# b}}"),
    ],
)
def test_a_long_template_that_a_person_may_have_written_is_taken(text: str, result: str) -> None:
    assert render(text, a="b") == result
