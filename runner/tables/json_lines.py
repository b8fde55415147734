"""Tables in JSON: an object to a line, or one array of objects."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.errors import AudienceError
from runner.tables.cell_types import Nested, Truth
from runner.tables.encodings import wrong_encoding
from runner.tables.text_files import LongError, NulError, long, nul, text_lines, wrong


class _TwiceError(Exception):
    """A key that stands twice in one object: which of its values is meant, nobody can tell.
    `line`: of the object, counted from that of its array."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.line = 0


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return found


# Numbers as the text they are: a float would round a 19-digit id.
_JSON = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=str
)
_BAD_JSON = re.compile("[\x00\ud800-\udfff]")
_BLANK = re.compile(r"\s*")
MOST_OF_AN_ARRAY = 256 << 20
"""Characters of one array, which is held in memory as a whole."""


def json_objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield every object with its number, all values as text; `Nested` for lists and objects.

    The number is that of the line, as in an editor; in an array that of the object, from 1. Whole
    numbers keep all their digits, other numbers stay as written, null is empty. Raises
    AudienceError, also for a key that stands twice in one object.
    """
    number, line_of_array, first = 0, 0, True
    lines = text_lines(path, encoding)
    try:
        for line in lines:
            number += 1
            if not line.strip():
                continue
            if first and line.lstrip().startswith("["):
                text = line
                for each in lines:
                    text += each
                    if len(text) > MOST_OF_AN_ARRAY:
                        raise wrong(path, 0, "is too long an array", "write one object to a line")
                line_of_array, number = number, 1
                for found in _array(text):
                    yield number, _checked(path, number, found)
                    number += 1
                return
            first = False
            found = _JSON.decode(line)
            yield number, _checked(path, number, found)
    except UnicodeError:
        raise wrong_encoding(path, encoding) from None
    except NulError:
        raise nul(path, number + 1) from None
    except LongError:
        raise long(path, number + 1) from None
    except _TwiceError as error:
        place = f"{path}:{line_of_array + error.line}" if line_of_array else str(path)
        what = f"has the key {_speakable(error.key)} twice in one object"
        raise AudienceError(f"{place}: row {number}: {what}; keep the one that is meant") from None
    except (json.JSONDecodeError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise wrong(path, number, f"is not JSON ({what})", "write one object to a line") from None


def _array(text: str) -> Iterator[Any]:
    """Yield the elements of an array, one after the other. Raises JSONDecodeError."""
    at = _skip(text, _skip(text, 0) + 1)
    if text[at : at + 1] == "]":
        return
    while True:
        try:
            found, end = _JSON.raw_decode(text, at)
        except _TwiceError as error:
            error.line = text.count("\n", 0, at)
            raise
        yield found
        at = end
        at = _skip(text, at)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
        at = _skip(text, at + 1)
    if _skip(text, at + 1) < len(text):
        raise json.JSONDecodeError("Extra data", text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _checked(path: Path, row: int, found: Any) -> dict[str, str]:
    if not isinstance(found, dict):
        raise wrong(path, row, "is not a JSON object", 'write {"column": "value"}')
    for key, value in found.items():
        if type(value) is not str:
            found[key] = _cell(value)
        _refuse_halves(path, row, key, found[key])
    return found


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return Truth(value)
    return Nested(json.dumps(value, ensure_ascii=False)) if value else ""


def _refuse_halves(path: Path, row: int, key: str, value: str) -> None:
    """Refuse half a character, such as `\\ud83d` alone: it can never be sent."""
    if value.isascii() and key.isascii() and "\0" not in value and "\0" not in key:
        return
    if _BAD_JSON.search(value) or _BAD_JSON.search(key):
        what = f"{_speakable(key)} holds half a character or a NUL"
        raise wrong(path, row, what, "write the character itself")


def _speakable(key: str) -> str:
    """Return a key, fit for one line of a message."""
    key = key if len(key) <= 60 else key[:59] + "…"
    return "".join(char if char.isprintable() else "?" for char in key)
