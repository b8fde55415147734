"""What a command is told that cannot be watched as it was asked to be."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from runner.cli import live_run
from runner.clock import SystemClock
from runner.events import EventBus, Notice


def watch(log_file: Path | None = None, port: int | None = None, address: str = "") -> EventBus:
    bus = EventBus()
    live_run.attach_watchers(bus, SystemClock(), log_file, port, address)
    return bus


def test_nothing_is_made_for_a_run_that_nobody_watches() -> None:
    assert watch() == EventBus()


def test_a_missing_library_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_run, "find_spec", lambda _name: None)
    with pytest.raises(click.ClickException, match=r"pip install .*\[.*metrics.*\]"):
        watch(port=0)


@pytest.mark.parametrize("address", ["no.such.host.invalid", "a..b", "192.0.2.1"])
def test_an_address_that_is_none_of_this_machine_is_wrong_usage(address: str) -> None:
    with pytest.raises(click.UsageError, match=f"cannot listen on {address}: "):
        watch(port=0, address=address)


def test_a_log_file_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="cannot be written"):
        watch(log_file=tmp_path / "missing" / "events.jsonl")


def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "events"
    os.mkfifo(pipe)
    with pytest.raises(click.UsageError, match="cannot be written"):
        watch(log_file=pipe)  # which nobody reads
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    bus = watch(log_file=pipe)
    for number in range(2_000):  # more than it holds
        bus.emit(Notice(0.0, f"{number:0100}"))
    os.close(reader)
