"""An exact server and a runner without a network: a day of requests in a second or two."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from runner.campaign.schema import Limits
from runner.campaign.senders import Sender
from runner.pacing.pacer import Pacer, Permit
from runner.pacing.shared_quota import QuotaReport

API = ((300, 60.0), (10_000, 3600.0), (100_000, 86_400.0))
"""The API's own limits: requests, and seconds of the window."""


class ExactServer:
    """Counts what it lets through in exact sliding windows, and tells as the API does: the limit of
    the window with the least left, what is left, and when the first of it frees itself."""

    def __init__(self, windows: Sequence[tuple[int, float]] = API) -> None:
        self._windows = [(limit, seconds, deque[float]()) for limit, seconds in windows]
        self.refused: list[float] = []
        self.taken: list[float] = []

    def request(self, at: float) -> QuotaReport:
        """One request at `at`, later than all before; refused ones do not count."""
        for _, seconds, past in self._windows:
            while past and past[0] <= at - seconds:
                past.popleft()
        if any(len(past) >= limit for limit, _, past in self._windows):
            self.refused.append(at)
        else:
            self.taken.append(at)
            for *_, past in self._windows:
                past.append(at)
        limit, seconds, past = min(self._windows, key=lambda each: each[0] - len(each[2]))
        return limit, limit - len(past), past[0] + seconds - at if past else seconds


@dataclass
class Machine:
    """Requests through a pacer as fast as it lets them go, in a process that may die and start
    again. `listens`: whether the pacer hears what the answers say."""

    make: Callable[[], Pacer]
    server: ExactServer
    senders: Sequence[str | None] = ("a1",)
    concurrency: int = 16
    latency: tuple[float, float] = (0.05, 0.25)
    listens: bool = True
    seed: int = 1
    time: float = 1_800_000_000.0  # Unix, by everybody's clock
    ours: int = 0  # answered ones that were let through
    refused: int = 0
    rows: list[tuple[float, float | None, float]] = field(default_factory=list)
    who: list[str | None] = field(default_factory=list)  # sent each

    def __post_init__(self) -> None:
        self._luck = random.Random(self.seed)
        self._life = 0
        self._turn = 0
        self._arriving: list[tuple[float, int, int, Permit]] = []
        self._answers: list[tuple[float, int, int, Permit, QuotaReport, bool]] = []
        self.start()

    def start(self) -> None:
        """A new process: boots a moment ago, with what the ledger knows."""
        self._life += 1
        self._up = self.time - 5.0
        self._out = 0
        self.pacer = self.make()
        sends = [(sender, *row) for sender, row in zip(self.who, self.rows, strict=True) if sender]
        self.pacer.restore(
            self.rows,
            sends,
            now=self.boot,
            wall=self.time,
            timeout=60.0,
            server=self.time - self._luck.random(),
            days=[(sender, at) for sender, _, _, at in sends],
        )

    @property
    def boot(self) -> float:
        return self.time - self._up

    def run(self, seconds: float, others: Sequence[float] = ()) -> None:
        """Until `seconds` from now; others' requests (Unix, in order) reach the server too."""
        end, foreign = self.time + seconds, deque(others)
        while self.time < end:
            sender = self.senders[self._turn % len(self.senders)]
            at = end
            if self._out < self.concurrency:
                at = self._up + self.pacer.ready(sender, self.boot).at
                if at <= self.time:
                    self._send(sender)
                    continue
            next_one = min(
                self._arriving[0][0] if self._arriving else end,
                self._answers[0][0] if self._answers else end,
                foreign[0] if foreign else end,
            )
            self.time = min(end, max(self.time, min(at, next_one)))
            while foreign and foreign[0] <= self.time:
                self.server.request(foreign.popleft())
            self._arrive()
            self._answer()

    def _send(self, sender: str | None) -> None:
        self._turn += 1
        self._out += 1
        permit = self.pacer.take(sender, self.boot)
        self.rows.append((self.time, None, self.time))
        self.who.append(sender)
        arrival = self.time + self._luck.uniform(0.2, 0.8) * self.latency[0]
        entry = arrival, len(self.rows) - 1, self._life, permit
        heapq.heappush(self._arriving, entry)

    def _arrive(self) -> None:
        while self._arriving and self._arriving[0][0] <= self.time:
            at, row, life, permit = heapq.heappop(self._arriving)
            refused = len(self.server.refused)
            told = self.server.request(at)
            passed = refused == len(self.server.refused)
            answered = self.rows[row][0] + self._luck.uniform(*self.latency)
            heapq.heappush(self._answers, (answered, row, life, permit, told, passed))

    def _answer(self) -> None:
        while self._answers and self._answers[0][0] <= self.time:
            at, row, life, permit, told, passed = heapq.heappop(self._answers)
            self.ours += passed
            self.refused += not passed
            if life != self._life:
                continue  # whoever asked is dead
            self._out -= 1
            self.rows[row] = self.rows[row][0], at, self.rows[row][2]
            if not passed:
                self.pacer.hold(self.boot + max(1.0, told[2] or 0.0), "429")
            self.pacer.finish(
                permit, at - self._up, sent=passed, quota=told if self.listens else None
            )


def sender(id: str = "a1", **changes: object) -> Sender:
    free: dict[str, object] = {"per_hour": None, "per_day": None, "gap": 0.0}
    return Sender.model_construct(**{"id": id, **free, **changes})  # type: ignore[arg-type]


def limits(**changes: int | None) -> Limits:
    free: dict[str, int | None] = {"per_minute": None, "per_hour": None, "per_day": None}
    return Limits.model_construct(**{**free, "concurrency": 16, **changes})  # type: ignore[arg-type]


class SlidingServer:
    """Counts requests in exact sliding windows, as the API says it does."""

    def __init__(self, *windows: tuple[int, float]) -> None:
        self._windows = [(limit, seconds, deque[float]()) for limit, seconds in windows]
        self.refused = 0
        self.taken = 0

    def request(self, at: float) -> bool:
        """Whether it is within all windows; only then it counts."""
        for limit, seconds, past in self._windows:
            while past and past[0] <= at - seconds:
                past.popleft()
            if len(past) >= limit:
                self.refused += 1
                return False
        for *_, past in self._windows:
            past.append(at)
        self.taken += 1
        return True
