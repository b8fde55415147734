"""Every key of a campaign file, and what an approved plan does with a change of it."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from runner.campaign.loader import load_campaign
from runner.campaign.schema import Campaign
from runner.errors import ChangesError
from runner.message.plan import Change, Entry, PlannedMessage
from runner.planning.approved.approval import PlanMaker, Unapproved, refuse_unapproved
from runner.planning.approved.ceilings import ceilings_of, looser_than
from tests.documents import ROOT
from tests.support import SENDER, recipient

BASE = f"""
api: {{version: v2, platform: twitter, base_url: "http://127.0.0.1:9/api"}}
senders:
  - {{id: {SENDER}, per_hour: 20, per_day: 100, gap: 60s..90s, ramp: {{start: 20, step: 10}}}}
prospects: spring.csv
suppress: {{lists: [a.csv, b.csv], scope: everybody}}
message: Hi
steps: [{{name: nudge, after: 3d, text: Hi}}, {{name: last, after: 5d, text: Hi}}]
stop_on: [reply, assigned]
contact_once_in: 30d
skip_known: {{talked_within: 90d, assigned: true, status: [Customer], tags: [vip]}}
tag: Spring
limits: {{per_minute: 100, per_hour: 1000, per_day: 2000, concurrency: 4}}
guard: {{consecutive_failures: 5, failure_rate: 0.1, in_doubt: 9, opt_out_rate: 0.4}}
retry: {{attempts: 4, settle: 90s, absent: hold, key_life: 30m}}
replies: {{poll: 60s, for: 10d, stop: [basta]}}
schedule: {{start: 2026-03-02 09:00, grace: 1h, timezone: Europe/London, skip_holidays: GB-ENG,
  windows: [{{days: mon-fri, from: "09:00", to: "17:00"}}]}}
