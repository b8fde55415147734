"""The entry of the command line: streams, the command, the exit code."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from io import TextIOWrapper

from runner.cli.app import commands
from runner.cli.failures import exit_code_of
from runner.cli.invocation import Invocation
from runner.errors import UsageError

GC_THRESHOLD = 100_000
"""Allocations between two garbage collections. What the modules bring stays, and need not be
examined again and again while they load."""


def main(argv: list[str] | None = None) -> int:
    """Run one command line (default: this process's); return its exit code."""
    _open_streams()
    gc.set_threshold(GC_THRESHOLD)
    if not sys.warnoptions:  # what a library has to say to programmers
        warnings.simplefilter("ignore")
    words = list(sys.argv[1:] if argv is None else argv)
    call = Invocation(words)
    try:
        code = commands.main(words, prog_name="run-campaign", standalone_mode=False, obj=call)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except SystemExit as ended:  # click ends itself so for shell completion
        return ended.code if isinstance(ended.code, int) else 1
    except UnicodeEncodeError as failure:
        return exit_code_of(_no_text(words) or failure, call)
    except BaseException as failure:
        return exit_code_of(failure, call)
    finally:
        gc.freeze()  # what is in memory now ends with the process: no last look through it


def _no_text(words: list[str]) -> UsageError | None:
    """Return the error for the first word whose bytes are no text here: it cannot be kept."""
    for number, word in enumerate(words, 1):
        if any("\ud800" <= char <= "\udfff" for char in word):
            return UsageError(
                f"argument {number} is not {sys.getfilesystemencoding().upper()} text: {word!a}",
                "write it in that encoding",
            )
    return None


def _open_streams() -> None:
    """Give the program the streams that it was started without: else the next file that is opened
    takes their place, and what is told to people is written into it."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(handle, True)
    os.close(handle)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115  # for as long as we run
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115  # the same
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115  # the same
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # What a terminal or a log cannot show is shown as `?`: no reason to stop a run.
        if isinstance(stream, TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")
