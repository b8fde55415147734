"""`run-campaign init`: a project to begin with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from runner.cli.options import examples

SCHEMA = "campaign.schema.json"
SCHEMA_LINE = f"# yaml-language-server: $schema=../{SCHEMA}\n"
"""Makes editors complete and check the campaign file."""

SAMPLES = {
    "campaigns/spring.yaml": "spring.yaml",
    "campaigns/spring.csv": "spring.csv",
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


@click.command(
    "init",
    short_help="Make a new project with sample files.",
    epilog=examples("run-campaign init outreach", "run-campaign init ."),
)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> int:
    """Make a project in DIR: a sample campaign, its prospects and template, and what git needs.

    Files that are there already are left as they are.
    """
    from runner.formatting import safe

    for path, made in write_project(folder):
        click.echo(f"{'made   ' if made else 'is there'}  {safe(str(path))}")
    campaign = folder / "campaigns" / "spring.yaml"
    click.echo(
        "\nnext:\n"
        f"  run-campaign {campaign} --dry-run    who would get what\n"
        f"  run-campaign {campaign} --sandbox    rehearse it: no account needed\n"
        f"  cp {folder / '.env.example'} {folder / '.env'}    and put your token in\n"
        f"  run-campaign senders {campaign}    your account links, for its `senders:`"
    )
    return 0


def write_project(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Write the sample project; each path, and whether it was made now."""
    from runner.campaign.schema import campaign_schema

    files = {path: sample(name) for path, name in SAMPLES.items()}
    files["campaigns/spring.yaml"] = SCHEMA_LINE + files["campaigns/spring.yaml"]
    files[SCHEMA] = json.dumps(campaign_schema(), indent=2) + "\n"
    files[".env.example"] = ENV_EXAMPLE
    files[".gitignore"] = GITIGNORE
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8", newline="") as stream:
                stream.write(text)
        except FileExistsError:
            yield path, False
        else:
            yield path, True


def sample(name: str) -> str:
    """A sample file that this program ships with."""
    from importlib import resources

    return (resources.files("runner.cli") / "sample" / name).read_bytes().decode()
