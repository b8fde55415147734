"""A live run whose ledger's copy goes further meanwhile claims nothing more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from runner.errors import OldLedger
from runner.ledger.copies import staleness
from runner.ledger.copies.seen_ledgers import SeenLedger
from runner.ledger.copies.staleness import ProgressMarks
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, outcomes
from runner.ledger.messages.outcomes import Result
from runner.ledger.schema import message
from runner.message.evidence import Evidence
from runner.project.ledgers import old_copies
from runner.project.ledgers.old_copies import allow_changes, keep_progress
from tests.support import make_campaign, make_intent, make_queue, own_lane, recipient

ACTS = ("claim", "record", "a command", "a command on a copy")


def go_further(seen: SeenLedger, ledger: Ledger) -> None:
    """Let a copy of a ledger, made now, be changed by a command."""
    found = ledger.read(staleness.progress_marks)
    seen.remember(ProgressMarks(found.changes + 1, found.attempts, found.campaigns))


def attempts(ledger: Ledger) -> int:
    return ledger.read(staleness.progress_marks).attempts


def refuse_to_stop(error: BaseException) -> None:
    raise AssertionError("only the claims are tried here") from error


@pytest.fixture
def _only_before_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is checked regularly is not."""
    monkeypatch.setattr(old_copies, "CHECK_EVERY", 3600.0)


@pytest.mark.slow
@pytest.mark.usefixtures("_only_before_claims")
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.sampled_from(ACTS), min_size=1, max_size=8))
def test_nothing_is_claimed_once_a_copy_has_gone_further_and_everything_before(
    ledger: Ledger, location: str, acts: list[str]
) -> None:
    with TemporaryDirectory() as folder, open_ledger(location) as another:  # a writer of its own
        asyncio.run(_act(another, ledger, {"RUN_CAMPAIGN_MEMORY": folder}, acts))


async def _act(ledger: Ledger, other: Ledger, env: dict[str, str], acts: list[str]) -> None:
    before = attempts(ledger)
    with ledger.reading() as connection:
        number = 1 + connection.execute(select(func.count()).select_from(message)).scalar_one()
    row = make_campaign(ledger, f"spring {number}")
    make_queue(ledger, row, range(number, number + len(acts)))
    run, epoch = own_lane(ledger)
    seen = allow_changes(ledger, env, 1.0)
    is_old, begun = False, []
    async with keep_progress(seen, ledger, refuse_to_stop):
        for id, act in enumerate(acts, number):
            if act == "claim":
                intent = make_intent(id, run, epoch, campaign=row.id, recipient=recipient(id))
                if is_old:
                    with pytest.raises(OldLedger, match="old copy"):
                        await ledger.commit(claims.claim, intent)
                else:
                    assert await ledger.commit(claims.claim, intent) == 1
                    begun.append(id)
            elif act == "record" and not is_old:  # which stops the run itself otherwise
                seen.remember(ledger.read(staleness.progress_marks))
            elif act == "a command" and not is_old:  # is refused otherwise
                allow_changes(other, env, 2.0)
            elif act == "a command on a copy":
                go_further(seen, ledger)
                is_old = True
        assert attempts(ledger) == before + len(begun)
        for id in begun:  # what was under way may still be recorded
            result = Result(id, 1, Evidence.ACCEPTED, 9.0, message_id=f"m{id}")
            await ledger.commit(outcomes.record, result)


@pytest.mark.usefixtures("_only_before_claims")
def test_a_copy_that_begins_during_the_plan_is_found_before_the_first_claim(
    ledger: Ledger, tmp_path: Path
) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [1])
    run, epoch = own_lane(ledger)
    seen = allow_changes(ledger, {"RUN_CAMPAIGN_MEMORY": str(tmp_path / "memory")}, 1.0)
    go_further(seen, ledger)

    async def claim() -> None:
        async with keep_progress(seen, ledger, refuse_to_stop):
            await ledger.commit(claims.claim, make_intent(1, run, epoch))

    with pytest.raises(OldLedger):
        asyncio.run(claim())
    assert attempts(ledger) == 0


@pytest.mark.usefixtures("_only_before_claims")
def test_a_copy_that_begins_while_a_claim_waits_for_the_ledger_is_found(tmp_path: Path) -> None:
    location = str(tmp_path / "state.db")
    env = {"RUN_CAMPAIGN_MEMORY": str(tmp_path / "memory")}
    with open_ledger(location) as ledger, open_ledger(location) as other:
        make_queue(ledger, make_campaign(ledger), [1, 2])
        run, epoch = own_lane(ledger)
        seen = allow_changes(ledger, env, 1.0)

        async def claim() -> None:
            async with keep_progress(seen, ledger, refuse_to_stop):
                await ledger.commit(claims.claim, make_intent(1, run, epoch))
                with other.writing():
                    waits = asyncio.ensure_future(
                        ledger.commit(claims.claim, make_intent(2, run, epoch))
                    )
                    await asyncio.sleep(0)  # it is handed in
                    go_further(seen, ledger)
                await waits

        with pytest.raises(OldLedger):
            asyncio.run(claim())
        assert attempts(ledger) == 1
