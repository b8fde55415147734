"""`run-campaign completion`: the shell's script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from runner.cli.options import examples

VARIABLE = "_RUN_CAMPAIGN_COMPLETE"


@click.command(
    "completion",
    short_help="Print the completion script of a shell.",
    epilog=examples(
        'eval "$(run-campaign completion bash)"      in ~/.bashrc',
        'eval "$(run-campaign completion zsh)"       in ~/.zshrc',
        "run-campaign completion fish > ~/.config/fish/completions/run-campaign.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the script that completes commands, options and files in your shell."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "run-campaign", VARIABLE).source())
    return 0
