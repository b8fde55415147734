"""The account of a new campaign: its token, and the account links that send."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.channels.base import AccountLink, Token
from runner.cli.init.questions import again, needed
from runner.cli.invocation import Invocation
from runner.clock import SystemClock
from runner.errors import UsageError
from runner.events import EventBus
from runner.formats import safe
from runner.project.credentials import TOKEN_VARIABLE, from_dotenv
from runner.project.new_campaign import DEFAULT_PLATFORM, NewSheet, api_lines, campaign_text
from runner.run.preparation.team import TokenIdentity, fetch_identity, find_obstacle

ASK_TOKEN = "API token (Inbox: Settings, API Keys; not shown; Enter: no account yet)"

TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Account:
    """A team's token and accounts; no token: none yet. `keep`: the token is not written anywhere
    yet."""

    token: str
    keep: bool
    platform: str
    team: str = ""
    links: Sequence[AccountLink] = ()


def ask_account(
    call: Invocation,
    folder: Path,
    token_file: Path | None,
    base_url: str,
    platform: str | None,
    environ: Mapping[str, str],
    asks: bool,
) -> Account:
    """Return the account of a token, which the API has confirmed: of the file that is named, else
    of the environment or the project's `.env`, else asked for. Raises RunnerError for a token that
    cannot be used, where nobody can be asked for another."""
    campaign = _any_campaign(base_url)

    def known(token: str, *, keep: bool) -> Account:
        call.secrets.add(token)
        if not TOKEN.fullmatch(token):
            raise UsageError("that is not a token: it has spaces, or signs that no token has")
        who = identify_token(token, campaign)
        return Account(token, keep, DEFAULT_PLATFORM, who.team_name, who.links)

    if token_file is not None:
        with click.open_file(str(token_file), encoding="utf-8-sig") as stream:
            return known(stream.read().strip(), keep=True)
    found = environ.get(TOKEN_VARIABLE, "").strip() or from_dotenv(folder / ".env", TOKEN_VARIABLE)
    if found:
        return known(found, keep=False)

    def typed(_: None) -> Account:
        token = click.prompt(ASK_TOKEN, default="", hide_input=True, show_default=False).strip()
        return known(token, keep=True) if token else none_yet()

    def none_yet() -> Account:
        said = platform or (needed(asks, "platform: twitter (X) or linkedin", "", DEFAULT_PLATFORM))
        return Account("", False, "twitter" if said.casefold() == "x" else said.casefold())

    if asks:
        return again(asks, None, typed)
    return Account("", False, platform or DEFAULT_PLATFORM)


def _any_campaign(base_url: str) -> Campaign:
    """Return a campaign of which only its API is used. Raises CampaignError for an address that
    cannot be used."""
    api = api_lines(base_url, DEFAULT_PLATFORM)
    text = campaign_text("new", api, [], NewSheet("people.csv", "id"))
    return load_campaign(Path("new.yaml"), text)


def identify_token(token: str, campaign: Campaign) -> TokenIdentity:
    """Ask the API whose token it is, and for the accounts. Raises ChannelError."""
    return asyncio.run(fetch_identity(campaign, Token(token), SystemClock(), EventBus(), None))


def show_accounts(links: Sequence[AccountLink], team: str) -> None:
    click.echo(f"accounts of team {safe(team)}:")
    wide = max(len(_called(link)) for link in links)
    for at, link in enumerate(links, 1):
        why = find_obstacle(link)
        about = f"{link.platform}, {link.status}" + (f"; {why}" if why else "")
        click.echo(f"  {at:>2}  {safe(_called(link)).ljust(wide)}  {safe(about)}")


def ask_senders(account: Account, said: Sequence[str], asks: bool) -> list[AccountLink]:
    """Return the accounts to send from, none without a token. Raises UsageError for one that is not
    there."""
    if not account.token:
        if said:
            raise UsageError("--sender is looked up by the token, and there is none")
        return []
    links = account.links
    if not links:
        raise UsageError(f"team {account.team} has no account", "connect one in Inbox, then again")
    fit = [link for link in links if not find_obstacle(link)]
    if asks and not said:
        show_accounts(links, account.team)
    first = str(links.index(fit[0]) + 1) if fit else ""
    alone = fit[0].id if len(fit) == 1 and not asks else None

    def choose(named: str | None) -> list[AccountLink]:
        question = "send from (numbers or @handles)"
        return pick_senders(links, named or needed(asks, question, "--sender", first))

    return again(asks, " ".join(said) or alone, choose)


def pick_senders(links: Sequence[AccountLink], said: str) -> list[AccountLink]:
    """Return the accounts that are named: by number, @handle or id. Raises UsageError for one that
    is not there, and for several platforms."""
    found = []
    for word in filter(None, re.split(r"[,\s]+", said)):
        of_name = [
            link
            for link in links
            if word == link.id or word.lstrip("@").casefold() == link.username.casefold()
        ]
        if not of_name and word.isdecimal() and 1 <= int(word) <= len(links):
            of_name = [links[int(word) - 1]]
        if len(of_name) != 1:
            what = f"{word} is the handle of {len(of_name)} accounts" if of_name else word
            there = ", ".join(_called(link) for link in links)
            raise UsageError(
                f"{what}: not one of the accounts" if not of_name else what,
                f"there are: {there}" if not of_name else "name its id",
            )
        found += [link for link in of_name if link not in found]
    if not found:
        raise UsageError("no account is chosen")
    if len({link.platform for link in found}) > 1:
        raise UsageError("a campaign has one platform, and these are on several")
    return found


def _called(link: AccountLink) -> str:
    return f"@{link.username}" if link.username else link.id
