"""The documents, held to the code: what they name exists, and what exists is named."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import pytest
from pydantic import BaseModel

from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.campaign.values import parse_duration
from runner.cli import failures
from runner.errors import LaneHeld, RunnerError, UsageError
from runner.findings import CODES
from runner.message.evidence import EVIDENCE, Evidence
from runner.message.status import MOVES, MessageStatus, SkipReason
from runner.run.exit_code import RunResult
from runner.sandbox.faults import FAULTS
from runner.status.export import EXPORT_COLUMNS
from runner.status.status import Status
from tests.documents import (
    FENCE,
    ROOT,
    SHELL_ENDS,
    TREE,
    blocks,
    options_of,
    own_part,
    page,
    parse,
    section,
    table,
    ticked,
)
from tests.tree import tree

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
COMMANDS_PAGE = "docs/reference-commands.md"


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


# Commands -----------------------------------------------------------------------------------------


def test_every_command_has_its_heading_and_no_other() -> None:
    told = re.findall(r"^#+ (run-campaign.*)$", page(COMMANDS_PAGE), re.MULTILINE)
    assert sorted(told) == sorted(TREE)


@pytest.mark.parametrize("path", TREE)
def test_every_option_is_described_and_no_other(path: str) -> None:
    rows = table(own_part(page(COMMANDS_PAGE), path))
    told = [word.split()[0] for cells in rows for word in ticked(cells[0]) if word[0] == "-"]
    assert sorted(told) == sorted(options_of(TREE[path]))


@pytest.mark.parametrize("path", TREE)
def test_choices_and_defaults_of_options_are_told(path: str) -> None:
    rows = table(own_part(page(COMMANDS_PAGE), path))
    for cells in rows:
        for word in ticked(cells[0]):
            option = options_of(TREE[path]).get(word.split()[0])
            if option is None:
                continue
            if isinstance(option.type, click.Choice):
                assert word.split()[1] == f"[{'|'.join(option.type.choices)}]"
            elif not option.is_flag:
                assert len(word.split()) == 2, f"{path}: {word} takes a value"
            if option.show_default and option.name != "log_format":
                assert f"default `{option.default}`" in cells[1], f"{path}: {word}"


def test_exit_codes_are_those_of_the_code() -> None:
    def of(**fields: Any) -> int:
        return RunResult(**fields).exit_code

    failed = dict.fromkeys(MessageStatus, 0) | {MessageStatus.FAILED: 1}
    status = Status("c", failed, [], [], [], 0)
    codes = {
        of(),
        of(stopped=["why"]),
        of(statuses=[status]),
        of(guarded=True),
        of(paused=True),
        of(interrupted=True),
        RunnerError.exit_code,
        UsageError.exit_code,
        LaneHeld.exit_code,
        failures.BUG,
        failures.INTERRUPTED,
    }
    told = [int(cells[0]) for cells in table(section(page(COMMANDS_PAGE), "Exit codes"))]
    assert told == sorted(codes)


def test_columns_of_the_export_are_told() -> None:
    for name in ("README.md", COMMANDS_PAGE):
        text = " ".join(page(name).split())
        assert f"`{', '.join(EXPORT_COLUMNS)}`" in text


def example_lines(text: str) -> Iterator[str]:
    """Every command line that a page asks to run."""
    for body in blocks(text, "sh"):
        yield from body.splitlines()
    for body in blocks(text, "console"):
        yield from (line[2:] for line in body.splitlines() if line.startswith("$ "))
    for words in re.findall(
        r"`(run-campaign [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=FENCE)
    ):
        yield " ".join(words.split())


def campaign_words(line: str) -> list[str] | None:
    """The words after `run-campaign` on a command line, None for another program's."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if not words or words[0] != "run-campaign":
        return None
    rest = words[1:]
    for at, word in enumerate(rest):
        if word in SHELL_ENDS:
            return rest[:at]
    return rest


