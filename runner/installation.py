"""The installation: the command that adds an optional part to it, as it was made."""

from __future__ import annotations

import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

NAME = "run-campaign"

EXTRAS = {
    "parquet": "pyarrow",
    "postgresql": "psycopg",
    "distributed": "procrastinate",
    "metrics": "prometheus_client",
}
"""Optional parts, each with a module that is there when the part is."""


def install_command(extra: str, prefix: Path | None = None) -> str:
    """Return the command that adds an optional part and keeps those that are there: uv's, pipx's or
    pip's, by the files that they leave in the environment. `prefix`: where that lies."""
    here = Path(sys.prefix) if prefix is None else prefix
    there = {name for name, module in EXTRAS.items() if find_spec(module) is not None}
    source, editable = _source(f"[{','.join(sorted({extra, *there}))}]")
    if (here / "uv-receipt.toml").exists():
        words = ["uv", "tool", "install"]
    elif (here / "pipx_metadata.json").exists():
        words = ["pipx", "install", "--force"]
    elif find_spec("pip") is None:
        words = ["uv", "pip", "install", "--python", sys.executable]
    else:
        words = [sys.executable, "-m", "pip", "install"]
    return shlex.join([*words, *(["--editable"] if editable else []), source])


def _source(extras: str) -> tuple[str, bool]:
    """Return what was installed, with `extras` in brackets, and whether in editable form: a folder,
    a repository, or a name in an index."""
    try:
        told = json.loads(distribution(NAME).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        told = {}
    url = str(told.get("url", ""))
    if url.startswith("file:"):
        editable = told.get("dir_info", {}).get("editable") is True
        return unquote(urlsplit(url).path) + extras, editable
    if url:
        vcs = told.get("vcs_info", {}).get("vcs")
        return f"{NAME}{extras} @ {f'{vcs}+' if vcs else ''}{url}", False
    return NAME + extras, False
