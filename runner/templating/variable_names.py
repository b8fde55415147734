"""Names of columns as a template may write them."""

from __future__ import annotations

from unicodedata import normalize

from jinja2.lexer import name_re  # type: ignore[attr-defined]  # it is, without saying so

RESERVED = frozenset({"false", "none", "not", "range", "self", "true"})
"""Names that mean something else in a template."""


def is_name(text: str) -> bool:
    """Return whether a template can write `text` as the name of a column."""
    return text.isidentifier() and name_re.fullmatch(text) is not None and text not in RESERVED


def normal_name(name: str) -> str:
    """Return the one form of a name: Python, into which templates are compiled, takes all names
    that have it in common for one."""
    return name if name.isascii() else normalize("NFKC", name)
