"""The forms of a campaign: pause, resume, cancel and retry."""

from __future__ import annotations

from runner.control import campaigns
from runner.control.campaigns import brake_text, user
from runner.dashboard.context import AppContext
from runner.dashboard.forms import Fields, Form, Question
from runner.dashboard.queries import campaign_row
from runner.formats import counted
from runner.ledger.campaigns import brakes, submissions
from runner.ledger.campaigns.audit import DASHBOARD
from runner.ledger.campaigns.brakes import BY_A_PERSON
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.messages.decisions import RETRYABLE
from runner.ledger.queries import totals
from runner.message.status import MessageStatus
from runner.project.open import file_of

_S = MessageStatus


def messages(count: int) -> str:
    """Return `1 message`, `1,200 messages`."""
    return counted(count, "message")


def send_hint(app: AppContext, retried: campaigns.Retried, file: str) -> str:
    """Return how to send what was queued again; empty for nothing."""
    words = ["submit", file] if retried.submitted else [file]
    return f"To send: {app.command(*words)}" if retried.count else ""


def _row(ledger: Ledger, fields: Fields) -> CampaignRow:
    return campaign_row(ledger, int(fields["id"]))


def _names(ledger: Ledger, fields: Fields) -> list[str]:
    return [_row(ledger, fields).name]


def _page(row: CampaignRow) -> str:
    return f"/campaigns/{row.id}"


def _ask_pause(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    row = _row(ledger, fields)
    counts = ledger.read(totals.counts, row.id)
    standing = ledger.read(brakes.active, [row.id]).get(row.id)
    to_come = messages(counts[_S.QUEUED] + counts[_S.WAITING])
    lines = [f"{to_come} wait. None of them is sent until the campaign is resumed."]
    if counts[_S.SENDING]:
        lines.append(f"{messages(counts[_S.SENDING])} on the way now will end.")
    lines.append("A live run obeys within a second, and later runs too.")
    stopped = standing is not None and standing.kind in BY_A_PERSON
    if standing is not None and stopped:
        lines = [f"{brake_text(row.name, standing)}: nothing changes."]
    return Question(f"Pause {row.name}?", lines, "" if stopped else "Pause", _page(row))


def _pause(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    row = _row(ledger, fields)
    before = campaigns.pause(ledger, row, app.clock, by=user(), via=DASHBOARD)
    if before is not None:
        return f"{brake_text(row.name, before)}: nothing changes.", _page(row)
    return f"{row.name} is paused; what is under way ends.", _page(row)


def _ask_resume(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    row = _row(ledger, fields)
    counts = ledger.read(totals.counts, row.id)
    standing = ledger.read(brakes.active, [row.id]).get(row.id)
    lines = [f"{brake_text(row.name, standing)}." if standing else f"{row.name} is not stopped."]
    lines.append(f"{messages(counts[_S.QUEUED] + counts[_S.WAITING])} wait and may go again.")
    if counts[_S.CANCELLED]:
        lines.append(f"{messages(counts[_S.CANCELLED])} that were withdrawn stay so.")
    if not ledger.read(submissions.is_submitted, row.id):
        lines.append("This starts no run. Without a live one, the command for it is shown.")
    return Question(f"Resume {row.name}?", lines, "Resume" if standing else "", _page(row))


def _resume(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    row = _row(ledger, fields)
    resumed = campaigns.resume(ledger, row, app.clock, by=user(), via=DASHBOARD)
    if resumed.workers:
        return f"{row.name} goes on: the workers have it.", _page(row)
    if resumed.live:
        return f"{row.name} goes on: a live run has it.", _page(row)
    command = app.command(str(file_of(ledger, row)))
    return f"{row.name} may go on, but nobody is sending it. To send: {command}", _page(row)


def _ask_cancel(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    row = _row(ledger, fields)
    counts = ledger.read(totals.counts, row.id)
    to_come = counts[_S.QUEUED] + counts[_S.WAITING]
    lines = [f"{messages(to_come)} that wait are withdrawn, and nothing more of it is sent."]
    if open_ := counts[_S.SENDING] + counts[_S.IN_DOUBT]:
        lines.append(f"{messages(open_)} on the way or in doubt stay as they are.")
    lines.append("To undo that: resume it, then retry what was cancelled.")
    button = f"Withdraw {messages(to_come)}"
    return Question(f"Cancel {row.name}?", lines, button, _page(row))


def _cancel(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    row = _row(ledger, fields)
    count = campaigns.cancel(ledger, row, app.clock, by=user(), via=DASHBOARD)
    return f"{row.name} is cancelled: {messages(count)} withdrawn.", _page(row)


def _ask_retry(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    row = _row(ledger, fields)
    counts = ledger.read(totals.counts, row.id)
    wanted = _statuses(fields)
    count = sum(counts[status] for status in wanted)
    which = ", ".join(f"{counts[status]:,} {status}" for status in wanted if counts[status])
    lines = [f"{messages(count)} are queued again" + (f": {which}." if which else ".")]
    lines.append("Messages in doubt are not touched. The next plan renders their texts again.")
    passed = {"status": fields["status"]} if "status" in fields else {}
    button = f"Queue {messages(count)} again" if count else ""
    return Question(f"Retry {row.name}?", lines, button, _page(row), fields=passed)


def _retry(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    row = _row(ledger, fields)
    retried = campaigns.retry(
        ledger, row, app.clock, statuses=_statuses(fields), by=user(), via=DASHBOARD
    )
    hint = send_hint(app, retried, str(file_of(ledger, row)))
    return f"{messages(retried.count)} queued again. {hint}", _page(row)


def _statuses(fields: Fields) -> tuple[MessageStatus, ...]:
    asked = fields.get("status", "")
    if asked and asked not in RETRYABLE:  # none at all would mean each of them
        raise LookupError(asked)
    return tuple(status for status in RETRYABLE if asked in ("", str(status)))


CAMPAIGN_FORMS = {
    "pause": Form(_ask_pause, _pause, _names),
    "resume": Form(_ask_resume, _resume, _names),
    "cancel": Form(_ask_cancel, _cancel, _names),
    "retry": Form(_ask_retry, _retry, _names),
}
