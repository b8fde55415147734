"""Makes a process kill itself at a named point, chosen from outside: `DIE_AT=claim.committed:3`.

Python imports this by itself from `PYTHONPATH`; the program is the installed one, unchanged.
Points, and `again.POINT` for the same within a repeat under a message's key:

    BATCH.before, .inside, .committed   claim, record, settle, count_requests (`Ledger.commit`)
    MOVE.inside, .committed             recover_orphaned, take_lane, begin_run … (`Ledger.write`)
    resolve.inside, .committed          a person's resolutions of messages in doubt
    action.inside, pause.committed …    what else a person does; inside: with its entry written
    table.row, table.rows, backup.copied            a file or copy that is written
    migration.VERSION               of a ledger that has this schema
    schema.inside, plan.written, plan.finished      inside a transaction, before its commit
    body.half, body.written             half of a request's body is on the socket, or all of it
    send.answered, lookup.before, lookup.answered   around what a channel does
    tell.EVENT                          before anybody is told: tell.sent, tell.planned …
    hear.EFFECT.before, .after          inside the transaction of a part of what was heard
    hear.QUESTION.before, .after        around what a reading asks: received, text, thread, newest
    hear.inside, .committed             a part of what was heard, with its place in the feed
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_again: ContextVar[bool] = ContextVar("again", default=False)
"""Whether this task repeats a message under its key."""


class Death:
    """The point at which this process dies, and how often it must still be passed."""

    def __init__(self, words: str) -> None:
        self.point, _, number = words.partition(":")
        self._left = int(number or 1)
        self._lock = threading.Lock()  # the ledger's writer passes points too

    def at(self, point: str, again: bool | None = None) -> None:
        """Die here, if this is the point and its time has come."""
        if self.is_due(point, again):
            die()

    def is_due(self, point: str, again: bool | None = None) -> bool:
        """Count a passing; whether it is the one."""
        again = _again.get() if again is None else again
        if self.point not in (point, f"again.{point}" if again else point):
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0


def die() -> None:
    """Like a kill from outside: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)


