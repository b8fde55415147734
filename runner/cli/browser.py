"""The person's browser, opened without showing the link's secret to others on this machine.

Every user of a machine can read the arguments of every process (`ps`), so a browser is never given
the link itself: it is given a file that only this user can read, and that leads on to the link.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import tempfile
import webbrowser
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={link}"><title>run-campaign</title>
<p><a href="{link}">Go on to the dashboard</a></p></html>
"""

_SECRET = re.compile(r"TOKEN|SECRET|PASS|CREDENTIAL|_KEY$|^PG|^RUN_CAMPAIGN_", re.IGNORECASE)
"""Names of variables that a browser must not get."""

_SNAPS = Path("/snap/bin")
"""Browsers that are installed so see no temporary folder but their own."""


def write_page(link: str) -> Path:
    """Write a page that leads to `link` at once: of mode 0600, in a folder of its own of mode 0700.
    Raises OSError where that cannot be."""
    parent = Path.home() if _SNAPS.is_dir() and os.access(Path.home(), os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="run-campaign-", dir=parent))
    page = folder / "dashboard.html"
    try:
        handle = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(_PAGE.format(link=html.escape(link)))
    except BaseException:
        remove_page(page)
        raise
    return page


def remove_page(page: Path) -> None:
    """Remove a page and its folder, if they are there."""
    shutil.rmtree(page.parent, ignore_errors=True)


def open_page(page: Path, secret: Collection[str]) -> None:
    """Show a page in the person's browser. `secret`: variables that hold a token, beside those
    whose names say so."""
    with _without(secret):
        if click.launch(page.as_uri()) != 0:
            webbrowser.open(page.as_uri())


@contextmanager
def _without(secret: Collection[str]) -> Iterator[None]:
    """Take the secrets out of this process's environment, which its children get, for a while."""
    kept = {
        name: os.environ.pop(name)
        for name in list(os.environ)
        if name in secret or _SECRET.search(name)
    }
    try:
        yield
    finally:
        os.environ.update(kept)
