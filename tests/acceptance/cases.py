"""Files as people really have them, and how what comes of them is judged. `tests/cases/README.md`
says how a case is written down."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.processes import ROOT

from .support import Api, Done, Project, until

FOLDER = ROOT / "tests" / "cases"
CASES: Mapping[str, Mapping[str, Any]] = yaml.load(
    (FOLDER / "expectations.yaml").read_text(encoding="utf-8"),
    Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # every worker reads it
)
NAMED = "http://127.0.0.1:8765"
CASE_TOKEN = "sandbox-token"


def _first_of_each() -> list[str]:
    """One case of each number: those that follow it vary its file."""
    found: dict[str, str] = {}
    for name in CASES:
        found.setdefault(re.match(r"\d+", name)[0], name)  # type: ignore[index]  # all have one
    return list(found.values())


@dataclass
class Case:
    """A copy of a case's folder, and what has come of it."""

    name: str
    project: Project
    before: int
    commands: list[Done] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.project.folder

    @property
    def accepted(self) -> list[tuple[str, str]]:
        """Recipient and text of each message that the API has taken from this case."""
        found = self.project.api.accepted[self.before :]
        return [(entry["person"], entry["content"]) for entry in found]

    @property
    def said(self) -> str:
        """The words of all commands."""
        return "\n".join(done.all for done in self.commands)

    def run(self, *words: str, **env: str) -> Done:
        """Run a command to its end, and keep what it says."""
        token = {"INBOX_API_TOKEN": CASE_TOKEN}
        self.commands.append(self.project.run(*words, **(token | env)))
        return self.commands[-1]

    def campaign(self, **env: str) -> Done:
        """Run the campaign, after a dry run."""
        before = len(self.accepted)
        dry = self.run("c.yaml", "--dry-run", **env)
        done = self.run("c.yaml", "--yes", **env)
        sent = len(self.accepted) - before
        if dry.code:
            assert not sent, "the dry run has said that nothing would be sent"
        elif done.code:
            assert sent, "the dry run has not said that the run refuses"
        return done

    def put(self, later: str, name: str) -> None:
        """Let a file take another's place, as somebody does who saves it again."""
        text = (self.folder / later).read_text(encoding="utf-8")
        (self.folder / name).write_text(text.replace(NAMED, self.project.api.base), "utf-8")


def imported(case: Case) -> None:
    case.run("suppress", "import", "dnc.csv", "--state", "state.db")
    case.campaign()


def list_that_grows(case: Case) -> None:
    """Somebody asks to be left alone when two messages are out."""
    source = case.folder / "c.yaml"
    source.write_text(source.read_text().replace("gap: 2s", "gap: 1s"))
    case.run("c.yaml", "--dry-run")
    running = case.project.start("c.yaml", "--yes", INBOX_API_TOKEN=CASE_TOKEN)
    until(lambda: len(case.accepted) >= 2, "two messages")
    with (case.folder / "dnc.csv").open("a") as stream:
        stream.write("1566123362161807777\n")
    case.commands.append(running.wait())


def sender_replaced(case: Case) -> None:
    """Three are written to before the account is banned; another takes its place."""
    case.run("c.yaml", "--yes", "--limit", "3")
    sent = case.accepted
    assert len(sent) == 3
    case.put("c-later.yaml", "c.yaml")
    case.campaign()
    people = [person for person, _ in case.accepted]
    assert len(people) == len(set(people)), "nobody is written to twice"


def list_that_shrinks(case: Case) -> None:
    case.run("c.yaml", "--yes")
    case.put("dnc-later.csv", "dnc.csv")
    case.run("c.yaml", "--yes")


def token_in_a_file(case: Case) -> None:
    (case.folder / "env.txt").rename(case.folder / ".env")
    case.campaign(INBOX_API_TOKEN="")


def pipes(case: Case) -> None:
    """A terminal or a log that cannot show every sign."""
    case.campaign(PYTHONIOENCODING="latin-1")


def long_cell(case: Case) -> None:
    page = "<p>hello</p>" * 15_000
    (case.folder / "p.csv").write_text(
        "x_user_id,first_name,profile_html\n1566123362161725441,Ada,short\n"
        f'1566123362161725552,Bela,"{page}"\n1566123362161725663,Cleo,short\n'
    )
    case.campaign()


STEPS: Mapping[str, Callable[[Case], object]] = {
    "02b-import-own-export": imported,
    "18-long-cell": long_cell,
    "31-suppress-edited-live": list_that_grows,
    "32-sender-replaced": sender_replaced,
    "53-dotenv": token_in_a_file,
    "55-pipes": pipes,
    "62-suppress-shrinks": list_that_shrinks,
}
"""What is done where it is more than one run of the campaign."""

FIRST = [name for name in CASES if name in STEPS or name in _first_of_each()]
VARIATIONS = [name for name in CASES if name not in FIRST]


def hold_case(name: str, tmp_path: Path, api: Api) -> None:
    """Do in a copy of a case's folder what a person does, and hold what comes of it to what was
    meant."""
    folder, outputs = tmp_path / "project", tmp_path / "outputs"
    shutil.copytree(FOLDER / name, folder)
    outputs.mkdir()
    case = Case(name, Project(folder, api, "v2", outputs), len(api.accepted))
    case.put("c.yaml", "c.yaml")
    try:
        STEPS.get(name, Case.campaign)(case)
        judge(case, CASES[name])
    except AssertionError as error:
        error.add_note(f"meant: {CASES[name]['meant']}\naccepted: {case.accepted}")
        for done in case.commands:
            error.add_note(f"exit {done.code}:\n{done.all}")
        raise
    finally:
        for each in case.project.running:
            each.process.kill()
            each.process.wait()


def judge(case: Case, expected: Mapping[str, Any]) -> None:
    """Hold what came of a case to what its `expectations.yaml` has."""
    for done in case.commands:
        assert done.code in (0, 1, 2), "a crash"
        for sign in ("Traceback", "is a bug", "Warning:", "site-packages"):
            assert sign not in done.all, "a person is told, and not a programmer"
    assert case.said.strip(), "silence"
    for words in expected.get("unsaid", ()):
        assert not re.search(words, case.said), f"told in words that mislead: {words}"
    if expected.get("always_told"):
        assert _is_told(case, expected), f"not told: {expected['told']}"
    for rule in expected["never"]:
        _hold(case, rule, _is_told(case, {**expected, **rule}))


def _is_told(case: Case, expected: Mapping[str, Any]) -> bool:
    words = expected.get("told", ())
    return bool(words) and all(re.search(each, case.said) for each in words)


def _hold(case: Case, rule: Mapping[str, Any], is_told: bool) -> None:
    who = rule["who"]
    texts = [text for person, text in case.accepted if _concerns(who, person)]
    wrong = [text for text in texts if _is_wrong(rule, text)]
    if not rule.get("unless_told"):
        assert not wrong, f"sent to {who}: {wrong}"
    assert is_told or not wrong, f"sent in silence to {who}: {wrong}"
    if "nothing" in rule:
        may_be = rule["nothing"] == "told" and is_told
        assert texts or may_be, f"nothing was sent to {who}"


def _concerns(who: str | list[str], person: str) -> bool:
    """Whether a rule speaks of this person: an id, `anybody`, or a list of all whom it excepts."""
    return person not in who if isinstance(who, list) else who in ("anybody", person)


def _is_wrong(rule: Mapping[str, Any], text: str) -> bool:
    if "but" in rule:
        return text not in rule["but"]
    if "containing" in rule:
        return rule["containing"] in text
    return "texts" not in rule or text in rule["texts"]
