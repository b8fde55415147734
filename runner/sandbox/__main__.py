"""``python -m runner.sandbox``: a sandbox in a process of its own, until SIGTERM or SIGINT."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from runner.sandbox.answers import load_answers
from runner.sandbox.faults import FAULTS, SELECTORS
from runner.sandbox.feed import FeedSettings, parse_feed
from runner.sandbox.options import MANGLERS, V1_ORDERS
from runner.sandbox.quotas import PER_DAY, PER_HOUR, PER_MINUTE
from runner.sandbox.server import Sandbox, serve_forever


def _limit(text: str) -> int | None:
    return None if text == "none" else int(text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _people(path: str) -> list[dict[str, Any]]:
    try:
        said = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise argparse.ArgumentTypeError(f"{path}: {problem}") from None
    told = said.get("people") if isinstance(said, dict) else said
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise argparse.ArgumentTypeError(f"{path}: must be a list of people")
    return told


def parser() -> argparse.ArgumentParser:
    """Return the command line; its names are those of ``Options``."""
    faults = "\n".join(
        f"  {name:<20}{what}" + (f" ({', '.join(keys)})" if keys else "")
        for name, (what, keys) in FAULTS.items()
    )
    selectors = "\n".join(f"  {name:<20}{what}" for name, what in SELECTORS.items())
    out = argparse.ArgumentParser(
        prog="python -m runner.sandbox",
        description="A stand-in for the Inbox API on loopback. Prints its address.",
        epilog=f"faults, NAME[:key=value,...]:\n{faults}\n\nkeys of every fault:\n{selectors}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    out.add_argument("--host", default="127.0.0.1", help="loopback only (default 127.0.0.1)")
    out.add_argument("--port", type=int, default=0, help="default 0: any free one")
    out.add_argument("--token", default="sandbox-token")
    out.add_argument("--fault", dest="faults", action="append", default=[], metavar="RULE")
    out.add_argument("--record", type=Path, metavar="FILE", help="JSON lines of accepted sends")
    limits = (("minute", PER_MINUTE), ("hour", PER_HOUR), ("day", PER_DAY))
    for window, number in limits:
        out.add_argument(
            f"--per-{window}",
            type=_limit,
            default=number,
            metavar="N",
            help=f"requests, or none (default {number})",
        )
    out.add_argument("--seed", type=int, default=0)
    out.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    out.add_argument("--characters", type=_limit, default=10_000, metavar="N", help="or none")
    out.add_argument(
        "--contact",
        dest="contacts",
        action="append",
        default=[],
        type=_pair,
        metavar="USERNAME=ID",
        help="a person the team already has",
    )
    out.add_argument(
        "--profiles",
        dest="people",
        type=_people,
        default=[],
        metavar="FILE",
        help="JSON, as POST /sandbox/people",
    )
    out.add_argument("--tag-limit", type=int, metavar="N", help="tags that the team may have")
    out.add_argument("--x-token", default="sandbox-token", help="the token of X's own API")
    out.add_argument(
        "--recipient",
        dest="recipients",
        action="append",
        default=[],
        type=_pair,
        metavar="ID=OUTCOME",
        help="what a send to this person gets",
    )
    out.add_argument("--no-specials", action="store_true", help="no special recipients by ending")
    out.add_argument("--key-life", type=float, metavar="SECONDS", help="default: for ever")
    out.add_argument("--key-used-by-4xx", action="store_true")
    out.add_argument(
        "--forget-unconfirmed",
        action="store_true",
        help="a replay after sendUnconfirmed does not give it again",
    )
    out.add_argument("--compare", choices=("value", "bytes"), default="value")
    out.add_argument("--mangle", choices=sorted(MANGLERS))
    out.add_argument("--show-after", type=float, default=0.0, metavar="SECONDS")
    out.add_argument("--accept-late", type=float, default=0.0, metavar="SECONDS")
    out.add_argument(
        "--v1-order", choices=V1_ORDERS, default="newest", help="of v1's list of messages"
    )
    out.add_argument("--page", type=int, metavar="N", help="most messages of a page of v1")
    out.add_argument("--no-advanced-api", action="store_true", help="new people get planRequired")
    out.add_argument(
        "--people",
        dest="answers",
        type=Path,
        metavar="FILE",
        help="who answers when with what, YAML",
    )
    names = ", ".join(one.name for one in fields(FeedSettings))
    out.add_argument("--feed", default="", metavar="NAME=NUMBER,...", help=f"of events: {names}")
    return out


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    options = vars(arguments).copy()
    for name in ("host", "port"):
        del options[name]
    for name in ("contacts", "recipients"):
        options[name] = dict(options[name])
    if options.pop("no_specials"):
        options["specials"] = {}
    options["feed"] = parse_feed(options.pop("feed"))
    answers = options.pop("answers")
    if answers is not None:
        options["answers"] = load_answers(answers)
    options["replay_unconfirmed"] = not options.pop("forget_unconfirmed")
    options["advanced_api"] = not options.pop("no_advanced_api")
    return options


def _announce(base: str) -> None:
    sys.stdout.write(f"sandbox on {base}\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code: 0 after a signal, 2 for what cannot work."""
    arguments = parser().parse_args(argv)
    try:
        sandbox = Sandbox(**_options(arguments))
        asyncio.run(serve_forever(sandbox, arguments.host, arguments.port, _announce))
    except (ValueError, OSError) as problem:
        sys.stderr.write(f"sandbox: {problem}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
