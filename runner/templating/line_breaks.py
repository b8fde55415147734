"""Line breaks around statements: `{% if … %}` alone on its line leaves no blank line behind.

Jinja2's own `trim_blocks` also takes the line break after a statement that ends a line of text, and
would join two lines that a person wrote apart.
"""

from __future__ import annotations

import re
from itertools import chain

import jinja2
from jinja2 import nodes

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_TAG = re.compile(
    r"(?P<raw>\{%[-+]?\s*raw\s*-?%\}.*?(?:\{%[-+]?\s*endraw\s*[-+]?%\}|\Z))"
    r"|(?P<lone>\{#.*?#\}|\{%(?:" + _QUOTED + r"|(?!%\})[^'\"])*%\})"
    r"|\{\{(?:" + _QUOTED + r"|(?!\}\})[^'\"])*\}\}"
    # What is never closed, which Jinja2 refuses: each one to the end would be looked through.
    r"|\{[{%#].*",
    re.DOTALL,
)


def without_tag_lines(source: str) -> str:
    """Return a template in which statements and comments alone on their lines take these lines with
    them.

    The line break moves into the tag, so that every line keeps its number. A line on which a tag
    says by `-` or `+` whether its white space goes, stays as it is.
    """
    source = re.sub(r"\r\n?", "\n", source)
    parts: list[str] = []
    at = 0  # where what is copied next begins
    run: list[tuple[int, int]] = []  # tags that have had their line for themselves so far
    for match in chain(_TAG.finditer(source), [None]):
        start = match.start() if match else len(source)
        if run and (line := _line_of(source, run, start)):
            parts += [source[at : line[0]], _moved(source, run)]
            at, run = line[1], []
        if match is None or match["lone"] is None:
            run = []
            continue
        before = source[run[-1][1] : start] if run else source[_begin(source, start) : start]
        run = [] if before.strip(" \t") else [*run, match.span()]
    return "".join([*parts, source[at:]])


def _begin(source: str, at: int) -> int:
    """Return the place where the line begins."""
    return source.rfind("\n", 0, at) + 1


def _line_of(source: str, run: list[tuple[int, int]], until: int) -> tuple[int, int] | None:
    """Return from where to where a run of tags has whole lines for itself; None if it has not."""
    last = run[-1][1]
    after = re.compile(r"[ \t]*\n").match(source, last, until)
    if after is None:
        return None
    if any(source[start + 2] in "-+" or source[end - 3] in "-+" for start, end in run):
        return None
    return _begin(source, run[0][0]), after.end()


def _moved(source: str, run: list[tuple[int, int]]) -> str:
    tags = "".join(source[start:end] for start, end in run)
    return f"{tags[:-2]}\n{tags[-2:]}"


def close_gaps(tree: nodes.Template, environment: jinja2.Environment) -> None:
    """Let a paragraph that an `if` leaves out take one of the two blank lines around it along."""
    _close(tree.body, True, environment)


def _close(body: list[nodes.Node], blank: bool, environment: jinja2.Environment) -> None:
    """Close the gaps of a body. `blank`: whether a blank line, or nothing, stands before it."""
    for at, node in enumerate(body):
        if isinstance(node, nodes.Output):
            for piece in node.nodes:
                if not isinstance(piece, nodes.TemplateData):
                    blank = False
                elif piece.data:
                    blank = piece.data.endswith("\n\n") or (blank and piece.data == "\n")
            continue
        if not isinstance(node, nodes.If):
            blank = blank and isinstance(node, nodes.Assign)
            continue
        bodies = [node.body, *(each.body for each in node.elif_)]
        bodies += [node.else_] if node.else_ else []
        follows = _first_data(body[at + 1 :])
        if blank and follows and follows.data.startswith("\n") and all(map(_ends_line, bodies)):
            follows.data = follows.data[1:]
            for each in bodies:
                place = {"lineno": node.lineno, "environment": environment}
                each.append(nodes.Output([nodes.TemplateData("\n", **place)], **place))
        else:
            blank = False


def _first_data(body: list[nodes.Node]) -> nodes.TemplateData | None:
    if body and isinstance(body[0], nodes.Output) and body[0].nodes:
        first = body[0].nodes[0]
        return first if isinstance(first, nodes.TemplateData) else None
    return None


def _ends_line(body: list[nodes.Node]) -> bool:
    """Return whether a branch is whole lines."""
    last = body[-1] if body else None
    if not (isinstance(last, nodes.Output) and last.nodes):
        return False
    data = last.nodes[-1]
    return isinstance(data, nodes.TemplateData) and data.data.endswith("\n")
