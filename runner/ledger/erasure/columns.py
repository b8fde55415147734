"""The columns of the ledger, and the fate of each when a person is erased."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy import Boolean, Float, Integer, Table

from runner.ledger.schema import (
    acquaintance,
    action,
    attempt,
    brake,
    campaign,
    erased,
    feed,
    handle,
    hold,
    inbound,
    lane,
    message,
    meta,
    opt_out,
    other_id,
    read_back,
    request,
    resolution,
    row_skip,
    run,
    submission,
    suppression,
    tagged,
)


class Fate(StrEnum):
    """The fate of a column of a person's rows."""

    DELETED = "deleted"  # with its row
    EMPTIED = "emptied"
    REPLACED = "replaced"  # by a keyed hash, which stays unique
    CUT = "cut"  # a list of people, out of which this one is taken
    KEPT = "kept"  # it says nothing of one person


_D, _E, _R, _C, _K = Fate.DELETED, Fate.EMPTIED, Fate.REPLACED, Fate.CUT, Fate.KEPT


def _all(fate: Fate, *names: str) -> dict[str, Fate]:
    return dict.fromkeys(names, fate)


FATES: Mapping[Table, Mapping[str, Fate]] = MappingProxyType(
    {
        message: {
            "recipient": _R,
            **_all(_E, "text", "columns", "detail", "zone", "message_id", "thread_id"),
            **_all(_K, "step", "previous", "platform", "id_type", "sender", "status", "reason"),
            "variant": _K,
        },
        # The key is a hash of the id without a secret.
        attempt: {
            **_all(_E, "key", "body", "detail", "request_id", "message_id", "thread_id"),
            **_all(_K, "sender", "version", "base_url", "lane", "outcome", "evidence", "reason"),
        },
        row_skip: {"recipient": _R, **_all(_E, "detail", "columns"), "reason": _K},
        resolution: _all(_D, "status", "before"),
        inbound: {
            **_all(_R, "message_id", "thread_id"),
            "words": _E,
            **_all(_K, "lane", "kind", "wish"),
        },
        read_back: _all(_D, "lane", "thread_id"),
        suppression: _all(_D, "recipient", "reason"),
        opt_out: _all(_D, "recipient", "team"),
        hold: _all(_D, "recipient", "why", "made_by"),
        handle: _all(_D, "platform", "handle", "answer", "id", "before", "shown", "name", "source"),
        acquaintance: _all(
            _D,
            "lane",
            "platform",
            "recipient",
            "contact",
            "state",
            "assignee",
            "status",
            "tags",
            "talk",
        ),
        action: {"detail": _C, **_all(_K, "said_by", "via", "what")},
        submission: {
            "suppressed": _C,
            **_all(_K, "lane", "token_env", "path", "file", "start", "said_by", "trouble"),
        },
        other_id: _all(_D, "id", "recipient"),
        tagged: {"tag": _K},
        erased: {"hash": _K},
        campaign: _all(
            _K,
            "name",
            "path",
            "source",
            "platform",
            "id_type",
            "origin",
            "team",
            "fingerprint",
            "stop_on",
        ),
        run: _all(_K, "ending", "host", "version"),
        lane: {"id": _K},
        brake: _all(_K, "sender", "kind", "said_by", "why"),
        request: {"lane": _K},
        feed: {"lane": _K},
        meta: _all(_K, "key", "value"),
    }
)
"""By table, the fate of every column that may hold text. One that is not here fails a test: a new
column needs a decision."""


def may_hold_text(column: object) -> bool:
    """Return whether a column's type may hold something of a person: all but numbers and times."""
    return not isinstance(column, Integer | Float | Boolean)
