"""A clock that tests set, and figures for those who serve them."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from runner.instrumentation import CampaignFigures, LaneFigures, Limit, RunFigures
from tests.support import LANE, SENDER

TEXT = "the thread of Ada Lovelace was not found"


@dataclass
class Clock:
    """A clock that tests set."""

    at: float = 1000.0

    def now(self) -> float:
        return 1_800_000_000.0 + self.at

    def boot(self) -> float:
        return self.at


def figures(sent: int = 3, took: float = 0.0, reasons: int = 0) -> RunFigures:
    messages = {("sent", ""): sent, ("in_doubt", TEXT): 2, ("skipped", "bad_id"): 1}
    messages |= {("rejected", f"code{number}"): 1 for number in range(reasons)}
    campaign = CampaignFigures("spring", messages, "guarded", 1_800_000_000.0)
    team = Limit("", "minute", 280, 300)
    mine = Limit(SENDER, "day", 140)
    lane = LaneFigures(
        LANE, 2, False, {"spring": 4}, [team, mine], {SENDER: True}, {("spring", "v1"): 1.8e9}
    )
    return RunFigures(1_800_000_000.0, took, [campaign], [lane])


@dataclass
class Looking:
    """A run that can be looked at, as soon as it lets itself be."""

    asked: list[Future[RunFigures]] = field(default_factory=list)
    at_once: RunFigures | None = field(default_factory=figures)

    def __call__(self) -> Future[RunFigures]:
        future: Future[RunFigures] = Future()
        if self.at_once is not None:
            future.set_result(self.at_once)
        self.asked.append(future)
        return future
