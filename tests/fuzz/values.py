"""Odd values: texts, numbers and bytes that break programs."""

from __future__ import annotations

from random import Random

PIECES = (
    *(
        "",
        " ",
        "a",
        "Ann",
        "Zoë",
        "日本語",
        "😀",
        "e\u0301",
        "\u202eabc",
        "\u200b",
        "\ufeff",
        "\u2028",
    ),
    *("\x00", "\x07", "\x1b[2J", "\r", "\n", "\t", "\x85", "\x7f", "\ud800", "\udfff", "\uffff"),
    *('"', "'", '""', ",", ";", "|", "\\", "/", "..", "{{", "}}", "{%", "%}", "{{ a }}", "${HOME}"),
    *("=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "#N/A", "nan", "NaN", "null", "true"),
    *("1.23E+18", "007", "1876543210987654321", "1e400", "-0", "1_0", "٣", "0x1f", "%s%n", "{0}"),
    *("2026-02-30", "24:61", "yes", "!!python/object:os.system", "<<", "*a", "&a", "---", "..."),
    *("x" * 300, "é" * 2000, "a,b" * 100, "__class__", "self", "loop", "range", "x_user_id"),
)


def text(luck: Random, most: int = 4) -> str:
    """A few odd pieces in a row."""
    return "".join(
        luck.choice(PIECES) if luck.random() < 0.8 else chr(luck.randrange(0x11000))
        for _ in range(luck.randrange(most + 1))
    )


def number(luck: Random) -> int | float:
    return luck.choice(
        (
            *(0, 1, -1, 3, 429, 10**6, 2**53 + 1, 2**63, 2**64, -(2**63), 10**30, 10**400),
            *(0.5, -0.0, 1e308, 1e-320, float("inf"), float("-inf"), float("nan")),
            luck.randrange(1000),
        )
    )


def scalar(luck: Random) -> object:
    """Anything JSON can hold that is neither list nor object."""
    kind = luck.random()
    if kind < 0.5:
        return text(luck)
    return number(luck) if kind < 0.8 else luck.choice((None, True, False))


def structure(luck: Random, depth: int = 3) -> object:
    """A scalar, a list or an object of such."""
    kind = luck.random()
    if depth == 0 or kind < 0.5:
        return scalar(luck)
    inner = [structure(luck, depth - 1) for _ in range(luck.randrange(4))]
    return inner if kind < 0.7 else {text(luck, 1): each for each in inner}


def changed(luck: Random, value: object, rate: float = 0.15) -> object:
    """`value` with some of what is in it replaced, left out or repeated."""
    if luck.random() < rate:
        return structure(luck)
    if isinstance(value, dict):
        found = {key: changed(luck, each, rate) for key, each in value.items()}
        if found and luck.random() < rate:
            del found[luck.choice(list(found))]
        if luck.random() < rate:
            found[text(luck, 1)] = structure(luck)
        return found
    if isinstance(value, list | tuple):
        found_list = [changed(luck, each, rate) for each in value]
        return found_list * luck.choice((1, 1, 1, 2, 30)) if luck.random() < rate else found_list
    return value


def torn(luck: Random, data: bytes, most: int = 6) -> bytes:
    """`data` with bytes flipped, cut, doubled or put in."""
    found = bytearray(data)
    for _ in range(luck.randrange(most + 1)):
        at, to = sorted((luck.randrange(len(found) + 1), luck.randrange(len(found) + 1)))
        match luck.randrange(6):
            case 0 if found:
                found[at % len(found)] = luck.randrange(256)
            case 1:
                found[at:at] = luck.randbytes(luck.randrange(1, 5))
            case 2:
                del found[at : min(to, at + 40)]
            case 3:
                found[at:at] = found[at : min(to, at + 200)]
            case 4:
                found[at:at] = text(luck, 2).encode("utf-8", "surrogatepass")
            case 5 if luck.random() < 0.3:
                del found[at:]
    return bytes(found)


def one_line(told: str) -> None:
    """A message for people: something, on one line, that cannot steer a terminal."""
    assert told.strip(), "nothing told"
    assert "\n" not in told, f"more than one line: {told!r}"
    assert "Traceback" not in told, told
    assert len(told) < 20_000, f"{len(told)} characters: {told[:200]!r}"
