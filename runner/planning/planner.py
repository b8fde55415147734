"""The plan: campaign × audience × texts × what is known -> messages and skips. Pure.

The same function serves the dry run and the real one, so that a preview is exact.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from runner.message.acquaintance import Obstacle
from runner.message.follow_up import ENDS
from runner.message.plan import FIRST_STEP, Change, Entry, Known, PlannedMessage
from runner.message.prospect import Prospect, Recipient, RowSkip
from runner.message.status import OPEN, MessageStatus, SkipReason
from runner.templating.leftover_braces import has_leftover
from runner.templating.template import SENDER_PARTS, RowRenderError, Template

if TYPE_CHECKING:
    from runner.campaign.senders import Sender

_S = MessageStatus
PLAN_CHUNK = 1000
"""Rows looked up in the ledger at a time."""


KnownLookup = Callable[[Sequence[Recipient]], Mapping[Recipient, Known]]

ObstacleLookup = Callable[[Sequence[Recipient]], Mapping[str, Obstacle]]

NamedSender = Callable[[Mapping[str, str]], tuple[str, str]]

RowText = tuple[str, SkipReason | None, str]
"""A row's text; why it is not to be sent, if so, and the detail of that."""

Rendered = tuple[RowText, ...]
"""A row's texts: one, or one for each variant."""

Render = Callable[[Prospect], Rendered]
"""Renders a row."""

Pick = Callable[[Recipient, str, Known | None, Rendered], tuple[RowText, str, bool]]
"""Returns which of a row's texts its recipient gets from a sender, the variant that this is, and
whether a person chose that."""


def only_text(
    _to: Recipient, _sender: str, known: Known | None, texts: Rendered
) -> tuple[RowText, str, bool]:
    """Pick the text of a campaign without variants."""
    return texts[0], "", False


BEFORE_SKIPPED = "the message before it is skipped"


class StepPlan(NamedTuple):
    """A follow-up of every message. `previous`: the step before it; `after`: seconds after that;
    `renders`: renders the text of each variant, of one without a name where it is for all."""

    name: str
    previous: str
    after: float
    renders: Mapping[str, Render]


def plan_messages(
    rows: Iterable[Prospect | RowSkip],
    render: Render,
    senders: Sequence[Sender],
    known: KnownLookup,
    suppressed: Mapping[str, str],
    *,
    contact_once_in: float | None = None,
    now: float = 0.0,
    bars: ObstacleLookup = lambda _: {},
    named_sender: NamedSender | None = None,
    sender_columns: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    pick: Pick = only_text,
    steps: Sequence[StepPlan] = (),
) -> Iterator[list[Entry | RowSkip]]:
    """Yield chunks of what each row becomes, in file order. `contact_once_in`: see
    `Contact.bars`; `bars`: returns who is not written to since Inbox knows them; `named_sender`:
    the sender that a row names, or why it is none (None: rows name none); `sender_columns`: what
    texts may say of each sender; `pick`: of several texts; `steps`: what follows the first
    message."""
    there = frozenset(sender.id for sender in senders)
    assign = partial(_sender_of, senders, named_sender)
    with_sender = partial(_with_sender, sender_columns)
    rows = iter(rows)
    while chunk := list(islice(rows, PLAN_CHUNK)):
        recipients = [row.recipient for row in chunk if row.recipient is not None]
        have, barred = known(recipients), bars(recipients)
        entries = [
            row
            if isinstance(row, RowSkip) and not _is_message(row)
            else _entry(
                row,
                render,
                pick,
                assign,
                with_sender,
                have,
                suppressed,
                barred,
                contact_once_in,
                now,
            )
            for row in chunk
        ]
        if steps:
            entries = [
                _with_later(row, entry, steps, with_sender, suppressed, there)
                if isinstance(entry, Entry)
                else entry
                for row, entry in zip(chunk, entries, strict=True)
            ]
        yield entries


