"""Limits of what one template may do, so that no typing mistake runs for ever or fills the memory.

Nothing can stop a step once Python's own C code is in it, so no step may be large. Every text, list
and loop is paid for from one allowance per rendering: a loop before its first round, by its
length and what stands in it; a text that grows, before it is made. What costs nothing in an
ordinary template stays free of charge: a template without loops can do no more than it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from threading import local
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from runner.templating.missing_value import Missing

MAX_WORK = 1_000_000
"""Steps and characters of one rendering. Our own choice: below a second, and ten times the longest
text; a message of a thousand characters takes some thousands."""
MAX_NUMBER = 10**18
MAX_ARGUMENT = 1_000
"""Characters of what a text method looks for: searching takes their product at worst."""
SHORT = 100
"""Characters of a value that is not counted: what most columns hold."""
SCANNED = 64
"""Characters that are read in the time of one step."""

CONTAINER, LOOP, CONCAT, SEEN = "[]", "for", "~", "=="
"""Filters that no template can write: for what has no name in it."""


class _Allowance(local):
    """The remaining budget of a rendering; each thread renders for itself."""

    left = MAX_WORK


_allowance = _Allowance()


def begin() -> None:
    """Begin a rendering or a compilation, with a full allowance."""
    _allowance.left = MAX_WORK


def spend(work: int) -> None:
    """Pay for so many steps; raises OverflowError when the allowance is used up."""
    _allowance.left -= work
    if _allowance.left < 0:
        raise OverflowError("does too much for one message; shorten its loops and texts")


def weight(value: Any) -> int:
    """Return the size of a value, what lists hold included as often as they hold it."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list | tuple | set | frozenset):
        return _together(value)
    if isinstance(value, Mapping):
        return _together(value.keys()) + _together(value.values())
    return len(value) if isinstance(value, range) else 1


def _together(values: Iterable[Any]) -> int:
    total = 0
    for each in values:
        total += 1 + weight(each)
        if total > _allowance.left:
            break
    return total


def paid(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, paid for by what it reads and what it makes."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and type(args[0]) is str and len(args[0]) <= SHORT:
            return function(args[0])  # a step, as any other: its loop has paid for it
        if args and type(args[0]) is Missing:
            return args[0]  # nothing, whatever it is filtered by
        spend(1 + (sum(map(weight, args)) + sum(map(weight, kwargs.values()))) // SCANNED)
        made = function(*args, **kwargs)
        if isinstance(made, str | list | tuple):
            spend(len(made))
        elif isinstance(made, int | float) and not abs(made) < MAX_NUMBER:
            raise OverflowError("a number grows too large")
        return made

    return call


def joined(values: Iterable[Any], between: str = "") -> str:
    """Return the texts of `values` in a row."""
    if isinstance(values, jinja2.Undefined):
        str(values)  # raises, with the name
    texts = list(map(_told, values))
    spend(1 + sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def _told(value: Any) -> str:
    if type(value) is Missing:
        raise ValueError(value.why)
    return str(value)


def replaced(value: Any, old: str, new: str, count: int | None = None) -> str:
    """Return `value` with every `old` (or the first `count`) as `new`."""
    text, old, new = _told(value), str(old), str(new)
    limit = -1 if count is None else count
    found = text.count(old) if limit < 0 else min(limit, text.count(old))
    spend(1 + len(text) // SCANNED + max(0, len(text) + found * (len(new) - len(old))))
    return text.replace(old, new, limit)


def call_of(function: Any, args: tuple[Any, ...]) -> Callable[..., Any]:
    """Return the callable that a template gets for `function`: a method of a text is paid for."""
    owner = getattr(function, "__self__", None)
    if not isinstance(owner, str):
        return paid(function)
    if function.__name__ == "replace":
        return lambda *parts: replaced(owner, *parts)
    if any(isinstance(each, str) and len(each) > MAX_ARGUMENT for each in args):
        raise OverflowError(f"a text method looks for {MAX_ARGUMENT:,} characters at most")
    spend(len(owner) // SCANNED)
    return paid(function)


def _container(value: Any) -> Any:
    spend(weight(value))
    return value


def _loop(values: Any, body: int) -> Any:
    if not hasattr(values, "__len__"):
        values = tuple(values)
    spend((len(values) + 1) * body)
    return values


def _seen(value: Any) -> Any:
    spend(1 + weight(value) // SCANNED)
    return value


FILTERS: Mapping[str, Callable[..., Any]] = {
    CONTAINER: _container,
    LOOP: _loop,
    CONCAT: joined,
    SEEN: _seen,
    "join": joined,
    "replace": replaced,
}


def bound(tree: nodes.Template, environment: jinja2.Environment) -> None:
    """Put the payments into a template's tree, where Jinja2 has no other place for them."""
    _Payments(environment).visit(tree)


class _Payments(NodeTransformer):
    def __init__(self, environment: jinja2.Environment) -> None:
        self._environment = environment

    def _through(self, name: str, node: nodes.Node, *args: nodes.Expr) -> nodes.Filter:
        place = {"lineno": node.lineno, "environment": self._environment}
        return nodes.Filter(node, name, list(args), [], None, None, **place)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno, environment=self._environment)
        return self._through(CONCAT, parts)

    def _visit_container(self, node: nodes.List | nodes.Tuple | nodes.Dict) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node, nodes.Tuple) and node.ctx != "load":
            return node
        return self._through(CONTAINER, node)

    visit_List = visit_Tuple = visit_Dict = _visit_container

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        return self._through(CONTAINER, node) if isinstance(node.arg, nodes.Slice) else node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = self._unless_short(node.expr)
        for each in node.ops:
            each.expr = self._unless_short(each.expr)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        self.generic_visit(node)
        if node.name not in ("defined", "undefined"):
            node.node = self._unless_short(node.node)
        return node

    def _unless_short(self, node: nodes.Expr) -> nodes.Expr:
        return node if isinstance(node, nodes.Const) else self._through(SEEN, node)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        body = nodes.Const(_size(node), lineno=node.lineno, environment=self._environment)
        node.iter = self._through(LOOP, node.iter, body)
        return node


def _size(node: nodes.Node) -> int:
    """Return steps of one round: what stands in a loop, and the characters that it writes."""
    return sum(
        1 + (len(each.data) if isinstance(each, nodes.TemplateData) else 0)
        for each in node.find_all(nodes.Node)
    )
