"""Follow-ups: who gets no more of them, and whether one may go as its thread stands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from runner.message.status import SkipReason


class StopOn(StrEnum):
    """The events that take a person out of the steps that are left."""

    REPLY = "reply"
    COLLEAGUE = "colleague"
    ASSIGNED = "assigned"


ENDS = frozenset(
    {
        SkipReason.REPLIED,
        SkipReason.COLLEAGUE,
        SkipReason.ASSIGNED,
        SkipReason.THREAD_GONE,
        SkipReason.RESTRICTED,
    }
)
"""Reasons for which nothing more of a campaign goes to a person: later steps have the same."""


def stop_on_text(stop_on: Collection[str]) -> str:
    """Return what takes a person out, as the ledger keeps it: never empty, as it is for a campaign
    without steps."""
    return " ".join(each for each in StopOn if each in stop_on) or "nothing"


def stop_on_of(kept: str) -> frozenset[StopOn]:
    """Return what takes a person out, from what the ledger keeps."""
    return frozenset(each for each in StopOn if each in kept.split())


class Before(NamedTuple):
    """The message before a follow-up. `at`: when its sending began by the server's clock (Unix s),
    `due_at`: when the follow-up is due by it; `thread`: empty where it is not known; `dismissed`:
    messages there of which a person has said that they are no answers."""

    message_id: str
    thread: str
    at: float
    due_at: float
    stop_on: frozenset[StopOn]
    dismissed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ThreadNow:
    """A thread as it stands. `last_id`: its newest message, empty for none; `last_inbound`: whether
    the other side wrote that; `last_at`: when (Unix s); `assignee`: empty for nobody; `syncing`:
    older messages are still coming; `restricted`: nothing may be sent there. None: not told."""

    last_id: str
    last_inbound: bool | None = None
    last_at: float | None = None
    assignee: str | None = ""
    syncing: bool = False
    restricted: bool | None = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer to whether a follow-up may go. `skip`: why it never does; `wait`: why not yet;
    `look_further`: the thread's messages have to be read first."""

    skip: SkipReason | None = None
    detail: str = ""
    wait: str = ""
    look_further: bool = False

    @property
    def goes(self) -> bool:
        return self.skip is None and not self.wait and not self.look_further


GOES = Judgement()


def judge_thread(thread: ThreadNow | None, before: Before) -> Judgement:
    """Judge by a thread as it stands; None: it is gone."""
    if thread is None:
        return Judgement(SkipReason.THREAD_GONE, "the thread was deleted")
    if thread.restricted:
        return Judgement(SkipReason.RESTRICTED, "nothing may be sent in the thread any more")
    if thread.assignee and StopOn.ASSIGNED in before.stop_on:
        return Judgement(SkipReason.ASSIGNED, f"assigned to {thread.assignee}")
    if thread.syncing:
        return Judgement(wait="its thread is still being imported")
    if thread.restricted is None or (thread.assignee is None and StopOn.ASSIGNED in before.stop_on):
        return Judgement(wait="its thread does not tell its restrictions or its assignee")
    if thread.last_id == before.message_id:
        return GOES
    if not thread.last_id or thread.last_inbound is None:
        return Judgement(wait="its thread does not show the message before")
    if not thread.last_inbound:
        return Judgement(look_further=True)
    if thread.last_at is None or thread.last_at < before.at:
        # It does not show ours yet, or ours is older than we know: another ledger has sent it.
        return Judgement(look_further=True)
    if StopOn.REPLY in before.stop_on and thread.last_id not in before.dismissed:
        return Judgement(SkipReason.REPLIED, "they have answered")
    return Judgement(look_further=True)


class InThread(NamedTuple):
    """A message of a thread. `ours`: from our side; `known`: from this ledger."""

    id: str
    ours: bool
    known: bool


def judge_messages(newest_first: Collection[InThread], before: Before) -> Judgement:
    """Judge by what stands after the message before it."""
    since: list[InThread] = []
    for each in newest_first:
        if each.id == before.message_id:
            break
        since.append(each)
    else:
        return Judgement(wait="its thread does not show the message before")
    answers = (each for each in since if not each.ours and each.id not in before.dismissed)
    if StopOn.REPLY in before.stop_on and any(answers):
        return Judgement(SkipReason.REPLIED, "they have answered")
    if StopOn.COLLEAGUE in before.stop_on and any(each.ours and not each.known for each in since):
        return Judgement(SkipReason.COLLEAGUE, "the team has gone on in the thread")
    return GOES
