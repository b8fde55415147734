"""Statements compiled once for all ledgers that a process opens.

SQLAlchemy keeps what it has compiled for as long as an engine lives: a second or a day for people,
but tests open thousands of ledgers, and most of what each costs was compiling.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.util import LRUCache

CAPACITY = 5_000
"""More than all statements of the program."""


class _Statements(LRUCache[Any, Any]):
    """Compiled statements of one kind of database. SQLAlchemy's keys begin with the dialect, of
    which every engine has an instance of its own."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key[1:], value)


_shared: dict[type, _Statements] = {}
_make = Engine.__init__


def share() -> None:
    """Let all engines that this process makes from now on share what they compile."""
    Engine.__init__ = _make_sharing  # type: ignore[assignment, method-assign]


def _make_sharing(engine: Engine, *args: Any, **options: Any) -> None:
    _make(engine, *args, **options)
    ours = _shared.setdefault(type(engine.dialect), _Statements(CAPACITY))
    vars(engine).update(_compiled_cache=ours)
