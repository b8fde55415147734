"""The forms of one message or person: resolve, undo, retry, hold, and the do-not-contact list."""

from __future__ import annotations

from runner.control import campaigns, holds, resolution, suppression
from runner.control.campaigns import user
from runner.control.in_flight import wait_until_none_leaves
from runner.dashboard.campaign_forms import messages, send_hint
from runner.dashboard.context import AppContext
from runner.dashboard.forms import Fields, Form, Question
from runner.dashboard.queries import campaign_row, message_detail
from runner.ledger.campaigns import submissions
from runner.ledger.campaigns.audit import DASHBOARD
from runner.ledger.ledger import Ledger
from runner.ledger.messages.decisions import RETRYABLE
from runner.ledger.messages.follow_ups import TO_COME
from runner.ledger.queries import search, totals
from runner.ledger.queries.message_lists import MessageDetail
from runner.message.erased import is_placeholder
from runner.message.status import MessageStatus
from runner.project.open import file_of
from runner.project.people import named_people

_S = MessageStatus
ID_TYPES = ("platform", "inbox")
LIST_PAGE = "/do-not-contact"


def _detail(ledger: Ledger, fields: Fields) -> MessageDetail:
    return message_detail(ledger, int(fields["id"]))


def _writable(ledger: Ledger, fields: Fields) -> MessageDetail:
    """Return a message to a person who was not erased. Raises LookupError for any other."""
    detail = _detail(ledger, fields)
    if is_placeholder(detail.message.recipient):
        raise LookupError(detail.message.recipient)
    return detail


def _names(ledger: Ledger, fields: Fields) -> list[str]:
    return [_detail(ledger, fields).message.campaign_name]


def _page(detail: MessageDetail) -> str:
    return f"/messages/{detail.message.message}"


