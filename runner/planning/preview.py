"""The preview of a plan: its entries, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from runner.ledger.campaigns import account_links
from runner.ledger.ledger import Ledger
from runner.ledger.messages import plans
from runner.ledger.messages.follow_ups import TO_COME
from runner.ledger.people import acquaintances, erased, holds
from runner.ledger.queries import steps, totals
from runner.ledger.queries.steps import StepFigures
from runner.message.acquaintance import Obstacle, bar_of
from runner.message.erased import NOBODY
from runner.message.plan import FIRST_STEP, Change, Entry, Known, PlannedMessage
from runner.message.prospect import Recipient, RowSkip
from runner.message.status import OPEN, MessageStatus
from runner.pacing.forecast import Following
from runner.planning.approved.approval import Unapproved, unapproved
from runner.planning.dates.eta import Stretch, due_follow_ups, hours_of
from runner.planning.draft import Draft
from runner.planning.erased_rows import without_erased
from runner.planning.planner import Pick, Render, StepPlan, plan_messages, render_with
from runner.planning.variants import picker
from runner.schedule import Hours
from runner.variants.power import power_text

_S = MessageStatus
RowProgress = Callable[[int], None]
"""Called with how many rows have been read so far."""

See = Callable[[Draft, Iterator[tuple[Entry | RowSkip, PlannedMessage | None]]], None]
"""Reads every entry of a plan, with its message if it would be sent; must exhaust them."""

DEALT_FOR_GOOD = (_S.SENT, _S.SENDING, _S.IN_DOUBT)
"""Statuses in which a person has got a variant's text, or may have."""

CHANGES_KEPT = 3
"""Changed texts kept to be shown."""


@dataclass(slots=True)
class StepPreview:
    """A follow-up's figures. `to_come`: how many would get it if nobody answers: `before` of them
    wait for the message before it, and `running` have had that one. `added`: of those whose first
    message is sent already, to whom it is new, and `added_late`: of these who have had the message
    before it; `made`: how many have got it, or perhaps; `passed`: how many never get it, since a
    later one has gone to them. `after`: seconds after the message before
    it; `moved`: to how many that is new, and what it was for the last of them; `reordered`: how
    many have it to come after another step than before."""

    after: float = 0.0
    to_come: int = 0
    before: int = 0
    running: int = 0
    added: int = 0
    added_late: int = 0
    made: int = 0
    passed: int = 0
    moved: int = 0
    moved_from: float = 0.0
    reordered: int = 0
    first_to_come: int = 0  # of `before`, of those whose first message is to be sent now
    skipped: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Return the public form, whose names stay."""
        return {
            "after": self.after,
            "to_come": self.to_come,
            "before": self.before,
            "in": self.running,
            "past": self.made + self.passed,
            "new": self.added,
            "moved": self.moved,
            "skipped": {str(reason): count for reason, count in self.skipped.most_common()},
        }

    def count(self, entry: Entry, ahead: MessageStatus | None, *, begun: bool) -> None:
        """Count one person's. `ahead`: how the message before it stands."""
        planned, known = entry.planned, entry.known
        if known is not None and known.status in (_S.SENT, *OPEN):
            self.made += 1
        elif entry.change is Change.KEPT:
            assert known is not None
            self.skipped[known.reason or str(known.status)] += 1
        elif planned.skip is not None:
            self.skipped[planned.skip] += 1
        else:
            is_new, is_running = begun and entry.change is Change.NEW, ahead is _S.SENT
            self.to_come += 1
            self.running += is_running
            self.before += not is_running
            self.added += is_new
            self.added_late += is_new and is_running
            if known is not None and known.status in TO_COME:
                self.reordered += begun and known.previous != planned.previous
                if known.after != planned.after:
                    self.moved, self.moved_from = self.moved + 1, known.after


