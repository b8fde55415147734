"""Metrics: what they never say, and that they hold nobody up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace

import pytest
from prometheus_client import generate_latest

from runner import metrics as module
from runner.events import MessageDeferred, MessageInDoubt, MessageSent
from runner.instrumentation import Limit, Purpose, RunFigures
from runner.ledger.campaigns import brakes
from runner.ledger.campaigns.brakes import Brake, BrakeKind
from runner.message.status import SkipReason
from runner.metrics import MOST_REASONS, MOST_REQUESTS, Metrics, answer_class, serve
from runner.pacing.pacer import make_pacer
from runner.run.metrics_source import measure_lanes
from tests.figures import TEXT, Clock, Looking, figures
from tests.lane import Setting
from tests.pacing import limits, sender
from tests.support import SENDER

WHO = "1876543210987654321"


def told(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_no_recipient_and_no_sentence_is_ever_told() -> None:
    metrics = Metrics(Clock(), "1.2.3")
    about = (1.0, "spring", WHO, SENDER)
    metrics.watch(MessageSent(*about, "m1", "t1"))
    metrics.watch(MessageInDoubt(*about, TEXT, TEXT))
    metrics.watch(MessageDeferred(*about, WHO, TEXT))  # an API may answer anything as a code
    metrics.read_figures_by(Looking())
    text = told(metrics)
    assert WHO not in text
    assert "Ada" not in text
    in_doubt = 'outcomes_total{campaign="spring",outcome="in_doubt",reason="other"} 1.0'
    assert in_doubt in text
    assert 'messages{campaign="spring",reason="other",status="in_doubt"} 2.0' in text
    assert 'build_info{version="1.2.3"} 1.0' in text


def test_reasons_beyond_some_are_told_together() -> None:
    metrics = Metrics(Clock(), "1")
    for number in range(MOST_REASONS + 5):
        metrics.watch(MessageDeferred(1.0, "spring", WHO, SENDER, f"code{number}", ""))
    metrics.read_figures_by(Looking(at_once=figures(reasons=MOST_REASONS + 5)))
    text = told(metrics)
    assert 'outcomes_total{campaign="spring",outcome="deferred",reason="other"} 5.0' in text
    assert text.count('outcome="deferred"') == 2 * (MOST_REASONS + 1)  # and when each began
    assert 'messages{campaign="spring",reason="other",status="rejected"} 5.0' in text


@pytest.mark.parametrize(
    ("status", "answer"), [(201, "2xx"), (404, "4xx"), (429, "429"), (503, "5xx"), (0, "none")]
)
def test_answers_by_class(status: int, answer: str) -> None:
    metrics = Metrics(Clock(), "1")
    metrics.answered(Purpose.LOOK_UP, 0.3, status)
    assert answer_class(status) == answer
    name = "run_campaign_request_duration_seconds_sum"
    assert f'{name}{{answer="{answer}",purpose="look_up"}} 0.3' in told(metrics)


def test_looks_are_rare_and_long_ones_rarer() -> None:
    clock, looking = Clock(), Looking(at_once=figures(took=0.5))
    metrics = Metrics(clock, "1")
    metrics.read_figures_by(looking)
    for at, looks in ((0.0, 1), (0.9, 1), (9.9, 1), (10.0, 2), (10.1, 2)):
        clock.at = 1000.0 + at
        told(metrics)
        assert len(looking.asked) == looks, at


def test_what_cannot_be_looked_up_is_told_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.0)
    clock, looking = Clock(), Looking()
    metrics = Metrics(clock, "1")
    metrics.read_figures_by(looking)
    before = 'messages{campaign="spring",reason="",status="sent"} 3.0'
    assert before in told(metrics)
    clock.at += 5
    looking.at_once = None
    assert before in told(metrics)  # the look goes on
    looking.asked[-1].set_exception(OSError("the database is away"))
    assert before in told(metrics)
    clock.at += 5
    looking.at_once = figures(sent=4)
    assert before not in told(metrics)
    metrics.read_figures_by(None)
    clock.at += 5
    assert 'status="sent"} 4.0' in told(metrics)


def test_the_run_never_waits_for_who_looks() -> None:
    """While an answer waits for a look, a run can still end, begin anew and measure."""
    asked = threading.Event()
    looking = Looking(at_once=None)

    def look() -> Future[RunFigures]:
        asked.set()
        return looking()

    metrics = Metrics(Clock(), "1")
    metrics.read_figures_by(look)
    answers: list[str] = []
    scraper = threading.Thread(target=lambda: answers.append(told(metrics)))
    scraper.start()
    assert asked.wait(60)
    metrics.read_figures_by(None)
    metrics.committed(0.1)
    looking.asked[0].set_result(figures())
    scraper.join(10)
    assert "ledger_commit_duration_seconds_count 1.0" in answers[0]


def test_counts_of_several_threads_add_up_while_somebody_looks() -> None:
    metrics = Metrics(Clock(), "1")
    metrics.read_figures_by(Looking())

    def work() -> None:
        for _ in range(500):
            metrics.committed(0.001)
            metrics.answered(Purpose.SEND, 0.01, 201)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        told(metrics)
    text = told(metrics)
    assert "ledger_commit_duration_seconds_count 2000.0" in text
    assert 'request_duration_seconds_count{answer="2xx",purpose="send"} 2000.0' in text


@dataclass
class Onlooker:
    """Measures that keep how to look."""

    look: Callable[[], Future[RunFigures]] | None = None

    def answered(self, purpose: Purpose, seconds: float, status: int) -> None: ...

    def committed(self, seconds: float) -> None: ...

    def read_figures_by(self, look: Callable[[], Future[RunFigures]] | None) -> None:
        self.look = look


def test_a_look_finds_what_the_ledger_and_the_limits_say(make: Callable[..., Setting]) -> None:
    seen: list[RunFigures] = []
    onlooker = Onlooker()
    setting = make(
        [1, 2, 3],
        limits=limits(per_minute=300),
        senders=[sender(SENDER, per_hour=20, per_day=150)],
        zones={3: "Asia/Tokyo"},
    )

    unused = make_pacer([setting.limits], setting.senders)
    lane = replace(setting.drive(limit=1).lane, pacer=unused)
    setting.ledger.write(brakes.pause, setting.campaign, 5.0, "ada")

    async def look() -> None:
        clock = Clock()
        async with measure_lanes(onlooker, setting.ledger, clock, lambda: [lane]):
            assert onlooker.look is not None
            seen.append(await asyncio.wrap_future(onlooker.look()))
            lane.stops.stop_campaign(setting.campaign, Brake(BrakeKind.PAUSED, 5.0, "ada"))
            seen.append(await asyncio.wrap_future(onlooker.look()))
        assert onlooker.look is None

    asyncio.run(look())
    [campaign], [found] = seen[0].campaigns, seen[0].lanes
    counts = {of: count for of, count in campaign.messages.items() if count}
    assert counts == {("queued", ""): 2, ("sent", ""): 1}
    assert (campaign.campaign, campaign.brake) == ("spring", "paused")
    assert campaign.last_sent_at is not None
    assert (found.due, found.senders) == ({"spring": 2}, {SENDER: False})
    assert found.limits == [
        Limit("", "minute", 300, 300),
        Limit(SENDER, "hour", 20, 20),
        Limit(SENDER, "day", 150),
    ]
    assert seen[1].lanes[0].due == {"spring": 0}


def test_every_reason_for_skipping_can_be_told() -> None:
    assert all(module.code(str(reason)) == str(reason) for reason in SkipReason)


def ask(at: str) -> bytes:
    """What the port says; nothing when it turns whoever asks away."""
    port = int(at.rpartition(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), 10) as asking:
        try:
            asking.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            return asking.recv(12)
        except ConnectionError:
            return b""


def test_whoever_asks_takes_no_open_files_from_the_run_and_writes_nothing_to_its_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    at = serve(Metrics(Clock(), "1"), "127.0.0.1", 0)
    port = int(at.rpartition(":")[2].partition("/")[0])
    with contextlib.ExitStack() as stack:
        held = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            for _ in range(MOST_REQUESTS)
        ]
        assert ask(at) == b""
        for each in held:  # reset, as a scraper does that is killed
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deadline = threading.Event()
    for _ in range(6_000):
        if ask(at) == b"HTTP/1.0 200":
            break
        deadline.wait(0.01)
    else:
        raise AssertionError("nobody is answered any more")
    assert capfd.readouterr() == ("", "")
