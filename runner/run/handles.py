"""`handles`: the ids behind the handles of a campaign's sheet and lists, asked for and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner.addresses import is_loopback
from runner.audience.handles import X_HANDLE, CellHandle, profile_name, read_handle
from runner.audience.prospects import Audience
from runner.campaign.schema import Campaign
from runner.channels.base import AskLater, Token
from runner.channels.factory import connect_x
from runner.errors import RunnerError, UsageError
from runner.ledger.ledger import Ledger, hold_lane, open_ledger
from runner.ledger.people import erased, handles
from runner.message.erased import NOBODY, ErasedPeople
from runner.message.handle import HandleAnswer, KeptHandle, one_handle
from runner.planning.draft import Draft, make_draft
from runner.project.campaign_files import load
from runner.project.credentials import read_token, read_x_token
from runner.project.first_ledger import removed_if_unused
from runner.project.ledgers.ledger_location import ledger_location
from runner.project.ledgers.old_copies import allow_changes
from runner.run.preparation.options import Options, Surroundings
from runner.run.preparation.prepare import served_at
from runner.run.preparation.team import fetch_identity, remember_links
from runner.run.questions import TeamQuestions

if TYPE_CHECKING:  # aiohttp takes long to load
    from runner.channels.v2.inbox_v2_people import Profile

_A = HandleAnswer
ASKED_AT_ONCE = 100
"""Handles of one request, of Inbox and of X."""

X_URL = "https://api.x.com"

PRICE = Decimal("0.010")
"""US dollars that X charges for a person found, by its price list as it was captured (docs.x.com
x-api/getting-started/pricing); prices change."""

X_TRIES = 5
"""Questions to X in a row without an answer, after which it is given up."""


@dataclass(frozen=True, slots=True)
class HandleOptions:
    """The options of `handles`. `older_than`: seconds since which a handle was asked for, to be
    asked again; `price`: of one person found by X, in US dollars."""

    via_x: bool = False
    again: bool = False
    older_than: float | None = None
    take_changed: bool = False
    x_url: str | None = None
    price: Decimal = PRICE


@dataclass(slots=True)
class HandleTotals:
    """The handles of a campaign with what is kept of them, and how many were asked for now, and
    where. `declined`: X was not asked, since the price was not agreed to."""

    platform: str
    wanted: Mapping[str, str]
    kept: dict[str, KeptHandle]
    new: list[KeptHandle] = field(default_factory=list)
    inbox: int = 0
    x: int = 0
    declined: bool = False

    @property
    def found(self) -> int:
        """Return how many of the handles have an id."""
        known = (self.kept.get(key) for key in self.wanted)
        return sum(each is not None and each.answer is HandleAnswer.FOUND for each in known)


Progress = Callable[[str, int, int], None]
"""Told whom is asked, how many handles were asked for so far, and of how many."""


def resolve_handles(
    path: Path,
    asked: HandleOptions,
    options: Options,
    around: Surroundings,
    progress: Progress = lambda *_: None,
) -> HandleTotals:
    """Ask Inbox for the handles of a campaign that were never asked for, and X if that is to be
    asked; keep each answer as it comes.

    Raises UsageError for a campaign without handles, and where X's price has to be agreed to and
    nobody can be asked.
    """
    campaign = served_at(load([path])[0], options)
    location = ledger_location(options.state, around.environ, [campaign], live=True)
    _refuse_other(campaign, asked)
    with removed_if_unused(location, around.environ), open_ledger(location) as ledger:
        if not options.throwaway:
            allow_changes(ledger, around.environ, around.clock.now(), names=[campaign.name])
        draft = make_draft(campaign, ledger)
        asking = _Asking(draft, ledger, asked, options, around, progress, location)
        return asking.run()


def resolve_rehearsed(path: Path, options: Options, around: Surroundings) -> None:
    """Let the stand-in of a rehearsal make up whose a campaign's handles are, if it has any."""
    campaign = served_at(load([path])[0], options)
    if campaign.api.version == "v2" and make_draft(campaign, None).audience.has_handles:
        resolve_handles(path, HandleOptions(), options, around)


def kept_for(path: Path, options: Options, around: Surroundings) -> HandleTotals:
    """Return what is kept of a campaign's handles; ask nobody."""
    [campaign] = load([path])
    location = ledger_location(options.state, around.environ, [campaign], live=False)
    if "://" not in location and not Path(location).exists():
        audience = make_draft(campaign, None).audience
        return _totals(audience)
    with open_ledger(location, read_only=True) as ledger:
        audience = make_draft(campaign, ledger).audience
        return _totals(audience, ledger.read(erased.people))


