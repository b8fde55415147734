"""`--sandbox --days N`: weeks in seconds, with people who answer, judged by the sandbox's list."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from .support import Project, everything_in, people, until

ZEROS = "written to after they answered: 0 · doubled: 0"
HOURS = (
    'schedule: {timezone: Europe/London, windows: [{days: mon-fri, from: "09:00", to: "17:30"}]}\n'
)


def write(project: Project, count: int, *, more: str = "", limits: str = "") -> list[str]:
    """A campaign with limits and a schedule, and its people."""
    ids = people(count)
    project.write(ids, more=more)
    text = project.campaign.read_text()
    text = text.replace("per_hour: none, per_day: none, gap: none", limits or "per_day: 10")
    project.campaign.write_text(re.sub(r"limits:.*\n", "", text))
    return ids


def answer(project: Project, text: str) -> Path:
    file = project.folder / "answers.yaml"
    file.write_text(text)
    return file


def rows(told: str) -> dict[str, list[int]]:
    """The table: the numbers of each line, by its first words."""
    found = re.findall(r"^  (\S.*?)((?:  +[\d,]+)+)$", told, re.M)
    return {day.strip(): [int(n.replace(",", "")) for n in row.split()] for day, row in found}


@pytest.mark.slow
def test_a_month_of_fifty_people(both: Project) -> None:
    ids = write(both, 50, more=HOURS)
    acts = f"""
people:
  "{ids[0]}": [{{after: 2h, write: Sounds good}}, {{after: 3h, write: Tell me more}}]
  "{ids[1]}": [{{after: 2d, write: stop}}]
  "{ids[2]}": [{{after: 1h, react: "👍"}}]
  "{ids[3]}": [{{after: 1h, colleague: I take over}}]
  "{ids[4]}": [{{after: 1d, to: 2, write: "only after a second message"}}]
"""
    before = everything_in(both.folder).keys()
    done = both.ok(both.campaign, "--sandbox", "--days", "30", "--people", answer(both, acts))
    told = done.out
    assert ZEROS in told
    table = rows(told)
    on_v2 = both.version == "v2"
    assert table["in all"] == [50, 2, int(on_v2), 0]
    assert ("replies are not read on v1" in told) is not on_v2
    days = {day: row for day, row in table.items() if re.match(r"[MTWFS]\w\w 20", day)}
    assert max(row[0] for row in days.values()) == 10, "a sender's limit of a day is kept"
    assert not any(row[0] for day, row in days.items() if day[:3] in ("Sat", "Sun"))
    assert next(iter(days))[4:14] == f"{datetime.now(UTC):%Y-%m-%d}"
    assert list(days)[-1].endswith(f"{datetime.now(UTC) + timedelta(days=30):%m-%d}")
    assert "spring (SANDBOX): 50 sent (of 50)" in told
    assert not both.ledger.exists()
    assert both.api.accepted == [], "it is not the sandbox that the campaign names"
    assert everything_in(both.folder).keys() - before == {"answers.yaml"}
    assert len(done.err.splitlines()) <= 31, "a line per day at most"


@pytest.mark.slow
def test_people_of_a_usual_mix(project: Project) -> None:
    write(project, 60, limits="per_hour: none, per_day: none")
    told = project.ok(project.campaign, "--sandbox", "--days", "5", "-q")
    assert told.err == ""
    [written, answered, out, waiting] = rows(told.out)["in all"]
    assert (written, waiting) == (60, 0)
    assert 0 < answered < 20
    assert 0 <= out <= answered
    assert told.out == project.ok(project.campaign, "--sandbox", "--days", "5", "-q").out or (
        "the same people answer every time"
    )


@pytest.mark.slow
def test_a_torn_feed_and_kills_lose_nobody_and_double_nobody(both: Project) -> None:
    write(both, 30, limits="per_hour: 5, per_day: none")
    acts = """
everyone: [{share: 0.5, after: 2h, write: Sure}]
trouble:
  - {after: 10m, what: run_killed}
  - {after: 2h, what: run_killed}
  - {after: 3h, what: feed_torn}
  - {after: 4h, what: run_killed}
