"""Made-up ids: the same parts always give the same id, so that runs can be compared.

The forms are those of the public examples: cuid2-like ids of 24 characters
(InboxHQ/inboxapp-sdk spec/openapi.json, pattern ``^[0-9a-z]+$``) and 19-digit X ids.
"""

import hashlib

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _number(parts: tuple[object, ...]) -> int:
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")


def base36(number: int) -> str:
    """Write a number from 0 up in the digits 0-9a-z."""
    out = ""
    while number:
        number, digit = divmod(number, 36)
        out = _DIGITS[digit] + out
    return out or "0"


def made_up_id(*parts: object) -> str:
    """Give a 24-character id (``^[a-z][0-9a-z]{23}$``) that depends on the parts alone."""
    number = _number(parts)
    tail = ""
    for _ in range(23):
        number, digit = divmod(number, 36)
        tail += _DIGITS[digit]
    return _DIGITS[10 + number % 26] + tail


def made_up_number(*parts: object) -> str:
    """Give a 19-digit platform id, as a string, that depends on the parts alone."""
    return "1" + str(_number(parts) % 10**18).zfill(18)


def pick(choices: tuple[str, ...], *parts: object) -> str:
    """Choose one of the choices; which one depends on the parts alone."""
    return choices[_number(parts) % len(choices)]


def small_number(most: int, *parts: object) -> int:
    """Give a whole number from 0 to ``most`` that depends on the parts alone."""
    return _number(parts) % (most + 1)
