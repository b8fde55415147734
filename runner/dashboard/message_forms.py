"""What is done to one message or person: settle, undo, retry, hold, and the do-not-contact list."""

from __future__ import annotations

from runner.audience.ids import checked_ids
from runner.control import campaigns, people, resolution
from runner.control.campaigns import user
from runner.control.in_flight import Left, wait_until_none_leaves
from runner.dashboard.campaign_forms import changed, messages, to_send
from runner.dashboard.context import House
from runner.dashboard.forms import Act, Asked, Fields
from runner.ledger.campaigns import submissions
from runner.ledger.campaigns.audit import DASHBOARD
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.queries import listing, totals
from runner.ledger.queries import people as queries_people
from runner.ledger.queries.listing import Story
from runner.message.status import MessageStatus
from runner.project.open import file_of

_S = MessageStatus
ID_TYPES = ("platform", "inbox")


def _story(ledger: Ledger, fields: Fields) -> Story:
    story = ledger.read(listing.story, int(fields["id"]))
    if story is None:
        raise LookupError(fields["id"])
    return story


def _of_message(house: House, fields: Fields) -> tuple[Story, dict[str, str], str]:
    """A message's story, what names its campaign, and its page."""
    story = house.looks.read(lambda ledger: _story(ledger, fields))
    return story, {"id": str(story.message.campaign)}, f"/messages/{story.message.message}"


def _ask_sent(house: House, ledger: Ledger, fields: Fields) -> Asked:
    story = _story(ledger, fields)
    lines = [f"{_who(story)} counts as sent in {story.message.campaign_name}, and gets no other."]
    return _settled(story, "Did it arrive?", lines, "Yes, it was sent")


def _ask_not_sent(house: House, ledger: Ledger, fields: Fields) -> Asked:
    story = _story(ledger, fields)
    lines = [
        f"The message to {_who(story)} is queued again, and the next run sends it.",
        "If it did arrive, this person is written to twice: look into the thread first.",
    ]
    return _settled(story, "Did it not arrive?", lines, "No, it was not sent")


def _settled(story: Story, title: str, lines: list[str], do: str) -> Asked:
    if story.message.status is not _S.IN_DOUBT:
        lines, do = [f"This message is not in doubt any more: {story.message.status}."], ""
    lines.append(f"Look for it in the thread of {story.message.sender} with them in Inbox:")
    return Asked(title, lines, do, "/in-doubt", story.message.text)


def _sent(house: House, fields: Fields) -> tuple[str, str]:
    return _give_word(house, fields, sent=True)


def _not_sent(house: House, fields: Fields) -> tuple[str, str]:
    return _give_word(house, fields, sent=False)


def _give_word(house: House, fields: Fields, *, sent: bool) -> tuple[str, str]:
    story, campaign, page = _of_message(house, fields)
    ids = [story.message.recipient]

    def settle(ledger: Ledger, row: CampaignRow) -> tuple[bool, str]:
        resolution.settle_by_word(
            ledger,
            row,
            house.clock,
            sent=ids if sent else (),
            not_sent=() if sent else ids,
            by=user(),
            via=DASHBOARD,
        )
        return ledger.read(submissions.is_submitted, row.id), str(file_of(ledger, row))

    _, (submitted, file) = changed(house, settle, campaign)
    if sent:
        return "Settled as sent. Until the next run you can take that back here.", page
    how = to_send(house, campaigns.Retried(1, submitted), file)
    return f"Queued again; until the next run you can take that back here. {how}", page


def _ask_undo(house: House, ledger: Ledger, fields: Fields) -> Asked:
    story = _story(ledger, fields)
    lines = [f"The message to {_who(story)} is in doubt again, as before your word."]
    lines.append("That works until a run has begun since.")
    return Asked("Take your word back?", lines, "Take it back", f"/messages/{fields['id']}")


def _undo(house: House, fields: Fields) -> tuple[str, str]:
    story, campaign, page = _of_message(house, fields)
    _, told = changed(
        house,
        lambda ledger, row: resolution.take_words_back(
            ledger, row, house.clock, [story.message.recipient], by=user(), via=DASHBOARD
        ),
        campaign,
    )
    if told.back:
        return "In doubt again.", page
    return "Too late: a run has begun, or the message has moved on since.", page


def _ask_retry(house: House, ledger: Ledger, fields: Fields) -> Asked:
    story = _story(ledger, fields)
    lines = [f"1 message, to {_who(story)}, is queued again. It is {story.message.status} now."]
    may = story.message.status in (_S.FAILED, _S.REJECTED, _S.CANCELLED)
    do, back = "Queue it again" if may else "", f"/messages/{fields['id']}"
    return Asked("Retry this message?", lines, do, back, story.message.text)


def _retry(house: House, fields: Fields) -> tuple[str, str]:
    story, campaign, page = _of_message(house, fields)

    def retry(ledger: Ledger, row: CampaignRow) -> tuple[campaigns.Retried, str]:
        ids = [story.message.recipient]
        done = campaigns.retry(ledger, row, house.clock, ids=ids, by=user(), via=DASHBOARD)
        return done, str(file_of(ledger, row))

    _, (done, file) = changed(house, retry, campaign)
    return f"{messages(done.count)} queued again. {to_send(house, done, file)}", page


