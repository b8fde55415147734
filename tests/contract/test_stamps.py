"""How the API stamps messages, as acceptances have shown: kept by the hour, for later runs."""

from __future__ import annotations

import json

from runner.ledger.ledger import Ledger
from runner.ledger.messages.usage import (
    STAMPED_HOURS,
    Behind,
    Stamped,
    joined_stamps,
    keep_stamped,
    stamped_near,
)

HOUR = 3600.0
NOON = 1_796_212_800.0
WHERE = "team1", "https://api.example/api/v1"


def keep(
    ledger: Ledger, at: float, date: float, wall: float, where: tuple[str, str] = WHERE
) -> None:
    ledger.write(keep_stamped, [Stamped(*where, at, Behind(date, wall))])


def near(ledger: Ledger, at: float, where: tuple[str, str] = WHERE) -> Behind | None:
    return ledger.read(stamped_near, *where, at)


def test_it_is_known_of_the_hour_and_those_beside_it(ledger: Ledger) -> None:
    assert near(ledger, NOON) is None
    keep(ledger, NOON + 1800, 45.0, -3.0)
    for hours in (-1.0, -0.5, 0.0, 0.9, 1.9):
        assert near(ledger, NOON + hours * HOUR) == Behind(45.0, -3.0)
    for hours in (-24.0, -1.1, 2.0, 24.0):
        assert near(ledger, NOON + hours * HOUR) is None
    assert near(ledger, NOON, ("team2", WHERE[1])) is None
    assert near(ledger, NOON, (WHERE[0], "https://api.example/api/v2")) is None


def test_the_furthest_behind_by_each_clock_is_kept(ledger: Ledger) -> None:
    for date, wall in ((3.0, 50.0), (45.0, 0.0), (0.0, -9.0)):
        keep(ledger, NOON, date, wall)
    assert near(ledger, NOON) == Behind(45.0, 50.0)
    keep(ledger, NOON + HOUR, 60.0, 1.0)
    assert near(ledger, NOON - HOUR) == Behind(45.0, 50.0)
    assert near(ledger, NOON) == Behind(60.0, 50.0)


def test_the_newest_hours_are_kept(ledger: Ledger) -> None:
    for number in range(STAMPED_HOURS + 5):
        keep(ledger, NOON + number * HOUR, 1.0, 1.0)
    assert near(ledger, NOON) is None
    assert near(ledger, NOON + 6 * HOUR) == Behind(1.0, 1.0)
    assert near(ledger, NOON + (STAMPED_HOURS + 4) * HOUR) == Behind(1.0, 1.0)


def test_what_two_ledgers_know_is_joined() -> None:
    one, other = {"1": [3, 4], "2": [5, 6]}, {"2": [9, 1], "3": [7, 8]}
    joined = json.loads(joined_stamps(json.dumps(one), json.dumps(other)))
    assert joined == {"1": [3, 4], "2": [9, 6], "3": [7, 8]}
