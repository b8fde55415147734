"""Conditions of a template, and the columns that it reads as yes and no or as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from runner.findings import Finding
from runner.templating.literals import Place

_OF_A_COLUMN = frozenset(["yes", "number", "int", "float", "round", "money", "date"])
_STILL_TEXT = frozenset(["capitalize", "d", "default", "lower", "string", "title", "trim", "upper"])
_ORDER = {"gt": ">", "gteq": ">=", "lt": "<", "lteq": "<="}
_EQUAL = {"eq": "==", "ne": "!="}
_NUMERIC_TESTS = {
    "gt": ">", ">": ">", "greaterthan": ">", "ge": ">=", ">=": ">=", "lt": "<", "<": "<",
    "lessthan": "<", "le": "<=", "<=": "<=",
}  # fmt: skip


class Condition(NamedTuple):
    """A place that is decided by whether a column holds anything."""

    column: str
    line: int


def conditions(tree: nodes.Template) -> list[Condition]:
    """Return the columns, filtered or not, that are a bare condition: alone, or in not, and, or."""
    found: list[Condition] = []
    for node in tree.find_all((nodes.If, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not)):
        tests: list[nodes.Node] = (
            [node.test]
            if isinstance(node, nodes.If | nodes.CondExpr)
            else [node.node]
            if isinstance(node, nodes.Not)
            else [node.left]  # what stands to the right may be printed
            if isinstance(node, nodes.And | nodes.Or)
            else []
        )
        for test in tests:
            found += [Condition(name, node.lineno) for name in _bare(test)]
    return list(dict.fromkeys(found))


def _bare(test: nodes.Node) -> Iterator[str]:
    if isinstance(test, nodes.Not):
        yield from _bare(test.node)
    elif isinstance(test, nodes.And | nodes.Or):
        yield from _bare(test.left)
        yield from _bare(test.right)
    elif name := _column(test):
        yield name


def comparisons(tree: nodes.Template, place: Place) -> list[Finding]:
    """Return findings for every comparison of a column's text with a number, or with true and
    false."""
    found: list[Finding] = []
    for node in tree.find_all(nodes.Compare):
        left = node.expr
        for each in node.ops:
            found += _compared(place(node.lineno), left, each.op, each.expr)
            left = each.expr
    for test in tree.find_all(nodes.Test):
        if test.name in _NUMERIC_TESTS and test.args:
            sign = _NUMERIC_TESTS[test.name]
            found += _told(place(test.lineno), test.node, sign, test.args[0], ordered=True)
    return list(dict.fromkeys(found))


def _compared(
    at: tuple[str, int], left: nodes.Node, op: str, right: nodes.Node
) -> Iterator[Finding]:
    sign = _ORDER.get(op) or _EQUAL.get(op)
    if sign is not None:
        yield from _told(at, left, sign, right, ordered=op in _ORDER)


def _told(
    at: tuple[str, int], left: nodes.Node, sign: str, right: nodes.Node, *, ordered: bool
) -> Iterator[Finding]:
    a, b = _column(left), _column(right)
    if bool(a) == bool(b):
        return
    column, const = (a, right) if a else (b, left)
    if isinstance(const, nodes.Neg):
        const = const.node
    if not isinstance(const, nodes.Const):
        return
    value = const.value
    if isinstance(value, bool):
        word = "true" if value else "false"
        parts = (column, sign, word) if a else (word, sign, column)
        instead = f"{column} | yes" if value is (sign == "==") else f"not {column} | yes"
        what = f"`{' '.join(parts)}` compares text with {word}, which it never is"
        yield Finding("truth_of_text", what, f"write {{% if {instead} %}}", *at)
        return
    if isinstance(value, str):
        if not ordered or not _is_plain_number(value):
            return
        written, plain = f'"{value}"', value.strip()
    else:
        written = plain = str(value)
    minus = "-" if isinstance(right if a else left, nodes.Neg) else ""
    was = (column, sign, minus + written) if a else (minus + written, sign, column)
    now = f"{column} | number"
    told = (now, sign, minus + plain) if a else (minus + plain, sign, now)
    what = f"`{' '.join(was)}` compares text with a number"
    yield Finding("text_compared", what, f"write `{' '.join(told)}`", *at)


def _is_plain_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column(node: nodes.Node | None) -> str:
    """Return the column whose text this is; empty for any other expression."""
    while isinstance(node, nodes.Filter) and node.name in _STILL_TEXT:
        node = node.node
    return node.name if isinstance(node, nodes.Name) and node.ctx == "load" else ""


def name_columns(tree: nodes.Template) -> bool:
    """Tell each filter that reads numbers, words of truth or dates which column it is of; whether
    there is any."""
    columns = _Columns()
    columns.visit(tree)
    return columns.any


class _Columns(NodeTransformer):
    any = False

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        self.generic_visit(node)
        if node.name in _OF_A_COLUMN and (column := _of(node.node)):
            const = nodes.Const(column, lineno=node.lineno, environment=node.environment)
            place = {"lineno": node.lineno, "environment": node.environment}
            self.any = True
            node.kwargs.append(nodes.Keyword("column", const, **place))  # type: ignore[arg-type]
        return node


def _of(node: nodes.Node | None) -> str:
    while isinstance(node, nodes.Filter):
        node = node.node
    return node.name if isinstance(node, nodes.Name) else ""
