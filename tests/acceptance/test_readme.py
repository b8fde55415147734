"""The README's way to a first campaign: its commands work, in their order."""

from __future__ import annotations

import shlex

import pytest

from tests.documents import blocks, page, section
from tests.processes import COMMAND

from .screen import Terminal
from .support import TOKEN, Project, people


@pytest.mark.slow
def test_the_commands_to_a_first_campaign_work_in_their_order(project: Project) -> None:
    [block] = blocks(section(page("README.md"), "Your own campaign"), "sh")
    init, folder, *rest = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert len(rest) <= 5
    assert init == ["run-campaign", "init", "outreach"]
    assert folder == ["cd", "outreach"]
    (project.folder / "people.csv").write_text(f"X User ID,First Name\n{people(1)[0]},Ada\n")
    with Terminal(
        [*COMMAND, *init[1:], "--base-url", f"{project.api.base}/api/v2"],
        folder=project.folder,
        env=project.environment(INBOX_API_TOKEN=""),
    ) as terminal:
        terminal.answer("API token", TOKEN)
        terminal.answer("send from", "")
        terminal.answer("the sheet", "people.csv")
        terminal.answer("holds the ids", "")
        terminal.answer("first names", "")
        terminal.answer("the text", "s")
        terminal.answer("a name", "")
        assert terminal.wait() == 0
    project.folder /= "outreach"
    # A test and a run have one pace, so that the run would wait for minutes.
    campaign = project.folder / "campaigns" / "people.yaml"
    campaign.write_text(
        campaign.read_text()
        .replace("  - df6", "  - id: df6", 1)
        .replace(" # @acmecorp", "\n    per_hour: none\n    gap: none")
    )
    out = ""
    for program, *words in rest:
        assert program == "run-campaign"
        out = project.ok(*words, INBOX_API_TOKEN="").out
    assert "1 sent" in out
    assert project.api.recipients[1:] == people(1)
    (project.folder / ".env").unlink()
