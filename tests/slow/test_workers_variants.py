"""Variants of workers: they send what was dealt, and no hand-over or new submission deals anew."""

from __future__ import annotations

import json
from collections import Counter

from tests.acceptance.conftest import MakeFleet
from tests.acceptance.fleet import Fleet, Team, kill

TEXTS = {"plain": "Hi {{ first_name }}", "question": "Hi {{ first_name }}?"}


def with_variants(fleet: Fleet, team: Team, share: int) -> None:
    """Give the team's campaign two texts instead of its own."""
    file = fleet.file(team)
    variants = {
        "plain": {"text": TEXTS["plain"]},
        "question": {"text": TEXTS["question"], "share": share},
    }
    lines = [
        f"message: {json.dumps({'variants': variants})}" if line.startswith("message:") else line
        for line in file.read_text().splitlines()
    ]
    file.write_text("\n".join(lines) + "\n")


def dealt(fleet: Fleet) -> dict[str, str]:
    """Each person's variant."""
    return dict(fleet.ask("select recipient, variant from message"))


def test_nobody_is_dealt_a_second_time(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=1, people=12, concurrency=1)
    [team] = fleet.teams
    with_variants(fleet, team, share=1)
    fleet.slow(0.3)
    fleet.submit()
    before = dealt(fleet)
    assert Counter(before.values()) == {"plain": 6, "question": 6}
    for _ in range(2):
        fleet.worker()
    fleet.until_accepted(2)
    [(pid,)] = fleet.ask("select run.pid from lane join run on run.id = lane.run")
    kill(next(each for each in fleet.workers if each.process.pid == pid))
    with_variants(fleet, team, share=3)
    fleet.submit("--accept-changes")
    assert dealt(fleet) == before
    fleet.slow(0)
    fleet.until_done()
    assert dealt(fleet) == before
    got = {each["person"]: each["content"] for each in team.api.accepted}
    assert {id: text.endswith("?") for id, text in got.items()} == {
        id: variant == "question" for id, variant in before.items()
    }
    assert Counter(team.api.recipients) == dict.fromkeys(team.ids, 1)
    assert [done.code for done in fleet.end()] == [0]
