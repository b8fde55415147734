"""The defaults of a campaign, shown: the same campaign if they are written down."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.campaign.bases.defaults import with_defaults
from runner.campaign.bases.text import campaign_lines
from runner.campaign.loader import explain_campaign, load_campaign
from tests.support import SENDER

SHORT = f"senders: [{SENDER}]\nprospects: spring.csv\nmessage: Hi\n"
LONG = f"""
senders:
  - {{id: {SENDER}, per_hour: none, gap: 45s..120s}}
  - {{id: k2v7, ramp: {{start: 2, step: 1}}}}
prospects: {{source: spring.csv, where: {{country: [US, "NO"]}}}}
message: {{variants: {{plain: {{text: Hi}}, question: {{text: "Hi?", share: 2}}, file: a.j2}}}}
steps: [{{name: nudge, after: 36h, text: Hi}}]
skip_known: {{talked_within: 90d}}
suppress: {{lists: dnc.csv}}
guard: {{failure_rate: none}}
schedule: {{timezone: Europe/London, windows: [{{days: mon-fri, from: "09:00", to: "17:00"}}]}}
stop_on: reply
contact_once_in: none
"""
V1 = f"api: {{version: v1, token: '${{OTHER}}'}}\n{SHORT}"


@pytest.mark.parametrize("text", [SHORT, LONG, V1])
def test_written_down_they_are_the_same_campaign(tmp_path: Path, text: str) -> None:
    file = tmp_path / "spring.yaml"
    file.write_text(text)
    found = explain_campaign(file)
    document, places = with_defaults(found.document, found.campaign)
    lines = [each.text for each in campaign_lines(document, found.paths)]
    again = load_campaign(file, "\n".join(lines))
    assert again.model_dump() == found.campaign.model_dump()
    assert ("limits", "per_hour") in places
    assert ("senders", 0, "per_day") in places
    assert not places & document.lines.keys()


def test_a_default_is_written_as_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "spring.yaml"
    file.write_text(SHORT)
    found = explain_campaign(file)
    document, _ = with_defaults(found.document, found.campaign)
    told = "\n".join(each.text for each in campaign_lines(document, found.paths))
    for said in ("contact_once_in: 30d", "  grace: 2h", "  failure_rate: 0.2", "  gateway: false",
                 "  token: ${INBOX_API_TOKEN}", "    per_hour: 20", "name: spring"):  # fmt: skip
        assert f"{said}\n" in f"{told}\n"
