"""Seeded histories of the real runner hold every promise, and broken runners do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runner.ledger.doubts import in_doubt
from runner.ledger.messages import claims
from runner.message import evidence as message_evidence
from runner.message.evidence import AttemptOutcome, Effect, Evidence
from runner.message.status import MessageStatus
from runner.sending import attempt
from runner.sending.reconciler import Reconciler
from tests.simulation.history import History
from tests.simulation.judge import Broken

CHUNK = 20
YEAR = 365 * 86400.0

_S, _A = MessageStatus, AttemptOutcome


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("first", range(1, 1 + 3 * CHUNK, CHUNK))
def test_every_promise_is_kept(version: str, first: int) -> None:
    """`python -m tests.simulation --seed N --version V --verbose` tells the story of one."""
    for seed in range(first, first + CHUNK):
        History(seed, version).play()


def play_with_two_campaigns(version: str, seeds: range) -> int:
    """Play those of these histories that have two campaigns, none of which may write to whom the
    other has written to; how many."""
    played = 0
    for seed in seeds:
        history = History(seed, version, contact_once_in=YEAR)
        if len(history.campaigns) > 1:
            history.play()
            played += 1
    return played


@pytest.mark.parametrize("version", ["v2", "v1"])
def test_two_campaigns_write_to_each_person_once(version: str) -> None:
    assert play_with_two_campaigns(version, range(1, 81)) > 10


def test_a_claim_that_does_not_look_for_contacts_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "skip_contacted", lambda *_: ({}, set()))
    with pytest.raises(Broken, match="has messages of"):
        play_with_two_campaigns("v2", range(1, 161))


def test_a_seed_is_a_history() -> None:
    stories = []
    for _ in range(2):
        history = History(7, "v2", verbose=True)
        history.play()
        stories.append(history.world.story)
    assert stories[0]
    assert stories[0] == stories[1]


def _evidence(evidence: Evidence, verdict: Effect) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setitem(message_evidence.EVIDENCE, evidence, verdict)


def _keys_live_for_ever(patch: pytest.MonkeyPatch) -> None:
    def repeats(self: Reconciler, doubt: in_doubt.Doubt) -> bool:
        settled = doubt.unconfirmed or doubt.foreign or self._unwanted(doubt)
        return self._channel(doubt).idempotent and not settled

    patch.setattr(Reconciler, "_repeats", repeats)


def _intents_are_not_written(patch: pytest.MonkeyPatch) -> None:
    def claim(connection: Any, intents: list[claims.SendRequest]) -> list[Any]:
        savepoint = connection.begin_nested()
        numbers = claims.claim(connection, intents)
        savepoint.rollback()
        return numbers

    patch.setattr(attempt, "claim", claim)


def _nobody_is_fenced(patch: pytest.MonkeyPatch) -> None:
    real = claims.claim

    def claim(connection: Any, intents: list[claims.SendRequest]) -> list[Any]:
        rows = connection.exec_driver_sql("SELECT epoch FROM lane")
        (epoch,) = rows.one()
        return real(connection, [intent._replace(epoch=epoch) for intent in intents])

    patch.setattr(attempt, "claim", claim)
    patch.setattr(attempt, "SEND_BY", 1e9)


def _any_message_is_proof(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciler, "_is_taken", _never_taken)
    patch.setattr("runner.ledger.doubts.settlements.is_taken", lambda _connection, _id: False)


async def _never_taken(_self: Reconciler, _id: str) -> bool:
    return False


SABOTAGE: dict[str, tuple[str, int, Callable[[pytest.MonkeyPatch], None]]] = {
    "what a dead run was sending is queued": (
        "v1",
        1,
        _evidence(Evidence.ORPHANED, Effect(_A.NOT_SENT, _S.QUEUED, _S.QUEUED)),
    ),
    "no answer is taken as not sent": (
        "v1",
        1,
        _evidence(Evidence.UNKNOWN, Effect(_A.NOT_SENT, _S.QUEUED, _S.QUEUED)),
    ),
    "a refused repeat disproves the first": (
        "v2",
        850,
        _evidence(Evidence.REJECTED, Effect(_A.REJECTED, _S.REJECTED, _S.REJECTED)),
    ),
    "keys live for ever": ("v2", 20, _keys_live_for_ever),
    "intents are not written": ("v1", 1, _intents_are_not_written),
    "nobody is fenced": ("v1", 605, _nobody_is_fenced),
    "any message is proof": ("v1", 160, _any_message_is_proof),
}
"""What breaks the runner, the version whose histories show it, and a seed shortly before."""

WITHIN = 20
"""Seeds that may be needed to see it."""


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_broken_runner_is_caught(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    version, first, sabotage = SABOTAGE[name]
    sabotage(monkeypatch)
    assert _first_broken(version, first), f"{WITHIN} histories did not show it"


def _first_broken(version: str, first: int) -> str:
    for seed in range(first, first + WITHIN):
        try:
            History(seed, version).play()
        except Broken as broken:
            return str(broken)
    return ""
