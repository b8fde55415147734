"""The command line: a skin over `runner.run`. Heavy modules load inside the commands only."""

from __future__ import annotations

import sys

from runner.cli.call import Call
from runner.cli.failing import exit_code_of
from runner.cli.group import commands


def main(argv: list[str] | None = None) -> int:
    """Run one command line (default: this process's); its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    call = Call(words)
    try:
        code = commands.main(words, prog_name="run-campaign", standalone_mode=False, obj=call)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except SystemExit as ended:  # click ends itself so for shell completion
        return ended.code if isinstance(ended.code, int) else 1
    except BaseException as failure:
        return exit_code_of(failure, call)
