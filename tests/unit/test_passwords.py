"""Passwords in a database's address."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import LedgerError, UsageError
from runner.ledger import schema
from runner.ledger.copies.seen_ledgers import SeenLedger
from runner.ledger.database import moved_mark
from runner.ledger.engine import ledger_url, place_of
from runner.ledger.ledger import open_ledger
from runner.passwords import hide_password, hide_passwords, passwords_in
from runner.project.ledgers.ledger_location import require_ledger

SCHEME = "postgresql+psycopg://"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("state.db", "state.db"),
        ("ada@db/x", "ada@db/x"),
        ("//ada:s3cret@db:5432/x", "//ada:***@db:5432/x"),
        ("//ada:s3/c?r et@db/x", "//ada:***@db/x"),
        ("//ada:s3@cret@db/x", "//ada:***@db/x"),
        ("//ada@db/x?sslmode=require", "//ada@db/x?sslmode=require"),
        ("//db/x?user=ada&password=s3cret", "//db/x?user=ada&password=***"),
        ("//db/x?user=ada&%70assword=s3cret", "//db/x?user=ada&%70assword=***"),
        ("//db/x?passwrd=s3cret&passfile=a", "//db/x?passwrd=***&passfile=a"),
        ("//db/x?sslpassword=s3cret&sslkey=b", "//db/x?sslpassword=***&sslkey=b"),
        ("//db/x?password=one&password=two", "//db/x?password=***&password=***"),
        ("//db/x?conninfo=host%3Ddb%20password%3Ds3cret", "//db/x?conninfo=***"),
        ("host=db password=s3cret", "host=db password=***"),
        ("host=db password = 's3 \\' cret' user=a", "host=db password = *** user=a"),
    ],
)
def test_an_address_is_shown_without_its_passwords(address: str, shown: str) -> None:
    scheme = SCHEME.removesuffix("//") if address.startswith("//") else ""
    assert hide_password(scheme + address) == scheme + shown
    told = hide_passwords(f"the ledger ({scheme}{address}): it failed") if scheme else ""
    if " " not in address:
        assert told in (f"the ledger ({scheme}{shown}): it failed", "")


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:8765/api/x@y", "at 10:30 user@example.com", "the password is wrong", "a=b"],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert hide_passwords(text) == text


PASSWORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=8)


@given(PASSWORDS, st.sampled_from(["password", "sslpassword", "PASSWORD", "p%61ssword", "pwd"]))
def test_no_spelling_of_a_password_is_in_the_place(word: str, name: str) -> None:
    word = f"S3cr{word}"
    for spelled in (quote(word, safe=""), quote_plus(word)):
        for location in (
            f"{SCHEME}ada:{spelled}@db/x?sslmode=require",
            f"{SCHEME}db/x?user=ada&{name}={spelled}&sslmode=require",
        ):
            url = ledger_url(location)
            for shown in (place_of(url), hide_password(location), hide_passwords(location)):
                assert "S3cr" not in shown
                assert "sslmode=require" in shown
            assert {word, spelled} <= passwords_in(location)
            assert hide_passwords(f"a {word} b", passwords_in(location)) == "a *** b"


@pytest.mark.parametrize(
    "location",
    [
        f"{SCHEME}ada:s3@cret@db/x",
        f"{SCHEME}ada:s3@cr/et@db/x",
        f"{SCHEME}ada:s3cret:db/x",
        f"{SCHEME}db:s3cret/x",
        "postgresql:/ada:s3cret@db/x",
        "host=db password=s3cret",
        "ada:s3cret@db.example/x",
    ],
)
def test_an_address_that_cannot_be_is_refused_without_being_shown(location: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_ledger(location)
    assert "cret" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.__cause__ is None


def test_what_an_older_version_remembered_is_read_without_its_password(tmp_path: Path) -> None:
    """And is written so from then on; a ledger that was lost there is still missed."""
    said = ledger_url(f"{SCHEME}db/x?user=ada&password=s3cret").render_as_string()
    marks = {"changes": 5, "attempts": 3, "campaigns": ["spring"]}
    old = tmp_path / "old.json"
    old.write_text(json.dumps({**marks, "place": said, "moved_to": said, "outdated": False}))
    [lost] = SeenLedger(tmp_path, "new", place_of(ledger_url(said))).lost()
    assert lost.file == old
    assert "s3cret" not in lost.moved_to()
    lost.outdate()
    assert "s3cret" not in old.read_text()


def test_a_mark_of_an_older_version_is_read_without_its_password(tmp_path: Path) -> None:
    said = f"{SCHEME}db/x?password=s3cret"
    with open_ledger(str(tmp_path / "state.db")) as ledger:
        ledger.write(moved_mark.set_mark, moved_mark.Moved(said, "5", done=True))
        assert "s3cret" not in str(ledger.read(moved_mark.read_mark))
        with pytest.raises(LedgerError) as caught:
            ledger.write(schema.set_note, "a", "b")
        assert "has moved to" in str(caught.value)
        assert "s3cret" not in f"{caught.value} {caught.value.hint}"
