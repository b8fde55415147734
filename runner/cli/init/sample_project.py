"""The sample project: the files that this program ships with, and what every new project gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from runner.campaign.schema import campaign_schema

SCHEMA = "campaign.schema.json"
SCHEMA_LINE = f"# yaml-language-server: $schema=../{SCHEMA}\n"
"""Makes editors complete and check the campaign file."""

SAMPLES = {
    "campaigns/spring.yaml": "spring.yaml",
    "campaigns/spring.csv": "spring.csv",
    "campaigns/webinar.yaml": "webinar.yaml",
    "campaigns/webinar.csv": "webinar.csv",
    "templates/spring.j2": "spring.j2",
}

ENV_EXAMPLE = """\
# Copy to .env and put your token here (Inbox: Settings, API Keys). Never commit .env.
INBOX_API_TOKEN=
"""

GITIGNORE = """\
.env
state.db*
.run-campaign/
"""


def write_sample_project(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Write the sample project; yield each path, and whether it was made now."""
    files = {path: sample(name) for path, name in SAMPLES.items()}
    for campaign in ("campaigns/spring.yaml", "campaigns/webinar.yaml"):
        files[campaign] = SCHEMA_LINE + files[campaign]
    files[".env.example"] = ENV_EXAMPLE
    for name, text in {**files, **common_files()}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8", newline="") as stream:
                stream.write(text)
        except FileExistsError:
            yield path, False
        else:
            yield path, True


def common_files() -> dict[str, str]:
    """Return the files that every project has: what editors check campaigns by, and what git is to
    leave alone."""
    return {SCHEMA: json.dumps(campaign_schema(), indent=2) + "\n", ".gitignore": GITIGNORE}


def sample(name: str) -> str:
    """Return a sample file that this program ships with."""
    return (resources.files("runner.cli") / "sample" / name).read_bytes().decode()
