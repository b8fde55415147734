"""Follow-ups of workers: each goes once, to those who have not answered, whoever has the lane."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.acceptance.conftest import MakeFleet
from tests.acceptance.fleet import Fleet, Team, kill
from tests.acceptance.support import until

TWO = """\
steps:
  - {name: nudge, after: 1s, text: "Hi again {{ first_name }}"}
  - {name: last, after: 1s, text: "The last one, {{ first_name }}"}
replies: {poll: 10s}
"""
LATE = TWO.replace("1s", "28d")
LEFT = "from message where status in ('queued', 'waiting', 'sending', 'in_doubt')"


def answers(team: Team, id: str, **act: object) -> None:
    team.api.ask("act", {"accountLinkId": team.sender, "platformId": id} | act)


def until_settled(fleet: Fleet) -> None:
    """Wait until nothing is to come, follow-ups included."""
    until(lambda: fleet.ask(f"select count(*) {LEFT}") == [(0,)], "all follow-ups to end", 90)


def stands(fleet: Fleet) -> Counter[tuple[str, str, str]]:
    """How many messages stand how: step, status, why skipped."""
    why = "case status when 'skipped' then reason else '' end"
    return Counter(fleet.ask(f"select step, status, {why} from message"))


def waits_long(fleet: Fleet) -> Any:
    """Whether the only lane is left alone for longer than a slice, and nothing is under way."""
    return fleet.ask(
        "select 1 from submission where next_at > extract(epoch from clock_timestamp()) + 100"
    )


def slices(fleet: Fleet) -> int:
    """How often lanes were taken."""
    found: int = fleet.ask("select sum(epoch) from lane")[0][0]
    return found


def test_follow_ups_of_a_killed_worker_go_once_by_the_other_one(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=1, people=8, more=TWO)
    [team] = fleet.teams
    fleet.submit()
    for _ in range(2):
        fleet.worker()
    fleet.until_accepted(8)
    answers(team, team.ids[0], write="Sounds good")
    answers(team, team.ids[1], colleague="Let me take this one")
    pid = fleet.ask("select run.pid from lane join run on run.id = lane.run")[0][0]
    kill(next(each for each in fleet.workers if each.process.pid == pid))
    until_settled(fleet)
    got = Counter(team.api.recipients)
    assert got == {id: 1 if id in team.ids[:2] else 3 for id in team.ids}
    assert stands(fleet) == {
        ("1", "sent", ""): 8,
        ("nudge", "sent", ""): 6,
        ("nudge", "skipped", "replied"): 1,
        ("nudge", "skipped", "colleague"): 1,
        ("last", "sent", ""): 6,
        ("last", "skipped", "replied"): 1,
        ("last", "skipped", "colleague"): 1,
    }
    assert slices(fleet) < 20, "a lane whose follow-ups wait is left alone meanwhile"
    assert [done.code for done in fleet.end()] == [0]


def test_a_follow_up_that_is_under_way_when_its_worker_is_killed(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=1, people=6, concurrency=2, more=TWO)
    [team] = fleet.teams
    fleet.submit()
    for _ in range(2):
        fleet.worker()
    fleet.until_accepted(6)
    fleet.slow(1)
    under_way = (
        "select pid from message join attempt on attempt.message = message.id"
        " join run on run.id = attempt.run where step = 'nudge' and status = 'sending'"
    )
    [pid, *_] = until(lambda: fleet.ask(under_way), "a nudge on its way", 40)[0]
    kill(next(each for each in fleet.workers if each.process.pid == pid))
    fleet.slow(0)
    until_settled(fleet)
    assert Counter(team.api.recipients) == dict.fromkeys(team.ids, 3)
    assert [done.code for done in fleet.end()] == [0]


def test_what_people_say_of_follow_ups_reaches_workers(make_fleet: MakeFleet) -> None:
    """A pause while they wait, an edit of when they go, a step that is removed and one that is
    added, and a cancel."""
    fleet = make_fleet(teams=1, people=4, more=LATE)
    [team] = fleet.teams
    file = fleet.file(team)
    fleet.submit()
    fleet.worker()
    fleet.until_accepted(4)
    until(lambda: waits_long(fleet), "the lane to rest")
    before = slices(fleet)
    fleet.ok("pause", file)
    file.write_text(file.read_text().replace("{name: nudge, after: 28d", "{name: nudge, after: 1s"))
    refused = fleet.run("submit", file, "--yes")
    assert (refused.code, "paused by" in refused.all) == (6, True), refused.all
    fleet.ok("resume", file)
    fleet.submit()
    until(lambda: fleet.accepted() == 8, "the nudges, which are due now", 40)
    until(lambda: waits_long(fleet), "the lane to rest again")
    assert slices(fleet) - before < 12
    # A step more and a step less are questions; the one more waits like the one before it.
    edited = file.read_text().replace(
        "replies:", '  - {name: bye, after: 1s, text: "Bye {{ first_name }}"}\nreplies:'
    )
    file.write_text(edited)
    assert "step bye is new" in fleet.run("submit", file, "--yes").all
    fleet.submit("--accept-changes")
    assert stands(fleet)["bye", "waiting", ""] == 4
    lines = edited.splitlines(keepends=True)
    file.write_text("".join(each for each in lines if "name: last" not in each))
    refused = fleet.run("submit", file, "--yes")
    assert refused.code != 0
    assert "--accept-changes" in refused.all, refused.all
    fleet.ok("cancel", file, "--yes")
    assert fleet.ask(f"select count(*) {LEFT}") == [(0,)]
    assert stands(fleet)["last", "cancelled", ""] == 4
    assert Counter(team.api.recipients) == dict.fromkeys(team.ids, 2)


def test_a_first_message_that_is_retried_takes_its_follow_ups_along(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(teams=1, people=3, more=TWO)
    [team] = fleet.teams
    lost = team.ids[1]
    team.api.faults(f"platform_rate_limit:retry_after=0,recipient={lost}")
    fleet.submit()
    fleet.worker()
    until_settled(fleet)
    found = stands(fleet)
    assert found["1", "failed", ""] == 1
    assert found["nudge", "skipped", "step_before"] == found["last", "skipped", "step_before"] == 1
    team.api.faults()
    fleet.ok("retry", fleet.file(team), "--only", lost, "--yes")
    until_settled(fleet)
    assert Counter(team.api.recipients) == dict.fromkeys(team.ids, 3)
