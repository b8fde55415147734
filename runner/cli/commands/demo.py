"""`run-campaign demo`: the sample campaign against the sandbox, killed half way and resumed."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import examples


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
    from runner.cli.demo import demonstrate, demonstrate_nowhere

    if folder is not None:
        if folder.exists() and any(folder.iterdir()):
            raise click.UsageError(f"--dir {folder}: is not empty; name a new folder")
        return demonstrate(folder)
    return demonstrate_nowhere()
