"""Approved plans: ceilings of what a campaign may send, in a file that names nobody.

The key in the file is a salt: it keeps a list of known hashes from naming people, and nothing more.
Who has the file and a person's id can tell whether that person is in it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.campaign.paths import tidy
from runner.errors import ChangesError, UsageError
from runner.formats import number
from runner.message.erased import keyed_hash
from runner.message.plan import FIRST_STEP, Change, Entry, PlannedMessage
from runner.message.prospect import Recipient
from runner.message.status import OPEN, MessageStatus
from runner.planning.approved.ceilings import (
    Ceilings,
    ceiling_text,
    ceilings_of,
    held_zone,
    looser_than,
)

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign
    from runner.planning.draft import Draft

FORMAT = "run-campaign plan 1"
"""The first value of the file. Another number is another meaning of the rest."""

KEY_BYTES = 32

REFUSED_SHOWN = 5
"""Messages that are not approved and told one by one."""

_DONE = (MessageStatus.SENT, *OPEN)


class Content(NamedTuple):
    """The part of a message that is approved."""

    recipient: Recipient
    sender: str
    step: str
    variant: str
    text: str


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """A plan as its file has it. `messages`: lines with the hash of a person and of a message to
    them, and of their time zone where a schedule has hours; `contents`: these without time zones;
    `digest`: of the file's bytes; `path`: as it was named."""

    campaign: str
    key: str
    api: str
    texts: Mapping[str, str]
    ceilings: Ceilings
    counts: Mapping[str, Any]
    messages: frozenset[str]
    people: frozenset[str]
    digest: str = ""
    path: Path = field(default_factory=Path)
    contents: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        found = self.messages
        if any(line.count(" ") > 1 for line in found):
            found = frozenset(" ".join(line.split(" ", 2)[:2]) for line in found)
        object.__setattr__(self, "contents", found)

    def has(self, content: Content) -> bool:
        """Return whether this very message is approved, in whatever time zone."""
        return _line(self.key, content) in self.contents

    def has_in(self, content: Content, zone: str) -> bool:
        """Return whether this very message is approved for a person in a time zone, or empty for
        the schedule's."""
        zone = held_zone(self.ceilings.get("schedule"), zone)
        return _line(self.key, content, zone) in self.messages

    def has_person(self, recipient: Recipient) -> bool:
        """Return whether anything is approved for a person."""
        return _person(self.key, recipient) in self.people

    def text(self) -> str:
        """Return the file's text: the same for the same plan, whatever the order of the sheet."""
        said = {
            "format": FORMAT,
            "campaign": self.campaign,
            "key": self.key,
            "api": self.api,
            "texts": self.texts,
            "limits": self.ceilings,
            "counts": self.counts,
            "messages": sorted(self.messages),
        }
        return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


class PlanMaker:
    """Makes a plan of entries as they stream by. What is sent already counts as it was sent, so
    that progress changes nothing of a plan."""

    def __init__(self, key: str, campaign: Campaign) -> None:
        self._key, self._campaign = key, campaign
        self._ceilings = dict(sorted(ceilings_of(campaign).items()))
        self._messages: set[str] = set()
        self._people: set[str] = set()
        self._counts: dict[str, Counter[str]] = {
            name: Counter() for name in ("senders", "steps", "variants")
        }

    def see(self, entry: Entry) -> None:
        """Take in what one person may get."""
        for each in (entry, *entry.later):
            found = _content(each)
            if found is None:
                continue
            content, zone = found
            line = _line(self._key, content, held_zone(self._ceilings["schedule"], zone))
            self._messages.add(line)
            self._people.add(line.partition(" ")[0])
            self._counts["senders"][content.sender] += 1
            self._counts["steps"][content.step] += 1
            if content.variant and content.step == FIRST_STEP:
                self._counts["variants"][content.variant] += 1

    def plan(self, texts: Mapping[str, str]) -> ApprovedPlan:
        """Return the plan of all that was seen. `texts`: unrendered, by step and variant."""
        counts: dict[str, Any] = {"people": len(self._people), "messages": len(self._messages)}
        counts |= {name: dict(sorted(each.items())) for name, each in self._counts.items()}
        return ApprovedPlan(
            self._campaign.own_name,
            self._key,
            self._campaign.api.base_url,
            texts,
            self._ceilings,
            counts,
            frozenset(self._messages),
            frozenset(self._people),
        )