@dataclass(slots=True)
class Preview:
    """A plan's figures. `queue` has what this run would send per sender and zone, what is already
    queued included; `added` counts what this plan puts into the queue."""

    campaign: str
    rows: int = 0
    added: int = 0
    requeued: int = 0
    queued_seen: int = 0  # queued before, and still in the file
    kept: Counter[MessageStatus] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    queue: dict[tuple[str, str], Stretch] = field(default_factory=dict)
    changed: int = 0
    changes: list[Entry] = field(default_factory=list)
    removed: int = 0
    held: int = 0  # of the queue, to people on hold
    firsts: dict[str, PlannedMessage] = field(default_factory=dict)  # to be sent, by variant
    variants: Counter[str] = field(default_factory=Counter)  # people dealt each, sent to or not
    chosen: int = 0  # of the queue, whose variant a person chooses by this run
    even: bool = True  # variants have equal shares
    host: str = ""  # of the API
    handles: Mapping[str, str] = field(default_factory=dict)  # sender: username, as the API says
    hours: Hours | None = None  # in which it may send; None for always
    steps: dict[str, StepPreview] = field(default_factory=dict)
    steps_removed: Sequence[StepFigures] = ()  # no longer in the file, to come for people
    following: Sequence[Stretch] = ()  # follow-ups with their time running
    first_later: tuple[Entry, ...] = ()  # what follows the first
    unapproved: Unapproved | None = None  # None where no plan is required

    @property
    def adds(self) -> int:
        return self.added + self.requeued

    @property
    def waiting(self) -> list[Stretch]:
        """Return the queue and what follows it, as `when_done` takes it."""
        then, ahead = [], self.to_send.total()
        for each in self.steps.values():
            if ahead and each.first_to_come:
                then.append(Following(each.after, min(1.0, each.first_to_come / ahead)))
                ahead = each.first_to_come
        firsts = [replace(each, then=tuple(then)) for each in self.queue.values()]
        return [*firsts, *self.following]

    @property
    def to_send(self) -> Counter[str]:
        """Return the queue of each sender."""
        found: Counter[str] = Counter()
        for each in self.queue.values():
            found[each.sender] += each.count
        return found

    @property
    def to_follow(self) -> int:
        """Return the follow-ups that would go to those who do not answer."""
        return sum(each.to_come for each in self.steps.values())

    @property
    def first(self) -> PlannedMessage | None:
        """Return the first message that this run would send, None where there is none."""
        return next(iter(self.firsts.values()), None)

    @property
    def power(self) -> str:
        """Return what a comparison of its variants can show, in words; empty without any."""
        return power_text([*self.variants.values()], even=self.even)

    def count(self, entry: Entry | RowSkip) -> PlannedMessage | None:
        """Count an entry. Returns the message that this run would send for it, if any."""
        if self.unapproved is not None and isinstance(entry, Entry):
            self.unapproved.see(entry)
        planned = self._count_first(entry)
        if not isinstance(entry, Entry):
            return planned
        was_followed = entry.known is not None and bool(entry.known.later)
        if self.steps or entry.later or was_followed:
            self._count_later(entry, to_send=planned is not None)
            if planned is not None and self.first is planned:
                self.first_later = entry.later
        return planned

    def _count_later(self, entry: Entry, *, to_send: bool) -> None:
        begun = entry.known is not None and entry.known.status in (_S.SENT, *OPEN)
        if begun:
            for name in self.steps.keys() - {each.planned.step for each in entry.later}:
                self.steps[name].passed += 1
        later = entry.known.later.values() if entry.known else ()
        to_come = any(each.status in TO_COME for each in later)  # of steps that are gone, too
        for each in entry.later:
            step = self.steps.setdefault(each.planned.step, StepPreview(each.planned.after))
            ahead = entry.known
            if ahead is not None and each.planned.previous != FIRST_STEP:
                ahead = ahead.later.get(each.planned.previous)
            step.count(each, ahead.status if ahead else None, begun=begun)
            step.first_to_come += to_send and each.planned.skip is None
            if each.change is Change.REVISED and _is_edited(each):
                self._note_change(each)
        was = entry.known.status if entry.known else None
        self.queued_seen += to_come and was is not _S.QUEUED

    def _note_change(self, entry: Entry) -> None:
        self.changed += 1
        if len(self.changes) < CHANGES_KEPT:
            self.changes.append(entry)

    def _count_first(self, entry: Entry | RowSkip) -> PlannedMessage | None:
        self.rows += 1
        if isinstance(entry, RowSkip):
            self.skipped[entry.reason] += 1
            return None
        planned, known = entry.planned, entry.known
        if known is None and planned.skip is None:  # nearly every row of a first plan
            self.added += 1
            return self._queue(planned)
        was = known.status if known else None
        self.queued_seen += was is _S.QUEUED
        if entry.change is Change.REVISED and _is_edited(entry):
            self._note_change(entry)
        if entry.change is Change.KEPT or (was is not None and was not in (_S.QUEUED, _S.SKIPPED)):
            assert was is not None
            self.kept[was] += 1
            if was in DEALT_FOR_GOOD and planned.variant and not planned.chosen:
                self.variants[planned.variant] += 1
            return None
        if planned.skip is not None:
            self.skipped[planned.skip] += 1
            return None
        self.added += entry.change is Change.NEW
        self.requeued += entry.change is Change.REQUEUED
        if planned.chosen and known is not None and known.chosen:
            self.chosen -= 1  # by an earlier run
        return self._queue(planned)

    def _queue(self, planned: PlannedMessage) -> PlannedMessage:
        where = planned.sender, planned.zone
        if planned.chosen:
            self.chosen += 1
        elif planned.variant:
            self.variants[planned.variant] += 1
        if planned.variant not in self.firsts:
            self.firsts[planned.variant] = planned
        before = self.queue.get(where)
        if before is None:
            self.queue[where] = Stretch(*where, 1, self.rows, self.rows)
        else:
            before.count += 1
            before.last = self.rows
        return planned


def _is_edited(entry: Entry) -> bool:
    """Return whether a text was edited, or a sender: another variant's was agreed to elsewhere."""
    planned, known = entry.planned, entry.known
    if known is None:
        return False
    return known.variant == planned.variant and (known.text, known.sender) != (
        planned.text,
        planned.sender,
    )


