"""The group of all commands. A command's module is loaded when the command is called or its help is
asked: `run-campaign --help` loads none of them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem
from click_default_group import DefaultGroup

from runner.cli.help_text import HelpFormatter

click.Context.formatter_class = HelpFormatter

SHORT_HELPS = {
    "cancel": "Withdraw the queued messages of a campaign.",
    "check": "Check all of a campaign that can be checked without sending.",
    "completion": "Print the completion script of a shell.",
    "dashboard": "Watch and steer all campaigns of a ledger in a browser.",
    "db": "The ledger itself: backup, upgrade, move, forget.",
    "demo": "Watch the sample campaign be killed half way and resumed.",
    "erase": "Erase people from the ledger, for good.",
    "export": "Write one line per row and step to a table.",
    "handles": "Find the ids behind a campaign's handles, and keep them.",
    "help": "Show the help of a command.",
    "history": "Show what people did: who, when, from where.",
    "hold": "Hold messages to people for now, in every campaign.",
    "init": "Make a new campaign: asks for account, sheet and text.",
    "lanes": "Show which worker drives which team's campaigns, and what waits.",
    "pause": "Pause a campaign until it is resumed.",
    "plan": "Write what a campaign may send at most, to be approved.",
    "replies": "Read now who has answered, and list them.",
    "report": "Write the results of a campaign as a page with charts.",
    "resolve": "Settle messages in doubt: ask the API, or say what you found.",
    "resume": "Let a paused or cancelled campaign go on, and run it.",
    "retry": "Queue failed, rejected or cancelled messages again, then run.",
    "run": "Send a campaign, or go on with it (the default command).",
    "sandbox": "Start the stand-in API, v1 and v2, on this machine.",
    "senders": "List the team's account links, ready to paste.",
    "show": "Show a campaign with its bases: each value with file and line.",
    "status": "Show how campaigns stand and what needs a person.",
    "submit": "Plan a campaign into a shared ledger and hand it to workers.",
    "suppress": "The do-not-contact list: add, remove, list, import, export.",
    "test": "Send one of the messages to yourself.",
    "unhold": "Let the messages of people on hold go on.",
    "unsubmit": "Take a campaign back from the workers.",
    "who": "Show everything about one person, in all campaigns.",
    "worker": "Send campaigns of a shared ledger, beside other workers.",
}
"""The short help of every command, which is the `command` of the module of its name in
`runner.cli.commands`."""


class LazyGroup(DefaultGroup):  # type: ignore[misc]  # it has no types
    """A group that knows its commands by name and loads the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SHORT_HELPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = cmd_name if cmd_name in SHORT_HELPS else self.default_cmd_name
        if name not in self.commands:
            self.add_command(import_module(f"runner.cli.commands.{name}").command)
        command: click.Command | None = super().get_command(ctx, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        default = self.default_cmd_name
        rows = [(f"{default}*", SHORT_HELPS[default])]
        rows += [(name, text) for name, text in SHORT_HELPS.items() if name != default]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in SHORT_HELPS if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        # The default command takes campaign files, which the shell itself completes.
        files = [] if names or options else [CompletionItem(incomplete, type="file")]
        return [*(CompletionItem(name, help=SHORT_HELPS[name]) for name in names), *options, *files]


def _version(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
    if value:
        from runner import __version__

        click.echo(f"run-campaign {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, default="run", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def commands() -> None:
    """Send one personal direct message to every prospect of a sheet, through the Inbox API.

    `run-campaign CAMPAIGN.yaml` sends a campaign or goes on with it; see `run-campaign run --help`.
    Kill it at any moment and start it again: nobody is written to twice, nobody is forgotten.
    """
