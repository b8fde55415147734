"""A glance at a campaign file says what all of it would say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.campaign.identity import identify
from runner.campaign.loader import load_campaign
from runner.errors import CampaignError

REST = "senders: [a1]\nprospects: x.csv\nmessage: Hi\n"
HERE = "http://127.0.0.1:8765/api/v2"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("", "spring"),
        ("name: autumn\n", "autumn"),
        ('name: "  e\\u0301  "\n', "é"),
        (f"api: {{base_url: {HERE}}}\n", "spring (SANDBOX)"),
        (f"api: {{base_url: {HERE}, gateway: false}}\n", "spring (SANDBOX)"),
        (f"api: {{base_url: {HERE}, gateway: true}}\n", "spring"),
        (f"api: {{base_url: {HERE}, gateway: yes}}\n", "spring"),
        ("api: {base_url: https://api.example/v2}\n", "spring"),
    ],
)
def test_the_name_that_the_ledger_knows(tmp_path: Path, said: str, name: str) -> None:
    path = tmp_path / "spring.yaml"
    path.write_text(said + REST)
    assert identify(path).name == load_campaign(path).name == name


@given(
    name=st.text("a9 é'\"(SANDBOX)", max_size=12),
    url=st.sampled_from(
        ["", HERE, "http://localhost/api/v2", "https://[::1]", "https://x.example", "x"]
    ),
    gateway=st.sampled_from(["", "true", "false", "yes", "'true'", "1", "null"]),
)
def test_any_file_is_the_campaign_that_it_would_be_sent_as(
    tmp_path_factory: pytest.TempPathFactory, name: str, url: str, gateway: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "spring.yaml"
    api = [f"base_url: '{url}'"] * bool(url) + [f"gateway: {gateway}"] * bool(gateway)
    quoted = name.replace("'", "''")
    path.write_text(f"name: '{quoted}'\napi: {{{', '.join(api)}}}\n{REST}")
    try:
        wanted = load_campaign(path).name
    except CampaignError:
        return  # it cannot be sent at all
    assert identify(path).name == wanted


def test_a_file_without_a_readable_name_is_told_as_a_run_tells_it(tmp_path: Path) -> None:
    path = tmp_path / "spring.yaml"
    path.write_text(f"name: [a]\n{REST}")
    with pytest.raises(CampaignError, match="name"):
        identify(path)