def _is_message(skip: RowSkip) -> bool:
    """Return whether a skipped row is its recipient's own: then the message waits for the reason to
    go. Repeats and rows not selected are results of their rows alone."""
    return skip.reason in (SkipReason.SUPPRESSED, SkipReason.BAD_TIMEZONE)


def _entry(
    row: Prospect | RowSkip,
    render: Render,
    pick: Pick,
    assign: Callable[[Prospect | RowSkip, Known | None], tuple[str, str]],
    with_sender: Callable[[Prospect, str], Prospect],
    have: Mapping[Recipient, Known],
    suppressed: Mapping[str, str],
    barred: Mapping[str, Obstacle],
    contact_once_in: float | None,
    now: float,
) -> Entry:
    assert row.recipient is not None
    known = have.get(row.recipient) if have else None
    sender, unknown_sender = assign(row, known)
    contact = known.contact if known else None
    bar = contact.bars(contact_once_in, now) if contact else None
    skip: SkipReason | None
    variant, chosen = (known.variant, known.chosen) if known else ("", False)
    free_at = 0.0
    zone = row.zone if isinstance(row, Prospect) else ""
    if isinstance(row, RowSkip):
        text, skip, detail = "", row.reason, row.detail
    elif row.recipient.id in suppressed:
        text, skip = "", SkipReason.SUPPRESSED
        detail = suppressed[row.recipient.id]
    elif bar is not None:
        text, skip, (detail, free_at) = "", SkipReason.CONTACTED, bar
    elif row.recipient.id in barred:
        text, (skip, detail, free_at, _) = "", barred[row.recipient.id]
    elif unknown_sender:
        text, skip, detail = "", SkipReason.UNKNOWN_SENDER, unknown_sender
    else:
        texts = render(with_sender(row, sender))
        (text, skip, detail), variant, chosen = pick(row.recipient, sender, known, texts)
    planned = PlannedMessage(
        row.row,
        row.recipient,
        sender,
        text,
        row.columns,
        skip,
        detail,
        free_at,
        zone,
        variant,
        chosen,
    )
    return Entry(planned, Change.NEW if known is None else _change(planned, known), known)


def _with_later(
    row: Prospect | RowSkip,
    entry: Entry,
    steps: Sequence[StepPlan],
    with_sender: Callable[[Prospect, str], Prospect],
    suppressed: Mapping[str, str],
    senders: Collection[str],
) -> Entry:
    """Return an entry with what follows it. Before the first message is sent, follow-ups are
    planned as it is; from then on they go from its sender, whatever the row says."""
    planned, known = entry.planned, entry.known
    later = known.later if known else {}
    begun = known is not None and known.status in _BEGUN
    sender = known.sender if known is not None and begun else planned.sender

    def text_of(step: StepPlan) -> RowText:
        id = planned.recipient.id
        if id in suppressed:
            return "", SkipReason.SUPPRESSED, suppressed[id]
        if isinstance(row, RowSkip):
            return "", row.reason, row.detail
        if planned.skip is not None and (not begun or planned.skip is SkipReason.CONTACTED):
            if planned.skip in ENDS:  # for a first message it may pass
                return "", SkipReason.STEP_BEFORE, BEFORE_SKIPPED
            return "", planned.skip, planned.detail
        if begun and sender not in senders:
            why = f"the first message came from {sender}, which is not among the senders now"
            return "", SkipReason.UNKNOWN_SENDER, why
        render = step.renders.get("") or step.renders.get(planned.variant)
        if render is None:
            had = f"variant {planned.variant}, which" if planned.variant else "no variant, and"
            why = f"the first message had {had} the campaign file has no text for"
            return "", SkipReason.REMOVED, why
        return render(with_sender(row, sender))[0]

    entries: list[Entry] = []
    before: SkipReason | None = None if begun else planned.skip
    ended: tuple[SkipReason, str] | None = None
    for step, previous, is_past in _places(steps, later):
        was = later.get(step.name)
        if was is None and (is_past or (planned.skip is not None and not begun)):
            continue  # they are past it, or do not get the first one
        text, skip, detail = text_of(step)
        if skip is None and before is not None:
            skip, detail = SkipReason.STEP_BEFORE, BEFORE_SKIPPED
        if was is None and ended is not None:
            skip, detail = ended
        message = planned._replace(
            sender=sender,
            text=text,
            skip=skip,
            detail=detail,
            free_at=planned.free_at if skip is SkipReason.CONTACTED else 0.0,
            step=step.name,
            previous=previous,
            after=step.after,
        )
        change = Change.KEPT if is_past else _change_of_step(message, was)
        if was is not None and change is Change.KEPT:
            message = message._replace(previous=was.previous, after=was.after)
            if was.status is _S.SKIPPED and was.reason in ENDS:
                ended = SkipReason(was.reason), was.detail
        entries.append(Entry(message, change, was))
        before = before if is_past else skip
    return entry._replace(later=tuple(entries))


