"""Command lines: an exit code that people know, in one line or two, and never a bug."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import click

from runner.cli.app import commands
from runner.cli.main import main
from tests.fuzz.values import text

APART = ("demo", "sandbox", "init")
"""They begin processes and folders of their own."""
COMMANDS = (
    *(
        "",
        "run",
        "test",
        "check",
        "senders",
        "status",
        "retry",
        "resolve",
        "suppress",
        "hold",
        "unhold",
        "export",
        "db",
    ),
    *("completion", "nonsense"),
)
WORDS = (
    *(
        "--dry-run",
        "--limit",
        "--only",
        "--until-idle",
        "--stop-after",
        "--accept-changes",
        "--yes",
    ),
    *("--json", "--output", "-o", "--state", "--to", "--row", "--status", "--reason", "--new-key"),
    *("--sent", "--not-sent", "--all-not-sent", "--log-format", "-q", "-v", "--help", "--version"),
    *(
        "add",
        "remove",
        "list",
        "import",
        "export",
        "backup",
        "upgrade",
        "bash",
        "zsh",
        "failed",
        "queued",
    ),
    *("good.yaml", "good.yaml", "good.yaml", "bad.yaml", "none.yaml", "folder.yaml", "torn.yaml"),
    *("1", "0", "-1", "10", "50m", "1x", "99999999999999999999", "out.csv", "out.xlsx", "out.html"),
    *(
        "out.zzz",
        "folder/out.csv",
        "nowhere/out.csv",
        "/dev/full",
        "/dev/null",
        "good.csv",
        "state.db",
    ),
    *(
        "junk.db",
        "other.db",
        "postgresql://x:y@127.0.0.1:1/z",
        "x://",
        "sqlite:///a.db",
        "://",
        "json",
    ),
    *(
        "",
        "-",
        "--",
        "x" * 5000,
        "x" * 300 + ".yaml",
        "a\x00b.yaml",
        "\udcff.yaml",
        "é.yaml",
        "\n.yaml",
    ),
    *("1876543210987654321", "@ada", "https://x.com/ada"),
)
CODES = (0, 1, 2, 4, 5, 6)
TOKEN = "tok-5f0c7a1e9b3d4c68a2e7-never-to-be-seen"


def case(luck: Random, folder: Path) -> str:
    """One command line in a project with good and broken files."""
    project = folder / "project"
    _make(luck, project)
    words = _plausible(luck) if luck.random() < 0.8 else _any(luck)
    with _inside(project), _captured() as (out, err):
        code = main(list(words))
    told = err.getvalue()
    assert code in CODES, f"{words}: exit {code}\n{told[-3000:]}{_log(told)}"
    assert "Traceback" not in told, told
    assert TOKEN not in out.getvalue() + told
    if code in (1, 2):
        assert (told + out.getvalue()).strip(), words
    return f"exit {code}"


def _any(luck: Random) -> list[str]:
    words = [luck.choice(COMMANDS)] + [_word(luck) for _ in range(luck.randrange(7))]
    return [word for word in words if word not in ("--watch", "--wait")]


def _word(luck: Random) -> str:
    found = luck.choice(WORDS) if luck.random() < 0.9 else text(luck)
    # As the system hands words over: no NUL, and bytes that are no text as half characters.
    return os.fsdecode(found.replace("\0", "").encode("utf-8", "replace")) + luck.choice(
        ("",) * 30 + ("\udcff",)
    )


def _plausible(luck: Random) -> list[str]:
    """A command with some of its own options, each with a value of its kind or any."""
    name = luck.choice([name for name in commands.commands if name not in APART])
    command = commands.commands[name]
    words = [name]
    while isinstance(command, click.Group):
        name = luck.choice(list(command.commands))
        command = command.commands[name]
        words.append(name)
    for param in command.params:
        if isinstance(param, click.Argument):
            words += (
                [luck.choice(("good.yaml",) * 6 + (_word(luck),))] if luck.random() < 0.9 else []
            )
        elif luck.random() < 0.25 and param.name not in ("watch", "wait"):
            words.append(luck.choice(param.opts))
            words += [] if getattr(param, "is_flag", False) else [_value(luck, param)]
    return words


def _value(luck: Random, param: click.Parameter) -> str:
    if luck.random() < 0.3:
        return _word(luck)
    if isinstance(param.type, click.Choice):
        return str(luck.choice(list(param.type.choices)))
    if param.name == "state":
        return luck.choice(
            (
                "state.db",
                "state.db",
                "junk.db",
                "folder",
                "good.csv",
                "nowhere/x.db",
                "x://",
                "/dev/null/x",
            )
        )
    if isinstance(param.type, click.Path):
        return luck.choice(
            (
                "out.csv",
                "out.jsonl",
                "out.xlsx",
                "out.html",
                "folder/x.csv",
                "/dev/full",
                "no/x.csv",
            )
        )
    return luck.choice(("1", "2", "30m", "1876543210987654321", "7", "df6jbw4h36qm5d9iu2sgn7kx"))


def _make(luck: Random, project: Path) -> None:
    """The files that the words name. Nothing answers at the API's address."""
    if not project.exists():
        (project / "folder.yaml").mkdir(parents=True)
        (project / "folder").mkdir()
        text = (
            "api: {base_url: http://127.0.0.1:1/api/v2}\nsenders: [df6jbw4h36qm5d9iu2sgn7kx]\n"
            "prospects: good.csv\nmessage: Hi {{ first_name }}\n"
        )
        for name in ("good.yaml", "é.yaml"):
            (project / name).write_text(text)
        (project / "bad.yaml").write_text("senders: 3\n")
        (project / "torn.yaml").write_bytes(b"\xff\xfe\x00[")
        (project / "junk.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (project / "good.csv").write_text(
        "x_user_id,first_name\n1876543210987654321,Ada\n,Bob\n007,=1\n"
    )
    garbage = (f"INBOX_API_TOKEN={TOKEN}\n", "\x00\xff", "=\n='\n\"", "export\nA=${B}\nB=${A}\n")
    (project / ".env").write_text(luck.choice(garbage), encoding="latin-1")


@contextlib.contextmanager
def _inside(project: Path) -> Iterator[None]:
    before = Path.cwd()
    kept = {
        name: os.environ.pop(name, None) for name in ("INBOX_API_TOKEN", "RUN_CAMPAIGN_STATE", "CI")
    }
    os.chdir(project)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.update({name: value for name, value in kept.items() if value is not None})


@contextlib.contextmanager
def _captured() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    out, err, stdin = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield out, err
    finally:
        sys.stdin = stdin


def _log(told: str) -> str:
    """The end of the log of a bug."""
    found = re.search(r"its log: (\S+)", told)
    return Path(found[1]).read_text()[-2500:] if found and Path(found[1]).exists() else ""
