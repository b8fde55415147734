"""Which columns a template cannot do without."""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import nodes


def required(node: nodes.Node, filled: frozenset[str]) -> Iterator[str]:
    """The names that print an empty text, or decide by one, when their cell is empty.

    A use is guarded, and its cell may be empty, when it is
    - what `| default(…)` is applied to, other filters in between allowed;
    - in the test of an `if`, `elif` or `a if b else c`;
    - where such a test can only have led with the column filled: `{% if topic %}…{% endif %}`,
      `and`, `not` and the `else` of a `not` followed, nothing cleverer.
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
    """A name, or filters over one."""
    while isinstance(node, nodes.Filter):
        node = node.node
    return isinstance(node, nodes.Name)


def _implied(test: nodes.Node, outcome: bool) -> frozenset[str]:
    """The names that must be non-empty for `test` to come out as `outcome`."""
    if isinstance(test, nodes.Name):
        return frozenset({test.name}) if outcome else frozenset()
    if isinstance(test, nodes.Not):
        return _implied(test.node, not outcome)
    if isinstance(test, nodes.And if outcome else nodes.Or):
        return _implied(test.left, outcome) | _implied(test.right, outcome)
    return frozenset()
