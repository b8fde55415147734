"""Whatever stands in a campaign file, it is loaded or refused; nothing else happens."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.campaign.loader import load_campaign
from runner.errors import CampaignError


def told(path: Path, data: bytes) -> list[str]:
    """The lines that loading `data` is refused with; none when it loads."""
    path.write_bytes(data)
    try:
        load_campaign(path)
    except CampaignError as error:
        return str(error).splitlines() or ["nothing told"]
    return []


_TEXT = st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))


@settings(deadline=None)  # disks are slow at times
@given(st.binary(max_size=300) | _TEXT)
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    # No value of the file may break a message into two lines.
    assert all(line.startswith(str(path)) for line in told(path, data))


@settings(deadline=None)
@given(st.text("ab:-?[]{},&*#!|>'\"%@`\n\t 0<", max_size=60))
def test_any_punctuation(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "punctuation.yaml"
    assert all(line.startswith(str(path)) for line in told(path, text.encode()))


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.dates()
)
_NAMES = (
    *(
        "name",
        "api",
        "senders",
        "prospects",
        "suppress",
        "contact_once_in",
        "message",
        "limits",
        "retry",
    ),
    *("id", "source", "token", "base_url", "version", "per_hour", "gap", "where", "defaults"),
    *("template", "text", "timeout", "concurrency", "encoding", "x"),
)
_KEYS = st.sampled_from(_NAMES)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@settings(deadline=None)
@given(st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_any_structure(tmp_path_factory: pytest.TempPathFactory, value: dict[str, object]) -> None:
    path = tmp_path_factory.getbasetemp() / "structure.yaml"
    data = yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "replace")
    assert all(line.startswith(str(path)) for line in told(path, data))
