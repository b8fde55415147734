"""Templates: compiled, rendered, and their mistakes told by line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from threading import local
from types import TracebackType

import jinja2
from jinja2 import meta, nodes
from jinja2.visitor import NodeTransformer

from runner.errors import Problem, TemplateError
from runner.findings import Finding
from runner.templating import limits, numbers
from runner.templating.conditions import comparisons, conditions, name_columns
from runner.templating.environment import ENVIRONMENT, GLOBALS
from runner.templating.line_breaks import close_gaps, without_tag_lines
from runner.templating.literals import Place, literal_findings
from runner.templating.numbers import DecimalOf
from runner.templating.variable_names import normal_name
from runner.templating.variables import required

MAX_TEXT = 100_000
"""Characters of one rendered text; platforms allow 10,000 at most, so more is a mistake."""
MAX_SOURCE = 100_000
"""Characters of a template: ten times the longest text of any platform."""
MOST_PARTS = 20_000
"""Parts of a template (names, filters, constants, texts between them), where none stands deep in
others. Our own choice: compiling so many takes a second or two, and 200 MB."""
_SHOWN_SOURCE = 2_000
"""Characters of a faulty line that are looked through for what may be meant."""

_REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.ScopedEvalContextModifier: "autoescape",
}


class RowRenderError(TemplateError):
    """One row cannot be rendered. `file`, `line`: of the template; `what`: what is wrong there."""

    def __init__(self, file: str, line: int, what: str) -> None:
        super().__init__(str(Problem(file, line, "", what)))
        self.line = line
        self.what = what


SENDER_PARTS: Mapping[str, str] = {"_sender_name": "sender.name", "_sender_handle": "sender.handle"}
"""The parts of a sender that a text may name: as they are given to it, and as they are written."""


class _SenderParts(NodeTransformer):
    """Makes names of `sender.name` and `sender.handle`."""

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.node, nodes.Name) and node.node.name == "sender":
            for name, written in SENDER_PARTS.items():
                if written == f"sender.{node.attr}":
                    return nodes.Name(
                        name, "load", lineno=node.lineno, environment=node.environment
                    )
        return node


class _Own(local):
    """A context to render in; each thread has its own."""

    def __init__(self, compiled: jinja2.Template) -> None:
        self.context = compiled.new_context({}, shared=True)


class Template:
    """A compiled template.

    `source`: as it is written; `place`: the file and line that are told for a line of it.
    `needs`: the columns it mentions; `sender_parts`: those of `SENDER_PARTS`, which are given to it
    beside these. `requires_value`: those of both whose text must not be empty; see `required`.
    `conditions`: where a column alone decides. `decimal_of`: the decimal sign of a column's cells,
    asked where a number alone does not show it.
    """

    def __init__(self, name: str, source: str, tree: nodes.Template, place: Place) -> None:
        self.name = name
        self.source = source
        self.place = place
        for each in tree.find_all(nodes.Name):
            each.name = normal_name(each.name)
        tree = _SenderParts().visit(tree)
        named = frozenset(meta.find_undeclared_variables(tree))
        self.sender_parts = named & SENDER_PARTS.keys()
        self.needs = named - SENDER_PARTS.keys()
        self.requires_value = frozenset(required(tree, frozenset())) & named
        names = {node.name for node in tree.find_all(nodes.Name)}
        self._tree = tree
        self.conditions = [one for one in conditions(tree) if one.column in self.needs]
        self._compared = comparisons(tree, place)
        self.decimal_of: DecimalOf = lambda _: ""
        self._globals = {name: each for name, each in GLOBALS.items() if name in names}
        self._loops = tree.find(nodes.For) is not None
        self._reads = name_columns(tree)
        limits.bound(tree, ENVIRONMENT)
        self._compiled = ENVIRONMENT.from_string(tree)
        self._root = self._compiled.root_render_func
        self._own = _Own(self._compiled)
        # What a template sets stays in its context.
        self._sets = any(map(tree.find, (nodes.Assign, nodes.AssignBlock)))

    def __repr__(self) -> str:
        return f"Template({self.name!r}, needs={sorted(self.needs)})"

    def findings(self, columns: Sequence[str]) -> list[Finding]:
        """Return findings about the text before a row is read. `columns`: those of the sheet."""
        found = [*self._compared, *literal_findings(self._tree, columns, self.place)]
        if not self.needs and all(each.code != "placeholder_of_column" for each in found):
            what = "everybody gets the same text: no column is used in it"
            found.append(Finding("same_text", what, "", *self.place(0)))
        return found

    def render(self, columns: Mapping[str, str]) -> str:
        """Return the message's text, without white space at its end.

        Raises RowRenderError for what goes wrong with this row, a text of more than MAX_TEXT
        characters included.
        """
        row = columns if type(columns) is dict else dict(columns)
        if self._globals:
            row = {**self._globals, **row}
        limits.begin()
        if self._reads:
            numbers.begin(self.decimal_of)
        try:
            # `Template.render` copies globals and columns for each row, and makes a context.
            if self._sets:
                context = self._compiled.new_context(row, shared=True)
            else:
                context = self._own.context
                context.parent = row
            pieces = self._root(context)
            text = "".join(_bounded(pieces) if self._loops else pieces).rstrip()
            if len(text) > MAX_TEXT:
                raise OverflowError(f"the text is longer than {MAX_TEXT:,} characters")
        except Exception as error:
            # Whatever an expression raises is the template's, never ours: nothing else runs here.
            line = self._line(error.__traceback__)
            raise RowRenderError(*self.place(line), _why(error)) from None
        return text

    def _line(self, trace: TracebackType | None) -> int:
        """Return the template's line that was running, by Jinja2's own map of lines; 0 if none
        was."""
        line = 0
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._compiled.filename or (
                trace.tb_frame.f_globals.get("__jinja_template__") is self._compiled
            ):
                line = self._compiled.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return line


def load_template(path: Path) -> Template:
    """Read and compile a template file (UTF-8). Raises TemplateError."""
    name = str(path)
    place = partial(_line_of, name)
    try:
        with path.open("rb") as stream:
            data = stream.read(4 * MAX_SOURCE + 1)
        if len(data) > 4 * MAX_SOURCE:
            raise _too_long(place)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise _error(place, 0, "no such file", _near(path)) from None
    except IsADirectoryError:
        raise _error(place, 0, "is a folder", "name the template in it") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(place, line, "is not UTF-8 text", "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise _error(place, 0, f"cannot be read ({reason})") from None
    return compile_template(text, name)


def compile_template(text: str, name: str, place: Place | None = None) -> Template:
    """Compile a template. `name` is what messages call it, such as its path; `place`: the file and
    line that they tell for a line of it, where it stands in another file.

    Raises TemplateError for anything that would fail at every row: syntax, unknown filters and
    tests, and statements that are not for messages.
    """
    place = place or partial(_line_of, name)
    if len(text) > MAX_SOURCE:
        raise _too_long(place)
    if not text.strip():
        raise _error(place, 0, "is empty", "write the message's text")
    try:
        limits.begin()  # Jinja2 works out now what needs no column
        tree = ENVIRONMENT.parse(without_tag_lines(text))
        _refuse_too_many(tree, place)
        _check(tree, place)
        close_gaps(tree, ENVIRONMENT)
        return Template(name, text, tree, place)
    except jinja2.TemplateSyntaxError as error:
        source = text.splitlines()[error.lineno - 1 : error.lineno]
        what, instead = _syntax(
            error.message or "is not a template", "".join(source)[:_SHOWN_SOURCE]
        )
        raise _error(place, error.lineno, what, instead) from None
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):
        # Python's own limits, met while it compiles what Jinja2 made of the template.
        what = "cannot be compiled: nested too deeply, or an impossible number or character"
        raise _error(place, 0, what, "write it more simply") from None
    except TemplateError:
        raise
    except Exception as error:
        # Jinja2 works out at once what needs no column, and that may fail in any way.
        raise _error(place, 0, f"cannot be compiled: {_why(error)}", "correct it") from None


def _line_of(name: str, line: int) -> tuple[str, int]:
    return name, line


def _error(place: Place, line: int, what: str, instead: str = "") -> TemplateError:
    return TemplateError(str(Problem(*place(line), "", what, instead)))


def _too_long(place: Place) -> TemplateError:
    what = f"is longer than {MAX_SOURCE:,} characters"
    return _error(place, 0, what, "is this the right file?")


def _near(path: Path) -> str:
    try:
        names = [each.name for each in path.parent.iterdir() if each.is_file()]
    except OSError:
        return ""
    near = get_close_matches(path.name, names, 1)
    return f"did you mean {path.parent / near[0]}?" if near else ""


def _syntax(message: str, source: str) -> tuple[str, str]:
    """Return Jinja2's complaint in a person's words. `source`: the line that it is about."""
    what = " ".join(message.split())
    instead = "a column is written {{ first_name }}"
    if "end of template" in what.lower():
        return "ends inside a `{% … %}` or `{{ … }}`", "close it"
    if what.startswith("Encountered unknown tag"):
        found = re.search(r"unknown tag '([^']*)'", what)
        tag = found[1] if found else ""
        if re.search(rf"\{{%-?\s*{re.escape(tag)}\s*-?%\}}", source) and not tag.startswith(
            ("end", "else")
        ):
            return f"no such statement: {tag}", (
                f"known are if, for and set; a column is written {{{{ {tag} }}}}"
            )
        return f"no such statement: {tag}", "known are if, for and set"
    if found := re.search(r"unexpected char '([“”„‟‘’‚«»])'", what):
        return f"{found[1]} is not a straight quote", "write ' or \" inside {{ … }} and {% … %}"
    if "unexpected char '\\\\'" in what:
        return "a backslash inside {{ … }}", f"remove it; {instead}"
    if found := re.search(r"\|\s*(\w+)\s*:\s*('[^']*'|\"[^\"]*\"|\w+)", source):
        value = found[2] if found[2][0] in "'\"" else f"'{found[2]}'"
        given = "default" if found[1] in ("fallback", "default", "or") else found[1]
        return f"`| {found[1]}:` is another program's", f"write | {given}({value})"
    if "{{{" in source:
        return "three braces", f"write two; {instead}"
    if re.search(r"(?<!\})\}(?!\})", source) and "'}'" in what:
        return "a `{{` that one `}` closes", f"write two; {instead}"
    if found := re.search(r"\{\{-?\s*([^\W\d]\w*(?:[ \t-]+\w+)+)\s*-?\}\}", source):
        column = re.sub(r"\W+", "_", found[1]).lower()
        return f"{{{{ {found[1]} }}}} has a space in its name", f"write {{{{ {column} }}}}"
    return what.rstrip("."), instead


def _why(error: Exception) -> str:
    if isinstance(error, jinja2.exceptions.SecurityError):
        return "only the usual text methods (lower, replace, split …) may be used"
    if "not supported between instances of" in str(error):
        return "compares a text with a number; write `| number` after the column"
    told = str(error).replace("'str object'", "a text")
    told = told.replace("str object has no element", "a text has no character")
    return " ".join(told.split())[:200] or type(error).__name__


def _bounded(pieces: Iterator[str]) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_TEXT:
            raise OverflowError(f"the text is longer than {MAX_TEXT:,} characters")
        yield piece


def _refuse_too_many(tree: nodes.Template, place: Place) -> None:
    """Refuse what would take minutes or gigabytes to compile. What stands in other parts counts for
    more: Jinja2 looks at a chain of filters, `and` or `+` as often as it has links, and for each
    link through all that are in it."""
    left: float = MOST_PARTS
    inside: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while inside:
        node, depth = inside.pop()
        left -= 1 + depth * depth / 66
        if left < 0:
            what = f"has more than {MOST_PARTS:,} parts, or too many of them inside one another"
            raise _error(place, node.lineno, what, "write it more simply")
        inside += [(each, depth + 1) for each in node.iter_child_nodes()]


def _check(tree: nodes.Template, place: Place) -> None:
    """Refuse what can be seen to be wrong before any row is rendered."""
    for node in tree.find_all(tuple(_REFUSED)):
        what = f"{{% {_REFUSED[type(node)]} %}} is not for messages"
        raise _error(place, node.lineno, what, "write the text into this file")
    for kind, known, word in (
        (nodes.Filter, {n for n in ENVIRONMENT.filters if n.isidentifier()}, "filter"),
        (nodes.Test, ENVIRONMENT.tests, "test"),
    ):
        for node in tree.find_all(kind):
            if node.name not in known:
                near = get_close_matches(node.name, known, 1)
                instead = (
                    f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
                )
                if node.name == "format":
                    instead = "write {{ price | round(2) }}, or {{ price | money }} for 2 digits"
                raise _error(place, node.lineno, f"no {word} {node.name}", instead)
    for const in tree.find_all(nodes.Const):
        value = const.value
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            raise _error(place, const.lineno, f"{value} is not text", 'write ""')
        if isinstance(value, int) and value >= limits.MAX_NUMBER:
            raise _error(place, const.lineno, "a number of more than 18 digits", "put it in quotes")
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            raise _error(place, loop.lineno, "a recursive loop", "write a plain one")
        if any(inner.find(nodes.For) for inner in loop.find_all(nodes.For)):
            what = "loops more than 2 deep"
            raise _error(place, loop.lineno, what, "write it more simply")
