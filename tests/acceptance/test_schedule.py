"""Schedules as a user meets them. The judge is the sandbox's own list."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from runner.clock import SystemClock
from runner.events import EventBus
from runner.run.preparation.options import Options, Surroundings
from runner.run.run import run_campaigns

from .support import LINK, TOKEN, Project, people, until

EARLIEST, LATEST = "Pacific/Kiritimati", "Etc/GMT+12"  # never on the same day


def today_in(zone: str) -> str:
    """A schedule of the weekday that it is in `zone` now."""
    day = f"{datetime.now(ZoneInfo(zone)):%a}".lower()
    return f'timezone: {LATEST}, windows: [{{days: {day}, from: "00:00", to: "24:00"}}]'


def start_in(seconds: float, more: str = "") -> str:
    start = datetime.now(UTC) + timedelta(seconds=seconds)
    return f"schedule: {{start: {start:%Y-%m-%dT%H:%M:%S}, timezone: UTC{more}}}\n"


@pytest.mark.slow
def test_a_start_to_come_is_waited_for(project: Project) -> None:
    ids = people(3)
    start = int(time.time()) + 8
    project.write(ids, more=start_in(8))
    running = project.start(project.campaign, "--yes")
    told = "outside the schedule; opens at"
    until(lambda: told in running.out or time.time() > start, "the wait to be told")
    until(lambda: project.api.accepted, "the first message")
    assert time.time() >= start
    assert running.wait().code == 0
    assert sorted(project.api.recipients) == ids


def test_a_missed_start_is_asked_about_until_the_campaign_has_begun(project: Project) -> None:
    ids = people(3)
    project.write(ids, more=start_in(-3 * 3600.0))
    done = project.ok(project.campaign, code=1)
    assert "was to start at" in done.all
    assert "--yes" in done.all
    assert "Traceback" not in done.all
    assert project.api.accepted == []
    project.ok(project.campaign, "--yes", "--limit", "1")
    assert len(project.api.accepted) == 1
    project.ok(project.campaign, "--limit", "1")  # it has begun: nothing is asked any more
    assert len(project.api.accepted) == 2
    project.write(ids, more=start_in(3600.0))  # a start set anew is waited for all the same
    assert "1 still queued" in project.ok(project.campaign, "--until-idle").all
    assert len(project.api.accepted) == 2
    project.write(ids)
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == ids


@pytest.mark.parametrize("agrees", [True, False])
def test_a_person_at_the_terminal_is_asked(project: Project, agrees: bool) -> None:
    project.write(people(1), more=start_in(-3 * 3600.0))
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(question)
        return agrees

    around = Surroundings(
        SystemClock(), EventBus(), {"INBOX_API_TOKEN": TOKEN}, lambda *_: True, confirm
    )
    result = run_campaigns([project.campaign], Options(state=str(project.ledger)), around)
    assert len(asked) == 1
    assert "Start it now?" in asked[0]
    assert (result.declined, len(project.api.accepted)) == (not agrees, int(agrees))


@pytest.mark.slow
def test_only_those_in_whose_zone_it_is_open_are_written_to(both: Project) -> None:
    here, there, third = people(3)
    zoned = "prospects: {source: spring.csv, timezone: tz}"
    both.write([here, there, third], more=f"schedule: {{{today_in(EARLIEST)}}}\n")
    told = both.campaign.read_text().replace("prospects: spring.csv", zoned)
    both.campaign.write_text(told)
    zones = {here: "", there: EARLIEST, third: LATEST}
    rows = "".join(f"{id},P,{zone}\n" for id, zone in zones.items())
    both.sheet.write_text("x_user_id,first_name,tz\n" + rows)

    dry = both.ok(both.campaign, "--dry-run", "--json").json
    assert dry["binds"] == "the schedule"
    assert dry["finish_at"] > f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    done = both.ok(both.campaign, "--yes", "--until-idle")
    assert both.api.recipients == [there]
    assert "2 still queued" in done.all
    status = both.ok("status", both.campaign, "--json").json
    assert (status["binds"], status["counts"]["queued"]) == ("the schedule", 2)

    # A zone that was changed in the sheet is no changed text, and holds from the next run on.
    both.sheet.write_text(
        "x_user_id,first_name,tz\n" + rows.replace(f"P,{LATEST}", f"P,{EARLIEST}")
    )
    both.ok(both.campaign, "--yes", "--until-idle")
    assert both.api.recipients == [there, third]


def test_stop_after_ends_a_run_that_waits_for_its_schedule(project: Project) -> None:
    project.write(people(2), more=start_in(3600.0))
    began = time.monotonic()
    done = project.ok(project.campaign, "--stop-after", "1s")
    assert 1.0 <= time.monotonic() - began < 30.0
    assert "2 still queued" in done.all
    assert project.api.accepted == []


def test_a_test_and_a_rehearsal_keep_no_hours(project: Project) -> None:
    ids = people(2)
    project.write(ids, more=f"schedule: {{{today_in(EARLIEST)}}}\n")
    project.ok("test", project.campaign, "--to", ids[0], "--yes")
    assert project.api.recipients == [ids[0]]
    done = project.ok(project.campaign, "--sandbox", "--yes")
    assert "2 sent" in done.all


def test_a_schedule_that_never_opens_is_told_beforehand(project: Project) -> None:
    project.write(people(1), more="schedule: {start: 2099-01-01 09:00, timezone: UTC}\n")
    checked = project.run("check", project.campaign)
    assert checked.code == 1
    assert "does not open within two years" in checked.all
    dry = project.ok(project.campaign, "--dry-run", code=1)
    assert "never done" in dry.all
    assert "does not open within two years" in dry.err
    told = project.ok(project.campaign, "--dry-run", "--json", code=1).json
    assert (told["finish_at"], told["finish_by_sender"]) == (None, {LINK: None})
    stopped = project.ok(project.campaign, "--yes", code=1)
    assert "does not open within two years" in stopped.all
    assert project.api.accepted == []


def test_a_dry_run_shows_what_the_schedule_comes_to(project: Project) -> None:
    eve = datetime(datetime.now(UTC).year + 1, 12, 24, 9, tzinfo=UTC)
    window = '{days: mon-sun, from: "09:00", to: "17:30"}'
    said = f"start: {eve:%Y-%m-%dT%H:%M:%S}, timezone: Europe/London, windows: [{window}]"
    project.write(people(40), more=f"schedule: {{{said}, skip_holidays: GB-ENG}}\n")
    text = project.campaign.read_text()
    limited = text.replace("per_day: none, gap: none}", "per_day: 20, gap: none}")
    project.campaign.write_text(limited)
    told = project.ok(project.campaign, "--dry-run").out
    christmas = eve + timedelta(days=1)
    assert f"first message: about {eve:%a %Y-%m-%d} 09:00 (Europe/London)" in told
    assert "sends: mon-sun 09:00-17:30\n" in told
    assert "clock: of Europe/London\n" in told
    assert f"not on: {christmas:%a %Y-%m-%d} Christmas Day, " in told
    last = next(line for line in told.splitlines() if "last message: about" in line)
    assert "12-24" not in last
    assert "12-25" not in last


def test_a_dry_run_without_a_schedule_says_that_it_sends_at_night(project: Project) -> None:
    project.write(people(2))
    told = project.ok(project.campaign, "--dry-run").out
    assert "sends: at any hour, at night and at weekends too" in told


def test_a_dry_run_tells_each_clock_of_people(project: Project) -> None:
    project.write(
        people(3),
        more='schedule: {timezone: UTC, windows: [{days: mon-sun, from: "00:00", to: "24:00"}]}\n',
    )
    rows = project.sheet.read_text().splitlines()
    zones = ["tz", "Asia/Tokyo", "Asia/Tokyo", ""]
    pairs = zip(rows, zones, strict=True)
    project.sheet.write_text("".join(f"{row},{zone}\n" for row, zone in pairs))
    text = project.campaign.read_text()
    source = "prospects: {source: spring.csv, timezone: tz}"
    project.campaign.write_text(text.replace("prospects: spring.csv", source))
    told = project.ok(project.campaign, "--dry-run").out
    assert "clock: each person's own: Asia/Tokyo (2), UTC (1)" in told
