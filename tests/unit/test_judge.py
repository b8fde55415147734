"""The judge of the tests that kill, and of the soak: it must see what must not be."""

from __future__ import annotations

import pytest

from tests.judge import Attempt, Message, Verdict, lies

TOOK = {"person": "1", "message_id": "m1"}


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
    ],
)
def test_what_must_not_be_is_seen(
    message: Message, accepted: list[dict[str, str]], lie: str
) -> None:
    found = {name: people for name, people in lies([message], accepted).items() if people}
    assert found.get(lie, set()) == ({"1"} if lie else set())
    assert bool(found) is bool(lie)


def test_who_has_nothing_and_is_not_named_is_lost() -> None:
    verdict = Verdict()
    verdict.close(["1", "2", "3"], [sent()], [TOOK], {"2"})
    assert verdict.found["lost"] == {"3"}
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