def planned_entries(
    draft: Draft,
    ledger: Ledger | None,
    suppressed: Mapping[str, str],
    render: Render,
    characters: int | None,
    progress: RowProgress,
    now: float,
    pick: Pick,
) -> Iterator[list[Entry | RowSkip]]:
    """Yield the plan of a draft in chunks, against what the ledger knows (None: nothing).
    `characters`: the longest text that the platform allows, None for any."""

    def known(recipients: Sequence[Recipient]) -> Mapping[Recipient, Known]:
        if asked is None:
            return {}
        kind = draft.campaign.rehearsal
        return asked.read(plans.known, draft.id, recipients, rehearsal=kind)

    def bars(recipients: Sequence[Recipient]) -> Mapping[str, Obstacle]:
        rules, lane = draft.campaign.skip_rules, draft.lane
        if rules is None or ledger is None or lane is None:
            return {}
        ids = [recipient.id for recipient in recipients]
        platform = draft.campaign.api.platform
        found = ledger.read(acquaintances.known_among, ids, lane, platform)
        handles = {id: link.handle for id, link in draft.links.items() if link.handle}
        barred = {id: bar_of(each, rules, now, handles) for id, each in found.items()}
        return {id: bar for id, bar in barred.items() if bar is not None}

    # A ledger without a message knows no recipient: then none need be looked up.
    asked = ledger if ledger and ledger.read(plans.has_messages) else None

    # Read here, while a plan that is written keeps others from erasing anybody.
    gone = ledger.read(erased.people) if ledger else NOBODY
    its_rows = draft.audience.rows()
    rows = 0
    for chunk in plan_messages(
        without_erased(its_rows, draft.audience, gone) if gone else its_rows,
        render,
        draft.campaign.senders,
        known,
        suppressed,
        contact_once_in=draft.campaign.contact_once_in,
        now=now,
        bars=bars,
        named_sender=draft.named_sender(),
        sender_columns=draft.sender_columns(),
        pick=pick,
        steps=[
            StepPlan(
                each.name,
                each.previous,
                each.after,
                {name: render_with({name: text}, characters) for name, text in each.texts.items()},
            )
            for each in draft.steps
        ],
    ):
        rows += len(chunk)
        progress(rows)
        yield chunk


def preview(
    draft: Draft,
    ledger: Ledger | None,
    render: Render,
    characters: int | None,
    progress: RowProgress,
    now: float,
    see: See | None = None,
) -> Preview:
    """Count what a plan would do. `see`: reads every entry meanwhile; `characters`: the longest
    text that the platform allows, None for any."""
    suppressed = ledger.read(plans.suppressed, draft.team_obeyed) if ledger else {}
    on_hold = {each.recipient for each in ledger.read(holds.listed, now)} if ledger else ()
    known = ledger.read(account_links.handles, rehearsal=draft.campaign.rehearsal) if ledger else {}
    found = Preview(
        draft.campaign.name, handles=known, hours=hours_of(draft), steps=no_steps_counted(draft)
    )
    found.even = draft.campaign.message.has_equal_shares
    found.unapproved = unapproved(draft)
    pick = ledger.read(partial(picker, draft)) if ledger else picker(draft, None)

    def entries() -> Iterator[tuple[Entry | RowSkip, PlannedMessage | None]]:
        plan = planned_entries(draft, ledger, suppressed, render, characters, progress, now, pick)
        for chunk in plan:
            for entry in chunk:
                planned = found.count(entry)
                if on_hold and planned is not None and planned.recipient.id in on_hold:
                    found.held += 1
                yield entry, planned

    (see or _exhaust)(draft, entries())
    found.removed = _queue_gone(found, draft, ledger)
    if ledger is not None and draft.row is not None and draft.row.stop_on:
        names = step_names(draft)
        found.steps_removed = ledger.read(steps.removed, draft.row.id, names)
        afters = {each.name: each.after for each in draft.steps}
        found.following = due_follow_ups(ledger, draft.row.id, afters)
    return found


def step_names(draft: Draft) -> list[str]:
    """Return the names of all follow-ups."""
    return [each.name for each in draft.steps]


def no_steps_counted(draft: Draft) -> dict[str, StepPreview]:
    """Return the figures of all follow-ups before anything is counted, in their order."""
    return {each.name: StepPreview(each.after) for each in draft.steps}


def _exhaust(_draft: Draft, entries: Iterator[object]) -> None:
    for _ in entries:
        pass


def _queue_gone(found: Preview, draft: Draft, ledger: Ledger | None) -> int:
    """Return how many queued recipients a whole plan has not seen."""
    if ledger is None or draft.id is None:
        return 0
    if draft.row is not None and draft.row.stop_on:
        to_come = ledger.read(totals.people_to_come, draft.id)
    else:
        to_come = ledger.read(totals.counts, draft.id)[_S.QUEUED]
    return max(0, to_come - found.queued_seen)
