"""Time zones as people and programs write them."""

from __future__ import annotations

import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.zones import ABBREVIATIONS, FIXED, NOT_ZONES, SPOKEN, find_zone

ZONES = sorted(zoneinfo.available_timezones() - NOT_ZONES - set(FIXED))


@given(st.sampled_from(ZONES), st.sampled_from([str, str.lower, str.upper, str.title]))
def test_every_zone_is_found_however_it_is_capitalised(zone: str, spelt: type[str]) -> None:
    assert find_zone(spelt(zone)) == zone
    assert find_zone(f" {spelt(zone).replace('_', ' ')} ") == zone


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("EST", "America/New_York"),
        ("est", "America/New_York"),
        ("MST", "America/Denver"),
        ("Eastern Standard Time", "America/New_York"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("tokyo standard time", "Asia/Tokyo"),
        ("(GMT-05:00) Eastern Time (US & Canada)", "America/New_York"),
        ("PST", "America/Los_Angeles"),
        ("cest", "Europe/Berlin"),
        ("Z", "UTC"),
        ("London", "Europe/London"),
        ("America/NewYork", "America/New_York"),
        ("Local", "Europe/London or America/New_York"),
        ("UTC+2", "Europe/London or America/New_York"),
        ("localtime", "Europe/London or America/New_York"),
        ("", "Europe/London or America/New_York"),
    ],
)
def test_what_is_no_zone_is_refused_with_what_to_write(written: str, place: str) -> None:
    with pytest.raises(ValueError, match="; ") as caught:
        find_zone(written)
    assert str(caught.value).removesuffix("?").endswith(place)


def test_every_place_that_is_named_is_a_zone() -> None:
    for place in (*FIXED.values(), *ABBREVIATIONS.values(), *SPOKEN.values()):
        assert find_zone(place) == place


@given(st.text(max_size=40))
def test_any_text_is_a_zone_or_says_why_not(text: str) -> None:
    try:
        found = find_zone(text)
    except ValueError as error:
        found = str(error).partition("; ")[0]
    assert found in (*ZONES, "is not an IANA time zone")
