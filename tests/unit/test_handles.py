"""Handles in cells, the names of accounts, and answers beside what was known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.audience.handle_checks import are_other_names
from runner.audience.handles import CellHandle, read_handle
from runner.audience.ids import IdRefusal
from runner.message.handle import one_handle
from runner.message.status import SkipReason
from runner.tables.cell_types import RoundedNumber, Uncalculated


@pytest.mark.parametrize(
    ("cell", "handle"),
    [
        ("@ada", "ada"),
        ("ada", "ada"),
        ("  @Ada_99 ", "Ada_99"),
        ("\u200b@ada\u200b", "ada"),
        ("https://x.com/Ada?s=20", "Ada"),
        ("x.com/ada", "ada"),
        ("X.COM/ada/", "ada"),
        ("http://www.twitter.com/ada", "ada"),
        ("https://mobile.twitter.com/ada#bio", "ada"),
        ("https://twitter.com/#!/ada", "ada"),
        ("https://x.com/@ada", "ada"),
        ("https://twitter.com/intent/user?screen_name=ada", "ada"),
        ("12345", "12345"),
        ("@12345", "12345"),
        ("007", "007"),
        ("123456789012345", "123456789012345"),
    ],
)
def test_handles_of_x(cell: str, handle: str) -> None:
    assert read_handle(cell, "twitter") == CellHandle(handle)


@pytest.mark.parametrize(
    ("cell", "id"),
    [
        ("1234567890123456", "1234567890123456"),
        ("9184620175530281101", "9184620175530281101"),
        ("https://x.com/i/user/12", "12"),
        ("https://twitter.com/intent/user?user_id=783214", "783214"),
    ],
)
def test_ids_among_handles_of_x(cell: str, id: str) -> None:
    assert read_handle(cell, "twitter") == CellHandle(id=id)


@pytest.mark.parametrize(
    "cell",
    [
        "Ada Adler",
        "ada@example.com",
        "@ada@mastodon.social",
        "@",
        "@a_name_of_16_abc",
        "adé",
        "https://x.com/ada/status/1",
        "https://x.com/home",
        "https://x.com/i/lists/1",
        "https://x.com/",
        "https://example.com/ada",
        "https://x.com.example.com/ada",
        "https://notx.com/ada",
        "https://[x.com/ada",
        "x.com/ada\nbob",
        "https://x.com/ada\thttps://x.com/bob",
        "https://x.com/ada?s=20 https://x.com/bob",
        "@ ada",
        "@@ada",
        "@ada,",
        "\uff41da",
        "\u0430da",
        "1.23E+18",
        "#N/A",
        RoundedNumber("1234567890123456000"),
        Uncalculated(""),
    ],
)
def test_what_is_no_handle_of_x(cell: str) -> None:
    read = read_handle(cell, "twitter")
    assert isinstance(read, IdRefusal)
    assert read.reason is SkipReason.BAD_ID


def test_nothing_is_no_handle() -> None:
    read = read_handle("  ", "twitter")
    assert isinstance(read, IdRefusal)
    assert read.reason is SkipReason.NO_ID


@pytest.mark.parametrize(
    ("cell", "handle"),
    [
        ("https://www.linkedin.com/in/ada-adler-1/", "ada-adler-1"),
        ("https://de.linkedin.com/in/Ada-Adler-1?trk=people", "Ada-Adler-1"),
        ("linkedin.com/in/ada/de", "ada"),
        ("https://www.linkedin.com/mwlite/in/ada", "ada"),
        ("https://www.linkedin.com/in/ren%C3%A9-m", "rené-m"),
        ("ada-adler-1", "ada-adler-1"),
    ],
)
def test_handles_of_linkedin(cell: str, handle: str) -> None:
    assert read_handle(cell, "linkedin") == CellHandle(handle)


@pytest.mark.parametrize(
    "cell",
    [
        "https://www.linkedin.com/company/acme",
        "https://www.linkedin.com/pub/ada/1/2/3",
        "https://www.linkedin.com/sales/lead/ACwAA",
        "https://example.com/in/ada",
        "Ada Adler",
        "linkedin.com/in/ada\nadler",
        "linkedin.com/in/%ff",
    ],
)
def test_what_is_no_profile_of_linkedin(cell: str) -> None:
    assert isinstance(read_handle(cell, "linkedin"), IdRefusal)


@given(st.from_regex(r"[A-Za-z0-9_]{1,15}", fullmatch=True))
def test_every_form_of_a_handle_is_one_handle(handle: str) -> None:
    forms = [f"@{handle}", f"https://x.com/@{handle.upper()}?lang=de", f" @{handle.lower()} "]
    read = {one_handle(found.handle) for form in forms if isinstance(
        found := read_handle(form, "twitter"), CellHandle)}  # fmt: skip
    assert read == {one_handle(handle)}


@given(st.text() | st.text("@/:[]?&=#%.xX com").map("https://x.com/{}".format))
def test_any_cell_is_read(cell: str) -> None:
    for platform in ("twitter", "linkedin"):
        read = read_handle(cell, platform)
        assert isinstance(read, CellHandle | IdRefusal)


def test_one_handle_has_one_form() -> None:
    assert one_handle("ADA") == one_handle("ada")
    assert one_handle("Rene\u0301") == one_handle("RENÉ")
    assert one_handle("straße") != one_handle("strasse")  # two people


@pytest.mark.parametrize(
    ("name", "account", "other"),
    [
        ("Ada", "Ada Adler adaa", False),
        ("Ada Adler", "A. Adler", False),
        ("José", "JOSE 🚀 | hiring jose1", False),
        ("Ada", "adler the great ada_1", False),
        ("Ada Adler", "Ben Brooks benb", True),
        ("", "Ben", False),
        ("黒澤 明", "Akira Kurosawa", False),
        ("Ada", "黒澤 明", False),
        ("Zoe", "Zoé 🚀 zoe", False),
    ],
)
def test_names_are_compared_by_any_word(name: str, account: str, other: bool) -> None:
    assert are_other_names(name, account) is other