def handles_of(audience: Audience, gone: ErasedPeople = NOBODY) -> dict[str, str]:
    """Return the handles of a campaign's selected rows and of its lists, as they are written, by
    their form for comparing. Of people who are `gone` from the ledger nothing is asked."""
    found: dict[str, str] = {}
    if audience.by_handle:
        at, platform = audience.columns.index(audience.id_column), audience.campaign.api.platform
        for _, row in audience.table.rows():
            read = read_handle(row[at], platform)
            if isinstance(read, CellHandle) and read.handle and audience.selects(row):
                found.setdefault(one_handle(read.handle), read.handle)
    for each in audience.lists:
        for handle in each.handles:
            found.setdefault(one_handle(handle), handle)
    platform = audience.campaign.api.platform
    return {key: name for key, name in found.items() if not gone.has_handle(platform, key)}


def _totals(audience: Audience, gone: ErasedPeople = NOBODY) -> HandleTotals:
    platform = audience.campaign.api.platform
    return HandleTotals(platform, handles_of(audience, gone), dict(audience.handles))


def _refuse_other(campaign: Campaign, asked: HandleOptions) -> None:
    if campaign.api.version == "v1":
        raise UsageError("handles are resolved by v2 of the API", "set api.version to v2")
    if asked.via_x and campaign.api.platform != "twitter":
        platform = campaign.api.platform
        raise UsageError(f"--via x: the handles are of {platform}, and X knows its own only")
    if (
        asked.x_url is not None
        and is_loopback(asked.x_url)
        and not is_loopback(campaign.api.base_url)
    ):
        raise UsageError(
            "--x-url is this machine, whose answers may be made up, and the campaign is real",
            "leave --x-url out",
        )


