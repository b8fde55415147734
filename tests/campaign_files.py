"""Campaign files of tests, and how their mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.campaign.loader import load_campaign
from runner.errors import CampaignError

SMALLEST = "senders: [abc1]\nprospects: people.csv\nmessage: Hi {{ first_name }}\n"


def write(folder: Path, text: str | bytes, name: str = "spring.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(CampaignError) as caught:
        load_campaign(path)
    return [str(each).replace(str(path), "F") for each in caught.value.problems]


def with_line(line: str) -> str:
    """The smallest campaign with one line of its own, as line 4."""
    return SMALLEST + line + "\n"
