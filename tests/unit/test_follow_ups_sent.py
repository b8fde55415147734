"""Follow-ups on their way, in virtual time: what the thread's answer is worth, and what a lane does
that cannot read."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from yarl import URL

from runner.channels import responses
from runner.ledger.messages import queue, replies
from runner.message.follow_up import StopOn, judge_thread
from runner.message.outcome import InDoubt
from runner.sending.inbox import follow_up_check
from runner.sending.inbox.follow_up_check import RETRY_AFTER
from tests.simulation.habits import KEY_LIFE, Habits, Weather
from tests.simulation.server import Kept, Reply, Request
from tests.simulation.step_judge import POLL
from tests.simulation.steps import StepCampaign, StepHistory, StepServer
from tests.simulation.wire import SimulatedWire

Get = Callable[[SimulatedWire, str], Any]


class Calm(random.Random):
    """Luck that always takes what comes first, which is what goes fast."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


def history(people: int = 1, *steps: tuple[str, float]) -> StepHistory:
    """A calm history: nothing goes wrong by itself."""
    found = StepHistory(1, "v2")
    found.world.luck = Calm(1)
    found.server = StepServer(found.world, Habits(), found.world.luck)
    found.judge._server = found.server
    found.per_minute, found.absent = None, "hold"
    campaign = found.campaigns[0]
    assert isinstance(campaign, StepCampaign)
    campaign.people = [str(number) for number in range(1, people + 1)]
    campaign.steps, campaign.stop_on = list(steps or (("a", 100.0),)), tuple(StopOn)
    del found.campaigns[1:]
    found.name_keys()
    return found


def run(of: StepHistory) -> None:
    of.run_once("run", Weather(), calm=True)


def write_unheard(of: StepHistory) -> None:
    """They answer, and no event tells of it."""
    now = of.world.now
    of.server.kept.append(Kept("m99", "1", "Hello", now, now, origin="them", inbound=True))


def on_get(patch: pytest.MonkeyPatch, do: Get) -> None:
    """Let something happen at each question, which may answer it."""
    real = SimulatedWire.get

    async def get(
        self: SimulatedWire, url: URL, params: Mapping[str, str] | None = None, *more: Any
    ) -> responses.Reply:
        answer: responses.Reply | None = await do(self, "/".join(url.parts[3:]))
        return await real(self, url, params, *more) if answer is None else answer

    patch.setattr(SimulatedWire, "get", get)


def test_a_lane_rests_while_a_reading_of_replies_takes_longer_than_their_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of, reads = history(), 0
    views: list[float] = []
    real = queue.waiting

    def waiting(*args: Any, **kwargs: Any) -> Any:
        views.append(of.world.now)
        return real(*args, **kwargs)

    async def slow(_wire: SimulatedWire, path: str) -> None:
        nonlocal reads
        if path == "events":
            reads += 1
            await asyncio.sleep(3 * POLL)

    monkeypatch.setattr("runner.sending.dispatcher.queue.waiting", waiting)
    on_get(monkeypatch, slow)
    run(of)
    assert len(of.judge.accepted("spring", "1")) == 2
    assert len(views) <= of.world.now + 10.0, "once a second at most"


def test_when_no_thread_can_be_read_one_question_is_enough_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = history(30)
    asked: list[float] = []

    async def refused(wire: SimulatedWire, path: str) -> responses.Reply | None:
        if not path.startswith("threads/"):
            return None
        asked.append(of.world.now)
        return None if of.world.now > 600.0 else wire._read_reply(429, {}, {}, 0.0)

    on_get(monkeypatch, refused)
    run(of)
    early = [at for at in asked if at <= 600.0]
    rounds = 600.0 / RETRY_AFTER
    assert len(early) <= 4 * rounds, "no more than are under way at once"
    assert all(len(of.judge.accepted("spring", str(each))) == 2 for each in range(1, 31))


def test_an_answer_that_waited_for_a_machine_that_slept_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of = history()
    slept: list[float] = []
    real = judge_thread

    def judge(*args: Any) -> Any:
        if not slept:
            slept.append(of.world.now)
            write_unheard(of)
            of.world.now += 3 * POLL
        return real(*args)

    monkeypatch.setattr(follow_up_check, "judge_thread", judge)
    run(of)
    assert slept
    assert len(of.judge.accepted("spring", "1")) == 1


@pytest.mark.parametrize("answers", [False, True])
def test_a_doubtful_follow_up_is_repeated_only_while_its_thread_has_not_gone_on(
    monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    of = history()
    lost: list[Request] = []
    real = SimulatedWire._exchange

    async def lose(self: SimulatedWire, request: Request) -> Any:
        if b"threadId" not in request.body or lost:
            return await real(self, request)
        lost.append(request)
        if answers:
            write_unheard(of)
        return InDoubt("connection_lost", "reset")

    monkeypatch.setattr(SimulatedWire, "_exchange", lose)
    run(of)
    assert lost
    assert len(of.judge.accepted("spring", "1")) == (1 if answers else 2)


@pytest.mark.parametrize("skew", [7200.0, -300.0])
def test_a_clock_that_is_set_makes_no_follow_up_come_too_soon(
    monkeypatch: pytest.MonkeyPatch, skew: float
) -> None:
    of = history(1, ("a", 600.0))

    async def set_clock(_wire: SimulatedWire, path: str) -> None:
        if path == "events" and of.world.now > 100.0 and not of.world.jumped:
            of.world.set_clock(skew)

    on_get(monkeypatch, set_clock)
    run(of)
    assert of.world.jumped
    first, second = of.judge.accepted("spring", "1")
    assert second.written >= first.at + 598.0


def test_a_dismissed_answer_that_ends_the_thread_holds_nothing_up() -> None:
    of = history(1, ("a", 100.0))
    assert isinstance(of.server, StepServer)
    of.server.answers, of.server.words = 1.0, ("Sounds good",)
    run(of)
    assert len(of.judge.accepted("spring", "1")) == 1
    of.server.answers = 0.0
    of.ledger.write(replies.dismiss, 1, ["1"])
    run(of)
    assert len(of.judge.accepted("spring", "1")) == 2


@pytest.mark.slow
def test_what_a_late_look_up_sets_free_goes_in_the_same_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Repeats of one are given up, and their key is too old by the time that all else is sent: what
    a look-up proves then may go."""
    of = history(2, ("a", KEY_LIFE + 500.0))
    real = StepServer._arrive

    def unheard(self: StepServer, request: Request, at: float) -> None:
        real(self, request, at)
        if b'"platformId":"1"' in request.body:
            request.reply = Reply(0, b"", None)

    monkeypatch.setattr(StepServer, "_arrive", unheard)
    monkeypatch.setattr("runner.sending.reconciler.MOST_REPEATS", 1)
    run(of)
    assert [len(of.judge.accepted("spring", each)) for each in ("1", "2")] == [2, 2]
