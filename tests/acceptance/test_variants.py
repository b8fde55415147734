"""Variants as a user meets them: dealt once, told before sending, judged once, never by itself."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .browser import Browser
from .support import DYING, LINK, OTHER_LINK, Project, link_of, people, until

TEXTS = {"plain": "Hi {{ first_name }}, see my notes.", "question": "Hi {{ first_name }}, notes?"}


@pytest.fixture(params=["v2"])
def version(request: pytest.FixtureRequest) -> str:
    """Variants need replies, which are read on v2 only."""
    found: str = request.param
    return found


def write(
    project: Project,
    ids: list[str],
    *,
    texts: dict[str, str] = TEXTS,
    shares: dict[str, int] | None = None,
    judge_after: str = "1h",
    senders: tuple[str, ...] = (LINK,),
) -> None:
    """Write the campaign with a template for each variant."""
    project.write(ids, senders=senders)
    variants: dict[str, Any] = {}
    for name, text in texts.items():
        (project.campaign.parent / f"{name}.j2").write_text(text)
        share = (shares or {}).get(name, 1)
        variants[name] = {"template": f"{name}.j2", "share": share} if shares else f"{name}.j2"
    message = json.dumps({"variants": variants, "judge_after": judge_after})
    lines = project.campaign.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("message:")]
    project.campaign.write_text("\n".join([*kept, f"message: {message}"]) + "\n")


def says(project: Project, id: str, text: str) -> None:
    """Let a person write to us."""
    project.api.ask("act", {"accountLinkId": LINK, "platformId": id, "write": text})


def dealt(project: Project) -> dict[str, str]:
    return {row["recipient"]: row["variant"] for row in project.exported()}


def let_time_pass(project: Project, seconds: float) -> None:
    """Make everything of the ledger so much older."""
    with closing(sqlite3.connect(project.ledger)) as connection:
        connection.execute("UPDATE message SET sent_at = sent_at - ?", (seconds,))
        connection.execute("UPDATE inbound SET at = at - ?", (seconds,))
        connection.commit()


def answer(project: Project, per_variant: dict[str, int]) -> None:
    left = Counter(per_variant)
    for id, variant in dealt(project).items():
        if left[variant] > 0:
            left[variant] -= 1
            says(project, id, "Yes, please.")
    project.ok("replies", project.campaign)


def test_each_gets_one_text_as_the_dry_run_has_shown(project: Project) -> None:
    write(project, people(30))
    told = project.ok(project.campaign, "--dry-run")
    assert "variants: plain 15, question 15" in told.out
    assert "with 15 each no difference would show; for 10 % against 15 % you need 683 each" in (
        told.out
    )
    shown = project.ok(project.campaign, "--dry-run", "--json").json
    assert shown["variants"]["counts"] == {"plain": 15, "question": 15}
    project.ok(project.campaign, "--yes")
    promised = {each["recipient"]: each["content"] for each in shown["messages"]}
    assert {each["person"]: each["content"] for each in project.api.accepted} == promised
    got = dealt(project)
    assert got == {each["recipient"]: each["variant"] for each in shown["messages"]}
    assert Counter(got.values()) == {"plain": 15, "question": 15}
    first = people(1)[0]
    assert f"variant {got[first]}" in project.ok("who", first).out


def test_nothing_deals_again(project: Project) -> None:
    ids = people(40)
    write(project, ids[:30], senders=(LINK, OTHER_LINK))
    project.ok(project.campaign, "--yes", "--limit", "4")
    first = dealt(project)
    write(project, [*ids[30:], *ids[29:9:-1]], shares={"plain": 1, "question": 4})
    project.ok(project.campaign, "--yes", "--limit", "0", "--accept-changes")
    write(project, ids, shares={"plain": 3, "question": 1})
    project.ok(project.campaign, "--yes", "--accept-changes")
    last = dealt(project)
    assert {id: last[id] for id in first} == first
    assert sorted(project.api.recipients) == ids
    for each in project.api.accepted:
        assert each["content"].endswith("?") == (last[each["person"]] == "question")


def test_a_variant_that_is_gone_is_a_question(project: Project) -> None:
    ids = people(12)
    write(project, ids)
    project.ok(project.campaign, "--yes", "--limit", "2")
    before = dealt(project)
    write(project, ids, texts={"question": TEXTS["question"], "short": "{{ first_name }}?"})
    done = project.run(project.campaign, "--yes")
    assert done.code == 2
    assert "variant_gone" in done.all
    assert "--accept variant_gone" in done.all
    assert len(project.api.recipients) == 2
    project.ok(project.campaign, "--yes", "--accept", "variant_gone")
    after = dealt(project)
    assert sorted(project.api.recipients) == ids
    sent_first = set(project.api.recipients[:2])
    for id in ids:
        if before[id] == "question" or id in sent_first:
            assert after[id] == before[id]
        else:
            assert after[id] in ("question", "short")


def test_an_edited_text_of_a_variant_is_a_change_as_always(project: Project) -> None:
    write(project, people(4))
    project.ok(project.campaign, "--yes", "--limit", "1")
    write(project, people(4), texts=TEXTS | {"question": "{{ first_name }}, what?"})
    write_again = project.run(project.campaign, "--yes")
    assert write_again.code != 0
    assert "would change" in write_again.all
    project.ok(project.campaign, "--yes", "--accept-changes")


def test_who_lacks_what_one_variant_needs_is_in_neither(project: Project) -> None:
    """Or the people of both would be others."""
    write(project, people(6), texts=TEXTS | {"question": "{{ company }}, {{ first_name }}?"})
    rows = [f"{id},P{n},{'Acme' if n % 2 else ''}" for n, id in enumerate(people(6))]
    project.sheet.write_text("\n".join(["x_user_id,first_name,company", *rows]) + "\n")
    told = project.ok(project.campaign, "--dry-run").out
    assert "missing_value: variant question: company is empty" in told
    project.ok(project.campaign, "--yes")
    assert len(project.api.recipients) == 3


def test_the_rest_gets_one_variant_by_a_persons_act(project: Project) -> None:
    ids = people(60)
    write(project, ids)
    project.ok(project.campaign, "--yes", "--limit", "44")
    before = dealt(project)
    rest = set(ids) - set(project.api.recipients)
    others = {id for id in rest if before[id] == "plain"}
    done = project.run(project.campaign, "--rest-with", "nothing", "--yes")
    assert done.code == 2
    assert "it has: plain, question" in done.all
    told = project.ok(project.campaign, "--dry-run", "--rest-with", "question").out
    assert f"given one variant by --rest-with: {len(rest)}, not compared" in told
    project.ok(project.campaign, "--rest-with", "question", "--yes")
    after = dealt(project)
    assert {id for id in ids if after[id] != before[id]} == others
    assert {e["person"] for e in project.api.accepted if e["content"].endswith("?")} == {
        id for id in ids if after[id] == "question"
    }
    [act] = project.ok("history", project.campaign, "--json").json[:1]
    assert (act["what"], act["why"], act["count"]) == ("rest_with", "question", len(rest))
    someone = next(iter(others))
    assert "variant question (chosen)" in project.ok("who", someone).out
    verdict = project.ok("status", project.campaign, "--json").json["variants"]
    assert verdict["not_compared"] == len(rest)
    assert sum(each["written_to"] for each in verdict["variants"]) == 60 - len(rest)


@pytest.mark.slow
def test_three_phrases_and_the_interval(project: Project) -> None:
    ids = people(80)
    write(project, ids)
    project.ok(project.campaign, "--yes")
    answer(project, {"plain": 4, "question": 20})
    early = project.ok("status", project.campaign)
    assert "variants: too early: judged" in early.out
    let_time_pass(project, 4000)
    with closing(sqlite3.connect(project.ledger)) as connection:
        connection.execute("UPDATE feed SET read_at = read_at - 5000")
        connection.commit()
    unread = project.ok("status", project.campaign).out
    assert "variants: too early: replies are to be read first, up to" in unread
    assert "to read them: run-campaign replies" in unread
    project.ok("replies", project.campaign)
    told = project.ok("status", project.campaign).out
    assert "variants: question was answered more often" in told
    assert "question against plain: +40.0 points" in told
    found = project.ok("status", project.campaign, "--json").json["variants"]
    assert found["verdict"] == "question was answered more often"
    assert found["unequal"] is False
    [pair] = found["differences"]
    assert (pair["more"], pair["less"], pair["shows"]) == ("question", "plain", True)
    report = project.folder / "report.md"
    project.ok("report", project.campaign, "-o", report)
    assert "Question was answered more often" in report.read_text()
    # Answers that come after it was judged, and more of the same look, change nothing.
    answer(project, {"plain": 30})
    again = project.ok("status", project.campaign, "--json").json["variants"]
    assert again == found


def test_no_difference_is_said_where_none_was_seen(project: Project) -> None:
    write(project, people(40))
    project.ok(project.campaign, "--yes")
    answer(project, {"plain": 4, "question": 6})
    let_time_pass(project, 4000)
    project.ok("replies", project.campaign)
    assert "variants: no difference seen" in project.ok("status", project.campaign).out


def test_a_campaign_without_variants_is_as_before(project: Project) -> None:
    project.write(people(2))
    assert "variant" not in project.ok(project.campaign, "--dry-run").out
    project.ok(project.campaign, "--yes")
    assert set(dealt(project).values()) == {""}
    status = project.ok("status", project.campaign)
    assert "variants" not in status.out
    assert project.ok("status", project.campaign, "--json").json["variants"] is None


def test_one_text_becomes_variants_and_back(project: Project) -> None:
    ids = people(10)
    project.write(ids, text=TEXTS["plain"])
    project.ok(project.campaign, "--yes", "--limit", "2")
    write(project, ids)
    asked = project.run(project.campaign, "--yes")
    assert "variant_gone" in asked.all
    project.ok(project.campaign, "--yes", "--limit", "2", "--accept", "variant_gone")
    assert Counter(dealt(project).values()) == {"": 2, "plain": 4, "question": 4}
    project.write(ids, text="Hello {{ first_name }}")
    project.ok(project.campaign, "--yes", "--accept", "variant_gone")
    assert Counter(each["content"][:5] for each in project.api.accepted)["Hello"] == 6


def test_one_to_yourself_of_each_variant(project: Project) -> None:
    write(project, people(2))
    me = people(3)[2]
    project.ok("test", project.campaign, "--to", me, "--variant", "question")
    project.ok("test", project.campaign, "--to", me)
    assert [each["content"][-1] for each in project.api.accepted] == ["?", "."]
    done = project.run("test", project.campaign, "--to", me, "--variant", "x")
    assert (done.code, "it has: plain, question" in done.all) == (2, True)


def test_the_output_file_of_a_dry_run_has_the_variant(project: Project, tmp_path: Path) -> None:
    write(project, people(2))
    out = tmp_path / "preview.jsonl"
    project.ok(project.campaign, "--dry-run", "--output", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["variant"] for row in rows} == {"plain", "question"}


@pytest.mark.slow
@pytest.mark.parametrize("point", ["plan.written", "plan.finished", "claim.committed:3"])
def test_a_killed_plan_deals_as_it_was_shown(project: Project, point: str) -> None:
    write(project, people(20))
    shown = project.ok(project.campaign, "--dry-run", "--json").json["messages"]
    died = project.run(project.campaign, "--yes", DIE_AT=point, PYTHONPATH=str(DYING))
    assert died.code < 0
    write(project, people(20)[::-1])
    project.run(project.campaign, "--yes")
    got = {each["person"]: each["content"] for each in project.api.accepted}
    if point.startswith("claim"):  # what was planned before the sheet was turned round stays
        assert got.items() <= {each["recipient"]: each["content"] for each in shown}.items()
    assert Counter(dealt(project).values()) == {"plain": 10, "question": 10}


def test_two_runs_of_one_sheet_deal_nobody_a_second_time(project: Project) -> None:
    write(project, people(30))
    both = [project.start(project.campaign, "--yes", "--wait") for _ in range(2)]
    assert [each.wait().code for each in both] == [0, 0]
    assert sorted(project.api.recipients) == people(30)
    got = dealt(project)
    for each in project.api.accepted:
        assert each["content"].endswith("?") == (got[each["person"]] == "question")


def test_the_dashboard_tells_the_verdict_and_each_variant(project: Project) -> None:
    write(project, people(4))
    project.ok(project.campaign, "--yes", "--limit", "2")
    dashboard = project.start("dashboard", "--no-browser", "--port", "0")
    browser = Browser(link_of(dashboard))
    browser.enter()

    def shown() -> str:
        found = browser.ask("/campaigns/1").text
        return found if "too early" in found else ""

    page = until(shown, "the verdict")
    assert "variants: too early: judged from 20 people of each variant on" in page
    assert "of 1 written to have answered" in page
    assert "<dt>Variant</dt><dd>" in browser.ask("/messages/1").text
    dashboard.interrupt()
    assert dashboard.wait().code == 0
