"""`run-campaign handles`: the ids behind the handles of a campaign."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from runner.audience.handles import why_unknown
from runner.cli.invocation import Invocation
from runner.cli.options import campaign_argument, duration, examples, state_option
from runner.cli.output import folded, json_text, table
from runner.cli.prompts import can_ask
from runner.clock import SystemClock, iso
from runner.events import Event, EventBus, Notice
from runner.formats import counted, number, safe
from runner.message.handle import HandleAnswer, KeptHandle
from runner.run.handles import PRICE, HandleOptions, HandleTotals, kept_for, resolve_handles
from runner.run.preparation.options import Options, Surroundings

SHOWN = 20
"""Handles that are listed after they were resolved; --list shows all."""


def _price(ctx: click.Context, param: click.Parameter, value: str) -> Decimal:
    try:
        found = Decimal(value)
    except InvalidOperation:
        found = Decimal(-1)
    if not 0 <= found <= 1000:
        raise click.BadParameter(f"{value} is not a price; write dollars such as 0.010", ctx, param)
    return found


@click.command(
    "handles",
    short_help="Find the ids behind a campaign's handles, and keep them.",
    epilog=examples(
        "run-campaign handles spring.yaml            ask Inbox, for its contacts",
        "run-campaign handles spring.yaml --via x    ask X for the others, for money",
        "run-campaign handles spring.yaml --list     what is known; asks nobody",
    ),
)
@campaign_argument
@click.option(
    "--via",
    type=click.Choice(["inbox", "x"]),
    default="inbox",
    show_default=True,
    help="x: ask X's own API too, for money, with the token in X_BEARER_TOKEN.",
)
@click.option("--again", is_flag=True, help="Ask for all of them, also those asked for before.")
@click.option(
    "--older-than",
    callback=duration,
    metavar="TIME",
    help="Ask again for those that were asked for longer ago than this, such as 90d.",
)
@click.option(
    "--take-changed",
    is_flag=True,
    help="Where a handle is another account's than before, take that account.",
)
@click.option(
    "--price",
    callback=_price,
    default=str(PRICE),
    show_default=True,
    metavar="USD",
    help="What X charges for a person found.",
)
@click.option(
    "--x-url",
    metavar="URL",
    help="Where X's API is. Default: https://api.x.com; of a rehearsal its stand-in.",
)
@click.option("--list", "as_list", is_flag=True, help="Show what is known; ask nobody.")
@click.option("--json", "as_json", is_flag=True, help="Every handle as a list of objects.")
@click.option("--wait", is_flag=True, help="Wait for a run that holds the team.")
@click.option("-y", "--yes", is_flag=True, help="Agree to X's price.")
@state_option
@click.pass_obj
def command(
    call: Invocation,
    /,
    campaign: Path,
    via: str,
    again: bool,
    older_than: float | None,
    take_changed: bool,
    price: Decimal,
    x_url: str | None,
    as_list: bool,
    as_json: bool,
    wait: bool,
    yes: bool,
    state: str | None,
) -> int:
    """Find the ids behind the handles of a campaign's sheet and do-not-contact lists.

    What was found is kept and never asked for again by itself: handles are renamed and given to
    others, ids stay. Inbox knows the team's own contacts only.
    """
    call.about((campaign,), state)
    if as_list and (via == "x" or again or older_than is not None or take_changed):
        raise click.UsageError("--list asks nobody; leave the other options out")
    if x_url is not None and via != "x":
        raise click.UsageError("--x-url goes with --via x")
    bus, progress = EventBus(), _Progress()

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            progress.end()
            click.echo(safe(event.text), err=True)

    bus.watch(tell)
    around = Surroundings(SystemClock(), bus, os.environ)
    if can_ask() and not as_json:
        around.confirm = lambda question: click.confirm(safe(question), default=False, err=True)
    options = Options(state=state, yes=yes, wait=wait)
    if as_list:
        found = kept_for(campaign, options, around)
    else:
        asked = HandleOptions(via == "x", again, older_than, take_changed, x_url, price)
        try:
            found = resolve_handles(campaign, asked, options, around, progress.tell)
        finally:
            progress.end()
    if as_json:
        click.echo(json_text([_as_json(found, key) for key in found.wanted]))
        return 0
    for told in _told(found, call, campaign, all_of_them=as_list):
        for line in told.split("\n"):
            click.echo("\n".join(folded(line)))
    return 0


class _Progress:
    """A line that counts on a terminal while handles are asked for."""

    def __init__(self) -> None:
        self._open = False  # more may be written over it

    def end(self) -> None:
        """End the line, so that something else can be told."""
        if self._open:
            click.echo(err=True)
        self._open = False

    def tell(self, whom: str, done: int, of: int) -> None:
        """Show how many were asked for so far."""
        if sys.stderr.isatty() and of > 100:
            click.echo(f"\r{whom}: {number(done)} of {number(of)} handles", nl=False, err=True)
            self._open = True
            if done == of:
                self.end()


def _told(
    found: HandleTotals, call: Invocation, campaign: Path, *, all_of_them: bool
) -> Iterator[str]:
    known = [found.kept[key] for key in found.wanted if _is_found(found.kept.get(key))]
    new = {each.handle for each in found.new}
    shown = known if all_of_them else [each for each in known if each.handle in new][:SHOWN]
    if shown:
        yield table([_line(each) for each in shown], indent="")
    more = sum(each.handle in new for each in known) - len(shown)
    if more > 0 and not all_of_them:
        again = call.command("handles", str(campaign), "--list")
        yield f"and {number(more)} more: {again}"
    whom = (("Inbox", found.inbox), ("X", found.x))
    asked = [f"{number(count)} of {who}" for who, count in whom if count]
    told = f"{counted(len(found.wanted), 'handle')}: {number(len(known))} with an id"
    yield told + (f"; asked for now: {', '.join(asked)}" if asked else "")
    resolve = call.command("handles", str(campaign))
    for key in _unknown(found) if all_of_them else list(_unknown(found))[:SHOWN]:
        kept, handle = found.kept.get(key), found.wanted[key]
        yield f"  {safe(why_unknown(handle, kept, resolve, found.platform))}"
    left = len(found.wanted) - len(known)
    if left > SHOWN and not all_of_them:
        yield f"  and {number(left - SHOWN)} more without an id"


def _unknown(found: HandleTotals) -> Iterable[str]:
    return (key for key in found.wanted if not _is_found(found.kept.get(key)))


def _is_found(kept: KeptHandle | None) -> bool:
    return kept is not None and kept.answer is HandleAnswer.FOUND


def _line(kept: KeptHandle) -> tuple[str, ...]:
    was = f"was {kept.before}" if kept.before else ""
    who = f"@{safe(kept.shown)}", safe(kept.id), safe(kept.name)
    return (*who, f"{kept.source} {iso(kept.asked_at)[:10]}", was)


def _as_json(found: HandleTotals, key: str) -> dict[str, Any]:
    kept = found.kept.get(key)
    if kept is None:
        return {"handle": found.wanted[key], "answer": None, "id": None}
    return {
        "handle": found.wanted[key],
        "answer": str(kept.answer),
        "id": kept.id if _is_found(kept) else None,
        "shown": kept.shown,
        "name": kept.name,
        "source": kept.source,
        "asked_at": iso(kept.asked_at),
        "before": kept.before or None,
    }
