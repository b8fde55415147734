"""A live run on the command line: its surroundings, its display, and how it ended."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from runner.campaign.loader import load_campaign
from runner.cli.invocation import Invocation
from runner.cli.output import tell_run_end
from runner.cli.prompts import asker, can_ask, confirmer
from runner.clock import Clock, SystemClock
from runner.events import EventBus, Notice
from runner.formats import counted
from runner.installation import install_command
from runner.project.open import location_of
from runner.project.output_files import refuse_log
from runner.run.exit_code import RunResult
from runner.run.preparation.options import Options, Surroundings
from runner.run.run import run_campaigns
from runner.terminal.counters import Tally
from runner.terminal.display import open_display
from runner.terminal.plain import EventFile

IDLE = 600.0
"""Seconds of nothing due after which `--until-idle` ends, and a rehearsal without `--days`."""


def options_of(said: dict[str, Any]) -> Options:
    """Return the use case's options from those of the command line."""
    return Options(
        state=said["state"],
        yes=said["yes"],
        accept=frozenset(said["accept"]),
        accept_changes=said["accept_changes"],
        new_campaign=said["new_campaign"],
        rest_with=said["rest_with"],
        adopt=said["adopt"],
        accept_old_ledger=said["accept_old_ledger"],
        wait=said["wait"],
        limit=said["limit"],
        only=frozenset(said["only"]),
        idle_after=IDLE if said["until_idle"] else None,
        stop_after=said["stop_after"],
        plans=said["plans"],
    )


def run_and_tell(
    call: Invocation,
    campaigns: tuple[Path, ...],
    options: Options,
    said: dict[str, Any],
    *,
    rehearsal: bool = False,
) -> int:
    """Run campaigns, showing it while it lasts and telling how it ended; return the exit code."""

    def run(around: Surroundings) -> RunResult:
        if said["log_file"] is not None:
            location = location_of(campaigns[0], options.state, around.environ)
            refuse_log(said["log_file"], location, campaigns)
        port, address = said["metrics_port"], said["metrics_address"]
        attach_watchers(around.bus, around.clock, said["log_file"], port, address)
        return run_campaigns(campaigns, options, around)

    as_json = said["log_format"] == "json"
    files = {load_campaign(path).name: str(path) for path in campaigns}
    # The ledger of a rehearsal is thrown away: no command helps there.
    shown = {} if rehearsal else files
    result = run_with_display(call, campaigns, run, said, rehearsal=rehearsal, files=shown)
    tell_run_end(result, None if rehearsal else call, err=as_json)
    if rehearsal and (to_come := sum(each.to_follow for each in result.statuses)):
        told = f"{counted(to_come, 'follow-up')} would wait for days: rehearse them with --days N"
        click.echo(told, err=as_json)
    if result.interrupted:
        told = "interrupted" if rehearsal else f"interrupted; to go on: {call.resume}"
        click.echo(told, err=as_json)
    return result.exit_code


def run_with_display(
    call: Invocation,
    campaigns: tuple[Path, ...],
    run: Callable[[Surroundings], RunResult],
    said: dict[str, Any],
    *,
    rehearsal: bool = False,
    files: Mapping[str, str] = MappingProxyType({}),
    runs: bool = True,
) -> RunResult:
    """Give `run` its surroundings and show its events while it lasts, with commands that help for
    the campaigns of `files` (name: file). Not `runs`: another command than a run, which goes on by
    its own words."""
    as_json = said["log_format"] == "json"

    def command(word: str, campaign: str) -> str:
        return call.command(word, files[campaign])

    bus, tally = EventBus(), Tally()
    asked = not said["yes"] and not as_json and can_ask()
    showed = open_display(
        sys.stdout,
        tally,
        as_json=as_json,
        quiet=said["quiet"],
        verbose=said["verbose"],
        command=command if files else None,
    )

    own_words = call.resume

    def resume() -> str:
        if not runs:
            return own_words
        if rehearsal:
            return ""  # its ledger is thrown away, and the same words would send in earnest
        left = said["limit"]
        limit = [] if left is None else ["--limit", str(max(0, left - tally.sent))]
        only = [word for id in said["only"] for word in ("--only", id)]
        plans = [word for path in said["plans"] for word in ("--plan", str(path))]
        return call.command(*map(str, campaigns), *limit, *only, *plans)

    call.resume = resume()
    try:
        with showed as progress:
            bus.watch(tally.watch)
            bus.watch(progress.watch)
            around = Surroundings(SystemClock(), bus, os.environ)
            if asked:
                around.ask, around.confirm = asker(progress), confirmer(progress)
            return run(around)
    finally:
        call.resume = resume()


def attach_watchers(
    bus: EventBus, clock: Clock, log_file: Path | None, metrics_port: int | None, address: str
) -> None:
    """Write events to a file and serve metrics, as far as asked to. Raises UsageError when the file
    cannot be written or the port cannot be listened on, before anything else happens."""
    if log_file is not None:
        attach_log(bus, log_file)
    if metrics_port is not None:
        _serve_metrics(bus, clock, metrics_port, address)


def attach_log(bus: EventBus, log_file: Path) -> None:
    """Write events to a file. Raises UsageError when it cannot be written."""
    try:
        bus.watch(EventFile(log_file).watch)
    except OSError as error:
        told = f"--log-file {log_file}: cannot be written ({error.strerror})"
        raise click.UsageError(told) from None


def _serve_metrics(bus: EventBus, clock: Clock, port: int, address: str) -> None:
    if find_spec("prometheus_client") is None:
        raise click.ClickException(
            f"--metrics-port needs more than is installed: {install_command('metrics')}"
        )
    from runner import __version__
    from runner.metrics import Metrics, serve

    metrics = Metrics(clock, __version__)
    try:
        at = serve(metrics, address, port)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not an address"
        raise click.UsageError(
            f"--metrics-port {port}: cannot listen on {address}: {why}; choose another"
        ) from None
    bus.measures = metrics
    bus.watch(metrics.watch)
    bus.emit(Notice(clock.now(), f"metrics at {at}"))
