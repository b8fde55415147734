"""A new campaign: what a person has answered, as the text of its campaign file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_PLATFORM = "twitter"

NO_ACCOUNT = "df6jbw4h36qm5d9iu2sgn7kx"
"""An account link of the sandbox, for a campaign that has no real one yet."""


@dataclass(frozen=True, slots=True)
class NewSheet:
    """A sheet as a campaign file names it: its path, and where its ids stand. Empty: by itself."""

    source: str
    id: str
    id_type: str = ""
    encoding: str = ""
    sheet: str = ""


def campaign_name(stem: str) -> str:
    """Return a campaign's name, and so its file's, from that of a sheet."""
    return re.sub(r"[^\w]+", "-", stem.casefold()).strip("-_") or "campaign"


def api_lines(base_url: str, platform: str) -> list[str]:
    """Return the section `api` of a campaign file, empty where all of it is as usual."""
    said = []
    if base_url:
        said.append(f"  base_url: {_quoted(base_url)}")
    if platform != DEFAULT_PLATFORM:
        said.append(f"  platform: {_quoted(platform)}")
    return ["api:", *said, ""] if said else []


def campaign_text(
    name: str, api: Sequence[str], senders: Sequence[tuple[str, str]], sheet: NewSheet
) -> str:
    """Return the text of a campaign file. `senders`: ids and handles; none: no account."""
    known = [f"  - {id} # @{handle}" if handle else f"  - {id}" for id, handle in senders]
    unknown = [f"  - {NO_ACCOUNT} # the sandbox's; yours: run-campaign senders"]
    about = {
        "source": sheet.source,
        "id": sheet.id,
        "id_type": sheet.id_type,
        "sheet": sheet.sheet,
        "encoding": sheet.encoding,
    }
    lines = [
        f"name: {_quoted(name)}",
        "# Its identity in the ledger: keep it, and nobody is written to twice.",
        "",
        *api,
        "# Each sends 20 an hour and 150 a day unless you say otherwise.",
        "senders:",
        *(known or unknown),
        "",
        "prospects:",
        *(f"  {key}: {_quoted(value)}" for key, value in about.items() if value),
        "",
        "message:",
        f"  template: {_quoted(f'../templates/{name}.j2')}",
        "",
        "# Without this it sends at night too.",
        "# schedule:",
        "#   timezone: Europe/London",
        '#   windows: [{days: mon-fri, from: "09:00", to: "17:30"}]',
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a text as YAML reads it back."""
    plain = re.fullmatch(r"[A-Za-z./_][\w./-]*", text, re.ASCII)
    word = text.casefold() not in ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
    return text if plain and word else json.dumps(text, ensure_ascii=False)
