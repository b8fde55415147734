"""The text of a new campaign's file: read back, it is what was answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.campaign.loader import load_campaign
from runner.project.new_campaign import NewSheet, api_lines, campaign_name, campaign_text

NAMES = st.text(min_size=1, max_size=30).filter(str.isprintable)
FILES = NAMES.filter(lambda name: "\\" not in name and "$" not in name)
"""What a campaign file can name at all."""
LINK = "df6jbw4h36qm5d9iu2sgn7kx"


@pytest.mark.slow
@given(stem=NAMES, source=FILES, id=NAMES, platform=st.sampled_from(["twitter", "linkedin"]))
@example(stem="2026", source="yes", id="null", platform="twitter")
@example(stem="Zoë & Söhne (final)", source="a: b #c.csv", id="~", platform="twitter")
@example(stem="…", source='ünï "q"', id="\U0001f600", platform="twitter")
def test_what_is_written_is_read_back(stem: str, source: str, id: str, platform: str) -> None:
    name = campaign_name(stem)
    assert "/" not in name
    sheet = NewSheet(f"./{source.strip()}.csv", f"x{id}", "inbox")
    api = api_lines("http://127.0.0.1:1/api/v2", platform)
    text = campaign_text(name, api, [(LINK, "acmecorp")], sheet)
    campaign = load_campaign(Path("campaigns") / f"{name}.yaml", text)
    assert campaign.own_name == name
    assert campaign.api.platform == platform
    assert [sender.id for sender in campaign.senders] == [LINK]
    assert campaign.prospects.source == Path("campaigns") / sheet.source
    assert campaign.prospects.id == sheet.id
    assert campaign.message.template == Path("campaigns") / f"../templates/{name}.j2"


def test_a_campaign_without_an_account_loads_and_says_whose_the_sender_is() -> None:
    text = campaign_text("people", [], [], NewSheet("people.csv", "x_user_id"))
    assert load_campaign(Path("people.yaml"), text).senders
    assert "yours: run-campaign senders" in text
