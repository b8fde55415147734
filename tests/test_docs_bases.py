"""The worked example of a base in the pages is what the program makes of its files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.campaign.loader import load_campaign
from runner.cli.app import commands
from runner.cli.invocation import Invocation
from runner.errors import CampaignError
from tests.documents import blocks, page

EXAMPLE = page("docs/how-to.md").partition("## One base for many teams\n")[2].partition("\n## ")[0]
NAMES = ("teams/agency.yaml", "teams/acme.yaml", "campaigns/acme-spring.yaml")


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The campaign of the example, with its bases, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name, text in zip(NAMES, blocks(EXAMPLE, "text"), strict=False):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
        assert f"`{name}`" in EXAMPLE
    return Path(NAMES[-1])


def test_what_is_shown_of_it(campaign: Path) -> None:
    [told] = blocks(EXAMPLE, "console")
    shown = CliRunner().invoke(commands, ["show", str(campaign)], obj=Invocation([]))
    assert told == f"$ run-campaign show {campaign}\n{shown.stdout}"


def test_what_its_locks_refuse(campaign: Path) -> None:
    campaign.write_text(campaign.read_text().replace("per_hour: 5", "per_hour: 30"))
    with pytest.raises(CampaignError) as caught:
        load_campaign(campaign)
    told = blocks(EXAMPLE, "text")[-1]
    assert str(caught.value) == re.sub(r"\s+", " ", told).strip()
