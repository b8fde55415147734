"""`python -m runner`."""

import sys


def main() -> None:
    """Run the command line. Imported late, so that nothing loads before it is asked for."""
    from runner.cli.main import main as command_line

    sys.exit(command_line())


if __name__ == "__main__":
    main()