@dataclass(slots=True)
class Unapproved:
    """The messages of a plan that its approved plan does not have."""

    approved: ApprovedPlan
    file: Path  # of the campaign
    messages: int = 0
    people: int = 0
    told: list[str] = field(default_factory=list)

    def see(self, entry: Entry) -> None:
        """Hold what one person would get now against what is approved."""
        missing = [each.planned for each in (entry, *entry.later) if self._is_missing(each)]
        self.messages += len(missing)
        self.people += bool(missing)
        for planned in missing:
            if len(self.told) < REFUSED_SHOWN:
                self.told.append(f"  row {planned.row}, {planned.recipient}: {self._why(planned)}")

    def _is_missing(self, entry: Entry) -> bool:
        planned, known = entry.planned, entry.known
        if planned.skip is not None or entry.change is Change.KEPT:
            return False
        if known is not None and known.status in _DONE:
            return False
        return not self.approved.has_in(_planned(planned), planned.zone)

    def _why(self, planned: PlannedMessage) -> str:
        """Return what differs, as far as the hashes can tell it."""
        content, approved = _planned(planned), self.approved
        if approved.has(content):
            zone = f"time zone {planned.zone}" if planned.zone else "no time zone of their own"
            return f"{zone}, and another is approved"
        if not approved.has_person(content.recipient):
            return "is not in it"
        if content.step not in approved.counts["steps"]:
            return f"step {content.step} is not in it"
        variants = ("", *approved.counts["variants"])
        for sender in (content.sender, *approved.counts["senders"]):
            for variant in (content.variant, *variants):
                if approved.has(content._replace(sender=sender, variant=variant)):
                    told = []
                    if sender != content.sender:
                        told.append(f"sender {content.sender}, and {sender} is approved")
                    if variant != content.variant:
                        is_ = f"variant {variant} is" if variant else "none is"
                        told.append(f"variant {content.variant or 'none'}, and {is_} approved")
                    return "; ".join(told)
        return f"another text (step {content.step})"


def unapproved(draft: Draft) -> Unapproved | None:
    """Return what collects the messages of a draft that are not approved; None for no plan."""
    return Unapproved(draft.approved, draft.campaign.path) if draft.approved else None


def refuse_unapproved(found: Unapproved | None) -> None:
    """Raise ChangesError for what its approved plan does not have."""
    if found is None or not found.messages:
        return
    approved = found.approved
    more = found.messages - len(found.told)
    people = "1 person" if found.people == 1 else f"{number(found.people)} people"
    messages = "1 message" if found.messages == 1 else f"{number(found.messages)} messages"
    raise ChangesError(
        f"{approved.campaign}: {messages} to {people} not as approved in {approved.path}:\n"
        + "\n".join(found.told)
        + (f"\n  … and {number(more)} more" if more else ""),
        _remedy(found.file, approved),
    )


def refuse_looser(campaign: Campaign, approved: ApprovedPlan, *, elsewhere: bool = False) -> None:
    """Raise ChangesError where a campaign is another one than its approved plan is of, or where its
    limits are looser. `elsewhere`: it is served where limits do not count, as a rehearsal."""
    if approved.campaign != campaign.own_name:
        raise UsageError(
            f"{approved.path} is the plan of campaign {approved.campaign}, not of "
            f"{campaign.own_name}",
            "name its own plan",
        )
    if elsewhere:
        return
    now = ceilings_of(campaign)
    told = [
        f"{key} is {ceiling_text(now[key])}, "
        + (f"approved: {ceiling_text(approved.ceilings[key])}" if key in approved.ceilings
           else "nothing is approved of it")
        for key in looser_than(approved.ceilings, now)
    ]  # fmt: skip
    if approved.api != campaign.api.base_url:
        told.insert(0, f"api.base_url is {campaign.api.base_url}, approved: {approved.api}")
    if told:
        raise ChangesError(
            f"{campaign.name}: looser than approved in {approved.path}:\n"
            + "\n".join(f"  {each}" for each in told),
            _remedy(campaign.path, approved),
        )


def _remedy(file: Path, approved: ApprovedPlan) -> str:
    return (
        "nothing was sent; take that back, or make a new plan and have it approved: "
        f"run-campaign plan {file} -o {approved.path}"
    )


