"""One history: people, a server, runs that freeze and die, and what persons do between them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from runner.channels.base import Channel
from runner.errors import RunnerError
from runner.events import EventBus
from runner.ledger import lanes
from runner.ledger.campaigns import registry
from runner.ledger.ledger import Ledger
from runner.ledger.messages import plans, recontact
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.queries import totals
from runner.message.key import message_key
from runner.message.plan import Entry
from runner.message.prospect import Prospect, RowSkip
from runner.pacing.pacer import make_pacer
from runner.planning.planner import plan_messages, render_with
from runner.sending.drive import drive_lane, restore_limits
from runner.sending.lane import Lane, Settings
from runner.sending.meter import RequestMeter
from runner.templating.template import Template, compile_template
from tests.pacing import limits, sender
from tests.simulation.acts import Act, between, meanwhile
from tests.simulation.habits import (
    KEY_LIFE,
    SETTLE,
    TIMEOUT,
    Weather,
    draw_habits,
    draw_weather,
)
from tests.simulation.judge import Broken, Judge
from tests.simulation.ledger import ProcessLedger, memory
from tests.simulation.server import LINK, Kept, Server
from tests.simulation.wire import ORIGIN, SimulatedWire, make_channel
from tests.simulation.world import EPOCH, Livelock, Process, World
from tests.support import LANE, make_campaign, recipient

MOST_RUNS = 40
"""Drives within one run of the program; more is a livelock."""


@dataclass(slots=True)
class Campaign:
    """A campaign as its files stand now."""

    name: str
    text: str
    people: list[str]

    @property
    def fingerprint(self) -> str:
        return f"{self.text} {self.people}"


@cache
def template_of(text: str) -> Template:
    return compile_template(text, "message")


def text_of(words: str) -> str:
    return "Hi {{ who }}, see https://example.com/{{ who }} - " + words


@dataclass(slots=True)
class History:
    """Everything of one history. `play` it once."""

    seed: int
    version: str
    verbose: bool = False
    contact_once_in: float | None = None  # of every campaign
    luck: random.Random = field(init=False)
    world: World = field(init=False)
    server: Server = field(init=False)
    ledger: Ledger = field(init=False)
    campaigns: list[Campaign] = field(init=False)
    api: str = field(init=False)  # the version that the campaign files name
    absent: str = field(init=False)
    per_minute: int | None = field(init=False)
    foreign: set[str] = field(default_factory=set)  # whom another ledger has written to
    lied_about: set[str] = field(default_factory=set)
    taken_off: set[str] = field(default_factory=set)  # the do-not-contact list, by a person
    were_restricted: set[str] = field(default_factory=set)  # whose threads let nothing be sent
    withdrawn: set[tuple[str, str, str]] = field(default_factory=set)  # campaign, person, step
    marks: dict[str, tuple[str, str]] = field(default_factory=dict)  # key: campaign and person
    takeovers: int = 0
    done: int = 0  # runs that have ended by themselves
    skews: tuple[float, ...] = (0.0, -7200.0, 7200.0, -50.0, 3500.0)  # to which a clock is set
    judge: Judge = field(init=False)

    def __post_init__(self) -> None:
        self.luck = luck = random.Random(f"{self.version} {self.seed}")
        self.world = World(luck, story=[] if self.verbose else None)
        people = [str(number) for number in range(1, luck.choice((1, 2, 2, 3, 4)) + 1)]
        second = luck.random() < 0.25
        self.api = self.version
        self.absent = luck.choice(("hold", "hold", "resend"))
        self.per_minute = luck.choice((None, None, None, None, luck.randrange(3, 8)))
        forgets = self.version == "v2" and luck.random() < 0.12
        habits = draw_habits(luck, people, forgets, punctual=luck.random() < 0.75)
        self.server = Server(self.world, habits, random.Random(luck.random()))
        self.campaigns = [Campaign("spring", text_of("one "), people)]
        if second:
            same = luck.random() < 0.5
            self.campaigns.append(Campaign("summer", text_of("one " if same else "two "), people))
        for campaign in self.campaigns:
            for person in [*people, "9"]:
                for generation in range(12):
                    key = message_key(campaign.name, "1", recipient(person), generation)
                    self.marks[key] = (campaign.name, person)
        kind = (len(people), *(each.text for each in self.campaigns))
        self.ledger = memory().start_with(kind, self._prepare)
        self.judge = Judge(self.server, self.marks, memory().raw)
        if self.version == "v2" and not forgets and luck.random() < 0.08:
            self._write_from_another_ledger()
        self._write_before()

    def _prepare(self, ledger: Ledger) -> None:
        for campaign in self.campaigns:
            make_campaign(ledger, campaign.name)
            self.plan(ledger, campaign)

    def _write_before(self) -> None:
        """Older messages with the very text, of a person or of another program."""
        for person in sorted(self.server.habits.known):
            text = template_of(self.campaigns[0].text).render({"who": person})
            origin = self.luck.choice(("api", "internal"))
            self.server.kept.append(
                Kept(f"m{self.server.number()}", person, text, -7200.0, -7200.0, origin=origin)
            )

    def _write_from_another_ledger(self) -> None:
        """Somebody has used this campaign's name from another ledger."""
        self.server.habits.key_memory = float("inf")
        campaign = self.campaigns[0]
        for person in campaign.people[:1]:
            self.foreign.add(person)
            words = campaign.text if self.luck.random() < 0.5 else text_of("other ")
            self.server.accept_foreign(
                person,
                template_of(words).render({"who": person}),
                message_key(campaign.name, "1", recipient(person)),
            )

    def plan(self, ledger: Ledger, campaign: Campaign) -> None:
        """Plan a campaign as its files stand, with the changes accepted."""
        row = ledger.read(registry.find_campaign, campaign.name)
        assert row is not None
        suppressed = ledger.read(plans.suppressed)
        rows = [
            Prospect(number, recipient(person), {"who": person})
            for number, person in enumerate(campaign.people, 2)
        ]
        with ledger.writing() as connection:
            writer = PlanWriter(connection, row)
            for chunk in plan_messages(
                rows,
                render_with({"": template_of(campaign.text)}),
                [sender(LINK)],
                partial(plans.known, connection, row.id),
                suppressed,
                contact_once_in=self.contact_once_in,
                now=EPOCH + self.world.now,
            ):
                self.hold(campaign, chunk)
                writer.write(chunk)
            writer.finish(self._fingerprint(campaign, suppressed), 1.0)

    def hold(self, campaign: Campaign, chunk: Sequence[Entry | RowSkip]) -> None:
        """Refuse what a campaign may not send."""

    def _fingerprint(self, campaign: Campaign, suppressed: dict[str, str]) -> str:
        return f"{campaign.fingerprint} {sorted(suppressed)}"

    def play(self) -> Counter[str]:
        """Live it through; its figures. Raises Broken when a promise was not kept."""
        try:
            for number in range(self.luck.choice((1, 2, 2, 3))):
                if number:
                    self.between()
                done, takeovers = self.done, self.takeovers
                self.run_once(f"run {number + 1}", draw_weather(self.luck))
                self.judge.at_rest(self)
                if self.done > done and self.takeovers == takeovers:
                    self.judge.after_done(self)
            self._end()
        except Broken as broken:
            raise Broken(f"{self.version} seed {self.seed}: {broken}") from None
        except Livelock as livelock:
            raise Broken(f"{self.version} seed {self.seed}: livelock: {livelock}") from None
        return self.world.figures

    def _end(self) -> None:
        """A healthy run after everything has become visible; then a person who knows says what
        is still in doubt, and one more run."""
        self.world.now += self.luck.choice((10.0, 600.0, 2.0 * KEY_LIFE))
        self.server.settle_all()
        self.run_once("healthy", Weather(), calm=True)
        self.judge.after_health(self)
        self.world.figures["in doubt"] += len(self.judge.of_status("in_doubt"))
        self._say_everything()
        self.run_once("last", Weather(), calm=True)
        self.judge.at_the_end(self)

    def between(self) -> None:
        """What happens between two runs."""
        between(self)

    def act(self) -> Act:
        """A person at another terminal."""
        return Act(self)

    def _say_everything(self) -> None:
        self.act().say_truth(everything=True)

    def run_once(
        self, name: str, weather: Weather, *, calm: bool = False, over: bool = False
    ) -> None:
        """One run of the program; it may die, freeze, be taken over from, have the clock set."""
        luck = self.luck
        process = Process(self.world, name)
        self.world.tell(name, f"begins: {weather}" if not calm else "begins")
        self.world.figures["runs"] += 1
        if not calm:
            if luck.random() < 0.6:
                process.dies_at = int(luck.choice((12.0, 40.0, 90.0)) * luck.random()) + 1
            for _ in range(luck.choice((0, 0, 1, 2))):
                step = int(luck.choice((25.0, 60.0)) * luck.random()) + 1
                process.happens[step] = meanwhile(self, over)
        process.run(lambda: self._program(process, weather, calm))

    async def _program(self, process: Process, weather: Weather, calm: bool) -> None:
        """What `run_campaigns` does, from the files' plan to the end of the lane."""
        ledger = ProcessLedger(memory().engine, process, weather.disk)
        meter = RequestMeter(process)
        bus = EventBus()
        bus.watch(lambda event: self.judge.hear(event.name))
        channels: dict[str, Channel] = {}
        adopt = calm or self.luck.random() < 0.3

        def channel_for(version: str, _base_url: str) -> Channel:
            if version not in channels:
                wire = SimulatedWire(version, process, self.server, weather, self._written)
                channels[version] = make_channel(version, wire, meter.gate)
            return channels[version]

        try:
            await channel_for(self.api, "").team()
            for number in range(MOST_RUNS + 1):
                if number == MOST_RUNS:
                    raise Livelock(f"{process.name} drives again and again")
                lane = self._lane(process, ledger, channel_for, bus, adopt)
                meter.lane = lane
                await restore_limits(lane)
                await drive_lane(lane)
                stopped = lane.stops.lane or lane.stops.campaigns
                if stopped or not ledger.read(totals.unplanned, lane.campaigns.keys()):
                    break
        except RunnerError as error:
            self.world.tell(process.name, f"ends: {type(error).__name__}: {error}")
            if calm:
                raise Broken(f"a healthy run ends with {type(error).__name__}: {error}") from error
            return
        if not (lane.stops.lane or lane.stops.campaigns or lane.stops.senders):
            self.done += 1
            self.world.figures["ended by themselves"] += 1
        self.world.tell(process.name, f"ends: {lane.stops.lane or lane.stops.campaigns or 'done'}")

    def _lane(
        self,
        process: Process,
        ledger: ProcessLedger,
        channel_for: Callable[[str, str], Channel],
        bus: EventBus,
        adopt: bool,
    ) -> Lane:
        suppressed = ledger.read(plans.suppressed)
        settings = {}
        for campaign in self.campaigns:
            row = ledger.read(registry.find_campaign, campaign.name)
            assert row is not None
            freed = self.contact_once_in is not None and ledger.read(
                recontact.may_be_free, row.id, EPOCH + self.world.now
            )
            back = ledger.read(totals.unplanned, [row.id])
            if freed or back or row.fingerprint != self._fingerprint(campaign, suppressed):
                self.plan(ledger, campaign)
            base_url = f"{ORIGIN}/api/{self.api}"
            settings[row.id] = Settings(
                campaign.name,
                self.api,
                base_url,
                5,
                SETTLE,
                self.absent,
                KEY_LIFE,
                contact_once_in=self.contact_once_in,
            )
        run = ledger.write(lanes.begin_run, process.now(), "simulated")
        return Lane(
            id=LANE,
            ledger=ledger,
            channel_for=channel_for,
            pacer=make_pacer([limits(per_minute=self.per_minute)], [sender(LINK)]),
            clock=process,
            bus=bus,
            run=run,
            epoch=ledger.write(lanes.take_lane, LANE, run),
            campaigns=settings,
            concurrency=self.luck.choice((1, 2, 3)),
            timeout=TIMEOUT,
            adopt=adopt,
        )

    def _written(self, mark: str) -> None:
        self.world.figures["writes"] += 1
        self.judge.at_write(self, mark)
