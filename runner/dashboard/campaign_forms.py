"""Pause, resume, cancel and retry: what is asked, and what is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from runner.control import campaigns
from runner.control.campaigns import brake_text, user
from runner.dashboard.context import House
from runner.dashboard.forms import Act, Asked, Fields
from runner.formatting import counted
from runner.ledger.campaigns import brakes, registry, submissions
from runner.ledger.campaigns.audit import DASHBOARD
from runner.ledger.campaigns.brakes import BY_A_PERSON
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.queries import totals
from runner.message.status import MessageStatus
from runner.project.open import file_of

_S = MessageStatus
T = TypeVar("T")

RETRYABLE = (_S.FAILED, _S.REJECTED, _S.CANCELLED)


def row_of(ledger: Ledger, fields: Fields) -> CampaignRow:
    """The campaign of this number. Raises LookupError."""
    for row in ledger.read(registry.campaigns):
        if row.id == int(fields["id"]):
            return row
    raise LookupError(fields["id"])


def changed(
    house: House, how: Callable[[Ledger, CampaignRow], T], fields: Fields
) -> tuple[CampaignRow, T]:
    """The campaign, and what `how` made of it."""
    row = house.looks.read(lambda ledger: row_of(ledger, fields))
    return row, house.looks.change(
        lambda ledger: how(ledger, row), house.environ, house.clock, [row.name]
    )


def at(row: CampaignRow) -> str:
    """A campaign's page."""
    return f"/campaigns/{row.id}"


def messages(count: int) -> str:
    """`1 message`, `1,200 messages`."""
    return counted(count, "message")


def _ask_pause(house: House, ledger: Ledger, fields: Fields) -> Asked:
    row = row_of(ledger, fields)
    counts = ledger.read(totals.counts, row.id)
    standing = ledger.read(brakes.active, [row.id]).get(row.id)
    lines = [
        f"{messages(counts[_S.QUEUED])} wait. None of them is begun until somebody resumes it."
    ]
    if counts[_S.SENDING]:
        lines.append(f"{messages(counts[_S.SENDING])} on the way now will end.")
    lines.append("A live run obeys within a second, and later runs too.")
    stopped = standing is not None and standing.kind in BY_A_PERSON
    if standing is not None and stopped:
        lines = [f"{brake_text(row.name, standing)}: it stays so."]
    return Asked(f"Pause {row.name}?", lines, "" if stopped else "Pause", at(row))


def _pause(house: House, fields: Fields) -> tuple[str, str]:
    row, before = changed(
        house,
        lambda ledger, row: campaigns.pause(ledger, row, house.clock, by=user(), via=DASHBOARD),
        fields,
    )
    told = f"{row.name} is paused; what is under way ends."
    return (told if before is None else f"{brake_text(row.name, before)}: it stays so."), at(row)


def _ask_resume(house: House, ledger: Ledger, fields: Fields) -> Asked:
    row = row_of(ledger, fields)
    counts = ledger.read(totals.counts, row.id)
    standing = ledger.read(brakes.active, [row.id]).get(row.id)
    lines = [f"{brake_text(row.name, standing)}." if standing else f"{row.name} is not stopped."]
    lines.append(f"{messages(counts[_S.QUEUED])} wait and may go again.")
    if counts[_S.CANCELLED]:
        lines.append(f"{messages(counts[_S.CANCELLED])} that were withdrawn stay so.")
    if not ledger.read(submissions.is_submitted, row.id):
        lines.append("This starts no run: without a live one you are told the command for it.")
    return Asked(f"Resume {row.name}?", lines, "Resume" if standing else "", at(row))


def _resume(house: House, fields: Fields) -> tuple[str, str]:
    def resume(ledger: Ledger, row: CampaignRow) -> tuple[campaigns.Resumed, str]:
        done = campaigns.resume(ledger, row, house.clock, by=user(), via=DASHBOARD)
        return done, str(file_of(ledger, row))

    row, (done, file) = changed(house, resume, fields)
    if done.workers:
        return f"{row.name} goes on: the workers have it.", at(row)
    if done.live:
        return f"{row.name} goes on: a live run has it.", at(row)
    command = house.command(file)
    return f"{row.name} may go on, but nobody is sending it. To send: {command}", at(row)


def _ask_cancel(house: House, ledger: Ledger, fields: Fields) -> Asked:
    row = row_of(ledger, fields)
    counts = ledger.read(totals.counts, row.id)
    lines = [
        f"{messages(counts[_S.QUEUED])} that wait are withdrawn, and nothing more of it is sent."
    ]
    if open_ := counts[_S.SENDING] + counts[_S.IN_DOUBT]:
        lines.append(f"{messages(open_)} on the way or in doubt stay as they are.")
    lines.append("To take it back: resume it, then retry what was cancelled.")
    return Asked(f"Cancel {row.name}?", lines, f"Withdraw {messages(counts[_S.QUEUED])}", at(row))


def _cancel(house: House, fields: Fields) -> tuple[str, str]:
    row, count = changed(
        house,
        lambda ledger, row: campaigns.cancel(ledger, row, house.clock, by=user(), via=DASHBOARD),
        fields,
    )
    return f"{row.name} is cancelled: {messages(count)} withdrawn.", at(row)


def _ask_retry(house: House, ledger: Ledger, fields: Fields) -> Asked:
    row = row_of(ledger, fields)
    counts = ledger.read(totals.counts, row.id)
    wanted = _statuses(fields)
    count = sum(counts[status] for status in wanted)
    which = ", ".join(f"{counts[status]:,} {status}" for status in wanted if counts[status])
    lines = [f"{messages(count)} are queued again" + (f": {which}." if which else ".")]
    lines.append("Whoever is in doubt is not touched. The next plan looks at their texts anew.")
    passed = {"status": fields["status"]} if "status" in fields else {}
    do = f"Queue {messages(count)} again" if count else ""
    return Asked(f"Retry {row.name}?", lines, do, at(row), fields=passed)


def _retry(house: House, fields: Fields) -> tuple[str, str]:
    def retry(ledger: Ledger, row: CampaignRow) -> tuple[campaigns.Retried, str]:
        done = campaigns.retry(
            ledger, row, house.clock, statuses=_statuses(fields), by=user(), via=DASHBOARD
        )
        return done, str(file_of(ledger, row))

    row, (done, file) = changed(house, retry, fields)
    return f"{messages(done.count)} queued again. {to_send(house, done, file)}", at(row)


def to_send(house: House, done: campaigns.Retried, file: str) -> str:
    """How what was queued again is sent."""
    words = ["submit", file] if done.submitted else [file]
    return f"To send: {house.command(*words)}" if done.count else ""


def _statuses(fields: Fields) -> tuple[MessageStatus, ...]:
    said = fields.get("status", "")
    if said and said not in RETRYABLE:  # none at all would mean each of them
        raise LookupError(said)
    return tuple(status for status in RETRYABLE if said in ("", str(status)))


ACTS = {
    "pause": Act(_ask_pause, _pause),
    "resume": Act(_ask_resume, _resume),
    "cancel": Act(_ask_cancel, _cancel),
    "retry": Act(_ask_retry, _retry),
}
