"""The benchmarks run, and measure what they say: at a size where their figures mean nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from benchmarks import (
    dry_run,
    figures,
    instructions,
    lanes,
    replies,
    rivals,
    scale,
    sending,
    workers,
)
from benchmarks.__main__ import PAGE, PAGES, PARTS
from benchmarks.bare import body_of, compact
from benchmarks.postgres import Load, Server
from benchmarks.processes import Stuck, run
from benchmarks.projects import LINK, Project, row_of, text_of
from benchmarks.sending import Case
from benchmarks.teams import Size
from benchmarks.tools import Sink, compiler, python_module, raw_load, sink, slow_sync
from benchmarks.workers import Bench
from runner.channels.base import Token
from runner.channels.factory import connect
from runner.clock import SystemClock
from runner.message.prospect import Recipient
from runner.sending.meter import RequestMeter
from tests.postgresql import own_server

needs_c = pytest.mark.skipif(compiler() is None, reason="no C compiler")
ROWS = 50


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def api(place: Path) -> Iterator[Sink]:
    with sink(place) as running:
        yield running


@pytest.mark.parametrize("version", ["v2", "v1"])
async def test_the_bare_sender_sends_the_same_bytes(version: str) -> None:
    clock = SystemClock()
    channel = connect(
        version,
        f"http://127.0.0.1:1/api/{version}",
        Token("t"),
        clock,
        timeout=1,
        gate=RequestMeter(clock).gate,
        notice=lambda _: None,
        platform="twitter",
        concurrency=1,
    )
    recipient = Recipient("twitter", "platform", row_of(7)[0])
    assert compact(body_of(version, 7)) == channel.compose(LINK, recipient, text_of(7))
    await channel.close()


@needs_c
def test_senders_are_measured_against_the_sink(api: Sink, place: Path) -> None:
    api.reset()
    rate = raw_load(api, place, 4, 0.1)
    # How fast it is says nothing here: it is what the sink has counted, within the time.
    assert 0 < rate <= api.times().count / 0.1
    case = Case(latency=20, at_once=10)
    for sent in (
        sending.bare(case, api, place, ROWS),
        sending.durable(case, api, place, ROWS),
    ):
        # Ten at once that each take 20 ms: 500 a second if the latency is kept, and no more.
        assert 0 < sent.rate < 650
        assert sent.start_up > 0
    assert rivals.script(case, api, place, ROWS, careful=True) > 0


@needs_c
def test_syncs_are_as_slow_as_asked_for(place: Path) -> None:
    words, env = python_module("timeit")
    said = ["-n1", "-r3", "-s", "import os; file = open('it', 'wb')", "os.fdatasync(file)"]
    slow = run([*words, *said], place, env=env | slow_sync(place / "bin", 30))
    assert "msec per loop" in slow.out
    assert float(slow.out.split("best of 3: ")[1].split()[0]) >= 30


@needs_c
def test_a_campaign_is_planned_and_resumed_half_sent(api: Sink, place: Path) -> None:
    project, costs = Project(place / "half", api.base), scale.Costs()
    project.write(ROWS, faulty=True)
    scale.plan_half_sent(costs, project)
    assert project.sent() == ROWS // 2
    scale.resume(costs, project, api)
    assert (api.times().count, project.sent()) == (1, ROWS // 2 + 1)
    assert costs.first_batch[0] < costs.resume[0] < costs.steps["resume"][0].seconds


def test_a_dry_run_is_measured_by_what_reading_costs(place: Path) -> None:
    project, costs = Project(place / "dry", "http://127.0.0.1:1"), dry_run.Costs()
    start, whole = dry_run.once(project, 1, 0), dry_run.once(project, ROWS, ROWS // 10)
    dry_run.add(costs, start, whole)
    said = whole[1].out
    assert f"{ROWS} messages to send" in said
    # Nothing but what its list holds is to be said of such a sheet: ids and cells are as X's are.
    assert re.findall(r"^(?:note|question|error) (\w+)", said, re.MULTILINE) == ["list_people"]
    assert (len(costs.ratios), costs.peak) == (1, whole[1].peak)
    costs = dry_run.Costs([0.5] * 3, [10.0] * 3, 100)
    told = dry_run.as_table({(1_000_000, 0): costs}).splitlines()[-1]
    assert told == ("| 1,000,000 | none | 0.5 | 10 [10 … 10] | 20.00 [20.00 … 20.00] | 32 | 100 |")


def test_answers_are_read_from_a_ledger_that_looks_half_sent(place: Path) -> None:
    found = replies.Reading()
    replies.once(found, 40, 10, 5, place / "replies")
    [ran] = found.runs
    assert "10 have answered of 20 written to" in ran.out
    assert "opted out: 1" in ran.out
    told = replies.as_table(40, 15, {10: found}).splitlines()[-1]
    assert told.startswith("| 40 | 15 | 10 | ")


def test_tables_are_put_between_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nBefore.\n\n<!-- bench:a -->\nold\n<!-- /bench -->\n\nAfter.\n")
    for _ in range(2):
        figures.put(page, "a", figures.table(("x", "y"), [["1", "2"]]))
    assert page.read_text() == (
        "# Title\n\nBefore.\n\n<!-- bench:a -->\n| x | y |\n| --- | ---: |\n| 1 | 2 |\n"
        "<!-- /bench -->\n\nAfter.\n"
    )
    figures.put(page, "b", "new")
    assert page.read_text().endswith("After.\n\n<!-- bench:b -->\nnew\n<!-- /bench -->\n")


def test_figures_are_rounded_for_people() -> None:
    told = [figures.number(value) for value in (10297, 586.4, 0.0029, 1.2, 0, 150)]
    assert told == ["10,300", "586", "0.0029", "1.2", "0", "150"]
    assert figures.spread([3, 1, 2]) == "2 [1 … 3]"
    assert figures.ratio(figures.ratios([1, 3], [2, 4])) == "0.62 [0.50 … 0.75]"


def test_the_page_has_a_place_for_every_part() -> None:
    for name in ("machine", *PARTS):
        page = PAGES.get(name, PAGE).read_text()
        assert page.count(f"<!-- bench:{name} -->") == 1, name


@needs_c
def test_workers_are_measured_and_reckoned_with(api: Sink, place: Path) -> None:
    size = Size(2, 5)
    # Its checkpoint would write down what all other tests have done.
    with own_server() as own, psycopg.connect(own.get_uri(), autocommit=True) as session:
        bench = Bench(Server(own.get_uri(), session), api, place)
        done = bench.send(size, 1)
    assert api.times().count == size.messages
    assert done.lanes == pytest.approx(done.messages / size.rows)
    assert done.load.rows >= 3  # an attempt, and its message twice
    assert 1 <= done.connections < 20
    idle = Load(10, 2, 300, 0.003)
    paced = replace(done, cpu=0.001, load=Load(2, 4, 5000, 0.002))
    slice = replace(done, cpu=0.06, load=Load(60, 20, 15_000, 0.03))
    told = workers.reckoning(paced, slice, idle, 8.0)
    # 2,500 messages and 500 / 300 slices a second, on processes that are half busy.
    assert "| 2,500 × 1,000 µs + 1.7 × 60,000 µs | 2.6 |" in told
    assert "| 2.6 cores / 0.5 of a core each | 6 |" in told
    assert "| 6 × 8 | 48 |" in told


@needs_c
def test_lanes_of_one_worker_are_judged_by_their_pace(api: Sink, place: Path) -> None:
    with own_server() as own, psycopg.connect(own.get_uri(), autocommit=True) as session:
        bench = Bench(Server(own.get_uri(), session), api, place)
        told = lanes.driven(bench, 2, 0.2, 0.02, lambda _: None)
    assert "| answers with 429 | 0 | 0 |" in told
    assert "2 teams on one worker with `--slots 2`" in told


def test_a_late_message_and_a_broken_limit_are_seen() -> None:
    steady = [("a", 1.5 * number) for number in range(100)]
    pace = lanes.pace_of([*steady, ("b", 7.0), ("b", 8.5), ("b", 10.0), ("b", 14.5)], gap=1.5)
    assert max(pace.late) == pytest.approx(3.0 - workers.LATENCY)
    assert sorted(pace.late)[-2] == 0
    assert pace.late_at_start == [0, 0, 0, 0]
    assert pace.busiest == 40
    assert lanes.pace_of([("a", 0.1 * number) for number in range(100)], gap=1.5).busiest == 100


def test_instructions_are_counted_by_the_difference_of_two_sizes() -> None:
    said = {10: "==7== Collected : 5000\n", 30: "==8== Collected : 5\n==8== Collected : 9000\n"}
    assert instructions.each((10, 30), lambda size: instructions.collected(said[size])) == 200
    with pytest.raises(Stuck, match="no count"):
        instructions.collected("valgrind: command not found")
