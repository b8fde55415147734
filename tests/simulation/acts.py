"""What persons and fate do: between two runs, and upon a run that can do nothing meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from runner.ledger.campaigns import registry
from runner.ledger.doubts import in_doubt, settlements
from runner.ledger.doubts.in_doubt import Doubt
from runner.ledger.doubts.settlements import Settlement
from runner.ledger.messages import decisions, plans
from runner.ledger.messages.decisions import RetryRequest
from runner.message.evidence import Evidence
from tests.simulation.habits import KEY_LIFE, draw_weather
from tests.simulation.server import Kept
from tests.simulation.world import EPOCH, Process

if TYPE_CHECKING:
    from tests.simulation.history import Campaign, History


class Act:
    """A person at another terminal."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.luck = history.luck

    def _tell(self, text: str) -> None:
        self.history.world.figures["acts"] += 1
        self.history.world.tell("person", text)

    def _campaign(self) -> tuple[Campaign, int]:
        campaign = self.luck.choice(self.history.campaigns)
        row = self.history.ledger.read(registry.find_campaign, campaign.name)
        assert row is not None
        return campaign, row.id

    def retry(self) -> None:
        """`retry`, now and then with `--new-key`."""
        campaign, id = self._campaign()
        new_key = self.luck.random() < 0.5
        count = self.history.ledger.write(decisions.retry, RetryRequest(id, new_key=new_key))
        self._tell(f"retries {campaign.name} (new key: {new_key}): {count}")

    def withdraw(self) -> None:
        campaign, id = self._campaign()
        count = self.history.ledger.write(decisions.withdraw, id)
        self._tell(f"cancels {campaign.name}: {count}")

    def suppress(self) -> None:
        person = self.luck.choice(self.history.campaigns[0].people or ["1"])
        self.history.ledger.write(decisions.suppress, [person], "asked", 1.0)
        self._tell(f"suppresses {person}")

    def unsuppress(self) -> None:
        listed = sorted(self.history.ledger.read(plans.suppressed))
        self.history.ledger.write(decisions.unsuppress, listed)
        self.history.taken_off |= set(listed)
        self._tell(f"takes {listed} off the list")

    def edit(self) -> None:
        """Another text."""
        campaign, _ = self._campaign()
        old, new = ("one ", "three ") if "one " in campaign.text else ("three ", "one ")
        campaign.text = campaign.text.replace(old, new)
        self._tell(f"edits {campaign.name}")

    def change_people(self) -> None:
        """Another sheet: somebody more, somebody less, in another order."""
        campaign, _ = self._campaign()
        people = list(campaign.people)
        if "9" not in people:
            people.append("9")
        elif len(people) > 1:
            people.remove(self.luck.choice(people))
        self.luck.shuffle(people)
        campaign.people = people
        self._tell(f"edits the sheet of {campaign.name}: {people}")

    def move_to_v2(self) -> None:
        self.history.api = "v2"
        self._tell("moves to v2")

    def change_policy(self) -> None:
        """`absent: resend` is conditional: nobody goes over to it whose server is not punctual."""
        if self.history.server.habits.punctual:
            self.history.absent = self.luck.choice(("hold", "resend"))
            self._tell(f"sets absent: {self.history.absent}")

    def write_by_hand(self) -> None:
        """Somebody of the team writes the very text by hand, in the Inbox app."""
        history = self.history
        campaign, _ = self._campaign()
        person = self.luck.choice(campaign.people or ["1"])
        text = history.judge.text_of(campaign.name, person)
        now = history.world.now
        history.server.kept.append(
            Kept(f"m{history.server.number()}", person, text, now, now, origin="internal")
        )
        self._tell(f"writes to {person} by hand")

    def say_truth(self, *, everything: bool = False) -> None:
        """`resolve`: what the server's own list says, of messages nothing is under way for."""
        self._say(lambda: everything or self.luck.random() < 0.7, lie=False)

    def lie(self) -> None:
        """`resolve --not-sent` of what was sent, or the other way round."""
        self._say(lambda: self.luck.random() < 0.5, lie=True)

    def _say(self, wanted: Callable[[], bool], *, lie: bool) -> None:
        history = self.history
        history.server.advance()
        for campaign in history.campaigns:
            row = history.ledger.read(registry.find_campaign, campaign.name)
            assert row is not None
            for doubt in history.ledger.read(in_doubt.in_doubt, [row.id]):
                person = doubt.recipient.id
                sent = bool(history.judge.accepted(campaign.name, person))
                busy = history.server.busy_with(doubt.key) and not sent
                if (busy and not lie) or not wanted():
                    continue
                if lie:
                    history.lied_about.add(person)
                self._word(doubt, sent is not lie)
                self._tell(f"says of {person}: sent is {sent is not lie}")

    def _word(self, doubt: Doubt, sent: bool) -> None:
        word = Evidence.SAID_SENT if sent else Evidence.SAID_NOT_SENT
        now = EPOCH + self.history.world.now + self.history.world.skew
        said = Settlement(doubt.id, word, now, word, "settled by a person")
        self.history.ledger.write(settlements.settle, [said])


def between(history: History) -> None:
    """What happens between two runs: time passes, and persons act."""
    luck, act = history.luck, Act(history)
    history.world.now += luck.choice((0.0, 1.0, 60.0, 200.0, KEY_LIFE - 60.0, 5000.0, 50000.0))
    choices: list[tuple[float, Callable[[], None]]] = [
        (0.3, act.retry),
        (0.3, act.say_truth),
        (0.05, act.lie),
        (0.12, act.edit),
        (0.12, act.change_people),
        (0.06, act.suppress),
        (0.06, act.unsuppress),
        (0.04, act.withdraw),
        (0.05, act.write_by_hand),
        (0.06, act.change_policy),
        (0.25 if history.api == "v1" else 0.0, act.move_to_v2),
        (0.1, lambda: history.world.set_clock(luck.choice(history.skews))),
    ]
    for chance, do in choices:
        if luck.random() < chance:
            do()


def meanwhile(history: History, over: bool) -> Callable[[Process], None]:
    """What comes upon a run at one of its steps. `over`: it has itself taken a lane over."""
    luck, act = history.luck, history.act()

    def freeze(process: Process) -> None:
        seconds = luck.choice((0.5, 4.0, 6.0, 130.0, KEY_LIFE + 100.0))
        history.world.now += seconds
        if luck.random() < 0.3:
            process.slept += seconds  # the machine slept
        history.world.figures["freezes"] += 1

    def taken_over(process: Process) -> None:
        history.world.now += luck.choice((0.0, 2.0, 10.0))
        history.takeovers += 1
        history.world.figures["takeovers"] += 1
        history.run_once(f"{process.name}'", draw_weather(luck), over=True)

    def clock_set(_process: Process) -> None:
        history.world.set_clock(luck.choice(history.skews))

    def acted(_process: Process) -> None:
        luck.choice((act.retry, act.suppress, act.withdraw, act.unsuppress, act.write_by_hand))()

    choices = [freeze, freeze, clock_set, acted]
    return luck.choice(choices if over else [*choices, taken_over, taken_over])
