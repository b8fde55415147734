"""Whatever is written in whatever threads, by whichever side, in whichever order it is told and
however often: what counts as a reply, and to which message, is what thread, side and time say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from runner.channels.base import EventPage, InboundText, OldestEvent, Received, ThreadState
from runner.ledger.campaigns import bound_team
from runner.ledger.ledger import Ledger
from runner.ledger.messages import feeds, outcomes
from runner.ledger.messages.outcomes import Result
from runner.ledger.schema import inbound, message, suppression
from runner.message.evidence import CLOCK_SLACK, Evidence
from runner.replies.settings import ReplySettings
from runner.sending.inbox.reply_reader import ReplyReader
from tests.simulation.ledger import Memory
from tests.support import (
    LANE,
    ORIGIN,
    SENDER,
    claim_one,
    make_campaign,
    make_intent,
    make_queue,
    own_lane,
    recipient,
)

THREADS = 3
START = 1_790_000_000.0


@dataclass(frozen=True)
class Said:
    """A message in a thread, so long after the start; `ours`: of our side, whatever its event."""

    thread: int
    after: float
    text: str
    ours: bool


@dataclass(frozen=True)
class Sent:
    """A message of ours. `late`: it is in the ledger only once all has been read."""

    thread: int
    after: float
    late: bool


somewhere = st.integers(1, THREADS)
sometime = st.integers(0, 60).map(float)
said = st.builds(
    Said, somewhere, sometime, st.sampled_from(("stop", "1", "Yes", "")), st.booleans()
)
sent = st.builds(Sent, somewhere, sometime, st.booleans())


@dataclass
class Told:
    """What the API tells: each event as often as said, in pages."""

    all: list[Said]
    order: list[int]
    page: int
    asked: list[str] = field(default_factory=list)

    async def received(self, after: int | None) -> EventPage:
        first = after or 0
        seqs = range(first + 1, min(first + self.page, len(self.order)) + 1)
        events = [self._event(seq) for seq in seqs]
        more = first + self.page < len(self.order)
        return EventPage(events, seqs[-1] if seqs else None, more)

    def _event(self, seq: int) -> Received:
        number = self.order[seq - 1]
        one = self.all[number]
        return Received(f"m{number}", f"t{one.thread}", START + one.after, seq)

    async def oldest(self) -> OldestEvent:
        return OldestEvent(1, START)

    async def text(self, id: str) -> InboundText:
        self.asked.append(id)
        one = self.all[int(id[1:])]
        return InboundText(id, START + one.after, one.text, one.ours)

    async def thread(self, id: str) -> ThreadState:
        return ThreadState(SENDER, (id[1:], f"contact{id[1:]}"), "", False)

    async def newest(self, id: str) -> list[InboundText]:
        raise AssertionError(f"{id} is read back, although no event is lost")


class Clock:
    def now(self) -> float:
        return START + 100.0

    def boot(self) -> float:
        return 0.0


@given(
    st.lists(said, max_size=5), st.lists(sent, max_size=3), st.integers(1, 4), st.data(),
)  # fmt: skip
@settings(max_examples=6, deadline=None)
def test_thread_side_and_time_decide(
    all: list[Said], ours: list[Sent], page: int, data: st.DataObject
) -> None:
    numbers = st.lists(st.sampled_from(range(len(all))), max_size=8) if all else st.just([])
    order = data.draw(st.permutations([*range(len(all)), *data.draw(numbers)]))
    ledger = Memory().start_with((), lambda _ledger: None)
    rows = [_claimed(ledger, number, each) for number, each in enumerate(ours)]
    ledger.write(feeds.advance, LANE, 0, START)
    for (_, done), each in zip(rows, ours, strict=True):
        if not each.late:
            ledger.write(outcomes.record, [done])
    told = Told(all, order, page)
    _read(ledger, told)
    for (_, done), each in zip(rows, ours, strict=True):
        if each.late:
            ledger.write(outcomes.record, [done])
    _read(ledger, told)
    _read(ledger, told)

    expected: dict[str, int] = {}
    out: set[str] = set()
    for number, one in enumerate(all):
        before = [
            (each.after, row)
            for (row, _), each in zip(rows, ours, strict=True)
            if each.thread == one.thread and each.after - CLOCK_SLACK <= one.after
        ]
        if before and not one.ours:
            expected[f"m{number}"] = max(before)[1]
            out |= {str(one.thread), f"contact{one.thread}"} if one.text == "stop" else set()
    with ledger.reading() as connection:
        wanted = select(inbound.c.message_id, inbound.c.answers).where(inbound.c.kind == "reply")
        found = dict(row._tuple() for row in connection.execute(wanted))
        listed = set(connection.execute(select(suppression.c.recipient)).scalars())
    assert {id: _thread(ledger, row) for id, row in found.items()} == {
        id: _thread(ledger, row) for id, row in expected.items()
    }
    if not any(each.late for each in ours):  # else the newest of ours was not known yet
        assert found == expected
    assert listed == out
    assert not [id for id in told.asked if all[int(id[1:])].thread not in {o.thread for o in ours}]


def _claimed(ledger: Ledger, number: int, each: Sent) -> tuple[int, Result]:
    """Begin a message of ours; its row, and the outcome that is to be recorded."""
    row = make_campaign(ledger, f"spring{number}")
    ledger.write(bound_team.bind, row.id, ORIGIN, LANE)
    make_queue(ledger, row, [each.thread])
    run, epoch = own_lane(ledger)
    with ledger.reading() as connection:
        of = select(message.c.id).where(message.c.campaign == row.id)
        id: int = connection.execute(of).scalar_one()
    at = START + each.after
    values: dict[str, Any] = {"campaign": row.id, "recipient": recipient(each.thread)}
    values |= {"key": row.name, "started_at": at, "server_at": at}
    attempt = claim_one(ledger, make_intent(id, run, epoch, **values))
    known: dict[str, Any] = {"message_id": f"ours{number}", "thread_id": f"t{each.thread}"}
    return id, Result(id, attempt, Evidence.ACCEPTED, at, **known)


def _read(ledger: Ledger, told: Told) -> None:
    conversations: Any = told
    reader = ReplyReader(ledger, LANE, conversations, Clock(), ReplySettings())
    asyncio.run(reader.read())


def _thread(ledger: Ledger, row: int) -> str:
    with ledger.reading() as connection:
        of = select(message.c.recipient).where(message.c.id == row)
        return str(connection.execute(of).scalar_one())
