"""`run-campaign demo`: the sample campaign, sent to the sandbox, killed half way and resumed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from runner.cli.init.sample_project import sample, write_sample_project
from runner.cli.options import examples

STEP_TIMEOUT = 60.0
"""Seconds until a step of the demonstration counts as stuck."""

SLOWNESS = 0.5
"""Seconds that the sandbox takes per message, so that there is something to see."""


@click.command(
    "demo",
    short_help="Watch the sample campaign be killed half way and resumed.",
    epilog=examples("run-campaign demo", "run-campaign demo --dir demo     and keep its files"),
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Work here and keep the files. Default: a temporary folder.",
)
def command(folder: Path | None) -> int:
    """Send the sample campaign to the sandbox, kill the runner half way, and go on.

    Nothing real is sent. Exit code 1 if anybody was written to twice or missed.
    """
    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            raise click.UsageError(f"--dir {folder}: is not empty; name a new folder")
        return demonstrate(folder)
    return demonstrate_nowhere()


def demonstrate_nowhere() -> int:
    """Demonstrate in a temporary folder; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="run-campaign-demo-") as name:
        return demonstrate(Path(name))


def demonstrate(folder: Path) -> int:
    """Demonstrate in `folder`; return the exit code, 1 if anybody was missed or written to
    twice."""
    _title("1. a project with a sample campaign: run-campaign init --sample")
    for path, _ in write_sample_project(folder):
        click.echo(f"  {path}")
    with _sandbox() as base:
        campaign = _slow_free_campaign(folder, base)
        _title("2. who would get what: --dry-run (nothing is asked, nothing is sent)")
        _run(campaign, "--dry-run", "--limit", "2")
        wanted = _wanted(campaign)
        _title(f"3. run it, and kill it (SIGKILL) when half of {len(wanted)} are accepted")
        killed = _kill_half_way(campaign, base, len(wanted) // 2)
        _title("4. what the ledger knows: status")
        _run("status", campaign)
        _title("5. the same command again goes on")
        ended = _run(campaign)
        _title("6. the sandbox's own list, which shares no code with the runner")
        return _judge(base, wanted, killed and ended in (0, 4))


def _title(text: str) -> None:
    click.echo(f"\n== {text}")


@contextmanager
def _sandbox() -> Iterator[str]:
    """Start the stand-in API as a process of its own; yield its address."""
    words = [sys.executable, "-m", "runner.sandbox", "--fault", f"slow:seconds={SLOWNESS}"]
    process = subprocess.Popen(
        [*words, "--per-minute", "none"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        told = process.stdout.readline().split()
        if not told:
            raise click.ClickException("the sandbox did not start")
        yield told[-1]
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _slow_free_campaign(folder: Path, base: str) -> str:
    """Write the sample campaign without limits, to be sent to the sandbox; return its path."""
    senders = re.findall(r"^  - ([0-9a-z]{20,})", sample("spring.yaml"), re.MULTILINE)
    free = "per_hour: none, per_day: none, gap: none"
    lines = [f"  - {{id: {id}, {free}}}" for id in senders]
    path = folder / "campaigns" / "demo.yaml"
    path.write_text(
        "name: demo\n"
        f"api: {{base_url: {base}/api/v2}}\n"
        "senders:\n" + "\n".join(lines) + "\n"
        "prospects: spring.csv\n"
        "message: {template: ../templates/spring.j2}\n"
        "limits: {per_minute: none, per_hour: none, per_day: none, concurrency: 2}\n",
        encoding="utf-8",
    )
    return str(path)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    memory = Path(tempfile.gettempdir()) / "run-campaign-demo"
    return kept | {"INBOX_API_TOKEN": "sandbox-token", "RUN_CAMPAIGN_MEMORY": str(memory)}


_NOT_OURS = frozenset({"CI", "RUN_CAMPAIGN_STATE"})
"""Would have the demonstration use a ledger in earnest."""


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "runner", *words]


def _run(*words: str) -> int:
    click.echo(f"$ run-campaign {' '.join(words)}")
    sys.stdout.flush()
    return subprocess.run(
        _command(*words), env=_environment(), stdin=subprocess.DEVNULL, check=False
    ).returncode


def _wanted(campaign: str) -> set[str]:
    """Return the ids that should get a message, by the dry run."""
    done = subprocess.run(
        _command(campaign, "--dry-run", "--json"),
        env=_environment(),
        capture_output=True,
        check=True,
    )
    return {message["recipient"] for message in json.loads(done.stdout)["messages"]}


def _kill_half_way(campaign: str, base: str, half: int) -> bool:
    """Run the campaign and kill it when `half` are accepted; return whether it was killed."""
    click.echo(f"$ run-campaign {campaign}")
    sys.stdout.flush()
    process = subprocess.Popen(
        _command(campaign), env=_environment(), stdin=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + STEP_TIMEOUT
    try:
        while _ask(base, "tally")["accepted"] < half and process.poll() is None:
            if time.monotonic() > deadline:
                raise click.ClickException("the run did not get half way in time")
            time.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait()
    accepted = _ask(base, "tally")["accepted"]
    click.echo(f"\n(killed; the sandbox has accepted {accepted})")
    return process.returncode == -signal.SIGKILL


def _judge(base: str, wanted: set[str], went_well: bool) -> int:
    got = [entry["recipient"] for entry in _ask(base, "accepted")]
    twice = sorted({id for id in got if got.count(id) > 1})
    refused = {id for id in wanted if id.endswith("0404")}
    missed = sorted(wanted - refused - set(got))
    click.echo(f"accepted {len(got)} messages to {len(set(got))} people")
    click.echo(f"refused by the platform, as the sample has it: {len(refused)}")
    click.echo(f"written to twice: {', '.join(twice) or 'nobody'}")
    click.echo(f"missed: {', '.join(missed) or 'nobody'}")
    return 0 if went_well and not twice and not missed else 1


def _ask(base: str, what: str) -> Any:
    with urllib.request.urlopen(f"{base}/sandbox/{what}", timeout=10) as answer:
        return json.load(answer)
