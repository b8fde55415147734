"""The settings of reading replies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """Settings of reading replies. `poll`: seconds between two readings; `keep`: seconds for which
    people may answer a message; `stop`: phrases of opt-outs besides the lists'."""

    poll: float = 60.0
    keep: float = 14 * 86400.0
    stop: Collection[str] = ()


def joined(every: Sequence[ReplySettings]) -> ReplySettings:
    """Return what serves all of a team's campaigns: read as often as one wants, for as long, and
    obey the phrases of each."""
    return ReplySettings(
        min(each.poll for each in every),
        max(each.keep for each in every),
        tuple(dict.fromkeys(phrase for each in every for phrase in each.stop)),
    )
