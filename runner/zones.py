"""Time zones as people write them: IANA names, and what to write instead of other words."""

from __future__ import annotations

import zoneinfo
from difflib import get_close_matches
from functools import cache

NOT_ZONES = frozenset({"localtime", "posixrules", "Factory"})
"""Names in the zone data that are no places; the first two are of this machine alone."""

FIXED = {"EST": "America/New_York", "MST": "America/Denver", "HST": "Pacific/Honolulu"}
"""Names whose clock never changes in the zone data, though most who write them mean one that does;
and a place of which people say so."""

ABBREVIATIONS = {
    "EDT": "America/New_York",
    "ET": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "CT": "America/Chicago",
    "MDT": "America/Denver",
    "MT": "America/Denver",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "PT": "America/Los_Angeles",
    "AKST": "America/Anchorage",
    "AKDT": "America/Anchorage",
    "AST": "America/Halifax",
    "ADT": "America/Halifax",
    "NST": "America/St_Johns",
    "NDT": "America/St_Johns",
    "BRT": "America/Sao_Paulo",
    "ART": "America/Argentina/Buenos_Aires",
    "BST": "Europe/London",
    "IST": "Asia/Kolkata",
    "WEST": "Europe/Lisbon",
    "CEST": "Europe/Berlin",
    "MEZ": "Europe/Berlin",
    "MESZ": "Europe/Berlin",
    "EEST": "Europe/Athens",
    "MSK": "Europe/Moscow",
    "TRT": "Europe/Istanbul",
    "SAST": "Africa/Johannesburg",
    "GST": "Asia/Dubai",
    "PKT": "Asia/Karachi",
    "HKT": "Asia/Hong_Kong",
    "SGT": "Asia/Singapore",
    "JST": "Asia/Tokyo",
    "KST": "Asia/Seoul",
    "AWST": "Australia/Perth",
    "ACST": "Australia/Adelaide",
    "ACDT": "Australia/Adelaide",
    "AEST": "Australia/Sydney",
    "AEDT": "Australia/Sydney",
    "NZST": "Pacific/Auckland",
    "NZDT": "Pacific/Auckland",
    "Z": "UTC",
}
"""A place for each abbreviation, to be named as an example: most mean several zones."""

SPOKEN = {
    "eastern time": "America/New_York",
    "central time": "America/Chicago",
    "mountain time": "America/Denver",
    "pacific time": "America/Los_Angeles",
    "hawaii": "Pacific/Honolulu",
    "alaska": "America/Anchorage",
}
EXAMPLE = "write one such as Europe/London or America/New_York"


def find_zone(text: str) -> str:
    """Return the IANA name of a zone, however it is capitalised, and with spaces for its
    underscores.

    Raises ValueError, with what to write instead: for other words, and for the names in `FIXED`.
    """
    zones = _zones()
    zone = zones.get(_folded(text), "")
    if zone in FIXED:
        raise ValueError(
            f"is the same all year, without summer time; write a place such as {FIXED[zone]}"
        )
    if not zone:
        raise ValueError(f"is not an IANA time zone; {_instead(text)}")
    return zone


def _folded(text: str) -> str:
    return "_".join(text.split()).casefold()


@cache
def _zones() -> dict[str, str]:
    """Return each zone's name by its small letters; no two zones differ in capitals alone."""
    return {name.casefold(): name for name in zoneinfo.available_timezones() - NOT_ZONES}


def _instead(text: str) -> str:
    words = " ".join(text.split())
    if (place := ABBREVIATIONS.get(words.upper())) is not None:
        return f"write {'' if place == 'UTC' else 'a place such as '}{place}"
    if (place := _of_windows(words)) is not None:
        return f"write {place}"
    for spoken, place in SPOKEN.items():
        if spoken in words.casefold():
            return f"write a place such as {place}"
    zones = _zones()
    near = get_close_matches(_folded(text), zones, 1, 0.85)
    if not near:  # a city alone
        ends = {name.rpartition("/")[2]: name for name in zones if "/" in name}
        near = [ends[end] for end in get_close_matches(_folded(text), ends, 1, 0.9)]
    return f"did you mean {zones[near[0]]}?" if near else EXAMPLE


def _of_windows(words: str) -> str | None:
    """Return the place that the CLDR gives for a zone of Windows, such as `Eastern Standard
    Time`."""
    from tzlocal.windows_tz import win_tz  # noqa: PLC0415  # for a mistake alone

    folded = words.casefold()
    return next((place for name, place in win_tz.items() if name.casefold() == folded), None)