EXAMPLES = [
    (name_of(path), line)
    for path in PAGES
    for line in example_lines(path.read_text(encoding="utf-8"))
    if not re.search(r"\[run\]|\[CAMPAIGN\]|…$", line) and campaign_words(line) is not None
]


def test_the_readme_has_command_lines_to_check() -> None:
    assert len([line for name, line in EXAMPLES if name == "README.md"]) > 15


@pytest.mark.parametrize(("name", "line"), EXAMPLES)
def test_command_lines_of_the_pages_parse(name: str, line: str) -> None:
    words = campaign_words(line)
    assert words is not None
    try:
        parse(words)
    except click.UsageError as problem:
        pytest.fail(f"{name}: {line}: {problem.format_message()}")


def test_an_option_that_is_none_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        parse(["spring.yaml", "--dry-rum"])


def test_faults_in_examples_exist() -> None:
    for path in PAGES:
        for fault in re.findall(r"--fault ([a-z_]+)", path.read_text(encoding="utf-8")):
            assert fault in FAULTS


def test_make_targets_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", page("Makefile"), re.MULTILINE))
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        told = {line.split()[1] for body in blocks(text, "sh") for line in body.splitlines()
                if line.startswith("make ")}  # fmt: skip
        told |= set(re.findall(r"`make ([a-z]+)`", text))
        assert told <= targets, name_of(path)


# The campaign file --------------------------------------------------------------------------------


def model_in(annotation: Any) -> type[BaseModel] | None:
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
        if is_named(each):
            return model_in(get_args(each)[1])
    return None


def is_named(annotation: Any) -> bool:
    """Whether a section has one for each name that its user gives."""
    return get_origin(annotation) is dict


