"""Trials of variants: campaigns simulated through the real ledger, and what is said of them.

python -m tests.trials --trials 1000 --seed 1                  two equal texts: 10 % answer both
python -m tests.trials --trials 1000 --seed 1 --share 0.25     one is answered by 25 %
python -m tests.trials --trials 1000 --people 0                as many people as a difference needs

Each campaign is planned by the planner into a ledger in a file, sent and answered through the same
statements as a run's, and looked at every day. Half of the people have a sender whom fewer answer.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from sqlalchemy import select

from runner.campaign.senders import Sender
from runner.ledger.campaigns import bound_team, deals
from runner.ledger.campaigns.deals import Deal
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import claims, outcomes, plans, replies
from runner.ledger.messages.outcomes import Result
from runner.ledger.messages.plans import PlanWriter
from runner.ledger.messages.replies import Batch, Heard, Kind
from runner.ledger.schema import message
from runner.message.evidence import Evidence
from runner.message.prospect import Prospect
from runner.planning.planner import plan_messages
from runner.planning.variants import VariantPicker
from runner.status.variants import verdict_of
from runner.variants.dealer import Dealer
from runner.variants.power import needed
from runner.variants.verdict import NO_DIFFERENCE, TOO_EARLY
from tests.support import LANE, ORIGIN, make_campaign, make_intent, own_lane, recipient

DAY = 86_400.0
WEEK = 7 * DAY
NAMES = ("plain", "question")
SENDERS = ("s1", "s2")
APART = 0.3
"""By how much of their share people of the one sender answer more, and of the other less."""


class Trial(NamedTuple):
    """A campaign to be played: `people` of each variant, the share of them who answer each, and how
    many more are written to after it could be judged."""

    seed: int
    people: int
    shares: tuple[float, float]
    more: int = 0


def play(ledger: Ledger, run: tuple[int, int], trial: Trial) -> set[str]:
    """Play a campaign, looking every day; return all that was said of it but `too early`."""
    luck = random.Random(trial.seed)
    row = make_campaign(ledger, f"trial-{trial.seed}")
    ledger.write(bound_team.bind, row.id, ORIGIN, LANE)
    row = replace(row, origin=ORIGIN, team=LANE)
    ids = [f"{trial.seed}0{number:05d}" for number in range(2 * trial.people + trial.more)]
    dealer = plan(ledger, row, ids[: 2 * trial.people], None)
    said: set[str] = set()
    heard = list(send(ledger, row, run, trial, luck, 0.0))
    read_up_to = look(ledger, row, heard, said, 0.0, 10.0)
    if trial.more:
        plan(ledger, row, ids, dealer)
        heard += send(ledger, row, run, trial, luck, read_up_to)
        look(ledger, row, heard, said, read_up_to, 10.0)
    return said - {TOO_EARLY}


def plan(ledger: Ledger, row: CampaignRow, ids: Sequence[str], before: Dealer | None) -> Dealer:
    """Plan these people as a run does; return what has dealt."""
    dealer = before or Dealer(row.name, dict.fromkeys(NAMES, 1))
    rows = [Prospect(at, recipient(id), {"a": "b"}) for at, id in enumerate(ids, 2)]
    senders = [Sender(id=id, per_day=150) for id in SENDERS]
    with ledger.writing() as connection:
        writer = PlanWriter(connection, row)
        for chunk in plan_messages(
            rows,
            lambda _: tuple((name, None, "") for name in NAMES),
            senders,
            partial(plans.known, connection, row.id),
            {},
            contact_once_in=None,
            pick=VariantPicker(NAMES, dealer),
        ):
            writer.write(chunk)
        deal = Deal(dict.fromkeys(NAMES, 1), WEEK, dealer.left)
        deals.keep(connection, row.name, deal)
        writer.finish("", 1.0)
    return dealer


def send(
    ledger: Ledger,
    row: CampaignRow,
    run: tuple[int, int],
    trial: Trial,
    luck: random.Random,
    begin: float,
) -> Iterator[Heard]:
    """Send all that is queued within a day from `begin`; return what will be answered."""
    each = message.c
    with ledger.reading() as connection:
        wanted = select(each.id, each.recipient, each.variant, each.sender)
        queued = wanted.where(each.campaign == row.id, each.status == "queued").order_by(each.id)
        found = list(connection.execute(queued))
    times = [begin + DAY * at / len(found) for at in range(len(found))]
    of: dict[str, Any] = {"campaign": row.id, "lane": LANE}
    requests = [
        make_intent(
            id, *run, **of, recipient=recipient(to), key=to, started_at=at, server_at=at, sender=by
        )
        for (id, to, _, by), at in zip(found, times, strict=True)
    ]
    numbers = ledger.write(claims.claim, requests)
    results = [
        Result(id, number, Evidence.ACCEPTED, at, message_id=f"m{to}", thread_id=f"t{to}")
        for (id, to, _, _), at, number in zip(found, times, numbers, strict=True)
        if isinstance(number, int)
    ]
    assert len(results) == len(found)
    ledger.write(outcomes.record, results)
    answered = dict(zip(NAMES, trial.shares, strict=True))
    for (id, to, variant, by), at in zip(found, times, strict=True):
        share = answered[variant] * (1 + APART if by == SENDERS[0] else 1 - APART)
        if luck.random() < share:
            later = at + min(luck.expovariate(1 / DAY), 0.99 * WEEK)
            yield Heard(f"i{to}", f"t{to}", later, Kind.REPLY, id)


def look(
    ledger: Ledger,
    row: CampaignRow,
    heard: Sequence[Heard],
    said: set[str],
    begin: float,
    days: float,
) -> float:
    """Read replies and look at the verdict on each day; return when that ended."""
    now = begin
    for _ in range(int(days)):
        part = [each for each in heard if now <= each.at < now + DAY]
        now += DAY
        ledger.write(replies.record, Batch(LANE, now, part, 1, read_up_to=now))
        verdict = ledger.read(verdict_of, row, now)
        assert verdict is not None
        said.add(verdict.phrase)
    return now


def play_some(trials: Sequence[Trial]) -> Counter[str]:
    """Play campaigns in a ledger of their own; count what was said of them."""
    found: Counter[str] = Counter()
    with TemporaryDirectory() as folder, open_ledger(str(Path(folder) / "state.db")) as ledger:
        run = own_lane(ledger)
        for trial in trials:
            said = play(ledger, run, trial)
            found["campaigns"] += 1
            found["judged"] += bool(said)
            found["said two things"] += len(said) > 1
            for phrase in said - {NO_DIFFERENCE}:
                found[phrase] += 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.trials")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--base", type=float, default=0.1, help="share who answer the one")
    parser.add_argument("--share", type=float, default=0.1, help="share who answer the other")
    parser.add_argument("--people", type=int, default=100, help="of each; 0: as many as needed")
    parser.add_argument("--more", type=int, default=0, help="written to after it was judged")
    asked = parser.parse_args()
    people = asked.people or needed(asked.base, asked.share)
    trials = [
        Trial(seed, people, (asked.base, asked.share), asked.more)
        for seed in range(asked.seed, asked.seed + asked.trials)
    ]
    began = time.perf_counter()
    size = 25
    parts = [trials[at : at + size] for at in range(0, len(trials), size)]
    found: Counter[str] = Counter()
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for part in pool.imap(play_some, parts):
            found.update(part)
    sys.stdout.write(
        f"{people} each, {asked.base:.0%} against {asked.share:.0%} answer, seeds {asked.seed} to "
        f"{trials[-1].seed}, {time.perf_counter() - began:.0f} s\n"
    )
    for name, count in sorted(found.items()):
        sys.stdout.write(f"  {name}: {count}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
