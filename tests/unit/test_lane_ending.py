"""How a lane finds out that it is at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runner.ledger.messages import queue
from tests.lane import Setting


def test_that_nothing_is_left_is_asked_only_when_something_has_ended(
    make: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = make(range(1, 3), concurrency=16)
    asked: list[object] = []
    read = setting.ledger.read

    def counting(view: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        asked.append(view)
        return read(view, *args, **kwargs)

    monkeypatch.setattr(setting.ledger, "read", counting)
    setting.drive()
    assert setting.counts() == {"sent": 2}
    assert 1 <= asked.count(queue.waiting) <= 5
