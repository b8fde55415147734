"""What short commands load: each package that they do not need is time that a person waits."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

import runner.cli.commands
from runner.cli.app import SHORT_HELPS, commands
from runner.ledger.campaigns import bound_team
from runner.ledger.ledger import open_ledger
from runner.ledger.messages import outcomes
from runner.ledger.messages.outcomes import Result
from runner.message.evidence import Evidence
from tests.documents import ROOT
from tests.support import SENDER, claim_one, make_campaign, make_intent, make_queue, own_lane

CALL = """
import sys
from runner.cli.main import main
sys.argv[0] = "run-campaign"
code = main()
print(code, *sorted(sys.modules), file=sys.stderr)
"""

OTHERS = frozenset({"__main__", "runner", "_distutils_hack", "sitecustomize", "coverage", "pytest"})
"""Ours, and what an interpreter or a measurement brings."""

FOR_FILES = {"pydantic", "yaml"}
FOR_LIMITS = {"runner.pacing", "aiolimiter"}
NEVER = {
    *("aiohttp", "yarl", "multidict", "uvloop", "orjson", "jinja2", "dotenv", "rich"),
    *("pandas", "numpy", "openpyxl", "pyarrow", "holidays", "psycopg"),
    *(
        "runner.run.run",
        "runner.planning.draft",
        "runner.sending",
    ),
    *("runner.channels", "runner.events", "runner.templating", "runner.planning.planner"),
}
"""What sending alone needs, or only some sheets, schedules and ledgers."""

FOR_CHANGES = {
    *(
        "filelock",
        "platformdirs",
        "runner.ledger.copies.staleness",
        "runner.project.ledgers.old_copies",
    ),
    "runner.ledger.copies.seen_ledgers",
    *(
        "runner.ledger.messages.decisions",
        "runner.ledger.messages.outcomes",
        "runner.ledger.doubts.settlements",
    ),
}
"""What a command needs that changes the ledger, or moves its messages."""

FOR_LOOKING = {
    "runner.ledger.campaigns.audit",
    "runner.ledger.queries.message_lists",
    "runner.ledger.queries.search",
}
"""What the dashboard and histories look at."""


def _modules(folder: Path, *words: str, **env: str) -> tuple[set[str], str]:
    """The modules that are in memory when a command has ended well, and what it said."""
    own = {"HOME": str(folder), "RUN_CAMPAIGN_MEMORY": str(folder / "memory")}
    done = subprocess.run(
        [sys.executable, "-c", CALL, *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"]} | own | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    code, *names = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr
    return set(names), done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign with limits whose start is to come: one of its people was sent a message, one
    perhaps, and one waits."""
    (tmp_path / "people.csv").write_text("x_user_id\n17\n18\n19\n")
    tomorrow = time.strftime("%Y-%m-%d %H:%M", time.gmtime(time.time() + 86_400))
    (tmp_path / "spring.yaml").write_text(
        f"senders: [{{id: {SENDER}, per_hour: 20, ramp: {{start: 20, step: 10}}}}]\n"
        "prospects: people.csv\nmessage: Hello\nlimits: {per_minute: 300}\n"
        f"schedule: {{start: {tomorrow}, timezone: Europe/London}}\n"
    )
    at = time.time() - 60
    with open_ledger(str(tmp_path / "state.db")) as ledger:
        row = make_campaign(ledger)
        make_queue(ledger, row, [17, 18, 19])
        ledger.write(bound_team.bind, row.id, "https://api.example", "team1")
        run, epoch = own_lane(ledger)
        for message, evidence in ((1, Evidence.ACCEPTED), (2, Evidence.UNKNOWN)):
            intent = make_intent(message, run, epoch, started_at=at, server_at=at)
            number = claim_one(ledger, intent)
            result = Result(message, number, evidence, at, message_id=f"m{message}")
            ledger.write(outcomes.record, [result])
    return tmp_path


def test_help_loads_what_reads_the_command_line(tmp_path: Path) -> None:
    modules, _ = _modules(tmp_path, "--help")
    packages = {name.partition(".")[0] for name in modules}
    loaded = packages - sys.stdlib_module_names - OTHERS
    assert loaded == {"click", "click_default_group"}


def test_help_lists_every_command_with_its_own_short_help(tmp_path: Path) -> None:
    context = click.Context(commands)
    loaded = {name: commands.get_command(context, name) for name in SHORT_HELPS}
    assert {name: each and (each.name, each.short_help) for name, each in loaded.items()} == {
        name: (name, text) for name, text in SHORT_HELPS.items()
    }
    modules, told = _modules(tmp_path, "--help")
    listed = [line.split()[0] for line in told.partition("Commands:\n")[2].splitlines()]
    assert listed == ["run*", *sorted(SHORT_HELPS.keys() - {"run"})]
    assert not {name for name in modules if name.startswith("runner.cli.commands.")}


