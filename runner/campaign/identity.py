"""The identity of a campaign file, without the rest of its keys: for commands that only ask the
ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.addresses import is_loopback
from runner.campaign.bases.chain import read_chain
from runner.campaign.yaml_document import Unquoted
from runner.message.key import REHEARSAL, normal_name


@dataclass(frozen=True, slots=True)
class Identity:
    """A campaign file, and its name in the ledger."""

    path: Path
    name: str

    @property
    def project_dir(self) -> Path:
        """Return the folder where the ledger lies."""
        return project_dir(self.path)


def identify(path: Path) -> Identity:
    """Say which campaign the file at `path` is. Loads all of it only where a glance cannot tell.

    Raises CampaignError as `load_campaign` does, for a file that has no readable name.
    """
    document = read_chain(path).document
    name = None if document.problems else _at_a_glance(document.value, path.stem)
    if name is None:
        # With it comes pydantic, which takes longer to load than the ledger to answer.
        from runner.campaign.loader import load_campaign

        name = load_campaign(path).name
    return Identity(path, name)


def _at_a_glance(said: object, stem: str) -> str | None:
    if not isinstance(said, dict):
        return None
    name, api = said.get("name", stem), said.get("api", {})
    if not isinstance(name, str) or not isinstance(api, dict):
        return None
    name, url, gateway = normal_name(name), api.get("base_url", ""), api.get("gateway")
    if not name or not isinstance(url, str):
        return None
    try:
        here = is_loopback(url)
    except ValueError:
        return None
    if here and gateway not in (None, Unquoted("true", "a yes/no value")):
        return None
    return name + REHEARSAL if here and gateway is None else name


def project_dir(path: Path) -> Path:
    """Return the folder of a campaign file's project, where its ledger lies: beside the nearest
    ancestor folder named `campaigns`, or else the file's own. Symbolic links are followed."""
    folder = path.resolve().parent
    for each in (folder, *folder.parents):
        if each.name == "campaigns":
            return each.parent
    return folder
