"""The real process, killed with SIGKILL again and again under a mix of faults. The judge is the
sandbox's own list."""

from __future__ import annotations

import random
from functools import partial

import pytest

from tests.acceptance.support import Project, Running, people, until
from tests.judge import Verdict, lies, messages_of

FAULTS = (
    "accept_then_reset:rate=0.06",
    "reset_before:rate=0.04",
    "error_after:rate=0.04",
    "error_before:rate=0.04",
    "slow:seconds=0.05,rate=0.9",
)


def _reached(project: Project, running: Running, goal: int) -> bool:
    return running.process.poll() is not None or len(project.api.accepted) >= goal


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_nobody_is_written_to_twice_and_nobody_is_lost(
    both: Project, seed: int
) -> None:
    luck = random.Random(seed)
    everyone = people(60)
    both.write(everyone, concurrency=4, retry="settle: 1s, timeout: 5s")
    both.api.faults(*FAULTS)
    kills, verdict = 0, Verdict()
    for _ in range(7):
        goal = len(both.api.accepted) + luck.randrange(1, 9)
        running = both.start(both.campaign)
        until(partial(_reached, both, running, goal), "messages to be accepted")
        if running.process.poll() is None:
            running.process.kill()
            kills += 1
        running.process.wait()
        verdict.note(lies(messages_of(both.ledger, "spring"), both.api.accepted))
    both.api.faults()
    last = both.run(both.campaign)
    doubtful = set(both.ok("status", both.campaign, "--json").json["in_doubt"])
    verdict.close(everyone, messages_of(both.ledger, "spring"), both.api.accepted, doubtful)
    assert kills >= 5
    assert verdict.good, verdict.found
    assert both.counts().get("sent", 0) + len(doubtful) == len(everyone)
    if both.version == "v2":
        assert doubtful == set()
        assert last.code == 0
    else:
        assert last.code == (4 if doubtful else 0)
