"""What a run and a worker tell Prometheus while they work, against what the sandbox has seen."""

from __future__ import annotations

import json

import pytest

from .conftest import MakeFleet
from .scrape import Scraped, address_of, scrape
from .support import LINK, TOKEN, Project, people, until

[UNAVAILABLE] = people(1, "0404")


@pytest.mark.slow
def test_a_run_tells_what_the_ledger_and_the_sandbox_know(both: Project) -> None:
    ids = people(10)
    both.write([*ids[:6], UNAVAILABLE, *ids[6:], "@nobody"], concurrency=2)
    held = ids[6:8]
    both.api.faults(*(f"stall:recipient={id}" for id in held))
    log = both.folder / "events.jsonl"
    words = ("--metrics-port", "0", "--log-file", log)
    running = both.start(both.campaign, *words)
    address = address_of(running)

    def held_up() -> Scraped | None:
        """What is begun ahead goes back to the queue and forth: seen in the same moment."""
        seen = scrape(address)
        told = both.ok("status", both.campaign, "--json").json["counts"]
        same = seen.statuses("spring") == {name: n for name, n in told.items() if n}
        return seen if same and told["sent"] == 6 else None

    until(lambda: both.counts().get("sent"), "a message to be sent")
    seen: Scraped = until(held_up, "all but those that are held up, as the ledger has it")
    assert len(both.api.accepted) == 6
    one = {"campaign": "spring"}
    assert seen.value("messages", **one, status="rejected", reason="recipientUnavailable") or (
        both.version == "v1"  # where another code says the same
    )
    assert seen.value("messages", **one, status="skipped", reason="bad_id") == 1
    assert seen.value("messages", **one, status="in_doubt", reason="") == 0
    assert seen.value("outcomes_total", **one, outcome="sent", reason="") == 6
    answers = list(seen.of("request_duration_seconds_count"))
    counted = {of["answer"]: value for of, value in answers if of["purpose"] == "send"}
    assert counted == {"2xx": 6, "4xx": 1}
    assert (seen.value("ledger_commit_duration_seconds_count") or 0) >= 7
    assert seen.value("braked", **one, how="guarded") == 0
    [(labels, stopped)] = seen.of("sender_stopped")
    assert (labels["sender"], stopped) == (LINK, 0)
    assert (seen.value("last_sent_timestamp_seconds", **one) or 0) > 1.7e9
    ends = seen.value("api_end_timestamp_seconds", **one, version=both.version)
    assert ends == (1_796_256_000 if both.version == "v1" else None)
    for secret in (TOKEN, "Person", "shall I send", *ids, UNAVAILABLE):
        assert secret not in seen.text

    port = address.rpartition(":")[2].partition("/")[0]
    taken = both.ok(both.campaign, "--metrics-port", port, code=2)
    assert "cannot listen on 127.0.0.1: Address already in use" in taken.err
    assert len(taken.err.splitlines()) == 2  # and where to read on
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(each["event"] == "sent" for each in logged) == 6
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_worker_tells_of_every_campaign_that_was_handed_in(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=2, people=6)
    fleet.submit()
    running = fleet.start("worker", "--metrics-port", "0")
    address = address_of(running)
    names = [team.name for team in fleet.teams]

    def all_sent() -> Scraped | None:
        seen = scrape(address)
        return seen if all(seen.statuses(name) == {"sent": 6} for name in names) else None

    seen: Scraped = until(all_sent, "all to be sent, by the metrics")
    assert all(len(team.api.accepted) == 6 for team in fleet.teams)
    for name in names:
        counted = seen.value("outcomes_total", campaign=name, outcome="sent", reason="")
        assert counted == 6
        assert seen.value("braked", campaign=name, how="stopped") == 0
    running.interrupt()
    assert running.wait().code == 0
