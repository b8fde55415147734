"""The value that a filter gives where a cell does not hold what it looks for."""

from __future__ import annotations

from typing import NoReturn


class Missing(str):
    """An empty text that can be guarded, but neither printed nor compared: `why` is then told."""

    __slots__ = ("why",)
    why: str

    def __new__(cls, why: str) -> Missing:
        made = super().__new__(cls, "")
        made.why = why
        return made

    def _refuse(self, other: object) -> NoReturn:
        raise ValueError(self.why)

    __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __mul__ = __truediv__ = __floordiv__ = _refuse
