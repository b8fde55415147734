"""A failure on the command line: one line and what to do, an exit code, and for a bug its log."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import time
from pathlib import Path

import click

from runner.cli.invocation import Invocation
from runner.errors import RunnerError
from runner.formats import fold, safe
from runner.passwords import SHORTEST, hide_passwords, passwords_in

_TOKEN_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
BUG = 3
INTERRUPTED = 130


def exit_code_of(failure: BaseException, call: Invocation) -> int:
    """Tell a failure on stderr; return the exit code for it."""
    match failure:
        case RunnerError():
            _tell(f"error: {failure}", call)
            if failure.hint:
                _tell(failure.hint, call)
            return failure.exit_code
        case click.UsageError() if type(failure).__name__ == "NoArgsIsHelpError":
            # No words at all: the help is the answer. (click 8.1 has no such class.)
            click.echo(failure.format_message(), err=True)
            return failure.exit_code
        case click.UsageError():
            told = " ".join(failure.format_message().split())  # click lists choices in lines
            _tell(f"error: {told}", call)
            if failure.ctx is not None:
                _tell(f"see: {failure.ctx.command_path} --help", call)
            return failure.exit_code
        case click.ClickException():
            _tell(f"error: {failure.format_message()}", call)
            return failure.exit_code
        case KeyboardInterrupt() | click.Abort():
            if isinstance(failure, click.Abort) and sys.stderr.isatty():
                click.echo(err=True)  # ends the line of the question
            _tell("interrupted", call)
            if call.resume:
                _tell(f"to go on: {call.resume}", call)
            return INTERRUPTED
        case OSError(errno=errno.EPIPE):
            # The reader of our output has gone.
            _give_up_output()
            return 1
        case OSError(strerror=str(why), filename=str(name)):
            _tell(f"error: {name}: {why}", call)
            return 1
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG | errno.EIO, strerror=why):
            # Of a write, which names no file: the output, mostly.
            _tell(f"error: something could not be written: {why}", call)
            _tell("check the disk and the output's place, then run it again", call)
            _give_up_output()
            return 1
        case FileNotFoundError(filename=None):  # of the working directory
            _tell("error: the folder that you are in is gone; change into another", call)
            return 1
        case _:
            return _bug(failure, call)


def _give_up_output() -> None:
    """Send what is still to be flushed nowhere: it would fail again, and change the exit code."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(text: str, call: Invocation) -> None:
    with contextlib.suppress(OSError):
        told = safe(scrub(text, call), lines=True)
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns
            told = "\n".join(part for line in told.split("\n") for part in fold(line, width))
        click.echo(told, err=True)


def scrub(text: str, call: Invocation) -> str:
    """Return `text` with every token and password that this call can know of starred out."""
    text = hide_passwords(text, _secrets(call))
    return re.sub(r"(?i)\b(bearer\s+)[^\s'\"]+", r"\1***", text)


def token_names(call: Invocation) -> set[str]:
    """Return the variables that may hold a token of the campaigns of this call."""
    names = {"INBOX_API_TOKEN"}
    for path in call.campaigns:
        # As text: the file may be what does not load.
        with contextlib.suppress(OSError, ValueError):
            names.update(_TOKEN_NAME.findall(path.read_text()))
        with contextlib.suppress(OSError, ValueError, RunnerError):
            from runner.campaign.bases.chain import read_chain

            for base in read_chain(path).files[1:]:
                names.update(_TOKEN_NAME.findall(base.text))
    return names


def _secrets(call: Invocation) -> set[str]:
    found = set(call.secrets)
    names = token_names(call)
    folders: set[Path] = set()
    with contextlib.suppress(OSError):  # the working directory may be gone
        folders.add(Path.cwd())
    for path in call.campaigns:
        with contextlib.suppress(OSError):
            folders.update(path.absolute().parents[:3])
    for folder in folders:
        with contextlib.suppress(OSError, ValueError):
            for line in (folder / ".env").read_text(encoding="utf-8-sig").splitlines():
                name, equals, value = line.strip().removeprefix("export ").partition("=")
                if equals and name.strip() in names:
                    found.add(value.strip().strip("'\""))
                    # With a comment behind it.
                    quoted = re.match(r"""\s*(["'])(.*?)\1""", value)
                    found.add(quoted[2] if quoted else value.partition(" #")[0].strip())
    found.update(os.environ.get(name, "").strip() for name in names)
    return {secret for secret in found if len(secret) >= SHORTEST}


def _bug(failure: BaseException, call: Invocation) -> int:
    import traceback

    told = "".join(traceback.format_exception(failure))
    name = f"bug-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
    text = f"run-campaign {' '.join(call.words)}\n\n{told}"
    for folder in _places(call):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as log:
                log.write(hide_passwords(scrub(text, call), _passwords(call)))
            break
    else:
        folder, name = Path("nowhere"), "it could not be written"
    what = traceback.format_exception_only(failure)[-1].strip().splitlines()[0]
    what = hide_passwords(what, _passwords(call))
    _tell(f"this is a bug: {what}; its log: {folder / name}", call)
    return BUG


def _passwords(call: Invocation) -> set[str]:
    """Return the database's passwords that this call can know of. Only a bug's log may repeat them;
    in every error they are hidden already, and one that is a common word would take it out
    there."""
    addresses = [*call.words, call.state or "", os.environ.get("RUN_CAMPAIGN_STATE", "")]
    kept = {os.environ.get(name, "") for name in ("PGPASSWORD", "PGSSLPASSWORD")}
    found = kept.union(*map(passwords_in, addresses))
    return {each for each in found if len(each) >= SHORTEST}


def _places(call: Invocation) -> list[Path]:
    import tempfile

    places: list[Path] = []
    # Whatever went wrong may go wrong here again; there is always the temporary folder.
    with contextlib.suppress(Exception):
        from runner.campaign.loader import load_campaign
        from runner.project.ledgers.ledger_location import ledger_location, ledger_upward

        if call.campaigns:
            campaigns = [load_campaign(path) for path in call.campaigns]
            location = ledger_location(call.state, os.environ, campaigns, live=False)
        else:
            location = ledger_upward(call.state, os.environ, Path.cwd())
        if "://" not in location:
            places.append(Path(location).absolute().parent / ".run-campaign")
    return [*places, Path(tempfile.gettempdir())]
