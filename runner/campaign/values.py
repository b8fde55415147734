"""The kinds of values in a campaign file: durations, limits, files, addresses, tokens by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from runner.addresses import is_loopback_host
from runner.campaign.paths import PlacedText, parse_path
from runner.campaign.yaml_document import Unquoted, Whole
from runner.schedule import DAYS, is_region, parse_days, parse_time
from runner.zones import find_zone

T = TypeVar("T")

MAX_SECONDS = 3650 * 86400.0
"""Ten years: longer durations are typing mistakes, and do not fit the clock's arithmetic."""

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)d)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)h)?"
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)m)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?"
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)ms)?"
)


def parse_duration(text: str) -> float:
    """Return `45s`, `2h`, `30d`, `500ms`, `1m30s` in seconds.

    Units from large to small (d h m s ms), each at most once. Raises ValueError, with what to
    write instead, for anything else, a plain number included.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9.]+", text):
        raise ValueError(f'has no unit; write "{text}s"')
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError("is not a duration; write one such as 45s, 1m30s, 2h or 30d")
    parts = zip(_UNITS.values(), found.groups(), strict=True)
    seconds = sum(unit * float(number) for unit, number in parts if number)
    if seconds > MAX_SECONDS:
        raise ValueError("is longer than ten years; write a shorter one")
    return seconds


def refuse(what: str, instead: str = "", at: tuple[str | int, ...] = ()) -> NoReturn:
    """Refuse a value in plain words. `at`: where inside the value the mistake is."""
    raise PydanticCustomError("refused", "{what}", {"what": what, "instead": instead, "at": at})


def _none_or(value: Any) -> Any:
    if value == "none":
        return None
    if value is None:
        refuse("is empty", "write a number, or none to switch it off")
    return value


def _rate(value: Any) -> Any:
    value = _none_or(value)
    if value is None:
        return None
    if isinstance(value, Unquoted) and re.fullmatch(r"[0-9]{0,3}\.[0-9]{1,9}", value.source):
        value = float(value.source)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        refuse("is not a share", "write a number from 0 to 1, such as 0.2, or none")
    return float(value)


def _duration(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        refuse("has no unit", f'write "{value}s"')
    if not isinstance(value, str):
        refuse("is not a duration", "write one such as 45s, 1m30s, 2h or 30d")
    try:
        return parse_duration(value)
    except ValueError as error:
        what, _, instead = str(error).partition("; ")
        refuse(what, instead)


def _yes_or_no(value: Any) -> Any:
    source = value.source.casefold() if isinstance(value, Unquoted) else value
    if source in ("true", "yes", "on", True):
        return True
    if source in ("false", "no", "off", False):
        return False
    refuse("is neither true nor false", "write one of them, without quotes")


def _days_or_none(value: Any) -> Any:
    """Return a duration that is days, where no unit was written."""
    if isinstance(value, int) and not isinstance(value, bool):
        refuse("has no unit", f'write "{value}d"')
    return None if value == "none" else _duration(value)


def _gap(value: Any) -> Any:
    if value == "none":
        return 0.0
    if not isinstance(value, str) or ".." not in value:
        return _duration(value)
    shortest, longest = map(_duration, value.split("..", 1))
    if shortest > longest:
        refuse("begins with the longer pause", "write the shorter one first, such as 45s..120s")
    return shortest, longest


def _path(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, list | tuple):
        refuse("is a list, and one file is meant", "write the name of one file")
    if not isinstance(value, str):
        return value  # refused by the type, with what was written
    said = info.context or {}
    # What was inherited is relative to the file that it stands in.
    folder = value.folder if isinstance(value, PlacedText) else said.get("folder", Path())
    path = _told(partial(parse_path, folder=folder), value)
    said.get("paths", {})[id(value)] = path
    return path


def _token_env(value: Any) -> Any:
    """Return `${VAR}` as `VAR`. Never shows what was written: it may be the token itself."""
    found = (
        re.fullmatch(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", value) if isinstance(value, str) else None
    )
    if found is None:
        refuse(
            "must name an environment variable, never hold a token",
            "write ${INBOX_API_TOKEN} and put the token into the environment or .env",
        )
    return found[1]


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _as_written(value: Any) -> Any:
    """Return a scalar as the text that stands in the file: `NO`, `02134` and `1` are what cells
    show."""
    return value.source if isinstance(value, Unquoted | Whole) else value


def _each_as_written(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_as_written, value))
    if value is None:
        refuse("is empty to YAML", "write a value, a word such as Null in quotes")
    return _one_or_many(_as_written(value))


def _days(value: Any) -> Any:
    parts = value if isinstance(value, list | tuple) else [value]
    if not parts or not all(isinstance(part, str) for part in parts):
        refuse("names no days", "write days such as mon-fri, or [mon, wed]")
    return _told(parse_days, ",".join(parts))


def _time(value: str) -> str:
    _told(parse_time, value)
    return value


def _told(parse: Callable[[str], T], value: str) -> T:
    try:
        return parse(value)
    except ValueError as error:
        what, _, instead = str(error).partition("; ")
        refuse(what, instead)


def _local_time(value: Any) -> Any:
    if isinstance(value, Unquoted):  # with seconds it is a date to YAML
        value = value.source
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"):
        try:
            found = datetime.strptime(value, form)  # noqa: DTZ007  # its zone is schedule.timezone
        except (TypeError, ValueError):
            continue
        if 2000 <= found.year < 2200:
            return found
    refuse("is not a local time", "write one such as 2026-03-02 09:00, and its zone as timezone:")


def _zone(value: str) -> str:
    return _told(find_zone, value)


def _region(value: str) -> str:
    if not is_region(value):
        refuse(
            "is not a country whose holidays are known",
            f"did you mean {value.upper()}?"
            if is_region(value.upper())
            else "write a country such as US, or a part of one such as DE-BY",
        )
    return value


_DAYS_SCHEMA = {
    "anyOf": [
        {"type": "string", "examples": ["mon-fri", "mon,wed", "sat"]},
        {"type": "array", "items": {"enum": list(DAYS)}, "minItems": 1},
    ]
}
_TIME_SCHEMA = {"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$|^24:00$"}

_DURATION_SCHEMA = {"type": "string", "examples": ["45s", "1m30s", "2h", "30d"]}
_RANGE_SCHEMA = {"type": "string", "pattern": r"\.\.", "examples": ["45s..120s"]}
_LIMIT_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "none"}]}

Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
Gap = Annotated[
    float | tuple[float, float] | None,
    BeforeValidator(_gap),
    WithJsonSchema({"anyOf": [_DURATION_SCHEMA, _RANGE_SCHEMA, {"const": "none"}]}),
]
DurationOrNone = Annotated[
    float | None,
    BeforeValidator(_days_or_none),
    WithJsonSchema({"anyOf": [_DURATION_SCHEMA, {"const": "none"}]}),
]
Limit = Annotated[
    Annotated[int, Field(ge=1, le=10**9)] | None,
    BeforeValidator(_none_or),
    WithJsonSchema(_LIMIT_SCHEMA),
]
Rate = Annotated[
    float | None,
    BeforeValidator(_rate),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"const": "none"}]}),
]
YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no), WithJsonSchema({"type": "boolean"})]
Text = Annotated[str, Field(min_length=1)]
Days = Annotated[frozenset[int], BeforeValidator(_days), WithJsonSchema(_DAYS_SCHEMA)]
TimeOfDay = Annotated[str, AfterValidator(_time), WithJsonSchema(_TIME_SCHEMA)]
LocalTime = Annotated[
    datetime,
    BeforeValidator(_local_time),
    WithJsonSchema({"type": "string", "examples": ["2026-03-02 09:00"]}),
]
Zone = Annotated[Text, AfterValidator(_zone)]
Region = Annotated[Text, AfterValidator(_region)]
File = Annotated[Path, BeforeValidator(_path), WithJsonSchema({"type": "string", "minLength": 1})]
TokenName = Annotated[
    str,
    BeforeValidator(_token_env),
    WithJsonSchema({"type": "string", "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"}),
]
_TEXTS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_SCALAR_SCHEMA = {"type": ["string", "number", "boolean"]}
_WRITTEN_SCHEMA = {"anyOf": [_SCALAR_SCHEMA, {"type": "array", "items": _SCALAR_SCHEMA}]}
Texts = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_one_or_many),
    WithJsonSchema(_TEXTS_SCHEMA),
]
Written = Annotated[str, BeforeValidator(_as_written), WithJsonSchema(_SCALAR_SCHEMA)]
WrittenTexts = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_each_as_written),
    WithJsonSchema(_WRITTEN_SCHEMA),
]


def normal_address(value: str, version: str) -> str:
    """Return an API's address in one spelling: host in small letters, usual port and last slash
    off."""
    # What was written is not shown: an address may carry a password or a token.
    try:
        parts = urlsplit(value)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        refuse("is not an address", "write one such as https://inboxapp.com/api/v2")
    if not value.isascii() or re.search(r"[\s\\]", value) or not host:
        refuse("is not an address", "write one such as https://inboxapp.com/api/v2")
    if parts.username is not None or parts.password is not None:
        refuse("holds a user name or password", "remove it; the token goes into api.token")
    if "?" in value or "#" in value:
        refuse("holds a query or fragment", "end the address after its path")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback_host(host)):
        refuse("is not https", "use https; plain http is allowed to this machine only")
    path = parts.path.rstrip("/")
    if path.endswith(("/v1", "/v2")) and not path.endswith(f"/{version}"):
        refuse("is of another API version than api.version", "change one of the two")
    shown_host = f"[{host}]" if ":" in host else host
    usual = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{shown_host}{'' if port in (None, usual) else f':{port}'}{path}"