def _change_ledger(module: Any, death: Death) -> None:
    ledger = module.Ledger
    commit, write = ledger.commit, ledger.write

    @functools.cache  # items of one batch are committed together: it must stay one function
    def dying(batch: Callable[..., Any], again: bool) -> Callable[..., Any]:
        @functools.wraps(batch)
        def inside(*args: Any, **kwargs: Any) -> Any:
            done = batch(*args, **kwargs)
            death.at(f"{_name_of(batch)}.inside", again)
            return done

        return inside

    async def dying_commit(
        self: Any, batch: Callable[..., Any], item: Any, within: float = 0.0
    ) -> Any:
        if batch.__name__ == "claim":
            _again.set(item.is_repeat)
        death.at(f"{batch.__name__}.before")
        done = await commit(self, dying(batch, _again.get()), item, within)
        death.at(f"{batch.__name__}.committed")
        return done

    def dying_write(self: Any, move: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        done = write(self, dying(move, False), *args, **kwargs)
        death.at(f"{_name_of(move)}.committed")
        return done

    ledger.commit, ledger.write = dying_commit, dying_write


def _name_of(move: Callable[..., Any]) -> str:
    return "hear" if move.__module__ == "runner.ledger.messages.replies" else move.__name__


def _dies_around(whole: Callable[..., Any], point: str, death: Death) -> Callable[..., Any]:
    @functools.wraps(whole)
    def dying(*args: Any, **kwargs: Any) -> Any:
        death.at(f"{point}.before")
        done = whole(*args, **kwargs)
        death.at(f"{point}.after")
        return done

    return dying


def _change_hearing(*names: str) -> Callable[[Any, Death], None]:
    def change(module: Any, death: Death) -> None:
        for name in names:
            whole = getattr(module, name)
            setattr(module, name, _dies_around(whole, f"hear.{name.lstrip('_')}", death))

    return change


def _change_questions(module: Any, death: Death) -> None:
    asker = module.ConversationsV2
    for name in ("received", "text", "thread", "newest"):
        setattr(asker, name, _dies_around_question(getattr(asker, name), f"hear.{name}", death))


def _dies_around_question(
    whole: Callable[..., Any], point: str, death: Death
) -> Callable[..., Any]:
    @functools.wraps(whole)
    async def dying(*args: Any, **kwargs: Any) -> Any:
        death.at(f"{point}.before")
        done = await whole(*args, **kwargs)
        death.at(f"{point}.after")
        return done

    return dying


def _change_wire(module: Any, death: Death) -> None:
    body = module.RequestBody
    write = body.write

    async def dying_write(self: Any, writer: Any) -> None:
        if death.is_due("body.half"):
            self._value = self._value[: len(self._value) // 2]
            await write(self, writer)
            _die_when_gone(writer)
        await write(self, writer)
        if death.is_due("body.written"):
            _die_when_gone(writer)

    body.write = dying_write


def _die_when_gone(writer: Any) -> None:
    """Only once the kernel has all of it: what is still buffered here would die with us."""
    if writer.transport.get_write_buffer_size():
        raise AssertionError("the socket did not take what was written")
    die()


def _change_channel(name: str) -> Callable[[Any, Death], None]:
    def change(module: Any, death: Death) -> None:
        channel = getattr(module, name)
        send, look_up = channel.send, channel.look_up

        async def dying_send(self: Any, *args: Any) -> Any:
            answer = await send(self, *args)
            death.at("send.answered")
            return answer

        async def dying_look_up(self: Any, *args: Any) -> Any:
            death.at("lookup.before")
            finding = await look_up(self, *args)
            death.at("lookup.answered")
            return finding

        channel.send, channel.look_up = dying_send, dying_look_up

    return change


def _change_events(module: Any, death: Death) -> None:
    emit = module.EventBus.emit

    def dying_emit(self: Any, event: Any) -> None:
        death.at(f"tell.{event.name}")
        emit(self, event)

    module.EventBus.emit = dying_emit


def _dies_after(whole: Callable[..., Any], point: str, death: Death) -> Callable[..., Any]:
    @functools.wraps(whole)
    def dying(*args: Any, **kwargs: Any) -> Any:
        done = whole(*args, **kwargs)
        death.at(point)
        return done

    return dying


def _dying_after(owner: Any, name: str, point: str, death: Death) -> None:
    setattr(owner, name, _dies_after(getattr(owner, name), point, death))


def _change_engine(module: Any, death: Death) -> None:
    _dying_after(module, "_bring_up_to_date", "schema.inside", death)


def _change_upgrading(module: Any, death: Death) -> None:
    for version, migration in list(module.MIGRATIONS.items()):
        module.MIGRATIONS[version] = _dies_after(migration, f"migration.{version}", death)


def _change_planning(module: Any, death: Death) -> None:
    _dying_after(module.PlanWriter, "write", "plan.written", death)
    _dying_after(module.PlanWriter, "finish", "plan.finished", death)


def _change_control(*names: str) -> Callable[[Any, Death], None]:
    def change(module: Any, death: Death) -> None:
        for name in names:
            _dying_after(module, name, f"{name}.committed", death)

    return change


def _change_resolution(module: Any, death: Death) -> None:
    _dying_after(module.resolutions, "resolve", "resolve.inside", death)
    _dying_after(module, "resolve", "resolve.committed", death)


def _change_actions(module: Any, death: Death) -> None:
    _dying_after(module, "record", "action.inside", death)


def _change_writing(module: Any, death: Death) -> None:
    whole = module._same_length

    def dying(*args: Any) -> Iterator[Any]:
        for row in whole(*args):
            death.at("table.row")
            yield row
        death.at("table.rows")

    module._same_length = dying


def _change_backup(module: Any, death: Death) -> None:
    _dying_after(module, "_copy", "backup.copied", death)


CHANGES: dict[str, Callable[[Any, Death], None]] = {
    "runner.ledger.ledger": _change_ledger,
    "runner.ledger.engine": _change_engine,
    "runner.ledger.migrations.steps": _change_upgrading,
    "runner.ledger.messages.plans": _change_planning,
    "runner.ledger.campaigns.audit": _change_actions,
    "runner.ledger.copies.backup": _change_backup,
    "runner.control.campaigns": _change_control("pause", "resume", "cancel", "retry"),
    "runner.control.suppression": _change_control("suppress"),
    "runner.control.resolution": _change_resolution,
    "runner.tables.writer": _change_writing,
    "runner.channels.request_body": _change_wire,
    "runner.channels.v1.inbox_v1": _change_channel("InboxV1"),
    "runner.channels.v2.inbox_v2": _change_channel("InboxV2"),
    "runner.events": _change_events,
    "runner.channels.v2.inbox_v2_conversations": _change_questions,
    "runner.ledger.messages.replies": _change_hearing(
        "_obey", "_hold_unsure", "_keep", "_keep_other_ids"
    ),
    "runner.ledger.messages.follow_ups": _change_hearing("end_for"),
    "runner.ledger.messages.feeds": _change_hearing(
        "advance", "mend", "forget_open", "was_read_back", "tear"
    ),
}


class Changing(MetaPathFinder):
    """Finds the modules that have points, and changes each right after it has been imported."""

    def __init__(self, death: Death) -> None:
        self._death = death

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in CHANGES else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            CHANGES[name](module, self._death)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]  # meant
        return spec


if os.environ.get("DIE_AT"):
    _death = Death(os.environ["DIE_AT"])
    for _name in CHANGES.keys() & sys.modules.keys():  # a fork has them already
        CHANGES[_name](sys.modules[_name], _death)
    sys.meta_path.insert(0, Changing(_death))
