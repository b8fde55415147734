"""The arguments and options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar
from unicodedata import normalize

import click

from runner.cli.help_text import WholeNumber
from runner.findings import refuse_code

F = TypeVar("F", bound=Callable[..., Any])

ENDINGS = (".yaml", ".yml")


Said = TypeVar("Said", Path, tuple[Path, ...])


def _campaign_files(ctx: click.Context, param: click.Parameter, value: Said) -> Said:
    """Refuse what is not a campaign file, before anything else happens."""
    return _refuse_others(ctx, value, may_be_elsewhere=False)


def _known_campaign_file(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    """Refuse a file that is not of a campaign, unless the ledger is shared: it may be elsewhere."""
    return _refuse_others(ctx, value, may_be_elsewhere=_is_shared(ctx))


def _is_shared(ctx: click.Context) -> bool:
    said = ctx.params.get("state") or os.environ.get("RUN_CAMPAIGN_STATE", "")
    return "://" in str(said)


def _refuse_others(ctx: click.Context, value: Said, *, may_be_elsewhere: bool) -> Said:
    for path in value if isinstance(value, tuple) else (value,):
        if path.suffix.lower() not in ENDINGS:
            what = "no campaign file (.yaml) and no command"
        elif not _speakable(str(path)):
            what = "its name is not UTF-8, and the ledger cannot keep it; rename it"
            raise click.UsageError(f"{path}: {what}", ctx)
        elif path.is_dir():
            what = "is a folder"
        elif not path.is_file() and not may_be_elsewhere:
            what = "there is no such file"
        else:
            continue
        raise click.UsageError(f"{path}: {what}{_near(path, ctx)}", ctx)
    return value


def _speakable(path: str) -> bool:
    try:
        os.path.abspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _ledger(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    told = value or os.environ.get("RUN_CAMPAIGN_STATE", "")
    if told and not _speakable(told):
        raise click.UsageError(f"{told}: the ledger's name is not UTF-8; choose another", ctx)
    return value


def _near(path: Path, ctx: click.Context) -> str:
    """Return `; did you mean …?` with campaign files nearby and commands, or empty."""
    folders = dict.fromkeys((path.parent, Path(), Path("campaigns")))
    names: dict[str, str] = {}
    for folder in folders:
        for each in sorted(folder.glob("*.y*ml")) if folder.is_dir() else ():
            if each.suffix in ENDINGS:
                names.setdefault(each.stem, str(each))
    group = ctx.find_root().command
    if not path.suffix and isinstance(group, click.Group):
        names |= {name: name for name in group.list_commands(ctx)}
    wanted = path.stem if path.suffix else path.name
    found = get_close_matches(wanted, list(names), 2, 0.6)
    return f"; did you mean {' or '.join(names[name] for name in found)}?" if found else ""


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return `45s`, `50m`, `2h` as seconds; a callback."""
    from runner.campaign.values import parse_duration

    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as problem:
        raise click.BadParameter(f"{value} {problem}", ctx, param) from None


