"""Whatever stands in a campaign file and its bases: how they merge, and the whole as one text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.campaign.bases.merged import in_full, merge
from runner.campaign.bases.text import campaign_text
from runner.campaign.yaml_document import Document, Loc, read_document

_TEXT = st.text("ab 1:#-'\"{}[]|>%@&*!?,é\n\t\\\u2028😀~", max_size=12)
_WORDS = _TEXT | st.sampled_from(["no", "1e5", "0123", "null", "2026-03-02", "", "${A}", "a: b"])
_SCALARS = _WORDS | st.integers(0, 9999) | st.booleans() | st.sampled_from([0.5, 12.25])
_SENDER = st.fixed_dictionaries(
    {"id": st.sampled_from("abcd")},
    optional={"per_hour": st.integers(1, 99), "gap": _WORDS},
)
_LIST = _WORDS | st.fixed_dictionaries({"source": _WORDS}, optional={"id": _WORDS})
_MAP = st.dictionaries(st.sampled_from("pqr") | _TEXT, _SCALARS, max_size=4)
_FILES = st.fixed_dictionaries(
    {},
    optional={
        "name": _WORDS,
        "senders": st.lists(_SENDER | st.sampled_from("abcd"), max_size=4),
        "prospects": _WORDS | st.fixed_dictionaries({}, optional={"id": _WORDS, "where": _MAP}),
        "suppress": _LIST
        | st.lists(_LIST, max_size=3)
        | st.fixed_dictionaries(
            {"scope": _WORDS}, optional={"lists": _LIST | st.lists(_LIST, max_size=3)}
        ),
        "locked": st.lists(st.sampled_from(["limits", "guard"]), max_size=2),
        "message": _WORDS
        | st.fixed_dictionaries({}, optional={"text": _WORDS, "template": _WORDS}),
        "limits": st.dictionaries(st.sampled_from("pqr"), _SCALARS, max_size=3),
        "schedule": st.fixed_dictionaries({}, optional={"windows": st.lists(_MAP, max_size=2)}),
        "tag": _WORDS,
    },
)


def document(said: Any, file: str = "a.yaml") -> Document:
    text = yaml.safe_dump(said, allow_unicode=True, sort_keys=False)
    return read_document(Path(file), text)


def places(document: Document) -> dict[Loc, tuple[str, int]]:
    """Where each single value stands."""
    found: dict[Loc, tuple[str, int]] = {}

    def walk(value: Any, at: Loc) -> None:
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in parts:
            if isinstance(each, dict | tuple):
                walk(each, (*at, key))
            else:
                found[(*at, key)] = document.place_of((*at, key))

    walk(document.value, ())
    return found


@settings(deadline=None)
@given(_FILES)
def test_an_empty_base_brings_nothing_in(said: Any) -> None:
    child = document(said)
    merged = merge(document({}, "base.yaml"), child)
    assert merged.value == in_full(child).value
    assert places(merged) == places(in_full(child))


@pytest.mark.slow
@settings(deadline=None)
@given(_FILES, _FILES, _FILES)
def test_a_chain_is_the_same_from_both_ends(top: Any, middle: Any, own: Any) -> None:
    files = [document(each, f"{n}.yaml") for n, each in enumerate((top, middle, own))]
    one = merge(merge(files[0], files[1]), files[2])
    other = merge(files[0], merge(files[1], files[2]))
    assert one.value == other.value
    assert places(one) == places(other)


@settings(deadline=None)
@given(_FILES, _FILES)
def test_a_list_of_people_never_gets_shorter(base: Any, own: Any) -> None:
    above, child = document(base, "base.yaml"), document(own)
    found = listed(merge(above, child))
    assert found == listed(in_full(above)) + listed(in_full(child))


def listed(document: Document) -> tuple[Any, ...]:
    found: tuple[Any, ...] = document.value.get("suppress", {}).get("lists", ())
    return found


@settings(deadline=None)
@given(_FILES, _FILES)
def test_each_value_stands_where_it_is_said_to_stand(base: Any, own: Any) -> None:
    above, child = document(base, "base.yaml"), document(own)
    merged = merge(above, child)
    known = {"base.yaml": set(above.lines.values()), "a.yaml": set(child.lines.values())}
    assert all(line in known[file] for file, line in places(merged).values())
    assert set(merged.scalars) == set(places(merged)) - {
        at for at, _ in places(merged).items() if _value(merged, at) in ((), {})
    }


def _value(document: Document, at: Loc) -> Any:
    value = document.value
    for part in at:
        value = value[part]
    return value


@pytest.mark.slow
@settings(deadline=None)
@given(_FILES, _FILES)
def test_the_whole_text_is_read_as_what_it_was_made_of(base: Any, own: Any) -> None:
    merged = merge(document(base, "base.yaml"), document(own))
    again = read_document(Path("a.yaml"), campaign_text(merged, {}) or "{}")
    assert again.value == merged.value
    assert not again.problems
    # Nothing of it is taken for a comment.
    assert not again.comments
