"""Follow-ups: what takes a person out of them, and whether one may go as its thread stands."""

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


STOP_ON = tuple(StopOn)
"""All of them: the default."""

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
    the other side wrote that, None for not told; `last_at`: when (Unix s), None for not told;
    `syncing`: older messages are still coming; `restricted`: nothing may be sent there."""

    last_id: str
    last_inbound: bool | None = None
    last_at: float | None = None
    assignee: str = ""
    syncing: bool = False
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of a follow-up. `skip`: why it never does; `wait`: why not yet; `look_further`:
    the thread's messages have to be read first."""

    skip: SkipReason | None = None
    detail: str = ""
    wait: str = ""
    look_further: bool = False

    @property
    def goes(self) -> bool:
        return self.skip is None and not self.wait and not self.look_further


GOES = Verdict()


def judge_thread(thread: ThreadNow | None, before: Before) -> Verdict:
    """Judge by a thread as it stands; None: it is gone."""
    if thread is None:
        return Verdict(SkipReason.THREAD_GONE, "the thread was deleted")
    if thread.restricted:
        return Verdict(SkipReason.RESTRICTED, "nothing may be sent in the thread any more")
    if thread.assignee and StopOn.ASSIGNED in before.stop_on:
        return Verdict(SkipReason.ASSIGNED, f"assigned to {thread.assignee}")
    if thread.syncing:
        return Verdict(wait="its thread is still being imported")
    if thread.last_id == before.message_id:
        return GOES
    if not thread.last_id or thread.last_inbound is None:
        return Verdict(wait="its thread does not show the message before")
    if not thread.last_inbound:
        return Verdict(look_further=True)
    if thread.last_at is None or thread.last_at < before.at:
        return Verdict(wait="its thread does not show the message before")
    if StopOn.REPLY in before.stop_on and thread.last_id not in before.dismissed:
        return Verdict(SkipReason.REPLIED, "they have answered")
    return Verdict(look_further=True)


class InThread(NamedTuple):
    """A message of a thread. `ours`: from our side; `known`: from this ledger."""

    id: str
    ours: bool
    known: bool


def judge_messages(newest_first: Collection[InThread], before: Before) -> Verdict:
    """Judge by what stands after the message before it."""
    since: list[InThread] = []
    for each in newest_first:
        if each.id == before.message_id:
            break
        since.append(each)
    else:
        return Verdict(wait="its thread does not show the message before")
    answers = (each for each in since if not each.ours and each.id not in before.dismissed)
    if StopOn.REPLY in before.stop_on and any(answers):
        return Verdict(SkipReason.REPLIED, "they have answered")
    if StopOn.COLLEAGUE in before.stop_on and any(each.ours and not each.known for each in since):
        return Verdict(SkipReason.COLLEAGUE, "the team has gone on in the thread")
    return GOES
