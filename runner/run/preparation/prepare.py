"""The preparation of a run: all that comes before the first message, for every such command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from runner.audience.lists.suppression import refuse_errors
from runner.campaign.schedules import Schedule
from runner.campaign.schema import Campaign
from runner.channels.base import Token
from runner.control.campaigns import user
from runner.events import Planned
from runner.ledger.campaigns import agreements
from runner.ledger.campaigns.brakes import Brake
from runner.ledger.copies.seen_ledgers import SeenLedger
from runner.ledger.ledger import Ledger, hold_lane, open_ledger
from runner.ledger.queries import totals
from runner.message.status import MessageStatus
from runner.planning.approved.approval import hold_to_plan, refuse_unapproved
from runner.planning.changes import refuse_changes
from runner.planning.dates.eta import when_done
from runner.planning.dates.start import confirm_late_start, never_open
from runner.planning.draft import Draft, known_characters, make_draft, origin_of, update_draft
from runner.planning.fingerprints import is_unchanged, refuse_edited
from runner.planning.planner import Render, render_with
from runner.planning.preview import preview
from runner.planning.rendered_texts import RenderedTexts
from runner.planning.selection import only_people, refuse_unknown
from runner.planning.write import report_rows, write_plan
from runner.project.credentials import read_token
from runner.project.first_ledger import removed_if_unused
from runner.project.ledgers.old_copies import allow_changes
from runner.run.metrics_source import measure_commits
from runner.run.preparation.acquaintances import ask_about_known
from runner.run.preparation.options import Options, Surroundings
from runner.run.preparation.permission import find_brakes, release_guards, select_runnable
from runner.run.preparation.review import confirm_findings
from runner.run.preparation.team import TeamCampaigns, authenticate


def hold_lanes(
    held: ExitStack,
    ledger: Ledger,
    teams: Sequence[TeamCampaigns],
    around: Surroundings,
    *,
    wait: bool,
) -> None:
    """Keep other runs out of these teams' lanes until `held` ends. Raises LaneHeld if one is in,
    unless it is to `wait`."""
    for team in sorted(teams, key=lambda team: team.lane_id):
        what = ", ".join(draft.campaign.name for draft in team.drafts)
        lane = hold_lane(ledger, team.lane_id, what, around.clock.now(), wait=wait)
        held.enter_context(lane)


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a preparation that differ between commands.

    `open_ledger`: opens the ledger at a location. `make_draft`: reads a campaign's files. `hold`:
    as `hold_lanes`. `plans`: something new is to be sent, so that a person is told and asked first.
    """

    make_draft: Callable[[Campaign, Ledger], Draft] = make_draft
    open_ledger: Callable[[str], AbstractContextManager[Ledger]] = open_ledger
    hold: Callable[..., None] = hold_lanes
    plans: bool = True


@contextmanager
def prepare(
    campaigns: Sequence[Campaign],
    location: str,
    options: Options,
    around: Surroundings,
    steps: Steps,
) -> Iterator[PreparedRun | None]:
    """Open the ledger at `location`, ask a person and the API what must be known, and hold the
    lanes of the campaigns' teams while the context lasts. Yields None when the person declines.

    Raises RunnerError for what a person has to see to before anything can be sent.
    """
    now = around.clock.now
    tokens = read_tokens(campaigns, location, options, around)
    # The lanes are let go last, when everything is committed.
    with (
        removed_if_unused(location, around.environ),
        ExitStack() as held,
        steps.open_ledger(location) as ledger,
    ):
        measure_commits(ledger, around.bus.measures, around.clock)
        options = replace(options, only=only_people(ledger, options.only, campaigns))
        seen = None
        if not options.throwaway:
            seen = allow_changes(
                ledger,
                around.environ,
                now(),
                accept=options.accept_old_ledger,
                names=[campaign.name for campaign in campaigns if not campaign.rehearsal],
                tell=around.tell,
            )
        before = find_brakes(ledger, campaigns) if steps.plans else None
        campaigns = select_runnable(ledger, campaigns, around.bus, now())
        drafts = [steps.make_draft(campaign, ledger) for campaign in campaigns]
        if steps.plans:
            drafts = _hold_to_plans(drafts, options)
            for warning in never_open(drafts, now()):
                around.tell(warning)
            yes, confirm = options.yes, around.confirm
            starts = confirm_late_start(drafts, ledger, now(), yes=yes, confirm=confirm)
            if not starts or not confirm_findings(drafts, ledger, options, around):
                yield None
                return
            refuse_unknown(drafts, ledger, options.only)
            _refuse_unapproved(drafts, ledger, around)
        teams = around.run(authenticate(drafts, tokens, ledger, around.clock, around.bus))
        steps.hold(held, ledger, teams, around, wait=options.wait)
        files = [draft.files for draft in drafts]
        run = PreparedRun(ledger, options, around, seen, before, list(campaigns), teams, files)
        run.leave_out_stopped()
        yield run