def test_every_module_of_a_command_is_listed() -> None:
    folder = Path(runner.cli.commands.__file__).parent
    assert {path.stem for path in folder.glob("[!_]*.py")} == set(SHORT_HELPS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "expected", "module"),
    [
        (("s",), {"sandbox", "senders", "show", "status", "submit", "suppress"}, None),
        (("un",), {"unhold", "unsubmit"}, None),
        (("status", "--w"), {"--watch", "--why"}, "status"),
        (("suppress", "ex"), {"export"}, "suppress"),
        (("--v",), {"--version"}, None),
    ],
)
def test_a_shell_completes_without_loading_other_commands(
    tmp_path: Path, words: tuple[str, ...], expected: set[str], module: str | None
) -> None:
    asked = {"_RUN_CAMPAIGN_COMPLETE": "bash_complete", "COMP_CWORD": str(len(words))}
    asked["COMP_WORDS"] = " ".join(("run-campaign", *words))
    modules, told = _modules(tmp_path, **asked)
    assert {line.partition(",")[2] for line in told.splitlines()} == expected
    prefix = "runner.cli.commands."
    loaded = {name.removeprefix(prefix) for name in modules if name.startswith(prefix)}
    assert loaded == ({module} if module else set())


@pytest.mark.slow
def test_status_of_a_campaign_under_way_loads_nothing_that_sends(folder: Path) -> None:
    modules, told = _modules(folder, "status", "spring.yaml", "--json")
    standing = json.loads(told)
    counts = {name: count for name, count in standing["counts"].items() if count}
    assert counts == {"sent": 1, "in_doubt": 1, "queued": 1}
    assert standing["binds_now"] == "the schedule"
    assert {"sqlalchemy"} | FOR_FILES | FOR_LIMITS <= modules
    assert modules & (NEVER | FOR_CHANGES | FOR_LOOKING) == set()


@pytest.mark.slow
def test_status_where_nothing_is_to_go_loads_the_ledger_alone(folder: Path) -> None:
    _modules(folder, "pause", "spring.yaml")
    modules, told = _modules(folder, "status", "spring.yaml")
    assert "paused by" in told
    assert modules & (FOR_FILES | FOR_LIMITS | FOR_CHANGES | FOR_LOOKING) == {"yaml"}


@pytest.mark.slow
def test_status_that_names_no_file_reads_none_where_nothing_is_to_go(folder: Path) -> None:
    _modules(folder, "pause", "spring.yaml")
    modules, told = _modules(folder, "status")
    assert "paused by" in told
    assert modules & (FOR_FILES | FOR_LIMITS | FOR_CHANGES | FOR_LOOKING) == set()


@pytest.mark.slow
def test_status_in_words_loads_no_more(folder: Path) -> None:
    modules, told = _modules(folder, "status", "spring.yaml")
    assert "waits for the schedule" in told
    assert modules & (NEVER | FOR_CHANGES | FOR_LOOKING) == set()


@pytest.mark.slow
def test_no_package_is_asked_for_plugins_of_pydantic(folder: Path) -> None:
    """It would read the entry points of each that is installed."""
    modules, _ = _modules(folder, "status", "spring.yaml")
    assert "pydantic" in modules
    assert "pydantic.plugin._loader" in modules, "where it looks for them"
    ask = "import runner.campaign.schema, pydantic.plugin._loader as loader; print(loader._plugins)"
    asked = subprocess.run(
        [sys.executable, "-c", ask], capture_output=True, text=True, timeout=60, check=True
    )
    assert asked.stdout == "None\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "needs"),
    [
        (("pause", "spring.yaml"), {"yaml"}),
        (("resolve", "spring.yaml", "--not-sent", "18"), {"yaml"}),
        (("export", "spring.yaml", "-o", "results.csv"), FOR_FILES),
        (("suppress", "add", "44"), set()),
        (("suppress", "list"), set()),
        (("hold", "44"), set()),
        (("hold", "--list"), set()),
        (("db", "backup", "copy.db"), set()),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_a_short_command_loads_what_it_needs(
    folder: Path, words: tuple[str, ...], needs: set[str]
) -> None:
    modules, _ = _modules(folder, *words)
    assert "sqlalchemy" in modules
    assert modules & (FOR_FILES | FOR_LIMITS) == needs
    assert modules & NEVER == set()


@pytest.mark.slow
def test_tests_share_helpers_by_modules_that_hold_no_test() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for name in [node.module or ""]
        if name.rpartition(".")[2].startswith("test_")
    ]
    assert found == []
