"""The text of an event, on one line."""

from __future__ import annotations

from runner.events import (
    Braked,
    Event,
    LaneHandedOn,
    LaneStarted,
    LaneTaken,
    MessageDeferred,
    MessageDoubled,
    MessageEvent,
    MessageFailed,
    MessageInDoubt,
    MessageRejected,
    MessageSent,
    MessageSkipped,
    Notice,
    PersonOptedOut,
    PersonReplied,
    Planned,
    Released,
    Stopped,
    Waiting,
)
from runner.formats import counted, duration, moment, number, short
from runner.message.plan import FIRST_STEP

OF_NOTICE = 1000
"""Characters of a notice at most."""


def event_line(event: Event, width: int = 200) -> str:
    """Return an event as one line for people; empty for one that needs no line."""
    match event:
        case MessageSent(settled=True):
            told = f"sent (it had been in doubt) to {event.recipient}"
        case MessageSent():
            told = f"sent to {event.recipient} from {event.sender}{_step(event)}"
        case (
            MessageRejected()
            | MessageFailed()
            | MessageInDoubt()
            | MessageDeferred()
            | MessageSkipped()
        ):
            what = {"in_doubt": "in doubt", "deferred": "not sent, will be tried again"}
            name = what.get(event.name, event.name)
            told = f"{name}: {event.recipient}: {event.reason}"
            if event.detail:
                told += f": {event.detail}"
        case MessageDoubled():
            told = f"DOUBLED: {event.recipient} was sent a second message ({event.message_id})"
        case PersonReplied():
            told = f"answered by {event.recipient} (message {event.reply_id})"
        case PersonOptedOut():
            told = f"opted out: {event.recipient} (message {event.reply_id})"
        case Notice():
            return short(event.text, max(width, OF_NOTICE))  # its end says what to do
        case Planned(unchanged=True):
            told = f"{event.campaign}: files unchanged"
        case Planned():
            added = number(event.added) if event.added else "nothing"
            told = f"{event.campaign}: planned {added} new"
            for count, word in (
                (event.requeued, "queued again"),
                (event.changed, "changed"),
                (event.skipped, "skipped"),
                (event.removed, "removed"),
            ):
                told += f", {number(count)} {word}" if count else ""
        case LaneTaken():
            told = f"{event.lane}: taken ({', '.join(event.campaigns)})"
        case LaneHandedOn(next_at=None):
            told = f"{event.lane}: handed on, nothing is due"
        case LaneHandedOn(next_at=float(next_at)):
            told = f"{event.lane}: handed on, due {moment(max(next_at, event.at), event.at)}"
        case LaneStarted():
            queued, doubts = sum(event.queued.values()), sum(event.in_doubt.values())
            to_follow = sum(event.to_follow.values())
            if not queued and not doubts and not to_follow:
                return short("nothing to send", width)
            told = f"sending {number(queued)}" if queued or doubts else "nothing to send now"
            if event.limit is not None and event.limit < queued:
                told = f"sending {number(event.limit)} of {number(queued)} (--limit)"
            told += f", settling {number(doubts)} in doubt" if doubts else ""
            told += f", then {counted(to_follow, 'follow-up')} at most" if to_follow else ""
            if event.finish_at is not None and event.finish_at - event.at > 5:
                left = duration(event.finish_at - event.at)
                told += f", until about {moment(event.finish_at, event.at)} ({left})"
                told += " if nobody answers" if to_follow else ""
        case Waiting():
            told = f"waiting {_wait(event)}: {event.why}".replace(" :", ":", 1)
        case Stopped():
            who = f"sender {event.sender} stopped" if event.sender else "stopped"
            told = f"{who}: {event.why}"
        case Braked(how="guarded"):
            told = f"{event.campaign}: stopped by its guard: {event.why}"
        case Braked():
            told = (
                f"{event.campaign}: {event.how} by {event.by}: no more of its messages are started"
            )
        case Released():
            told = f"{event.campaign}: resumed by {event.by}"
        case _:
            return ""
    return short(told, width)


def _step(event: MessageEvent) -> str:
    return "" if event.step == FIRST_STEP else f" (step {event.step})"


def _wait(event: Waiting) -> str:
    if event.until is None:
        return ""
    seconds = event.until - event.at
    return duration(seconds) if seconds < 99.5 else f"until {moment(event.until, event.at)}"