def _hold_to_plans(drafts: Sequence[Draft], options: Options) -> list[Draft]:
    """Return drafts with the plans that they are held to, as these stand now. Raises ChangesError
    where limits are looser than approved."""
    elsewhere = options.at is not None
    return [hold_to_plan(draft, options.plans, elsewhere=elsewhere) for draft in drafts]


def _refuse_unapproved(drafts: Sequence[Draft], ledger: Ledger, around: Surroundings) -> None:
    """Raise ChangesError for messages that are not approved, before the API is asked anything."""
    for draft in drafts:
        now = around.clock.now()
        longest = known_characters(ledger, origin_of(draft), draft.campaign.api.platform)
        if draft.approved is not None and not is_unchanged(draft, ledger, longest, now):
            render = render_with(draft.texts, longest)
            progress = report_rows(draft.campaign.name, around.clock, around.bus)
            found = preview(draft, ledger, render, longest, progress, now)
            refuse_unapproved(found.unapproved)


def read_tokens(
    campaigns: Sequence[Campaign], location: str, options: Options, around: Surroundings
) -> dict[str, Token]:
    """Return each campaign's token, by its name. Raises UsageError for one that is not set."""
    return {
        each.name: options.token or read_token(each, around.environ, location) for each in campaigns
    }


@dataclass(slots=True)
class PreparedRun:
    """A run that may begin: its ledger is open, its teams are known, their lanes are held.

    `brakes`: what stopped its campaigns when the command was given, by name; None if it does not
    matter. `campaigns`: those that may still run. `confirmed`: hashes of files that a person was
    asked about.
    """

    ledger: Ledger
    options: Options
    around: Surroundings
    seen: SeenLedger | None
    brakes: Mapping[str, Brake] | None
    campaigns: list[Campaign]
    teams: list[TeamCampaigns]
    confirmed: list[list[str]]

    @property
    def drafts(self) -> list[Draft]:
        """Return all campaigns' files, team by team."""
        return [draft for team in self.teams for draft in team.drafts]

    def leave_out_stopped(self) -> None:
        """Leave out what was stopped since the command was given: waiting for a lane, and sending,
        may take hours. Raises CampaignPaused if nothing is left."""
        bus, now = self.around.bus, self.around.clock.now()
        self.campaigns = select_runnable(self.ledger, self.campaigns, bus, now, self.brakes)
        for team in self.teams:
            team.drafts = [draft for draft in team.drafts if draft.campaign in self.campaigns]
        self.teams = [team for team in self.teams if team.drafts]

    def plan(self) -> bool:
        """Plan the campaigns that may run from their files as they are now, once a person has
        agreed to what that adds; False when they decline. What they have agreed to is written with
        the texts that were counted for them, from the same bytes.

        Raises ChangesError for files edited meanwhile, and for changes to be accepted first.
        """
        self.leave_out_stopped()
        for team in self.teams:
            drafts = [update_draft(draft, self.ledger) for draft in team.drafts]
            drafts = _hold_to_plans(drafts, self.options)
            team.drafts = [replace(draft, lane=team.lane_id) for draft in drafts]
        rows = [draft.row for draft in self.drafts if draft.row is not None]
        release_guards(self.ledger, rows, self.around.bus, self.around.clock.now())
        edited = [draft for draft in self.drafts if draft.files not in self.confirmed]
        if not confirm_findings(edited, self.ledger, self.options, self.around):
            return False
        self.confirmed += [draft.files for draft in edited]
        self.around.run(self._ask_about_known())
        with ExitStack() as held:
            changed = self._changed()
            if self.around.ask is not None and not self._is_agreed(changed, held):
                return False
            self._write(changed)
        return True

    async def _ask_about_known(self) -> None:
        """Ask Inbox about those whom the team may be talking to, for campaigns that skip these."""
        for team in self.teams:
            for index, draft in enumerate(team.drafts):
                if draft.campaign.skip_known is not None:
                    known = replace(draft, lane=team.lane_id)
                    team.drafts[index] = known
                    clock = self.around.clock
                    ahead = team.server_ahead
                    ahead = clock.now() - clock.boot() if ahead is None else ahead
                    longest = known_characters(
                        self.ledger, team.origin, draft.campaign.api.platform
                    )
                    await ask_about_known(
                        known,
                        team.token,
                        self.ledger,
                        self.around,
                        ahead,
                        unchanged=is_unchanged(known, self.ledger, longest, clock.now()),
                    )

    def _changed(self) -> dict[str, _Changed]:
        """Return, by name, the campaigns that a plan would change anything of."""
        found = {}
        for team in self.teams:
            for draft in team.drafts:
                refuse_errors(draft.audience.lists)  # they were told; be sure
                longest = known_characters(self.ledger, team.origin, draft.campaign.api.platform)
                if not is_unchanged(draft, self.ledger, longest, self.around.clock.now()):
                    render = render_with(draft.texts, longest)
                    found[draft.campaign.name] = _Changed(team, draft, longest, render)
        return found

    def _is_agreed(self, changed: Mapping[str, _Changed], held: ExitStack) -> bool:
        """Ask a person about what the plans would add, if they add anything. Their texts are kept
        until `held` ends."""
        ledger, clock, bus = self.ledger, self.around.clock, self.around.bus
        folder = ledger.file.resolve().parent if ledger.file else None
        found, queues = [], []
        for name, each in changed.items():
            texts = held.enter_context(RenderedTexts(each.render, folder))
            each.render = texts.again
            progress = report_rows(name, clock, bus)
            counted = preview(each.draft, ledger, texts.first, each.longest, progress, clock.now())
            counted.host, counted.handles = _host_of(each.draft.campaign), each.team.handles
            found.append(counted)
            queues.append((each.draft, counted.waiting))
            refuse_unapproved(counted.unapproved)
        if not self.options.accept_changes:
            refuse_changes(found)
        if not any(each.adds or each.chosen for each in found):
            return True
        for draft in self.drafts:
            refuse_edited(draft)
        assert self.around.ask is not None
        return self.around.ask(found, when_done(queues, ledger, clock))

    def _write(self, changed: Mapping[str, _Changed]) -> None:
        """Write the plans into the ledger. What they add is agreed to, if a person was asked or
        said so; what they do not add was agreed to before, which is told."""
        clock, bus = self.around.clock, self.around.bus
        for team in self.teams:
            for index, draft in enumerate(team.drafts):
                name = draft.campaign.name
                before, each = _left(draft, self.ledger), changed.get(name)
                if each is None:
                    bus.emit(Planned(clock.now(), name, 0, 0, 0, 0, 0, unchanged=True))
                else:
                    team.drafts[index] = write_plan(
                        draft,
                        self.ledger,
                        each.longest,
                        each.render,
                        accept_changes=self.options.accept_changes,
                        clock=clock,
                        bus=bus,
                        by=user(),
                    )
                left = _left(team.drafts[index], self.ledger)
                if left > before:
                    if self.options.yes or self.around.ask is not None:
                        self.ledger.write(agreements.agree, name, clock.now(), left, user())
                elif left and (agreed := self.ledger.read(agreements.agreed, name)):
                    self.around.tell(f"{name}: agreed {agreed}; left: {left}")


