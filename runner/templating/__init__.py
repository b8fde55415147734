"""Turns a template and a prospect's columns into the text of a message.

Jinja2 in a sandbox, with less in it than the sandbox has: no other files, no macros, no random
values (a text must come out the same at every planning), and nothing that a typing mistake could
turn into an endless loop or a gigabyte. A name that is no column is an error, never an empty text.
"""

from runner.templating.filters import NO, YES
from runner.templating.names import is_name, normal_name
from runner.templating.numbers import decimal_of_cells, is_number
from runner.templating.template import (
    MAX_TEXT,
    RowRenderError,
    Template,
    compile_template,
    load_template,
)
from runner.templating.words import default, first_word, title

__all__ = [
    "MAX_TEXT",
    "NO",
    "YES",
    "RowRenderError",
    "Template",
    "compile_template",
    "decimal_of_cells",
    "default",
    "first_word",
    "is_name",
    "is_number",
    "load_template",
    "normal_name",
    "title",
]
