"""The token: from the environment or a `.env` file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from runner.channels.base import Token
from runner.errors import UsageError

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign


TOKEN_VARIABLE = "INBOX_API_TOKEN"

SANDBOX_TOKEN = "sandbox-token"  # the sandbox's own, worth nothing anywhere else


TOKEN_LENGTH = 8
"""Characters from which on a token is looked for in files: a shorter one may be a word there. Our
own choice; the API's are longer."""


def read_token(campaign: Campaign, environ: Mapping[str, str], location: str) -> Token:
    """Return the token that the campaign names, from the environment or `.env` beside the ledger.

    Raises UsageError for one that is not set, or is written into the campaign's files.
    """
    where = "from Inbox: Settings, API Keys"
    return _read(campaign.api.token_env, "API token", where, campaign, environ, location)


X_TOKEN = "X_BEARER_TOKEN"
"""The variable with the token of X's own API."""


def read_x_token(campaign: Campaign, environ: Mapping[str, str], location: str) -> Token:
    """Return the token of X's own API, as `read_token` does the campaign's."""
    where = "an app's own token, from X's developer console"
    return _read(X_TOKEN, "token for X's API", where, campaign, environ, location)


def _read(
    name: str, what: str, where: str, campaign: Campaign, environ: Mapping[str, str], location: str
) -> Token:
    folder = campaign.project_dir if "://" in location else Path(location).absolute().parent
    value = environ.get(name) or from_dotenv(folder / ".env", name)
    if not value.strip():
        raise UsageError(
            f"no {what}: {name} is not set",
            f"export {name}=… or write it into {folder / '.env'} ({where})",
        )
    _refuse_written(value.strip(), name, campaign)
    return Token(value.strip())


def _refuse_written(token: str, name: str, campaign: Campaign) -> None:
    """Raise UsageError if the token itself is written in the campaign's files: `submit` keeps their
    text in the ledger, and a message would tell it to people. A sandbox's is no secret."""
    if campaign.rehearsal or len(token) < TOKEN_LENGTH:
        return
    files = [path for path, _ in campaign.files]
    for path in (*files, *campaign.templates):
        with suppress(OSError):  # a worker may be on another host
            if token.encode() in path.read_bytes():
                raise UsageError(
                    f"{path} holds the API token itself",
                    f"take it out: ${{{name}}} is all that the campaign needs; "
                    "if others can read the file, make a new token",
                )


def from_dotenv(path: Path, name: str) -> str:
    """Return what a `.env` file says for `name`; empty for nothing. Raises UsageError for one that
    cannot be read."""
    try:
        # It tells programmers of lines that it cannot read.
        logging.getLogger("dotenv.main").setLevel(logging.ERROR)
        # Notepad begins a file with a byte mark.
        return dotenv_values(path, encoding="utf-8-sig").get(name) or ""
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8 text", "save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
