"""The environment of templates: Jinja2's sandbox, narrowed to text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
from jinja2 import filters as jinja_filters
from jinja2 import tests as jinja_tests
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runner.templating import limits, value_filters
from runner.templating.missing_value import Missing
from runner.templating.name_filters import default, first_word, title

MAX_RANGE = 1_000


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STR_METHODS = _names(
    "capitalize casefold count endswith find index isalnum isalpha isascii isdigit islower isspace "
    "istitle isupper lower lstrip partition removeprefix removesuffix replace rpartition rsplit "
    "rstrip split splitlines startswith strip swapcase title upper"
)
_KEPT_FILTERS = _names(
    "abs capitalize count first last length list lower max min reverse sort string trim "
    "truncate unique upper urlencode wordcount"
)
_KEPT_TESTS = _names(
    "!= < <= == > >= boolean defined divisibleby eq equalto even ge greaterthan gt in integer le "
    "lessthan lower lt ne none number odd string undefined upper"
)


def _range(*args: int) -> range:
    found = range(*args)
    if len(found) > MAX_RANGE:
        raise OverflowError(f"range() gives at most {MAX_RANGE} numbers")
    return found


def _printed(value: Any) -> Any:
    """Return a value as `{{ … }}` may print it: text and numbers, never None, nan, a list or a
    function."""
    if type(value) is str:
        if len(value) > limits.SHORT:
            limits.spend(len(value))
        return value
    if type(value) is Missing:
        raise ValueError(f'{value.why}; write what stands in for it: | default("…")')
    if isinstance(value, bool):
        raise TypeError("a yes/no value cannot be printed; use {% if … %}")
    if isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, jinja2.Undefined):
        return str(value)  # raises, with the name
    if callable(value):
        raise TypeError("a function cannot be printed; call it with ()")
    names = {type(None): "nothing (None)", float: "no number (nan or infinite)"}
    raise TypeError(f"{names.get(type(value), f'a {type(value).__name__}')} cannot be printed")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, narrowed to text."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str):
            return attr in _STR_METHODS
        if isinstance(obj, LoopContext):
            return super().is_safe_attribute(obj, attr, value)
        return False

    def wrap_str_format(self, value: Any) -> Any:
        """Refuse `format`: a width in it can ask for gigabytes."""
        return None

    def call(self, context: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        return super().call(context, limits.call_of(function, args), *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            limits.spend(len(left) + len(right))
            return left + right
        numbers = (int, float)
        if not (isinstance(left, numbers) and isinstance(right, numbers)) or operator == "**":
            raise TypeError(
                f"`{operator}` works on numbers here" if operator != "**" else "no `**`"
            )
        result = super().call_binop(context, operator, left, right)
        if not abs(result) < limits.MAX_NUMBER:
            raise OverflowError("a number grows too large")
        return result


_OURS: Mapping[str, Callable[..., Any]] = {
    "title": title,
    "first_word": first_word,
    "yes": value_filters.yes,
    "number": value_filters.number,
    "int": value_filters.whole,
    "float": value_filters.fraction,
    "round": value_filters.rounded,
    "money": value_filters.money,
    "date": value_filters.date,
}
GLOBALS: Mapping[str, Callable[..., Any]] = {"range": _range}


def _environment() -> _Sandbox:
    sandbox = _Sandbox(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=False,
        finalize=_printed,
        cache_size=0,
    )
    kept = {name: limits.paid(jinja_filters.FILTERS[name]) for name in _KEPT_FILTERS}
    ours = {name: limits.paid(each) for name, each in _OURS.items()}
    sandbox.filters = {**kept, **limits.FILTERS, **ours, "default": default, "d": default}
    sandbox.tests = {name: jinja_tests.TESTS[name] for name in _KEPT_TESTS}
    sandbox.globals = dict(GLOBALS)
    return sandbox


ENVIRONMENT = _environment()