"""
    told = both.ok(both.campaign, "--sandbox", "--days", "3", "--people", answer(both, acts)).out
    assert "the run was killed 3 times and started again" in told
    assert "30 sent (of 30)" in told
    assert ZEROS in told
    assert rows(told)["in all"][0] == 30


def test_a_guard_stops_it(project: Project) -> None:
    write(project, 40, limits="per_hour: 10, per_day: none")
    acts = answer(project, "everyone: [{after: 10m, write: stop}]")
    done = project.ok(project.campaign, "--sandbox", "--days", "20", "--people", acts, "-q", code=5)
    assert re.search(r"stopped .*: \d+ of \d+ people who answered opted out", done.out)
    [written, _, _, waiting] = rows(done.out)["in all"]
    assert 20 <= written < 40
    assert written + waiting == 40


@pytest.mark.slow
def test_ctrl_c_ends_it_at_once_with_the_table_so_far(project: Project) -> None:
    write(project, 500, limits="per_hour: 20, per_day: none")
    running = project.start(project.campaign, "--sandbox", "--days", "366")
    until(lambda: running.files[1].read_text().count("\n") > 1, "the second day")
    running.interrupt()
    done = running.wait()
    assert done.code == 130
    [written, *_, waiting] = rows(done.out)["in all"]
    assert written > 0
    assert written + waiting == 500
    assert ZEROS in done.out
    assert "interrupted" in done.out


@pytest.mark.slow
def test_events_have_virtual_times(project: Project) -> None:
    write(project, 30)
    done = project.ok(project.campaign, "--sandbox", "--days", "4", "--log-format", "json")
    events = [json.loads(line) for line in done.out.splitlines()]
    sent = [event for event in events if event["event"] == "sent"]
    assert len(sent) == 30
    days = {int(event["at"] // 86400) for event in sent}
    assert len(days) >= 3
    assert ZEROS in done.err


def test_limit_is_of_the_whole_rehearsal(project: Project) -> None:
    write(project, 30, limits="per_hour: none, per_day: none")
    told = project.ok(project.campaign, "--sandbox", "--days", "3", "--limit", "7", "-q").out
    assert rows(told)["in all"][0] == 7


@pytest.mark.slow
def test_a_start_that_is_to_come_is_waited_for(project: Project) -> None:
    start = datetime.now(UTC) + timedelta(days=2)
    more = f"schedule: {{start: {start:%Y-%m-%d} 23:00, timezone: UTC}}\n"
    write(project, 3, more=more)
    told = project.ok(project.campaign, "--sandbox", "--days", "4", "-q").out
    table = rows(told)
    [day] = [day for day, row in table.items() if row[0] and day != "in all"]
    assert day == f"{start:%a %Y-%m-%d}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--days", "3"], "--days goes with --sandbox"),
        (["--sandbox", "--people", "a.yaml"], "--people goes with --sandbox --days N"),
        (["--sandbox", "--days", "3", "--until-idle"], "leave out --until-idle"),
        (["--sandbox", "--days", "3", "--stop-after", "5m"], "leave out --until-idle"),
        (["--sandbox", "--days", "0"], "--days"),
        (
            ["--sandbox", "--days", "3", "--people", "none.yaml"],
            "none.yaml: cannot be read (No such",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(
    project: Project, words: list[str], told: str
) -> None:
    write(project, 3)
    assert told in project.ok(project.campaign, *words, code=2).err


def test_a_mistake_among_the_people_is_told_with_its_place(project: Project) -> None:
    write(project, 3)
    acts = answer(project, "everyone: [{after: 2h, wirte: hi}]")
    told = project.ok(project.campaign, "--sandbox", "--days", "3", "--people", acts, code=2).err
    assert "everyone, number 1: unknown 'wirte'" in told


def test_handles_are_made_up(project: Project) -> None:
    write(project, 3)
    text = project.campaign.read_text()
    where = "prospects: {source: spring.csv, id: handle, id_type: username}"
    project.campaign.write_text(text.replace("prospects: spring.csv", where))
    project.sheet.write_text("handle,first_name\n@ada,Ada\n@bo,Bo\n")
    told = project.ok(project.campaign, "--sandbox", "--days", "2", "-q").out
    assert rows(told)["in all"][0] == 2
