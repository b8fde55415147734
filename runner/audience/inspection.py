"""Reads the cells of a sheet once before its plan: what only many rows together can tell."""

from __future__ import annotations

from collections.abc import Callable

from runner.audience.reading import Audience
from runner.findings import Finding
from runner.templating import Template


def inspect(
    audience: Audience, template: Template, progress: Callable[[int], None]
) -> list[Finding]:
    """Findings about the columns that the ids and the template need. `progress` is told how many
    rows have been read."""
    nobody = audience.selects_nobody() if audience.where else None
    return [nobody] if nobody else []
