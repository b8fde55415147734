"""A run of a few thousand messages while things go wrong holds no more at its end than early on."""

from __future__ import annotations

import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import endurance
from benchmarks.bare import body_of, compact, key_of
from benchmarks.endurance import Endured, Look, Size
from benchmarks.forgetful import forgetful
from benchmarks.projects import TOKEN, row_of
from runner.run.run import READERS

MANY = 3_500
MOST = 900.0
"""Bytes that a message may leave behind so early, when caches still fill. Its attempt alone would
be more than a thousand."""

FEW = 17
"""Connections and tasks that there may be more or less, since both come and go with messages: if
only one in a hundred left one behind, there would be more."""

THREADS = 2 + READERS
"""The loop, the ledger's writer, and those that read the ledger and files now and then."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it is read from /proc")
def test_memory_and_files_are_flat_and_nobody_is_written_to_twice(tmp_path: Path) -> None:
    size = Size(MANY, dear=2_003, every=0.05, patience="1s")
    endured = endurance.endure(tmp_path, size, lambda _: None)
    assert not endurance.wrong_with(endured)
    assert endured.accepted == endured.counts["sent"] == MANY - endurance.REFUSED
    assert endured.counts["rejected"] == endurance.REFUSED
    assert len(endured.hits) == len(endurance.CHEAP) + len(endurance.DEAR)
    assert endured.growth() < MOST
    early, late = endured.between(0.1, 1 / 3), endured.between(2 / 3, 1)
    assert max(look.files for look in late) <= max(look.files for look in early) + FEW
    assert max(look.threads for look in late) <= THREADS
    tasks = [max(look.tasks for look in part if look.tasks is not None) for part in (early, late)]
    assert tasks[1] <= tasks[0] + FEW  # each message under way has one


def run_of(rss: list[int], **changes: object) -> Endured:
    """A run of a thousand messages between looks."""
    looks = [Look(1000 * at, held, 20, 3, 37) for at, held in enumerate(rss)]
    said = {"seconds": 1, "accepted": 9, "doubled": 0, "counts": {"sent": 9}, "said": ""}
    return Endured(looks, hits=Counter(), returns=0, **(said | changes))  # type: ignore[arg-type]


def test_growth_is_told_from_noise() -> None:
    assert run_of([500] * 30).slope() == run_of([500] * 30).growth() == 0
    leaking = run_of([500 + 2_000 * at for at in range(30)])
    assert leaking.slope() == pytest.approx(2_000)
    assert leaking.growth() == pytest.approx(2)
    assert leaking.rss_at(0.5) == pytest.approx(500 + 2_000 * 14.5, abs=1_000)
    warming = run_of([0, 400, 500, *[500] * 27])
    assert warming.slope() == 0


def test_a_slow_beginning_is_no_growth() -> None:
    """A process takes its first memory for its first messages, however many looks see that."""
    beginning = [Look(10, 100, 20, 3, 37)] * 50
    looks = [*beginning, *(Look(1000 * at, 500, 20, 3, 37) for at in range(1, 31))]
    assert replace(run_of([0]), looks=looks).growth() == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"accepted": 10, "doubled": 1}, "1 were written to twice"),
        ({"accepted": 8}, "the ledger knows 9 as sent, 8 were accepted"),
        ({"counts": {"sent": 9, "in_doubt": 1}}, "not settled"),
        ({"counts": {"sent": 9, "in_doubt": 2}, "unproven": 1}, "not settled"),
        ({"said": "Task was destroyed but it is pending!"}, "it said 'destroyed'"),
    ],
)
def test_what_must_not_happen_is_told(changes: dict[str, object], told: str) -> None:
    assert not endurance.wrong_with(run_of([1, 1]))
    refused: dict[str, object] = {"counts": {"sent": 9, "in_doubt": 1}, "unproven": 1}
    assert not endurance.wrong_with(run_of([1, 1], **refused))  # nothing can prove it
    [wrong] = endurance.wrong_with(run_of([1, 1], **changes))
    assert told in wrong


def test_an_api_that_was_replaced_knows_the_last_messages_only(tmp_path: Path) -> None:
    def send(number: int) -> int:
        body = compact(body_of("v2", number))
        request = urllib.request.Request(f"{api.base}/api/v2/messages", body)
        request.add_header("Authorization", f"Bearer {TOKEN}")
        request.add_header("Content-Type", "application/json")
        request.add_header("Idempotency-Key", key_of(number))
        with urllib.request.urlopen(request, timeout=60) as answer:
            status: int = answer.status
            return status

    with forgetful(tmp_path, [], tail=2) as api:
        base = api.base
        assert [send(number) for number in (1, 2, 3)] == [201] * 3
        api.stop()
        api.start()
        assert api.base == base
        assert [send(number) for number in (1, 2, 3)] == [201, 200, 200]
        assert api.count() == 4
    assert [str(who) for who in api.people] == [row_of(number)[0] for number in (1, 2, 3, 1)]
