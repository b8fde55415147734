"""Rows of a sheet: the person, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from runner.message.status import SkipReason


class Recipient(NamedTuple):
    """The id written to. `id_type` is `platform` (the platform's user id) or `inbox`."""

    platform: str
    id_type: str
    id: str

    def __str__(self) -> str:
        return self.id


class Prospect(NamedTuple):
    """A row of the prospects file with a usable id. `row` is its line in the sheet, header = 1;
    `zone`: the row's own time zone (IANA), empty for the campaign's."""

    row: int
    recipient: Recipient
    columns: Mapping[str, str]
    zone: str = ""


class RowSkip(NamedTuple):
    """A row that cannot be a message: no usable id, or a repeat of an earlier row."""

    row: int
    reason: SkipReason
    detail: str
    columns: Mapping[str, str]
    recipient: Recipient | None = None