@dataclass(slots=True)
class _Asking:
    """One call of the command, with its ledger open."""

    draft: Draft
    ledger: Ledger
    asked: HandleOptions
    options: Options
    around: Surroundings
    progress: Progress
    location: str

    @property
    def campaign(self) -> Campaign:
        return self.draft.campaign

    def run(self) -> HandleTotals:
        campaign, audience = self.campaign, self.draft.audience
        if not audience.has_handles:
            raise UsageError(
                f"{campaign.path} has no handles to resolve",
                "for a sheet with handles write prospects: {id: COLUMN, id_type: username}",
            )
        found = _totals(audience, self.ledger.read(erased.people))
        token = self._x_token() if self.asked.via_x else None  # or told before anything is asked
        if self.asked.take_changed:
            self._keep(found, _taken(found))
        inbox = [key for key in found.wanted if self._is_due(found.kept.get(key), by_x=False)]
        if inbox:
            self.around.run(self._ask_inbox(found, inbox))
        if token is not None:
            left = [
                key
                for key, handle in found.wanted.items()
                if X_HANDLE.fullmatch(handle)
                and (key not in inbox or found.kept[key].source == "inbox")
                and self._is_due(found.kept.get(key), by_x=True)
            ]
            if left and self._is_price_agreed(found, len(left)):
                self.around.run(self._ask_x(found, left, token))
        return found

    def _is_due(self, kept: KeptHandle | None, *, by_x: bool) -> bool:
        """Return whether a handle is to be asked for: never without being told to for a second
        time, but of X when only Inbox was asked, which does not know it."""
        if kept is None:
            return True
        if by_x and kept.source == "inbox" and kept.answer is not _A.FOUND:
            return True
        now, limit = self.around.clock.now(), self.asked.older_than
        if not self.asked.again and (limit is None or now - kept.asked_at < limit):
            return False
        # What Inbox has just answered again is not paid for as well.
        return not by_x or kept.source == "x"

    async def _ask_inbox(self, found: HandleTotals, keys: Sequence[str]) -> None:
        campaign, clock, bus = self.campaign, self.around.clock, self.around.bus
        token = self.options.token or read_token(campaign, self.around.environ, self.location)
        identity = await fetch_identity(campaign, token, clock, bus, self.ledger, self.draft.row)
        remember_links(self.ledger, identity, rehearsal=campaign.rehearsal)
        what, wait = f"handles {campaign.name}", self.options.wait
        with hold_lane(self.ledger, identity.lane_id, what, clock.now(), wait=wait):
            questions = TeamQuestions(
                campaign, self.ledger, identity.lane_id, clock, bus, identity.server_ahead
            )
            people = questions.people(token)
            try:
                for chunk in _chunks(keys):
                    asked = [found.wanted[key] for key in chunk]
                    profiles = await people.by_username(asked)
                    at = clock.now()
                    answers = _of_inbox(chunk, profiles, at)
                    self._keep(found, [self._judge(found, each) for each in answers])
                    found.inbox += len(chunk)
                    self.progress("Inbox", found.inbox, len(keys))
            finally:
                await people.close()

    def _is_price_agreed(self, found: HandleTotals, count: int) -> bool:
        """Tell what it costs at most to ask X, and ask a person. Raises UsageError where nobody can
        be asked."""
        if self.options.throwaway:
            return True
        most = self.asked.price * count
        text = (
            f"X charges for each person found: {count:,} handles are up to {most:,.2f} USD, at "
            f"{self.asked.price} each (X's console has today's price)"
        )
        if self.options.yes:
            self.around.tell(text)
            return True
        if self.around.confirm is None:
            raise UsageError(f"{text}; X was not asked", "to agree: --yes")
        found.declined = not self.around.confirm(f"{text}. Ask X?")
        return not found.declined

    def _x_token(self) -> Token:
        """Return the token of X's API; a rehearsal's stand-in takes any."""
        if self.options.token is not None:
            return self.options.token
        return read_x_token(self.campaign, self.around.environ, self.location)

    async def _ask_x(self, found: HandleTotals, keys: Sequence[str], token: Token) -> None:
        clock = self.around.clock
        users = connect_x(self._x_url(), token, clock, timeout=self.campaign.retry.timeout)
        tries = 0
        chunks = list(_chunks(keys))
        try:
            while chunks:
                chunk = chunks[0]
                try:
                    answer = await users.by_username([found.wanted[key] for key in chunk])
                except AskLater as wait:
                    tries += 1
                    if tries >= X_TRIES:
                        raise RunnerError(
                            str(wait), "what was answered is kept; run the same command again"
                        ) from None
                    after = 2.0**tries if wait.after is None else wait.after
                    self.around.tell(f"{wait}; it is asked again in {after:,.0f} s")
                    await asyncio.sleep(after)
                    continue
                tries = 0
                at = clock.now()
                by_name = {each.username.lower(): each for each in answer.found}
                answers = []
                for key in chunk:
                    user = by_name.get(key)
                    said = _A.UNANSWERED
                    said = _A.NOT_FOUND if key in answer.not_found else said
                    said = _A.SUSPENDED if key in answer.suspended else said
                    kept = KeptHandle(key, said, "", found.wanted[key], "", "x", at)
                    if user is not None:
                        kept = KeptHandle(key, _A.FOUND, user.id, user.username, user.name, "x", at)
                    answers.append(self._judge(found, kept))
                self._keep(found, answers)
                chunks.pop(0)
                found.x += len(chunk)
                self.progress("X", found.x, len(keys))
        finally:
            await users.close()

    def _x_url(self) -> str:
        """Return where X's API is asked: a stand-in of Inbox's is one of X's too."""
        if self.asked.x_url is not None:
            return self.asked.x_url
        if not self.campaign.rehearsal:
            return X_URL
        parts = urlsplit(self.campaign.api.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    def _judge(self, found: HandleTotals, answer: KeptHandle) -> KeptHandle:
        """Return an answer as it is to be kept beside what was known of the handle."""
        known = found.kept.get(answer.handle)
        if known is None:
            return answer
        before = known.before if known.answer is _A.CHANGED else known.id or known.before
        if answer.answer is not _A.FOUND:
            if known.answer is _A.FOUND and answer.answer not in (_A.SUSPENDED, _A.SEVERAL):
                # Renamed, or no contact any more: the id is still the person's.
                return known._replace(asked_at=answer.asked_at)
            return answer._replace(before=answer.before or before)
        if before in ("", answer.id):
            return answer
        if self.asked.take_changed:
            return answer._replace(before=before)
        return answer._replace(answer=_A.CHANGED, before=before)

    def _keep(self, found: HandleTotals, answers: Sequence[KeptHandle]) -> None:
        """Keep answers before anything else is asked: they may have been paid for."""
        campaign = self.campaign
        platform, rehearsal = campaign.api.platform, campaign.rehearsal
        self.ledger.write(handles.keep, answers, platform, rehearsal=rehearsal)
        found.kept.update((each.handle, each) for each in answers)
        found.new += answers


def _of_inbox(keys: Sequence[str], profiles: Iterable[Profile], at: float) -> list[KeptHandle]:
    """Return Inbox's answer for each handle: a profile has it by its username, or by the address
    that LinkedIn gives it."""
    found: dict[str, dict[str, Profile]] = {}
    for profile in profiles:
        names = {profile.username, profile_name(profile.link)} - {""}
        for key in {one_handle(name) for name in names}:
            found.setdefault(key, {})[profile.id] = profile
    return [_of_profiles(key, [*found.get(key, {}).values()], at) for key in keys]


def _of_profiles(key: str, profiles: Sequence[Profile], at: float) -> KeptHandle:
    if len(profiles) != 1:
        said = _A.SEVERAL if profiles else _A.NOT_A_CONTACT
        return KeptHandle(key, said, "", key, "", "inbox", at)
    [one] = profiles
    kept = KeptHandle(key, _A.FOUND, one.id, one.username or key, one.name, "inbox", at)
    gone = {"suspended": _A.SUSPENDED, "notFound": _A.NOT_FOUND}.get(one.state)
    return kept if gone is None else kept._replace(answer=gone, id="", before=one.id)


def _taken(found: HandleTotals) -> list[KeptHandle]:
    """Return the handles whose account has changed, with the account that has them now."""
    changed = [
        kept
        for key in found.wanted
        if (kept := found.kept.get(key)) is not None and kept.answer is _A.CHANGED
    ]
    return [each._replace(answer=_A.FOUND) for each in changed]


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while chunk := list(islice(rest, ASKED_AT_ONCE)):
        yield chunk
