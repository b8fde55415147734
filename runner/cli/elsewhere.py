"""Watching what sends from other programs: events in a file, metrics on a port."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from runner.clock import Clock
from runner.events import EventBus, Notice
from runner.progress.lines import EventFile


def watch_elsewhere(
    bus: EventBus, clock: Clock, log_file: Path | None, metrics_port: int | None, address: str
) -> None:
    """Write events to a file and serve metrics, as far as asked to. Raises UsageError when the file
    cannot be written or the port cannot be listened on, before anything else happens."""
    if log_file is not None:
        try:
            bus.watch(EventFile(log_file).watch)
        except OSError as error:
            told = f"--log-file {log_file}: cannot be written ({error.strerror})"
            raise click.UsageError(told) from None
    if metrics_port is not None:
        _serve_metrics(bus, clock, metrics_port, address)


def _serve_metrics(bus: EventBus, clock: Clock, port: int, address: str) -> None:
    if find_spec("prometheus_client") is None:
        raise click.ClickException(
            "--metrics-port needs more than is installed: pip install 'run-campaign[metrics]'"
        )
    from runner import __version__
    from runner.metrics import Metrics, serve

    metrics = Metrics(clock, __version__)
    try:
        at = serve(metrics, address, port)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is no address"
        raise click.UsageError(
            f"--metrics-port {port}: cannot listen on {address}: {why}; choose another"
        ) from None
    bus.measures = metrics
    bus.watch(metrics.watch)
    bus.emit(Notice(clock.now(), f"metrics at {at}"))