def _ask_hold(house: House, ledger: Ledger, fields: Fields) -> Asked:
    story = _story(ledger, fields)
    lines = [f"Nothing goes to {_who(story)} until somebody takes them off hold, in no campaign."]
    lines.append("Their queued messages stay queued.")
    return Asked("Hold?", lines, "Hold", f"/messages/{fields['id']}", reason=True)


def _hold(house: House, fields: Fields) -> tuple[str, str]:
    story, _, page = _of_message(house, fields)
    id, why = story.message.recipient, fields.get("why", "").strip()[:200]

    def hold(ledger: Ledger) -> Left:
        people.hold(ledger, house.clock, [id], None, why=why, by=user(), via=DASHBOARD)
        return wait_until_none_leaves(ledger, house.clock, recipients=[id])

    left = house.looks.change(hold, house.environ, house.clock)
    return "; ".join([f"{id} is on hold", *left.lines]) + ".", page


def _ask_unhold(house: House, ledger: Ledger, fields: Fields) -> Asked:
    story = _story(ledger, fields)
    lines = [f"Messages to {_who(story)} go on: a live run and workers take them by themselves."]
    return Asked("Take them off hold?", lines, "Take off hold", f"/messages/{fields['id']}")


def _unhold(house: House, fields: Fields) -> tuple[str, str]:
    story, _, page = _of_message(house, fields)
    id = story.message.recipient
    gone = house.looks.change(
        lambda ledger: people.unhold(ledger, house.clock, [id], by=user(), via=DASHBOARD),
        house.environ,
        house.clock,
    )
    return f"{id} {'is no longer' if gone else 'was not'} on hold.", page


def _who(story: Story) -> str:
    """A person by what the sheet says of them, and their id."""
    cells = [value for value in story.message.columns.values() if value != story.message.recipient]
    return (
        f"{', '.join(cells[:2])} ({story.message.recipient})" if cells else story.message.recipient
    )


def _ask_add(house: House, ledger: Ledger, fields: Fields) -> Asked:
    id = fields.get("id", "").strip()
    if not id:
        raise LookupError("nobody")
    found = ledger.read(queries_people.search, id, house.clock, within=0).rows
    waiting = sum(each.recipient == id and each.status is _S.QUEUED for each in found)
    lines = [
        f"No campaign of this ledger writes to {id} any more.",
        f"{messages(waiting)} that wait for them are taken out of the queue.",
    ]
    kept = {"id": id, **{key: fields[key] for key in ("id_type", "platform") if key in fields}}
    return Asked(
        "Never write to them?",
        lines,
        "Put on the list",
        "/do-not-contact",
        fields=kept,
        reason=True,
    )


def _add(house: House, fields: Fields) -> tuple[str, str]:
    id_type = fields.get("id_type", "platform")
    platform = fields.get("platform", "twitter")
    [id] = checked_ids(
        [fields.get("id", "").strip()], platform, id_type if id_type in ID_TYPES else "platform"
    )
    why = fields.get("why", "").strip()[:200]

    def add(ledger: Ledger) -> tuple[int, Left]:
        wanted = {id: (why, house.clock.now())}
        stopped = people.suppress(ledger, house.clock, wanted, why=why, by=user(), via=DASHBOARD)
        return stopped, wait_until_none_leaves(ledger, house.clock, recipients=wanted)

    stopped, left = house.looks.change(add, house.environ, house.clock)
    told = f"{id} is on the list; {messages(stopped + left.held_back)} taken out of the queue"
    return "; ".join([told, *left.lines]) + ".", "/do-not-contact"


def _ask_remove(house: House, ledger: Ledger, fields: Fields) -> Asked:
    id = fields.get("id", "")
    if id not in {listed for listed, _, _ in ledger.read(totals.suppression_list)}:
        raise LookupError(id)
    lines = [f"{id} may be written to again, from the next plan of each campaign on."]
    return Asked("Take them off the list?", lines, "Take off", "/do-not-contact", fields={"id": id})


def _remove(house: House, fields: Fields) -> tuple[str, str]:
    gone = house.looks.change(
        lambda ledger: people.unsuppress(
            ledger, house.clock, [fields.get("id", "")], by=user(), via=DASHBOARD
        ),
        house.environ,
        house.clock,
    )
    told = f"{gone[0]} is off the list." if gone else "They were not on the list."
    return told, "/do-not-contact"


ACTS = {
    "sent": Act(_ask_sent, _sent),
    "not-sent": Act(_ask_not_sent, _not_sent),
    "undo": Act(_ask_undo, _undo),
    "retry": Act(_ask_retry, _retry),
    "hold": Act(_ask_hold, _hold),
    "unhold": Act(_ask_unhold, _unhold),
}
LIST_ACTS = {"add": Act(_ask_add, _add), "remove": Act(_ask_remove, _remove)}