class _Place(NamedTuple):
    """The place of a step among those of one person. `previous`: what it comes after for them;
    `is_past`: they have been sent what comes after it."""

    step: StepPlan
    previous: str
    is_past: bool = False


def _places(steps: Sequence[StepPlan], later: Mapping[str, Known]) -> Iterator[_Place]:
    """Yield the place of each step. What is still to come for a person comes after the last that
    they were sent, however the steps were named and ordered then. `later`: what they have."""
    names = [step.name for step in steps]
    begun = {each.previous: name for name, each in later.items() if each.status in _BEGUN}
    sent = {FIRST_STEP, *begun.values()}
    furthest = max((at for at, name in enumerate(names) if name in sent), default=-1)
    last = place = FIRST_STEP
    for _ in begun:
        last = begun.get(last, last)
    for at, step in enumerate(steps):
        was = later.get(step.name)
        if step.name in sent:
            assert was is not None
            yield _Place(step, was.previous)
            place = step.name if place in sent else place
            continue
        if was is None or was.status is _S.SKIPPED:
            then = begun.get(place)
            has_new_name = then is not None and then not in names
            if has_new_name or at < furthest:
                yield _Place(step, was.previous if was else "", is_past=True)
                place = then if then is not None and has_new_name else place
                continue
        yield _Place(step, last if place in sent else place)
        place = step.name


_BEGUN = (_S.SENT, *OPEN)


def _change_of_step(planned: PlannedMessage, known: Known | None) -> Change:
    """Return the change to a follow-up. What has ended with its person is not begun again, and one
    that was skipped with the message before it comes back with that."""
    if known is None:
        return Change.NEW
    if known.status is _S.SKIPPED and known.reason in ENDS:
        return Change.KEPT
    if known.status is _S.SKIPPED and known.reason == SkipReason.STEP_BEFORE:
        if planned.skip not in (None, SkipReason.STEP_BEFORE):
            return Change.SKIPPED
        return Change.SAME if _is_same(planned, known) else Change.REQUEUED
    if known.status is _S.WAITING and planned.skip is not None:
        return Change.SKIPPED
    return _change(planned, known)


def _sender_of(
    senders: Sequence[Sender],
    named_sender: NamedSender | None,
    row: Prospect | RowSkip,
    known: Known | None,
) -> tuple[str, str]:
    """Return a row's sender, and why the one that it names is none, if so."""
    assert row.recipient is not None
    if named_sender is None and known is None and len(senders) == 1:
        return senders[0].id, ""  # nearly every row of a first plan
    named, why = named_sender(row.columns) if named_sender is not None else ("", "")
    return named or assign_sender(row.recipient, senders, known.sender if known else None), why


def _with_sender(
    sender_columns: Mapping[str, Mapping[str, str]], row: Prospect, sender: str
) -> Prospect:
    """Return a row with what its text may say of its sender."""
    if not sender_columns:
        return row
    return row._replace(columns={**row.columns, **sender_columns[sender]})