def _finding_codes(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> Any:
    for code in value:
        if why := refuse_code(code):
            raise click.BadParameter(f"{code}: {why}", ctx, param)
    return value


def accept_option(function: F) -> F:
    """Add `--accept`."""
    return click.option(
        "--accept",
        callback=_finding_codes,
        metavar="CODE",
        multiple=True,
        help="Accept this question about the files: it is meant; repeatable.",
    )(function)


def rest_with_option(function: F) -> F:
    """Add `--rest-with`."""
    return click.option(
        "--rest-with",
        metavar="VARIANT",
        default="",
        help="Give all who are not written to yet this variant's text; it is recorded.",
    )(function)


def plan_option(function: F) -> F:
    """Add `--plan`."""
    return click.option(
        "--plan",
        "plans",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        multiple=True,
        help="Send only what this approved plan has; repeatable, one for each campaign.",
    )(function)


def state_option(function: F) -> F:
    """Add `--state`."""
    return click.option(
        "--state",
        is_eager=True,  # whether it is shared decides what else may be said
        metavar="LEDGER",
        callback=_ledger,
        help="The ledger: a file, or a database URL. Default: RUN_CAMPAIGN_STATE, else state.db in "
        "the project.",
    )(function)


def campaign_argument(function: F) -> F:
    """Add one campaign file."""
    return click.argument(
        "campaign", type=click.Path(path_type=Path), metavar="CAMPAIGN", callback=_campaign_files
    )(function)


def known_campaign_argument(function: F) -> F:
    """Add one campaign that the ledger knows."""
    return click.argument(
        "campaign",
        type=click.Path(path_type=Path),
        metavar="CAMPAIGN",
        callback=_known_campaign_file,
    )(function)


def campaigns_argument(function: F) -> F:
    """Add one campaign file or more."""
    return click.argument(
        "campaigns",
        type=click.Path(path_type=Path),
        metavar="CAMPAIGN...",
        nargs=-1,
        required=True,
        callback=_campaign_files,
    )(function)


def any_campaign_argument(function: F) -> F:
    """Add one campaign file, or none for all of the ledger."""

    def check(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
        return None if value is None else _known_campaign_file(ctx, param, value)

    return click.argument(
        "campaign",
        type=click.Path(path_type=Path),
        metavar="[CAMPAIGN]",
        required=False,
        callback=check,
    )(function)


def people_arguments(function: F) -> F:
    """Add what names people: ids, and a file of many."""
    options = (
        click.argument("ids", nargs=-1, metavar="[ID...]"),
        click.option(
            "--file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Also the people of a table, or of a plain list of ids.",
        ),
        click.option("--id", "column", metavar="COLUMN", help="The column of FILE with the ids."),
    )
    for option in reversed(options):  # in the help they stand as here
        function = option(function)
    return function


def kind_options(function: F) -> F:
    """Add the options that say what kind of ids are given."""
    for option in (
        click.option(
            "--id-type",
            type=click.Choice(["platform", "inbox", "username"]),
            default="platform",
            show_default=True,
            help="What the ids are; usernames by what `handles` has resolved.",
        ),
        click.option("--platform", default="twitter", show_default=True, help="Whose ids."),
    ):
        function = option(function)
    return function


log_file_option = click.option(
    "--log-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append the events to FILE as JSON too, whatever stdout shows.",
)


def watching_options(function: F) -> F:
    """Add the options for other programs that watch a run or a worker."""
    options = (
        click.option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
            help="json: one object per event on stdout, nothing else there.",
        ),
        log_file_option,
        click.option(
            "--metrics-port",
            type=WholeNumber(0, 65535),
            metavar="N",
            help="Serve metrics for Prometheus on this port while it runs. 0: any free port.",
        ),
        click.option(
            "--metrics-address",
            default="127.0.0.1",
            show_default=True,
            metavar="ADDRESS",
            help="Where --metrics-port listens.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def compared_ids(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """Return ids of people as the ledger has them, in Unicode NFC; a callback."""
    return tuple(id if id.isascii() else normalize("NFC", id) for id in value)


def run_options(function: F) -> F:
    """Add the options of every command that sends."""
    options = (
        click.option("--limit", type=WholeNumber(0), metavar="N", help="Send at most N messages."),
        click.option(
            "--only",
            metavar="ID",
            multiple=True,
            callback=compared_ids,
            help="Only this recipient; repeatable.",
        ),
        click.option(
            "--until-idle", is_flag=True, help="End when nothing is due for 10 minutes (cron, CI)."
        ),
        click.option(
            "--stop-after",
            callback=duration,
            metavar="TIME",
            help="Start no more messages after this time, such as 50m, and end.",
        ),
        accept_option,
        click.option(
            "--accept-changes",
            is_flag=True,
            help="Send texts that changed after planning; sent messages never change.",
        ),
        click.option(
            "--new-campaign",
            is_flag=True,
            help="These files are a campaign of their own, though known under another name.",
        ),
        rest_with_option,
        plan_option,
        click.option(
            "--adopt", is_flag=True, help="Record as sent what another ledger sent under this name."
        ),
        click.option(
            "--accept-old-ledger",
            is_flag=True,
            help="Go on with an old copy of the ledger; messages it may not know become in doubt.",
        ),
        click.option("--wait", is_flag=True, help="Wait for a run that holds the team."),
        click.option("-y", "--yes", is_flag=True, help="Do not ask."),
        state_option,
        watching_options,
        click.option("-q", "--quiet", is_flag=True, help="Show only problems and the end."),
        click.option("-v", "--verbose", is_flag=True, help="Show each message too."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def examples(*lines: str) -> str:
    """Return an epilog with examples, kept as they are written."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
