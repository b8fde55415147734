"""`run-campaign help`: the help of the program, or of one command."""

from __future__ import annotations

from difflib import get_close_matches

import click

from runner.cli.options import examples


@click.command(
    "help",
    short_help="Show the help of a command.",
    epilog=examples("run-campaign help status", "run-campaign help db backup"),
)
@click.argument("command", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, command: tuple[str, ...]) -> int:
    """Show the help of COMMAND, as `run-campaign COMMAND --help` does; without one, of all."""
    found = ctx.find_root()
    for word in command:
        group = found.command
        names = group.list_commands(found) if isinstance(group, click.Group) else []
        if not isinstance(group, click.Group) or word not in names:
            near = get_close_matches(word, names, 1, 0.6)
            told = f"; did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"{found.command_path} has no command {word}{told}", found)
        each = group.get_command(found, word)
        assert each is not None
        found = click.Context(each, info_name=word, parent=found)
    click.echo(found.get_help())
    return 0
