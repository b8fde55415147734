"""Errors of YAML, told in plain words with what to write instead."""

from __future__ import annotations

import re

import yaml

from runner.errors import Problem


def shown(text: str, most: int = 60) -> str:
    """Return a piece of a file, fit for one line of a message."""
    text = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def syntax_problem(file: str, text: str, error: yaml.YAMLError) -> Problem:
    """Return PyYAML's complaint in plain words. Quotes nothing of the file: it may be a
    token."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(file, line, "", "holds a control character", "remove it")
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(file, 0, "", "is not YAML")
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    problem = error.problem or error.context or "is not YAML"
    begins = error.context_mark.line + 1 if error.context_mark else line
    if found := _unquoted_text(text.splitlines(), min(begins, line), line):
        return Problem(file, found[0], "", *found[1:])
    if "escape" in f"{error.context} {problem}" and "double-quoted" in (error.context or ""):
        what = "a backslash in double quotes begins a sign of YAML's own"
        instead = "write / between the folders of a path; elsewhere \\\\, or single quotes"
        return Problem(file, line, "", what, instead)
    if "'\\t'" in problem:
        return Problem(file, line, "", "begins with a tab", "indent with spaces")
    if "another document" in problem:
        return Problem(file, line, "", "a second document begins", "one campaign to a file")
    if "undefined alias" in problem:
        return Problem(file, line, "", "a `*alias` that no `&anchor` defines", "quote the text")
    if "duplicate anchor" in problem:
        return Problem(file, line, "", "an anchor is defined twice", "rename one")
    if "mapping values are not allowed" in problem:
        return Problem(file, line, "", "a second `:` on the line", "quote the text after the first")
    if "cannot start any token" in problem:
        return Problem(file, line, "", "a sign that means something in YAML", "quote the text")
    if "unexpected end of stream" in problem:
        return Problem(file, begins, "", "a quote that is not closed", "close it")
    if "expected ',' or" in problem:
        return Problem(
            file, line, "", "a `[` or `{` above is not closed", "close it, or add a comma"
        )
    if "expected <block end>" in problem:
        what = "does not fit what stands above it"
        return Problem(file, line, "", what, "check indentation, quotes, and `:` after each key")
    problem = re.sub(r"'([^']*)'", _of_yaml, problem)
    what = f"YAML cannot be read: {shown(problem, 100)}"
    return Problem(file, line, "", what, "check quotes, brackets and indentation")


QUOTE_IT = "put the whole text in quotes, or write it on the lines below `message: |`"
_KEY = re.compile(r"\s*(?:- )?[\w.-]+:(?:\s+(?P<value>\S.*))?\s*$")


def _unquoted_text(lines: list[str], begins: int, line: int) -> tuple[int, str, str] | None:
    """Return the mistake in a text that YAML misreads: the line of it, what, and what instead; None
    for another mistake. `begins`, `line`: where YAML began what it could not end, and where it gave
    up."""
    for number in range(line, max(0, line - 20), -1):
        match = _KEY.match(lines[number - 1]) if number <= len(lines) else None
        if not match:
            continue
        value = match["value"] or ""
        if value.startswith(("{{", "{%", "{#")):
            return number, f"a text that begins with {value[:2]} is not in quotes", QUOTE_IT
        if re.match(r"\{[^{}:,]*\}.*\w|\[[^\[\],]*\].*\w", value) and number == line:
            return number, f"a text that begins with {value[0]} is not in quotes", QUOTE_IT
        if re.match(r"\*\||%\w+%", value):
            instead = f"{QUOTE_IT}; a column is written {{{{ first_name }}}}"
            return number, f"a text that begins with {value[0]} is not in quotes", instead
        if value[:1] in ("'", '"'):
            quote = value[0]
            inner = "\n".join([value[1:], *lines[number:line]])
            inner = re.sub(r"\\\\.", "", inner) if quote == '"' else inner.replace("''", "")
            if re.search(rf"{quote}[ \t]*[^\s#,\]}}]", inner):
                instead = "use the other kind of quotes inside, or write the text on the lines "
                return number, f"a {quote} inside the text ends it", instead + "below `message: |`"
        break
    for number in range(begins, line + 1):
        shorn = re.sub(r"'[^']*'|\"[^\"]*\"", "", lines[number - 1]) if number <= len(lines) else ""
        if begins < line and re.search(r"[\[{][^#]*[^\]}\s,] +#", shorn):
            what = "everything from ` #` on is a comment to YAML"
            return number, what, "put the text that holds it in quotes"
    return None


def _of_yaml(quoted: re.Match[str]) -> str:
    """Return the text that PyYAML quotes, unless it may be the file's."""
    return quoted[0] if len(quoted[1]) < 3 or quoted[1].startswith("<") else "…"
