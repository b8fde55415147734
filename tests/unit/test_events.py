"""Events reach every watcher, and a notice only once."""

from __future__ import annotations

from runner.events import Event, EventBus, Notice, Stopped


def test_everyone_is_told_in_order_and_a_notice_once() -> None:
    bus, one, other = EventBus(), list[Event](), list[Event]()
    bus.watch(one.append)
    bus.watch(other.append)
    told = [Notice(1.0, "v1 ends"), Stopped(2.0, "", "token"), Notice(3.0, "v1 ends")]
    for event in told:
        bus.emit(event)
    assert one == other == told[:2]
    assert one[0].fields() == {"event": "notice", "at": 1.0, "text": "v1 ends", "code": ""}
