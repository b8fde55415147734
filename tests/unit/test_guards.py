"""Which columns a template needs filled: no use that is called guarded prints nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.templating.template import RowRenderError, compile_template

NAMES = ["a", "b", "c"]
name = st.sampled_from(NAMES)


def made(pattern: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda given: pattern.format(*given))


def conditions() -> st.SearchStrategy[str]:
    plain = st.sampled_from([
        "{0}", "{0} != ''", "{0} == ''", "'' != {0}", "{0} == 'x'", "{0} != 'x'", "{0} | length",
        "{0} | length > 0", "{0} | length >= 0", "0 < {0} | length", "{0} | length == 0",
        "{0} | int > 1", "{0} | int < 1", "{0} is defined", "{0} is string", "'x' in {0}",
        "'' in {0}", "{0} not in ('', '-')", "{0}.strip()", "{0} | trim != ''", "{0} | upper",
        "{0} | default('z') == 'z'", "{0} | first_word", "{0} == {1}", "({0} ~ 'x') == 'x'",
        "{0} | default('z')", "{0} or 'z'", "{0} and 'z'", "true", "{0} > ''", "{0} < 'b'",
    ])  # fmt: skip
    single = st.tuples(plain, name, name).map(lambda given: given[0].format(given[1], given[2]))
    return st.recursive(
        single.map(lambda text: f"({text})"),
        lambda inner: st.one_of(
            made("(not {0})", inner),
            made("({0} and {1})", inner, inner),
            made("({0} or {1})", inner, inner),
        ),
        max_leaves=4,
    )


def values() -> st.SearchStrategy[str]:
    return st.recursive(
        st.one_of(
            name,
            made("('(' ~ {0} ~ ')')", name),
            made("({0} | upper)", name),
            made("({0} | default('z'))", name),
            st.just("'z'"),
        ),
        lambda inner: st.one_of(
            made("({0} or {1})", inner, inner),
            made("({0} and {1})", inner, inner),
            made("({0} if {1} else {2})", inner, conditions(), inner),
            made("({0} | default({1}))", name, inner),
        ),
        max_leaves=3,
    )


def templates() -> st.SearchStrategy[str]:
    return st.recursive(
        made("[{{{{ {0} }}}}]", values()),
        lambda inner: st.one_of(
            made("{0}{1}", inner, inner),
            made("{{% if {0} %}}{1}{{% endif %}}", conditions(), inner),
            made("{{% if {0} %}}{1}{{% else %}}{2}{{% endif %}}", conditions(), inner, inner),
            made(
                "{{% if {0} %}}{1}{{% elif {2} %}}{3}{{% else %}}{4}{{% endif %}}",
                conditions(), inner, conditions(), inner, inner,
            ),
        ),
        max_leaves=4,
    )  # fmt: skip


@pytest.mark.slow
@settings(max_examples=400)
@given(templates(), st.tuples(*[st.sampled_from(["", "x", "b", "7"])] * 3))
def test_a_use_that_is_called_guarded_never_prints_an_empty_cell(
    text: str, cells: tuple[str, ...]
) -> None:
    template = compile_template(text, "t.j2")
    row = dict(zip(NAMES, cells, strict=True))
    if any(not row[each] for each in template.requires_value):
        return  # the row is skipped
    try:
        told = template.render(row)
    except RowRenderError:
        return
    assert "[]" not in told, template.requires_value
    assert "()" not in told, template.requires_value


@pytest.mark.parametrize(
    "text",
    [
        '{{ a or "your team" }}',
        '{{ a | trim or "your team" }}',
        '{% if a != "" %}{{ a }}{% endif %}',
        '{% if "" != a %}{{ a }}{% endif %}',
        '{% if a == "" %}you{% else %}{{ a }}{% endif %}',
        "{% if a | length > 0 %}{{ a }}{% endif %}",
        "{% if a | length %}{{ a }}{% endif %}",
        "{% if a.strip() %}{{ a }}{% endif %}",
        '{% if a not in ("", "-") %}{{ a }}{% endif %}',
        '{% if "@" in a %}{{ a }}{% endif %}',
        '{{ a if a != "" else "you" }}',
        '{% if a is defined and a != "" %}{{ a }}{% endif %}',
    ],
)
def test_guards(text: str) -> None:
    assert compile_template(text, "t.j2").requires_value == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "{{ a }}",
        '{{ a and "x" }}',
        '{{ (a ~ " Inc") or "x" }}',
        "{% if a is defined %}{{ a }}{% endif %}",
        '{% if a == "" %}{{ a }}{% endif %}',
        "{% if a | length >= 0 %}{{ a }}{% endif %}",
        '{% if a or a == "" %}{{ a }}{% endif %}',
        '{% if a == "" or a != "" %}{{ a }}{% endif %}',
    ],
)
def test_no_guards(text: str) -> None:
    assert compile_template(text, "t.j2").requires_value == {"a"}
