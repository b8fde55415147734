"""`run-campaign dashboard`: a ledger in a browser, live."""

from __future__ import annotations

import os
import sys
from ipaddress import ip_address
from pathlib import Path

import click

from runner.cli.browser import open_page, remove_page, write_page
from runner.cli.failures import exit_code_of, token_names
from runner.cli.help_text import WholeNumber
from runner.cli.invocation import Invocation
from runner.cli.options import any_campaign_argument, examples, state_option

PORT = 8790
"""The usual one; the sandbox has 8765."""


def _address(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if value == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(value))
    except ValueError:
        raise click.BadParameter(
            f"{value} is not an IP address of this machine", ctx, param
        ) from None


@click.command(
    "dashboard",
    short_help="Watch and steer all campaigns of a ledger in a browser.",
    epilog=examples(
        "run-campaign dashboard",
        "run-campaign dashboard campaigns/spring.yaml     the ledger of that campaign",
        "run-campaign dashboard --read-only --no-browser",
        "ssh -L 8790:127.0.0.1:8790 HOST     then open the link that it prints there",
    ),
)
@any_campaign_argument
@click.option(
    "--port",
    type=WholeNumber(0, 65535),
    metavar="N",
    help=f"0: any free port. Default: {PORT}, or the next that is free.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    callback=_address,
    metavar="ADDRESS",
    help="The address to listen on; others than this machine's own need --allow-network.",
)
@click.option(
    "--allow-network", is_flag=True, help="Let --host be reached by other machines, unencrypted."
)
@click.option("--read-only", is_flag=True, help="Show only: no pause, no resolve, no retry.")
@click.option("--no-browser", is_flag=True, help="Print the link, open nothing.")
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaign: Path | None,
    port: int | None,
    host: str,
    allow_network: bool,
    read_only: bool,
    no_browser: bool,
    state: str | None,
) -> int:
    """Show all campaigns of a ledger in a browser, live, until Ctrl-C.

    Prints a link that lets in one browser, once; at a terminal, Enter prints another. It reads the
    ledger only, so runs and workers go on beside it; what it changes, it asks about first.
    """
    call.about((campaign,) if campaign else (), state)
    outside = not ip_address(host).is_loopback
    if outside and not allow_network:
        raise click.UsageError(
            f"--host {host} can be reached by other machines, and what passes is not encrypted; "
            "over SSH, forward the port instead, or say --allow-network too"
        )
    from runner.dashboard.app import dashboard_of
    from runner.dashboard.server import ListenAddress, serve

    app = dashboard_of(campaign, state, os.environ, Path.cwd(), call.command, read_only=read_only)
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    opened = False
    pages: dict[str, Path] = {}

    def announce(link: str) -> None:
        nonlocal opened
        click.echo(f"dashboard: {link}")
        if opened:
            return
        opened = True
        if outside:
            click.echo("anyone on the way there can read along: it is not encrypted", err=True)
        more = "Enter for another; " if at_terminal else ""
        click.echo(f"the link lets in one browser, once ({more}Ctrl-C ends it)")
        if not no_browser and at_terminal:
            try:
                pages[link] = write_page(link)
            except OSError as problem:
                click.echo(
                    f"open it yourself: no page for it could be written ({problem})", err=True
                )
            else:
                open_page(pages[link], token_names(call))

    def used(link: str) -> None:
        if link in pages:
            remove_page(pages.pop(link))

    address = ListenAddress(host, PORT if port is None else port, next_free=port is None)
    try:
        serve(
            app,
            address,
            announce,
            lambda failure: exit_code_of(failure, call),
            read_only=read_only,
            more_links=at_terminal,
            used=used,
        )
    finally:
        for page in pages.values():
            remove_page(page)
    return 0
