"""The judge of the tests that kill, and of the soak: it must see what must not be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.judge import Attempt, Listed, Message, Verdict, forked, lies, unwanted

TOOK: dict[str, Any] = {"person": "1", "message_id": "m1", "at": 0.0}


def sent(*attempts: Attempt, id: str | None = "m1") -> Message:
    return Message("1", "sent", id, list(attempts or [Attempt("accepted", "accepted", "m1")]))


@pytest.mark.parametrize(
    ("message", "accepted", "lie"),
    [
        (sent(), [TOOK], ""),
        (sent(), [TOOK, {"person": "1", "message_id": "m2"}], "doubled"),
        (sent(), [], "phantom"),
        (sent(id="m2"), [TOOK], "with a foreign id"),
        (sent(Attempt("accepted", "found", "m2")), [TOOK], "with a foreign id"),
        (sent(Attempt("accepted", "said_sent", ""), id=None), [TOOK], ""),
        (Message("1", "queued", None), [TOOK], "forgotten"),
        (Message("1", "failed", None), [TOOK], "forgotten"),
        (Message("1", "sending", None), [TOOK], ""),
        (Message("1", "in_doubt", None), [], ""),
        (sent(), [TOOK | {"amiss": "text"}], "believed"),
        (sent(Attempt("accepted", "found", "m1")), [TOOK | {"amiss": "text"}], ""),
        (
            sent(Attempt("unknown", "unknown", ""), Attempt("accepted", "replayed", "m1")),
            [TOOK | {"amiss": "thread"}],
            "",
        ),
    ],
)
def test_what_must_not_be_is_seen(
    message: Message, accepted: list[dict[str, Any]], lie: str
) -> None:
    found = {name: people for name, people in lies([message], accepted).items() if people}
    assert found.get(lie, set()) == ({"1"} if lie else set())
    assert bool(found) is bool(lie)


def test_who_has_nothing_and_is_not_named_is_lost() -> None:
    verdict = Verdict()
    verdict.close(["1", "2", "3"], [sent()], [TOOK], {"2"})
    assert verdict.found["lost"] == {"3"}
    assert not verdict.good


def test_who_was_put_on_the_list_and_has_nothing_is_not_lost() -> None:
    verdict = Verdict()
    skipped = Message("2", "skipped", None)
    listed = [Listed(frozenset({"2", "3"}), 1.0)]
    verdict.close(["1", "2", "3"], [sent(), skipped], [TOOK], (), listed)
    assert verdict.found["lost"] == {"3"}, "whom the ledger does not have as skipped"
    assert verdict.listed == 2


@pytest.mark.parametrize(
    ("at", "told", "seen"), [(4.9, "", False), (5.1, "", True), (5.1, "1", False)]
)
def test_who_is_written_to_after_the_list_had_them(at: float, told: str, seen: bool) -> None:
    listed = [Listed(frozenset({"1", "2"}), 5.0, frozenset(told))]
    accepted = [TOOK | {"at": at}, {"person": "9", "message_id": "m9", "at": 9.0}]
    assert unwanted(listed, accepted) == ({"1"} if seen else set())
    verdict = Verdict()
    verdict.close(["1"], [sent()], accepted[:1], (), listed)
    assert verdict.good is not seen


def test_two_copies_that_both_began_to_send_are_seen() -> None:
    def ledger(*attempts: int) -> list[Message]:
        made = [[Attempt("unknown", "", "")] * count for count in attempts]
        return [Message(str(at), "queued", None, made[at]) for at in range(len(made))]

    before = ledger(1, 0, 0)
    assert forked(before, [ledger(1, 1, 1), before]) == set()
    assert forked(before, [before, before]) == set()
    assert forked(before, [ledger(1, 1, 0), ledger(2, 0, 0)]) == {"0", "1"}
    assert forked(before, [ledger(1, 1, 0), before, ledger(1, 1, 0)]) == {"1"}
    verdict = Verdict()
    verdict.note({"forked": {"1"}})
    assert not verdict.good


@pytest.mark.parametrize(
    ("attempts", "way"),
    [
        ([Attempt("accepted", "accepted", "m1")], ""),
        ([Attempt("not_sent", "deferred", ""), Attempt("accepted", "accepted", "m1")], ""),
        ([Attempt("unknown", "orphaned", ""), Attempt("accepted", "accepted", "m1")], "repeat"),
        ([Attempt("unknown", "orphaned", ""), Attempt("accepted", "replayed", "m1")], "replay"),
        ([Attempt("accepted", "found", "m1")], "look-up"),
        ([Attempt("accepted", "said_sent", "")], "word"),
    ],
)
def test_how_a_message_was_settled(attempts: list[Attempt], way: str) -> None:
    assert sent(*attempts).settled == way
