"""`run-campaign sandbox`: the stand-in API in the foreground."""

from __future__ import annotations

import asyncio
import errno
import secrets
from pathlib import Path

import click

from runner.cli.help_text import WholeNumber
from runner.cli.options import examples
from runner.sandbox.answers import ACTS, NO_ANSWERS, load_answers
from runner.sandbox.faults import FAULTS, SELECTORS
from runner.sandbox.feed import parse_feed
from runner.sandbox.server import Sandbox, serve_forever


class _WithFaults(click.Command):
    """A command that lists the faults in its help, as the sandbox knows them."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:

        rows = [
            (name, what + (f" ({', '.join(keys)})" if keys else ""))
            for name, (what, keys) in FAULTS.items()
        ]
        with formatter.section("Faults, NAME[:key=value,...]"):
            formatter.write_dl(rows)
        with formatter.section("Keys of every fault"):
            formatter.write_dl(list(SELECTORS.items()))
        with formatter.section("Acts of people, {after: 2h, ACT: …} in --people"):
            formatter.write_dl(list(ACTS.items()))
        super().format_epilog(ctx, formatter)


def _limit(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    if value == "none":
        return None
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 10**9):
        raise click.BadParameter(f"{value} is neither a number from 1 nor none", ctx, param)
    return int(value)


@click.command(
    "sandbox",
    cls=_WithFaults,
    short_help="Start the stand-in API, v1 and v2, on this machine.",
    epilog=examples(
        "run-campaign sandbox",
        "run-campaign sandbox --fault accept_then_reset:every=10 --record sent.jsonl",
    ),
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="An address of this machine alone.",
)
@click.option("--port", default=8765, show_default=True, metavar="N", help="0: any free port.")
@click.option(
    "--token",
    default="sandbox-token",
    show_default=True,
    metavar="TOKEN",
    help="The token it accepts.",
)
@click.option(
    "--fault", "faults", multiple=True, metavar="SPEC", help="A fault to cause; repeatable."
)
@click.option(
    "--per-minute",
    callback=_limit,
    default="300",
    show_default=True,
    metavar="N|none",
    help="Requests that it allows per minute.",
)
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File for its list of accepted sends.",
)
@click.option(
    "--seed",
    type=WholeNumber(0),
    metavar="N",
    help="Seed of the ids and chances that it makes up. Default: another one each time, told.",
)
@click.option(
    "--people",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who answers when with what, in YAML.",
)
@click.option(
    "--feed", default="", metavar="SPEC", help="Of its events: delay=5,page=10,hole_every=3 …"
)
def command(
    host: str,
    port: int,
    token: str,
    faults: tuple[str, ...],
    per_minute: int | None,
    record: Path | None,
    people: Path | None,
    feed: str,
    seed: int | None,
) -> int:
    """Start the stand-in API in the foreground, until Ctrl-C.

    It knows v1 and v2 of the Inbox API, makes up the person behind each id and handle, sends
    nothing to anybody, and keeps a list of what it accepted.
    """
    if seed is None:
        seed = secrets.randbelow(10**6)
    try:
        sandbox = Sandbox(
            token=token,
            faults=faults,
            per_minute=per_minute,
            record=record,
            seed=seed,
            answers=NO_ANSWERS if people is None else load_answers(people),
            feed=parse_feed(feed),
            meets_everyone=True,
        )
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None

    def announce(base: str) -> None:
        click.echo(f"sandbox on {base} (Ctrl-C ends it)")
        click.echo("in a campaign file:")
        click.echo(f"  api: {{version: v2, base_url: {base}/api/v2}}")
        click.echo(f"  api: {{version: v1, base_url: {base}/api/v1}}")
        click.echo(f"token:    export INBOX_API_TOKEN={token}")
        links = ", ".join(link.id for link in sandbox.service.store.links.values())
        click.echo(f"senders:  [{links}]")
        click.echo(f"seed:     {seed} (the same ids and chances again: --seed {seed})")
        click.echo(f"its list: {base}/sandbox/accepted, /sandbox/tally, /sandbox/requests")

    try:
        asyncio.run(serve_forever(sandbox, host, port, announce))
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"{host}:{port} is taken by another program; choose another port: --port"
            ) from None
        raise click.ClickException(f"{host}:{port}: {problem.strerror or problem}") from None
    return 0