def keys_of(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of the campaign file, dotted, with its default (None: none, or made up late)."""
    for name, info in model.model_fields.items():
        key = f"{above}{info.alias or name}"
        yield key, None if info.is_required() else info.default
        inner = model_in(info.annotation)
        if inner is not None:
            many = "[]" if get_origin(info.annotation) is tuple else ""
            many += ".NAME" if any(map(is_named, get_args(info.annotation))) else ""
            yield from keys_of(inner, f"{key}{many}.")


KEYS = dict(keys_of(Campaign))
KEY_ROWS = {
    ticked(cells[0])[0]: cells
    for cells in table(page("docs/reference-campaign-file.md"))
    if len(cells) == 5
}


def test_every_key_of_the_campaign_file_is_described_and_no_other() -> None:
    assert sorted(KEY_ROWS) == sorted(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_defaults_of_keys_are_told(key: str) -> None:
    default, told = KEYS[key], ticked(KEY_ROWS[key][2])
    match default:
        case bool() | None:
            return
        case int():
            assert told == [str(default)]
        case float() if key in ("guard.failure_rate", "guard.opt_out_rate"):
            assert told == [str(default)]
        case float():
            assert parse_duration(told[0]) == default
        case str() if key == "api.token":
            assert told == ["${" + default + "}"]
        case str() if default:
            assert told == [default]


def test_required_keys_are_said_to_be() -> None:
    top = {name for name, info in Campaign.model_fields.items() if info.is_required()}
    for key in (*top, "senders[].id", "prospects.source"):
        assert KEY_ROWS[key][2] == "must be given"


CAMPAIGN_FILES = [
    (name_of(path), number, body)
    for path in PAGES
    for number, body in enumerate(blocks(path.read_text(encoding="utf-8"), "yaml"))
]


@pytest.mark.parametrize(("name", "number", "body"), CAMPAIGN_FILES)
def test_campaign_files_in_the_pages_load(
    tmp_path: Path, name: str, number: int, body: str
) -> None:
    path = tmp_path / "spring.yaml"
    path.write_text(body, encoding="utf-8")
    load_campaign(path)


def test_the_full_campaign_file_shows_every_key(tmp_path: Path) -> None:
    full = blocks(page("docs/reference-campaign-file.md"), "yaml")[1]
    path = tmp_path / "spring.yaml"
    path.write_text(full, encoding="utf-8")
    campaign = load_campaign(path)
    for key in KEYS:
        name = key.rsplit(".", 1)[-1]
        assert re.search(rf"\b{name}:", full) or key == "message.text", key
    assert campaign.limits == type(campaign.limits)()
    assert campaign.retry == type(campaign.retry)()
    assert campaign.api == type(campaign.api)()
    assert campaign.guard == type(campaign.guard)()


# Statuses, reasons, evidence, moves ---------------------------------------------------------------


def test_glossary_explains_every_status_and_no_other() -> None:
    rows = table(section(page("docs/glossary.md"), "Statuses"))
    assert [ticked(cells[0])[0] for cells in rows] == [str(each) for each in MessageStatus]


def test_glossary_explains_every_reason_and_no_other() -> None:
    rows = table(section(page("docs/glossary.md"), "Reasons for skipping"))
    assert [ticked(cells[0])[0] for cells in rows] == [str(each) for each in SkipReason]


def test_table_of_evidence_is_that_of_the_code() -> None:
    rows = table(section(page("docs/guarantee.md"), "What each kind of evidence does"))
    told = {ticked(cells[0])[0]: [ticked(cell)[0] for cell in cells[2:]] for cells in rows}
    assert told == {str(each): [str(part) for part in EVIDENCE[each]] for each in Evidence}


def test_state_picture_is_that_of_the_code() -> None:
    [picture] = blocks(page("docs/guarantee.md"), "mermaid")
    told = sorted(re.findall(r"^\s*(\w+) --> (\w+)$", picture, re.MULTILINE))
    assert told == sorted((str(a), str(b)) for a, after in MOVES.items() for b in after)


# The house ----------------------------------------------------------------------------------------


def test_layers_are_those_of_the_import_contract() -> None:
    project = tomllib.loads(page("pyproject.toml"))
    contracts = project["tool"]["importlinter"]["contracts"]
    [layers] = [
        each["layers"] for each in contracts if each["name"] == "The packages, top to bottom"
    ]
    picture = blocks(section(page("CONTRIBUTING.md"), "The layers"), "text")[0]
    assert picture.splitlines() == layers


def test_the_tree_is_that_of_the_files() -> None:
    [picture] = blocks(section(page("CONTRIBUTING.md"), "The files"), "text")
    assert picture.splitlines() == tree()


def test_files_that_are_named_exist() -> None:
    named = set(re.findall(r"`((?:runner|tests|docs)/[\w/.]+)`", page("CONTRIBUTING.md")))
    assert named
    assert [each for each in sorted(named) if not (ROOT / each).exists()] == []


def test_folders_of_tests_exist() -> None:
    for cells in table(section(page("CONTRIBUTING.md"), "Tests")):
        assert (ROOT / ticked(cells[0])[0]).exists()


def test_changelog_knows_this_version() -> None:
    version = tomllib.loads(page("pyproject.toml"))["project"]["version"]
    text = page("CHANGELOG.md")
    assert "## [Unreleased]" in text
    assert re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE)


# Links --------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=FENCE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_relative_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=FENCE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.is_file(), f"{target} of {name_of(path)}"
        assert found.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), target


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    for path in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{path.name})" in page("README.md"), path.name


# Findings -----------------------------------------------------------------------------------------


def test_every_finding_is_told_as_the_code_has_it() -> None:
    told = {ticked(code)[0]: (ticked(level)[0], *rest) for code, level, *rest in _findings()}
    assert told == {
        name: (str(code.level), code.meaning, code.example) for name, code in CODES.items()
    }


def _findings() -> list[list[str]]:
    rows = [cells for cells in table(page("docs/findings.md")) if len(cells) == 4]
    return [[cell.replace("\\|", "|") for cell in cells] for cells in rows]