def render_with(texts: Mapping[str, Template], max_characters: int | None = None) -> Render:
    """Return a function that renders rows with templates. `max_characters`: of the platform, None
    if there is no limit or it is not known."""
    if len(texts) == 1:  # nearly every campaign
        [template] = texts.values()
        return lambda prospect: (_render(template, max_characters, prospect),)
    templates = tuple(texts.values())
    return lambda prospect: tuple(_render(each, max_characters, prospect) for each in templates)


def _render(template: Template, max_characters: int | None, prospect: Prospect) -> RowText:
    columns = prospect.columns
    empty = [name for name in template.requires_value if columns.get(name, "") == ""]
    if empty:
        told = ", ".join(sorted(SENDER_PARTS.get(name, name) for name in empty))
        return "", SkipReason.MISSING_VALUE, f"{told} is empty"
    try:
        text = template.render(columns)
    except RowRenderError as error:
        return "", SkipReason.TEMPLATE_ERROR, str(error)
    if not text.strip():
        return "", SkipReason.EMPTY_TEXT, "the template gives no text for this row"
    if has_leftover(text):
        return text, SkipReason.UNRENDERED, "a {{ or {% is left in the text"
    if (
        max_characters is not None
        and len(text) > max_characters
        and count_characters(text) > max_characters
    ):
        return (
            text,
            SkipReason.TOO_LONG,
            f"{count_characters(text)} characters, the platform allows {max_characters}",
        )
    return text, None, ""


_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}")
_JOINED = re.compile(
    "\u200d.|[\ufe00-\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]", re.DOTALL
)
"""Parts that make one emoji of several code points: flags; joiners, variants, skin tones."""


def count_characters(text: str) -> int:
    """Return a text's length as the platform counts it: an emoji is one (InboxHQ/inboxapp-sdk,
    `limits.characters`). How it sees rarer joined letters is not documented; those count each."""
    return len(text) if text.isascii() else len(_JOINED.sub("", _FLAG.sub("f", text)))


def _change(planned: PlannedMessage, known: Known) -> Change:
    if known.status is None:
        return Change.NEW
    if known.status in (_S.SENT, *OPEN):
        return Change.KEPT
    if known.status is _S.SKIPPED:
        if planned.skip is None:
            return Change.REQUEUED
        was = (known.reason, known.row, known.detail)
        same = was == (planned.skip, planned.row, planned.detail)
        return Change.SAME if same else Change.SKIPPED
    if planned.skip is not None:
        return Change.SKIPPED if known.status is _S.QUEUED else Change.KEPT
    return Change.SAME if _is_same(planned, known) else Change.REVISED


def _is_same(planned: PlannedMessage, known: Known) -> bool:
    had = known.text, known.sender, known.variant, known.chosen
    return had == (planned.text, planned.sender, planned.variant, planned.chosen)


def assign_sender(recipient: Recipient, senders: Sequence[Sender], before: str | None) -> str:
    """Return the sender a recipient is written from: the one they had, while it is there; else
    spread by weight of `per_day` so that re-ordered and added rows change no sender (rendezvous
    hashing: each sender draws a score from the pair's hash, the highest wins)."""
    if before is not None and any(sender.id == before for sender in senders):
        return before
    if len(senders) == 1:
        return senders[0].id
    unlimited = max((sender.per_day or 0 for sender in senders), default=0) or 1
    identity = "\0".join(recipient)

    def score(sender: Sender) -> float:
        digest = hashlib.sha256(f"{identity}\0{sender.id}".encode()).digest()
        unit = (int.from_bytes(digest[:8]) + 1) / (2**64 + 2)
        return -(sender.per_day or unlimited) / math.log(unit)

    return max(senders, key=lambda sender: (score(sender), sender.id)).id
