"""Turns a template and a prospect's columns into the text of a message.

Jinja2 in a sandbox, with less in it than the sandbox has: no other files, no macros, no random
values (a text must come out the same at every planning), and nothing that a typing mistake could
turn into an endless loop or a gigabyte. A name that is no column is an error, never an empty text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import jinja2
from jinja2 import filters as jinja_filters
from jinja2 import meta, nodes
from jinja2 import tests as jinja_tests
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runner.errors import Problem, TemplateError

MAX_TEXT = 100_000
"""Characters of one rendered text; platforms allow 10,000 at most, so more is a mistake."""
MAX_SOURCE = 1 << 20
MAX_RANGE = 1_000
MAX_NUMBER = 10**18


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STR_METHODS = _names(
    "capitalize casefold count endswith find index isalnum isalpha isascii isdigit islower isspace "
    "istitle isupper lower lstrip partition removeprefix removesuffix replace rpartition rsplit "
    "rstrip split splitlines startswith strip swapcase title upper"
)
_KEPT_FILTERS = _names(
    "abs capitalize count first int join last length list lower max min replace reverse round sort "
    "string trim truncate unique upper urlencode wordcount"
)
_KEPT_TESTS = _names(
    "!= < <= == > >= boolean defined divisibleby eq equalto even ge greaterthan gt in integer le "
    "lessthan lower lt ne none number odd string undefined upper"
)
_REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
}


class RowRenderError(TemplateError):
    """One row cannot be rendered. `line`: of the template; `what`: what is wrong there."""

    def __init__(self, name: str, line: int, what: str) -> None:
        super().__init__(str(Problem(name, line, "", what)))
        self.line = line
        self.what = what


@lru_cache(maxsize=50_000)
def title(value: str) -> str:
    """A name with capital initials, word by word: `ANNE-marie o'brien` is `ANNE-marie O'Brien`.

    A word in mixed case keeps its inner letters (`McDonald`); one all small or all capital gets
    them small, with a capital after a hyphen and after a one-letter prefix (`O'`, `D'`).
    """
    return re.sub(r"\S+", lambda found: _title_word(found[0]), str(value))


def _title_word(word: str) -> str:
    if word not in (word.lower(), word.upper()):
        return word[:1].title() + word[1:]
    return "-".join(_title_part(part) for part in word.lower().split("-"))


def _title_part(part: str) -> str:
    prefix = 2 if len(part) > 2 and part[1] in "'\u2019" else 0
    return part[:prefix].title() + part[prefix : prefix + 1].title() + part[prefix + 1 :]


def first_word(value: str) -> str:
    """The first of several words: `Ada Maria Lopez` is `Ada`; empty for an empty text."""
    return (str(value).split(maxsplit=1) or [""])[0]


def default(value: Any, fallback: Any = "", boolean: bool = True) -> Any:
    """`fallback` when the cell is empty or only spaces. `boolean` is Jinja2's and changes nothing:
    an empty cell always counts as missing."""
    del boolean
    if isinstance(value, jinja2.Undefined) or value is None:
        return fallback
    if isinstance(value, str) and (not value or value.isspace()):
        return fallback
    return value


def _range(*args: int) -> range:
    found = range(*args)
    if len(found) > MAX_RANGE:
        raise OverflowError(f"range() gives at most {MAX_RANGE} numbers")
    return found


def _printed(value: Any) -> Any:
    """What `{{ … }}` may print: text and numbers, never None, nan, a list or a function."""
    if type(value) is str:
        return value
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
        """No `format`: a width in it can ask for gigabytes."""
        return None

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return left + right
        numbers = (int, float)
        if not (isinstance(left, numbers) and isinstance(right, numbers)) or operator == "**":
            raise TypeError(
                f"`{operator}` works on numbers here" if operator != "**" else "no `**`"
            )
        result = super().call_binop(context, operator, left, right)
        if not abs(result) < MAX_NUMBER:
            raise OverflowError("a number grows too large")
        return result


def _environment() -> _Sandbox:
    sandbox = _Sandbox(
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        keep_trailing_newline=False,
        finalize=_printed,
        cache_size=0,
    )
    kept: dict[str, Callable[..., Any]] = {n: jinja_filters.FILTERS[n] for n in _KEPT_FILTERS}
    ours = {"title": title, "first_word": first_word, "default": default, "d": default}
    sandbox.filters = {**kept, **ours}
    sandbox.tests = {name: jinja_tests.TESTS[name] for name in _KEPT_TESTS}
    sandbox.globals = {"range": _range}
    return sandbox


_ENVIRONMENT = _environment()


class Template:
    """A compiled template.

    `needs`: the columns it mentions. `requires_value`: those of them whose cell must not be empty;
    see `_required`.
    """

    def __init__(self, name: str, compiled: jinja2.Template, tree: nodes.Template) -> None:
        self.name = name
        self.needs = frozenset(meta.find_undeclared_variables(tree))
        self.requires_value = frozenset(_required(tree, frozenset())) & self.needs
        self._compiled = compiled
        self._root = compiled.root_render_func
        names = {node.name for node in tree.find_all(nodes.Name)}
        self._globals = {"range": _range} if "range" in names else {}
        self._loops = tree.find(nodes.For) is not None

    def __repr__(self) -> str:
        return f"Template({self.name!r}, needs={sorted(self.needs)})"

    def render(self, columns: Mapping[str, str]) -> str:
        """The message's text, without white space at its end.

        Raises RowRenderError for what goes wrong with this row, a text of more than MAX_TEXT
        characters included.
        """
        row = columns if type(columns) is dict else dict(columns)
        if self._globals:
            row = {**self._globals, **row}
        try:
            # `Template.render` copies globals and columns for each row; this does not.
            pieces = self._root(self._compiled.new_context(row, shared=True))
            text = "".join(_bounded(pieces) if self._loops else pieces).rstrip()
            if len(text) > MAX_TEXT:
                raise OverflowError(f"the text is longer than {MAX_TEXT:,} characters")
        except Exception as error:
            # Whatever an expression raises is the template's, never ours: nothing else runs here.
            raise RowRenderError(self.name, self._line(error.__traceback__), _why(error)) from None
        return text

    def _line(self, trace: TracebackType | None) -> int:
        """The template's line that was running, by Jinja2's own map of lines; 0 if none was."""
        line = 0
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._compiled.filename or (
                trace.tb_frame.f_globals.get("__jinja_template__") is self._compiled
            ):
                line = self._compiled.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return line


def load_template(path: Path) -> Template:
    """Reads and compiles a template file (UTF-8). Raises TemplateError."""
    name = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_SOURCE + 1)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise _error(name, 0, "no such file", _near(path)) from None
    except IsADirectoryError:
        raise _error(name, 0, "is a folder", "name the template in it") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(name, line, "is not UTF-8 text", "save it as UTF-8") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise _error(name, 0, f"cannot be read ({reason})") from None
    return compile_template(text, name)


def compile_template(text: str, name: str) -> Template:
    """Compiles a template. `name` is what messages call it, such as its path.

    Raises TemplateError for anything that would fail at every row: syntax, unknown filters and
    tests, and statements that are not for messages.
    """
    if len(text) > MAX_SOURCE:
        raise _error(name, 0, "is larger than 1 MiB", "is this the right file?")
    if not text.strip():
        raise _error(name, 0, "is empty", "write the message's text")
    try:
        tree = _ENVIRONMENT.parse(text)
        _check(tree, name)
        return Template(name, _ENVIRONMENT.from_string(tree), tree)
    except jinja2.TemplateSyntaxError as error:
        what, instead = _syntax(error.message or "is no template")
        raise _error(name, error.lineno, what, instead) from None
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):
        # Python's own limits, met while it compiles what Jinja2 made of the template.
        what = "cannot be compiled: nested too deeply, or an impossible number or character"
        raise _error(name, 0, what, "write it more simply") from None


def _error(name: str, line: int, what: str, instead: str = "") -> TemplateError:
    return TemplateError(str(Problem(name, line, "", what, instead)))


def _near(path: Path) -> str:
    try:
        names = [each.name for each in path.parent.iterdir() if each.is_file()]
    except OSError:
        return ""
    near = get_close_matches(path.name, names, 1)
    return f"did you mean {path.parent / near[0]}?" if near else ""


def _syntax(message: str) -> tuple[str, str]:
    what = " ".join(message.split())
    if "end of template" in what.lower():
        return "ends inside a `{% … %}` or `{{ … }}`", "close it"
    if what.startswith("Encountered unknown tag"):
        found = re.search(r"unknown tag '([^']*)'", what)
        return f"no such statement: {found[1] if found else ''}", "known are if, for and set"
    return what.rstrip("."), "{{ column }} prints a column"


def _why(error: Exception) -> str:
    if isinstance(error, jinja2.exceptions.SecurityError):
        return "only the usual text methods (lower, replace, split …) may be used"
    return (
        " ".join(str(error).replace("'str object'", "a text").split())[:200] or type(error).__name__
    )


def _bounded(pieces: Iterator[str]) -> Iterator[str]:
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_TEXT:
            raise OverflowError(f"the text is longer than {MAX_TEXT:,} characters")
        yield piece


def _check(tree: nodes.Template, name: str) -> None:
    """Refuses what can be seen to be wrong before any row is rendered."""
    for node in tree.find_all(tuple(_REFUSED)):
        what = f"{{% {_REFUSED[type(node)]} %}} is not for messages"
        raise _error(name, node.lineno, what, "write the text into this file")
    for kind, known, word in (
        (nodes.Filter, _ENVIRONMENT.filters, "filter"),
        (nodes.Test, _ENVIRONMENT.tests, "test"),
    ):
        for node in tree.find_all(kind):
            if node.name not in known:
                near = get_close_matches(node.name, known, 1)
                instead = (
                    f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
                )
                raise _error(name, node.lineno, f"no {word} {node.name}", instead)
    for const in tree.find_all(nodes.Const):
        value = const.value
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            raise _error(name, const.lineno, f"{value} is no text", 'write ""')
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            raise _error(name, loop.lineno, "a recursive loop", "write a plain one")
        if any(inner.find(nodes.For) for inner in loop.find_all(nodes.For)):
            what = "loops more than 2 deep"  # a million rounds at most, by MAX_RANGE
            raise _error(name, loop.lineno, what, "write it more simply")


def _required(node: nodes.Node, filled: frozenset[str]) -> Iterator[str]:
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
            yield from _required(child, filled)
        return
    if isinstance(node, nodes.If):
        yield from _required_of_if(node, filled)
        return
    if isinstance(node, nodes.CondExpr):
        yield from _required(node.expr1, filled | _implied(node.test, True))
        if node.expr2 is not None:
            yield from _required(node.expr2, filled | _implied(node.test, False))
        return
    for child in node.iter_child_nodes():
        yield from _required(child, filled)


def _required_of_if(node: nodes.If, filled: frozenset[str]) -> Iterator[str]:
    otherwise = filled
    for branch in (node, *node.elif_):
        for child in branch.body:
            yield from _required(child, otherwise | _implied(branch.test, True))
        otherwise |= _implied(branch.test, False)
    for child in node.else_:
        yield from _required(child, otherwise)


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