def approved_plan(campaign: Campaign, said: Sequence[Path]) -> ApprovedPlan | None:
    """Return the plan that a campaign is held to: its file's `require_plan`, or the one of `said`
    that is its own; None for no plan. Raises UsageError where both are told and differ, and where
    plans are told and none of them is of this campaign."""
    file = str(campaign.path)
    own = read_plan(tidy(campaign.require_plan), file) if campaign.require_plan else None
    if not said:
        return own
    plans = (read_plan(path, file) for path in said)
    found = [plan for plan in plans if plan.campaign == campaign.own_name]
    if len(found) != 1:
        what = "none" if not found else "more than one"
        raise UsageError(f"--plan: {what} of the plans is of campaign {campaign.own_name}")
    if own is not None and own.digest != found[0].digest:
        raise UsageError(
            f"{campaign.name}: its file has require_plan: {own.path}, and --plan names another",
            "leave out --plan",
        )
    return found[0]


def hold_to_plan(draft: Draft, said: Sequence[Path], *, elsewhere: bool = False) -> Draft:
    """Return a draft with the plan that it is held to, as this stands now, if there is one. Raises
    what `approved_plan` and `refuse_looser` do."""
    approved = approved_plan(draft.campaign, said)
    if approved is not None:
        refuse_looser(draft.campaign, approved, elsewhere=elsewhere)
    return replace(draft, approved=approved)


def read_plan(path: Path, campaign: str = "FILE.yaml") -> ApprovedPlan:
    """Read the file of a plan. Raises UsageError for one that is none. `campaign`: its file, for
    people."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a file name"
        raise UsageError(
            f"{path}: the approved plan cannot be read ({why})",
            f"make one: run-campaign plan {campaign} -o {path}",
        ) from None
    try:
        said = json.loads(data)
        if said["format"] != FORMAT:
            raise UsageError(
                f"{path}: is of another version of this program ({str(said['format'])[:50]})",
                "make it again, and have it approved",
            )
        return _parse(said, hashlib.sha256(data).hexdigest(), path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            f"{path}: is not a plan of run-campaign",
            "name a file that `run-campaign plan -o` wrote",
        ) from None


def _parse(said: Mapping[str, Any], digest: str, path: Path) -> ApprovedPlan:
    lines = frozenset(map(str, said["messages"]))
    key, counts, texts, limits = said["key"], said["counts"], said["texts"], said["limits"]
    if len(bytes.fromhex(key)) != KEY_BYTES:
        raise ValueError(key)
    for each in (counts["senders"], counts["steps"], counts["variants"], texts, limits):
        if not isinstance(each, dict):
            raise TypeError(each)
    return ApprovedPlan(
        str(said["campaign"]),
        key,
        str(said["api"]),
        texts,
        limits,
        counts,
        lines,
        frozenset(line.partition(" ")[0] for line in lines),
        digest,
        path,
    )


def _content(entry: Entry) -> tuple[Content, str] | None:
    """Return what a person has got, or would get, and their time zone; None for nothing."""
    planned, known = entry.planned, entry.known
    if known is not None and known.status in _DONE:
        to, step = planned.recipient, planned.step
        return Content(to, known.sender, step, known.variant, known.text), known.zone
    return (_planned(planned), planned.zone) if planned.skip is None else None


def _planned(planned: PlannedMessage) -> Content:
    return Content(planned.recipient, planned.sender, planned.step, planned.variant, planned.text)


def _person(key: str, recipient: Recipient) -> str:
    return keyed_hash(key, "person " + json.dumps(recipient))


def _line(key: str, content: Content, zone: str = "") -> str:
    # All in ASCII: a text may have half of a character.
    said = keyed_hash(key, "message " + json.dumps(content))
    line = f"{_person(key, content.recipient)} {said}"
    # With the message in it, or people of one zone would be known as such by their lines.
    return f"{line} {keyed_hash(key, f'zone {zone} {said}')}" if zone else line


def differing(old: ApprovedPlan, new: ApprovedPlan) -> Iterator[str]:
    """Yield the people of a plan for whom another one has other messages."""
    of = {line.partition(" ")[0] for line in new.messages - old.messages}
    yield from of & old.people