"""

WINDOWS = ', windows: [{days: mon-fri, from: "09:00", to: "17:00"}]'
HELD = {
    "api.version": ("version: v2", "version: v1", ""),
    "api.gateway": ('/api"', '/api", gateway: true', '/api", gateway: false'),
    "senders.per_hour": ("per_hour: 20", "per_hour: 21", "per_hour: 19"),
    "senders.per_day": ("per_day: 100", "per_day: none", "per_day: 99"),
    "senders.gap": ("60s..90s", "60s..80s", "61s..90s"),
    "senders.ramp.start": ("{start: 20,", "{start: 21,", "{start: 19,"),
    "senders.ramp.step": ("step: 10}", "step: 11}", "step: 9}"),
    "suppress.lists": ("[a.csv, b.csv]", "[a.csv]", "[b.csv, a.csv, c.csv]"),
    "suppress.scope": ("scope: everybody", "scope: team", "scope: everybody"),
    "steps": ("name: nudge", "name: last2, after: 4d, text: Hi}, {name: nudge", ""),
    "steps.after": ("after: 3d", "after: 2d", "after: 4d"),
    "stop_on": ("[reply, assigned]", "[reply]", "[assigned, reply, colleague]"),
    "contact_once_in": ("once_in: 30d", "once_in: none", "once_in: 31d"),
    "skip_known": ("skip_known: ", "# ", ""),
    "skip_known.talked_within": ("within: 90d", "within: 9d", "within: 91d"),
    "skip_known.assigned": ("assigned: true", "assigned: false", "assigned: true"),
    "skip_known.status": ("[Customer]", "[Lead]", "[Customer, Lead]"),
    "skip_known.tags": ("[vip]", "[press]", "[vip, press]"),
    "tag": ("tag: Spring", "tag: Summer", "# no tag"),
    "limits.per_minute": ("per_minute: 100", "per_minute: none", "per_minute: 99"),
    "limits.per_hour": ("per_hour: 1000", "per_hour: 1001", "per_hour: 999"),
    "limits.per_day": ("per_day: 2000", "per_day: 2001", "per_day: 1999"),
    "limits.concurrency": ("concurrency: 4", "concurrency: 5", "concurrency: 3"),
    "guard.consecutive_failures": ("failures: 5", "failures: none", "failures: 4"),
    "guard.failure_rate": ("failure_rate: 0.1", "failure_rate: none", "failure_rate: 0.05"),
    "guard.in_doubt": ("in_doubt: 9", "in_doubt: 10", "in_doubt: 8"),
    "guard.opt_out_rate": ("opt_out_rate: 0.4", "opt_out_rate: 0.5", "opt_out_rate: 0.3"),
    "retry.attempts": ("attempts: 4", "attempts: 5", "attempts: 3"),
    "retry.settle": ("settle: 90s", "settle: 80s", "settle: 100s"),
    "retry.absent": ("absent: hold", "absent: resend", "absent: hold"),
    "retry.key_life": ("key_life: 30m", "key_life: 31m", "key_life: 29m"),
    "replies.poll": ("poll: 60s", "poll: 61s", "poll: 59s"),
    "replies.for": ("for: 10d", "for: 9d", "for: 11d"),
    "replies.stop": ("[basta]", "[genug]", "[basta, genug]"),
    "schedule.start": ("03-02 09:00", "03-02 08:59", "03-02 09:01"),
    "schedule.grace": ("grace: 1h", "grace: 2h", "grace: 30m"),
    "schedule.timezone": ("Europe/London", "Europe/Paris", "Europe/London"),
    "schedule.windows": (WINDOWS, "", ""),
    "schedule.windows.days": ("mon-fri", "mon-sat", "tue"),
    "schedule.windows.from": ('"09:00"', '"08:59"', '"10:00"'),
    "schedule.windows.to": ('"17:00"', '"17:01"', '"16:00"'),
    "schedule.skip_holidays": ("skip_holidays: GB-ENG,", "", "skip_holidays: GB-ENG,"),
}  # fmt: skip
"""By key: what stands in the file, what is looser, and what passes (empty: nothing is tried)."""

OF_MESSAGES = {
    "api.platform", "senders.id", "message.template", "message.text", "message.variants",
    "message.variants.template", "message.variants.text", "message.variants.share", "steps.name",
    "steps.template", "steps.text", "steps.variants", "steps.variants.template",
    "steps.variants.text", "prospects.source", "prospects.encoding", "prospects.sheet",
    "prospects.id", "prospects.id_type", "prospects.defaults", "prospects.empty",
    "prospects.where", "prospects.sender", "prospects.timezone",
}  # fmt: skip
"""What these change is who is written to, by whom, with what, or in which zone: a line for each."""

FREE = {
    "name": "a plan of another name is refused",
    "api.base_url": "compared by itself, but in a rehearsal",
    "api.token": "only one team's token has the senders that are approved",
    "extends": "what the file and its bases come to is what is compared",
    "locked": "likewise",
    "require_plan": "names the plan itself",
    "accept": "what a question is about is in the plan, or refused by it",
    "suppress.lists.source": "whom it keeps out is in no plan; how many lists there are is held",
    "suppress.lists.id": "likewise",
    "message.judge_after": "only when variants are compared",
    "retry.timeout": "how long an answer is waited for; no answer is never taken for not sent",
}
"""What changes neither who is written to, with what, when, nor how surely once; and why."""


def keys_of(model: type[BaseModel], at: str = "") -> Iterator[str]:
    """Every key of a section, those of its sections too."""
    for name, field in model.model_fields.items():
        key = f"{at}{field.alias or name}"
        yield key
        for section in sections_in(field.annotation):
            yield from keys_of(section, f"{key}.")


def sections_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif get_origin(kind) in (Union, types.UnionType, tuple, dict) or get_args(kind):
        for each in get_args(kind):
            yield from sections_in(each)


SECTIONS = {
    "api", "senders", "senders.ramp", "prospects", "suppress", "message", "schedule", "limits",
    "retry", "guard", "replies",
}  # fmt: skip
"""Held by their keys."""


def test_every_key_is_decided_once() -> None:
    every = set(keys_of(Campaign))
    decided = [*HELD, *OF_MESSAGES, *FREE, *SECTIONS]
    assert sorted(decided) == sorted(every)


def ceilings(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(ceilings_of(load_campaign(Path("a.yaml"), text))))
    return found


def v1(text: str) -> str:
    """What v1 has of it."""
    gone = ("steps:", "skip_known:", "tag:", "replies:")
    return "\n".join(line for line in text.splitlines() if not line.startswith(gone))


def told_of(key: str) -> str:
    """What is told of a key, by the names of senders and steps."""
    if key.startswith("senders."):
        return f"senders.{SENDER}." + key.split(".")[1]
    if key.startswith("schedule.") and key != "schedule.grace":
        return "schedule"
    named = {"steps.after": "steps.nudge.after", "steps": "steps.last2.after"}
    return {**named, "skip_known": "skip_known.talked_within"}.get(key, key)


@pytest.mark.slow
@pytest.mark.parametrize("key", HELD)
def test_looser_is_refused_and_what_is_not_passes(key: str) -> None:
    said, looser, tighter = HELD[key]
    text = BASE.replace("\n  windows", " windows")
    assert said in text
    approved = ceilings(text)
    now = text.replace(said, looser)
    found = list(looser_than(approved, ceilings(v1(now) if key == "api.version" else now)))
    assert told_of(key) in found
    assert list(looser_than(approved, ceilings(text.replace(said, tighter or said)))) == []


def test_steps_may_go_and_never_change_places() -> None:
    nudge, last = "{name: nudge, after: 3d, text: Hi}", "{name: last, after: 5d, text: Hi}"
    for now, found in (
        (f"[{last}, {nudge}]", ["steps"]),
        (f"[{last}]", []),
        ("[]", []),
    ):
        text = BASE.replace(f"[{nudge}, {last}]", now)
        assert list(looser_than(ceilings(BASE), ceilings(text))) == found


ANN = PlannedMessage(2, recipient(1), SENDER, "Hi", {}, zone="America/New_York")
HOURS = BASE
ALWAYS = BASE[: BASE.index("schedule:")]
START = f"{ALWAYS}schedule: {{start: 2026-03-02 09:00, timezone: Europe/London}}\n"


@pytest.mark.parametrize(
    ("text", "zone", "passes"),
    [
        (HOURS, "America/New_York", True),
        (HOURS, "", False),
        (HOURS, "Asia/Tokyo", False),
        (HOURS, "Europe/London", False),
        (START, "", True),
        (ALWAYS, "Asia/Tokyo", True),
    ],
)
def test_hours_hold_everybody_in_their_own_time_zone(text: str, zone: str, passes: bool) -> None:
    maker = PlanMaker("5a" * 32, load_campaign(Path("a.yaml"), text))
    maker.see(Entry(ANN, Change.NEW))
    found = Unapproved(maker.plan({}), Path("a.yaml"))
    found.see(Entry(ANN._replace(zone=zone), Change.NEW))
    assert (found.messages == 0) is passes
    if not passes:
        with pytest.raises(ChangesError, match="time zone") as caught:
            refuse_unapproved(found)
        assert "and another is approved" in str(caught.value)


def test_the_zone_of_the_schedule_is_like_none_of_their_own() -> None:
    maker = PlanMaker("5a" * 32, load_campaign(Path("a.yaml"), HOURS))
    maker.see(Entry(ANN._replace(zone="Europe/London"), Change.NEW))
    plan = maker.plan({})
    found = Unapproved(plan, Path("a.yaml"))
    found.see(Entry(ANN._replace(zone=""), Change.NEW))
    assert found.messages == 0
    assert "London" not in "".join(plan.messages)


def test_the_page_names_what_is_held() -> None:
    page = (ROOT / "docs" / "reference-commands.md").read_text()
    section = page.partition("## run-campaign plan\n")[2].partition("\n## ")[0]
    for key in ("tag", "retry.attempts", "retry.settle", "retry.key_life", "replies.poll",
                "schedule.grace", "prospects.timezone", "suppress.lists"):  # fmt: skip
        assert f"`{key}`" in section
