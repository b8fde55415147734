"""The files of a new campaign, made of what a person has answered."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.cli.init.account import Account, ask_account, ask_senders
from runner.cli.init.questions import again, needed
from runner.cli.init.sample_project import SCHEMA_LINE, common_files
from runner.cli.init.sheet import ask_first_name, ask_people
from runner.cli.init.text import ask_text
from runner.cli.invocation import Invocation
from runner.errors import UsageError
from runner.project.credentials import TOKEN_VARIABLE
from runner.project.new_campaign import NewSheet, api_lines, campaign_name, campaign_text

DEFAULT_FOLDER = "outreach"


@dataclass(frozen=True, slots=True)
class Given:
    """The answers that the options give; None and empty: none."""

    folder: Path | None
    token_file: Path | None
    senders: tuple[str, ...]
    sheet: Path | None
    worksheet: str
    encoding: str
    id: str | None
    first_name: str | None
    template: Path | None
    sample_text: bool
    name: str | None
    platform: str | None
    base_url: str


@dataclass(slots=True)
class NewFiles:
    """The files of a new campaign, to be written together: texts, and copies of files. Those in
    `private` are for their owner alone; `notes`: what a person has to see to; `account`: whether
    there is one; `by_handle`: the sheet has handles, whose ids are still to be found;
    `handles`: of the senders, by their ids."""

    campaign: Path
    contents: dict[Path, str | Path]
    private: frozenset[Path]
    notes: list[str]
    account: bool
    by_handle: bool
    handles: Mapping[str, str]


def compose(call: Invocation, given: Given, asks: bool) -> NewFiles:
    """Return the files of a campaign, asking for what is not given. Writes nothing.

    Raises RunnerError for an answer that cannot be used, and for one that is missing where nobody
    can be asked.
    """
    folder = given.folder or Path(needed(asks, "folder for the project", "DIR", DEFAULT_FOLDER))
    account = ask_account(
        call, folder, given.token_file, given.base_url, given.platform, os.environ, asks
    )
    senders = ask_senders(account, given.senders, asks)
    platform = senders[0].platform if senders else account.platform
    sheet, id_column, id_type = ask_people(
        given.sheet, given.encoding, given.worksheet, given.id, platform, asks
    )
    first_name = ask_first_name(sheet, given.first_name, asks)
    text = ask_text(sheet, given.template, given.sample_text, first_name, asks)
    stem = campaign_name(sheet.path.name.partition(".")[0])
    choose = _free_name(folder, stem, asks)
    name = again(asks, given.name or (None if asks else stem), choose)

    campaign = folder / "campaigns" / f"{name}.yaml"
    copy = _copy_of(sheet.path, folder, campaign)
    listed = NewSheet(
        os.path.relpath(copy or sheet.path, campaign.parent),
        id_column,
        id_type,
        sheet.encoding,
        sheet.sheet,
    )
    api = api_lines(given.base_url, platform)
    known = [(link.id, link.username) for link in senders]
    contents: dict[Path, str | Path] = {
        campaign: SCHEMA_LINE + campaign_text(name, api, known, listed),
        folder / "templates" / f"{name}.j2": text,
    }
    if copy is not None:
        contents[copy] = sheet.path
    env, ignored = folder / ".env", folder / ".gitignore"
    if account.keep and not env.exists():
        contents[env] = f"{TOKEN_VARIABLE}='{account.token}'\n"
    notes = _notes(account, env, ignored)
    for path, content in common_files().items():
        if not (folder / path).exists():
            contents[folder / path] = content
    private = frozenset({env, copy} if copy is not None else {env})
    handles = {id: handle for id, handle in known if handle}
    has_account, by_handle = bool(account.token), id_type == "username"
    return NewFiles(campaign, contents, private, notes, has_account, by_handle, handles)


def _free_name(folder: Path, stem: str, asks: bool) -> Callable[[str | None], str]:
    def choose(said: str | None) -> str:
        name = campaign_name(said or needed(asks, "a name for the campaign", "--name", stem))
        for path in (folder / "campaigns" / f"{name}.yaml", folder / "templates" / f"{name}.j2"):
            if path.exists():
                raise UsageError(f"{path} is there already", "choose another name: --name")
        return name

    return choose


def _copy_of(sheet: Path, folder: Path, campaign: Path) -> Path | None:
    """Return where a sheet is copied to; None for one that is in the project already."""
    if sheet.resolve().is_relative_to(folder.resolve()):
        return None
    packed = sheet.suffix.lower() == ".gz"
    return campaign.with_suffix("".join(sheet.suffixes[-2:]) if packed else sheet.suffix)


def _notes(account: Account, env: Path, ignored: Path) -> list[str]:
    """Return what a person has to see to about the token."""
    notes = []
    if account.keep and env.exists():
        notes.append(f"{env} is left as it is: write {TOKEN_VARIABLE}=… into it")
    if not account.token:
        notes.append(
            f"no account yet. When you have one, put {TOKEN_VARIABLE}=… into {env}, and under\n"
            "senders: the accounts that `run-campaign senders` lists"
        )
    if ignored.exists() and ".env" not in ignored.read_text(encoding="utf-8", errors="replace"):
        notes.append(f"{ignored} does not name .env: add it, or git may keep your token")
    return notes