def _ask_sent(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    detail = _detail(ledger, fields)
    campaign = detail.message.campaign_name
    lines = [f"{_person(detail)} counts as sent in {campaign}, and gets no other."]
    return _ask_resolution(detail, "Did it arrive?", lines, "Yes, it was sent")


def _ask_not_sent(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    detail = _detail(ledger, fields)
    lines = [
        f"The message to {_person(detail)} is queued again, and the next run sends it.",
        "If it did arrive, this person is written to twice: look into the thread first.",
    ]
    return _ask_resolution(detail, "Did it not arrive?", lines, "No, it was not sent")


def _ask_resolution(detail: MessageDetail, title: str, lines: list[str], button: str) -> Question:
    if detail.message.status is not _S.IN_DOUBT:
        lines, button = [f"This message is not in doubt any more: {detail.message.status}."], ""
    lines.append(f"Look for it in the thread of {detail.message.sender} with them in Inbox:")
    return Question(title, lines, button, "/in-doubt", detail.message.text)


def _resolve_sent(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    detail = _detail(ledger, fields)
    row, ids = campaign_row(ledger, detail.message.campaign), [detail.message.recipient]
    resolution.resolve(ledger, row, app.clock, sent=ids, by=user(), via=DASHBOARD)
    return "Resolved as sent. Until the next run you can undo that here.", _page(detail)


def _resolve_not_sent(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    detail = _detail(ledger, fields)
    row, ids = campaign_row(ledger, detail.message.campaign), [detail.message.recipient]
    resolution.resolve(ledger, row, app.clock, not_sent=ids, by=user(), via=DASHBOARD)
    retried = campaigns.Retried(1, ledger.read(submissions.is_submitted, row.id))
    hint = send_hint(app, retried, str(file_of(ledger, row)))
    told = f"Queued again; until the next run you can undo that here. {hint}"
    return told, _page(detail)


def _ask_undo(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    detail = _detail(ledger, fields)
    lines = [f"The message to {_person(detail)} is in doubt again, as before."]
    lines.append("That works until a run has begun since.")
    return Question("Undo this resolution?", lines, "Undo", _page(detail))


def _undo(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    detail = _detail(ledger, fields)
    row, ids = campaign_row(ledger, detail.message.campaign), [detail.message.recipient]
    undone = resolution.undo(ledger, row, app.clock, ids, by=user(), via=DASHBOARD)
    if undone.back:
        return "In doubt again.", _page(detail)
    return "Too late: a run has begun, or the message has moved on since.", _page(detail)


def _ask_retry(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    detail = _writable(ledger, fields)
    status, text = detail.message.status, detail.message.text
    lines = [f"1 message, to {_person(detail)}, is queued again. It is {status} now."]
    button = "Queue it again" if status in RETRYABLE else ""
    return Question("Retry this message?", lines, button, _page(detail), text)


def _retry(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    detail = _writable(ledger, fields)
    row, ids = campaign_row(ledger, detail.message.campaign), [detail.message.recipient]
    retried = campaigns.retry(ledger, row, app.clock, ids=ids, by=user(), via=DASHBOARD)
    hint = send_hint(app, retried, str(file_of(ledger, row)))
    return f"{messages(retried.count)} queued again. {hint}", _page(detail)


def _ask_hold(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    detail = _writable(ledger, fields)
    lines = [f"Nothing goes to {_person(detail)}, in any campaign, until they are taken off hold."]
    lines.append("Their queued messages stay queued.")
    return Question("Hold?", lines, "Hold", _page(detail), reason=True)


def _hold(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    detail = _writable(ledger, fields)
    id, why = detail.message.recipient, fields.get("why", "").strip()[:200]
    holds.hold(ledger, app.clock, [id], None, why=why, by=user(), via=DASHBOARD)
    left = wait_until_none_leaves(ledger, app.clock, recipients=[id])
    return "; ".join([f"{id} is on hold", *left.lines]) + ".", _page(detail)


def _ask_unhold(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    detail = _detail(ledger, fields)
    lines = [
        f"Messages to {_person(detail)} go on: a live run and workers take them by themselves."
    ]
    return Question("Take them off hold?", lines, "Take off hold", _page(detail))


def _unhold(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    detail = _detail(ledger, fields)
    id = detail.message.recipient
    gone = holds.unhold(ledger, app.clock, [id], by=user(), via=DASHBOARD)
    return f"{id} {'is no longer' if gone else 'was not'} on hold.", _page(detail)


def _person(detail: MessageDetail) -> str:
    """Return a person by what the sheet says of them, and their id."""
    id = detail.message.recipient
    cells = [value for value in detail.message.columns.values() if value != id]
    return f"{', '.join(cells[:2])} ({id})" if cells else id


def _ask_add(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    id = fields.get("id", "").strip()
    if not id or is_placeholder(id):
        raise LookupError("nobody")
    found = ledger.read(search.search, id, app.clock, within=0).rows
    waiting = sum(each.recipient == id and each.status in TO_COME for each in found)
    wait, are = ("waits", "is") if waiting == 1 else ("wait", "are")
    lines = [
        f"No campaign of this ledger writes to {id} any more.",
        f"{messages(waiting)} that {wait} for them {are} taken out of the queue.",
    ]
    kept = {"id": id, **{key: fields[key] for key in ("id_type", "platform") if key in fields}}
    return Question(
        "Never write to them?", lines, "Put on the list", LIST_PAGE, fields=kept, reason=True
    )


def _add(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    id_type = fields.get("id_type", "platform")
    platform = fields.get("platform", "twitter")
    [id] = named_people(
        ledger,
        [fields.get("id", "").strip()],
        platform=platform,
        id_type=id_type if id_type in ID_TYPES else "platform",
        checked=True,
    )
    why = fields.get("why", "").strip()[:200]
    wanted = {id: (why, app.clock.now())}
    stopped = suppression.suppress(ledger, app.clock, wanted, why=why, by=user(), via=DASHBOARD)
    left = wait_until_none_leaves(ledger, app.clock, recipients=wanted)
    told = f"{id} is on the list; {messages(stopped + left.held_back)} taken out of the queue"
    return "; ".join([told, *left.lines]) + ".", LIST_PAGE


def _ask_remove(app: AppContext, ledger: Ledger, fields: Fields) -> Question:
    id = fields.get("id", "")
    if id not in {listed for listed, _, _ in ledger.read(totals.suppression_list)}:
        raise LookupError(id)
    lines = [f"{id} may be written to again, from the next plan of each campaign on."]
    return Question("Take them off the list?", lines, "Take off", LIST_PAGE, fields={"id": id})


def _remove(app: AppContext, ledger: Ledger, fields: Fields) -> tuple[str, str]:
    ids = [fields.get("id", "")]
    gone = suppression.unsuppress(ledger, app.clock, ids, by=user(), via=DASHBOARD)
    return f"{gone[0]} is off the list." if gone else "They were not on the list.", LIST_PAGE


MESSAGE_FORMS = {
    "sent": Form(_ask_sent, _resolve_sent, _names),
    "not-sent": Form(_ask_not_sent, _resolve_not_sent, _names),
    "undo": Form(_ask_undo, _undo, _names),
    "retry": Form(_ask_retry, _retry, _names),
    "hold": Form(_ask_hold, _hold),
    "unhold": Form(_ask_unhold, _unhold),
}
LIST_FORMS = {"add": Form(_ask_add, _add), "remove": Form(_ask_remove, _remove)}
