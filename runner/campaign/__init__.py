"""The campaign file: what it may say, and how every mistake in it is told."""

from runner.campaign.load import load_campaign
from runner.campaign.schema import (
    Api,
    Campaign,
    Limits,
    MessageSource,
    Prospects,
    Ramp,
    Retry,
    Schedule,
    Sender,
    campaign_schema,
)
from runner.campaign.values import parse_duration
from runner.campaign.yamlfile import read_text

__all__ = [
    "Api",
    "Campaign",
    "Limits",
    "MessageSource",
    "Prospects",
    "Ramp",
    "Retry",
    "Schedule",
    "Sender",
    "campaign_schema",
    "load_campaign",
    "parse_duration",
    "read_text",
]