@dataclass(slots=True)
class _Changed:
    """A campaign to be planned. `longest`: characters that its platform allows, None for any."""

    team: TeamCampaigns
    draft: Draft
    longest: int | None
    render: Render


def _left(draft: Draft, ledger: Ledger) -> int:
    """Return how many messages of a campaign are still to go, follow-ups too, or in doubt."""
    if draft.id is None:
        return 0
    counts = ledger.read(totals.counts, draft.id)
    left = MessageStatus.QUEUED, MessageStatus.WAITING, MessageStatus.IN_DOUBT
    return sum(counts[each] for each in left)


def _host_of(campaign: Campaign) -> str:
    """Return the host that a campaign is sent through, a sandbox called so."""
    host = urlsplit(campaign.api.base_url).netloc
    return f"SANDBOX ({host})" if campaign.rehearsal else host


def served_at(campaign: Campaign, options: Options) -> Campaign:
    """Return the campaign as `options` have it served: elsewhere, without limits, or with its
    replies read less often."""
    changes: dict[str, object] = {}
    if options.at is not None:
        url = f"{options.at}/api/{campaign.api.version}"
        changes["api"] = campaign.api.model_copy(update={"base_url": url, "gateway": False})
    if options.unpaced:
        free = {"per_hour": None, "per_day": None, "ramp": None, "gap": 0.0}
        changes["senders"] = tuple(s.model_copy(update=free) for s in campaign.senders)
        none = dict.fromkeys(("per_minute", "per_hour", "per_day"))
        changes["limits"] = campaign.limits.model_copy(update=none)
        changes["schedule"] = Schedule()
    if options.replies_every > campaign.replies.poll:
        seldom = {"poll": options.replies_every}
        changes["replies"] = campaign.replies.model_copy(update=seldom)
    return campaign.model_copy(update=changes) if changes else campaign
