"""The message limit of a run (`--limit`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class MessageLimit:
    """The messages that a run may still begin or repeat in all its lanes (`--limit`); None for all.
    One that is counted may be repeated. `wakes`: those of the lanes, which end once it is reached.
    """

    left: int | None = None
    wakes: list[Callable[[], None]] = field(default_factory=list)
    _counted: set[int] = field(default_factory=set)

    def allows(self, message: int) -> bool:
        """Return whether a message may be begun or repeated."""
        return self.left != 0 or message in self._counted

    def count(self, message: int) -> None:
        """Count a message that is begun or repeated, once."""
        if self.left is not None and message not in self._counted:
            self.left -= 1
            self._counted.add(message)
            if self.left == 0:
                for wake in self.wakes:
                    wake()

    def uncount(self, message: int) -> None:
        """Take a message back that was not written after all."""
        if self.left is not None and message in self._counted:
            self.left += 1
            self._counted.discard(message)
