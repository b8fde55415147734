"""`python -m runner`."""

import gc
import sys


def main() -> None:
    """Run the command line. Imported late, so that nothing loads before it is asked for."""
    gc.set_threshold(100_000, 50, 50)  # what is made here is mostly kept or let go at once
    from runner.cli import main as command_line

    sys.exit(command_line())


if __name__ == "__main__":
    main()
