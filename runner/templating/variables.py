"""Variables: the columns that a template cannot do without."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import jinja2
from jinja2 import nodes
from jinja2.visitor import NodeTransformer

TEXT_METHODS = frozenset({"strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize"})
"""Methods that make an empty text of an empty one."""

MOST_NAMES = 20
"""Columns in one test that are still followed; a longer one guards nothing."""


def required(node: nodes.Node, filled: frozenset[str]) -> Iterator[str]:
    """Yield the names that print an empty text, or decide by one, when their cell is empty.

    A use is guarded, and its cell may be empty, when it is
    - what `| default(…)` is applied to, other filters in between allowed;
    - the left of an `or` that an empty cell makes go on to its right: `company or "your team"`;
    - in the test of an `if`, `elif` or `a if b else c`;
    - where such a test cannot have led with the cell empty: `{% if topic %}…{% endif %}`,
      `topic != ""`, `topic | length > 0`, `"@" in email`, the `else` of a `not`.
    A column of which every use is guarded may be empty. Any doubt counts as required: a row
    skipped with a reason is better than a message with a hole. `filled`: known to hold something.
    """
    if isinstance(node, nodes.Name):
        if node.ctx == "load" and node.name not in filled:
            yield node.name
        return
    if isinstance(node, nodes.Filter) and node.name in ("default", "d") and _column(node.node):
        for child in (*node.args, *node.kwargs):
            yield from required(child, filled)
        return
    if isinstance(node, nodes.Or | nodes.And):
        is_or = isinstance(node, nodes.Or)
        # What is printed is the left of an `or` only when it holds something.
        yield from required(node.left, filled | _implied(node.left, True) if is_or else filled)
        yield from required(node.right, filled | _implied(node.left, not is_or))
        return
    if isinstance(node, nodes.If):
        yield from _required_of_if(node, filled)
        return
    if isinstance(node, nodes.CondExpr):
        yield from required(node.expr1, filled | _implied(node.test, True))
        if node.expr2 is not None:
            yield from required(node.expr2, filled | _implied(node.test, False))
        return
    for child in node.iter_child_nodes():
        yield from required(child, filled)


def _required_of_if(node: nodes.If, filled: frozenset[str]) -> Iterator[str]:
    otherwise = filled
    for branch in (node, *node.elif_):
        for child in branch.body:
            yield from required(child, otherwise | _implied(branch.test, True))
        otherwise |= _implied(branch.test, False)
    for child in node.else_:
        yield from required(child, otherwise)


def _column(node: nodes.Expr | None) -> bool:
    """Return a name, or filters over one."""
    while isinstance(node, nodes.Filter):
        node = node.node
    return isinstance(node, nodes.Name)


def _implied(test: nodes.Node, outcome: bool) -> frozenset[str]:
    """Return the names that must be non-empty for `test` to come out as `outcome`."""
    names = {node.name for node in test.find_all(nodes.Name)}
    names |= {test.name} if isinstance(test, nodes.Name) else set()
    if len(names) > MOST_NAMES:
        return frozenset()
    return frozenset(name for name in names if _with_empty(test, name) is (not outcome))


def _with_empty(test: nodes.Node, name: str) -> bool | None:
    """Return the result of a test when this one cell is empty; None when it depends on other
    things."""
    if isinstance(test, nodes.Not):
        inner = _with_empty(test.node, name)
        return None if inner is None else not inner
    if isinstance(test, nodes.And | nodes.Or):
        decides = isinstance(test, nodes.Or)  # the outcome of one side that settles the whole
        sides = [_with_empty(test.left, name), _with_empty(test.right, name)]
        if decides in sides:
            return decides
        return None if None in sides else not decides
    if isinstance(test, nodes.Name):
        return False if test.name == name else None
    try:
        # The environment is shared: only the tree is copied.
        copied = deepcopy(test, {id(test.environment): test.environment})
        holder = nodes.Output([copied], lineno=test.lineno, environment=test.environment)
        _Emptied(name).visit(holder)
        return bool(holder.nodes[0].as_const())
    except (nodes.Impossible, jinja2.TemplateError, TypeError, ValueError, ArithmeticError):
        return None


class _Emptied(NodeTransformer):
    """Puts an empty text in the place of one name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        if node.name != self._name:
            return node
        return nodes.Const("", lineno=node.lineno, environment=node.environment)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        called = node.node
        if (
            isinstance(called, nodes.Getattr)
            and isinstance(called.node, nodes.Const)
            and called.node.value == ""
            and called.attr in TEXT_METHODS
            and not (node.args or node.kwargs)
        ):
            return called.node
        return node
