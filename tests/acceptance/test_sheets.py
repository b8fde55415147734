"""Prospects files as people treat them: saved in other ways, cut, mixed up, swapped while a run is
live. Nobody is written to twice, and what stops a run is said in a line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.clock import SystemClock
from runner.errors import RunnerError
from runner.events import EventBus
from runner.run.preparation.options import Options, Surroundings
from runner.run.run import run_campaigns

from .support import TOKEN, Project, in_process, people, until

NAMES = ("Ann", "Björn", "Cleo", "Dan")


def rows(ids: list[str], separator: str = ",", end: str = "\n") -> str:
    lines = [f"{id}{separator}{name}" for id, name in zip(ids, NAMES, strict=True)]
    return end.join([f"x_user_id{separator}first_name", *lines]) + end


def plan_only(project: Project) -> None:
    """A run that may send nobody anything: it plans, and stops at what a person must see."""
    around = Surroundings(SystemClock(), EventBus(), {"INBOX_API_TOKEN": TOKEN})
    run_campaigns([project.campaign], Options(limit=0), around)


def half_sent(project: Project) -> list[str]:
    """Four people, of whom the first two were written to."""
    ids = people(4)
    project.write(ids)
    project.sheet.write_text(rows(ids), encoding="utf-8")
    around = Surroundings(SystemClock(), EventBus(), {"INBOX_API_TOKEN": TOKEN})
    run_campaigns([project.campaign], Options(limit=2), around)
    assert len(project.api.recipients) == 2
    return ids


@pytest.mark.slow
def test_the_same_people_saved_in_other_ways(on_v1: Project) -> None:
    ids = half_sent(on_v1)
    plain = rows(ids)
    head, *lines = plain.splitlines()
    for saved in (
        plain.encode("utf-8-sig"),
        plain.encode("utf-16"),
        rows(ids, end="\r\n").encode(),
        rows(ids, end="\r").encode(),
        rows(ids, ";").encode("utf-8-sig"),
        rows(ids, "\t").encode(),
        b"sep=;\r\n" + rows(ids, ";", "\r\n").encode(),
        plain.rstrip("\n").encode(),
        "\n".join('"' + line.replace(",", '","') + '"' for line in [head, *lines]).encode(),
        rows([f"  {id}\xa0" for id in ids]).encode(),
        rows([f"00{id}" for id in ids]).encode(),
        rows([f"\u200b{id}" for id in ids]).encode(),
        plain.replace("x_user_id,first_name", " X User-ID , First Name ").encode(),
        plain.replace("x_user_id", "platform_id").encode(),
        "\n".join([head, *reversed(lines)]).encode(),
        "\n".join([head, *lines, *lines]).encode(),
        "\n".join([head, "", *lines, "", ",", ""]).encode(),
        "\n".join([head + ",city", *(line + ",Ulm" for line in lines)]).encode(),
        "\n".join(",".join(reversed(line.split(","))) for line in [head, *lines]).encode(),
    ):
        on_v1.sheet.write_bytes(saved)
        plan_only(on_v1)
        assert on_v1.counts() == {"sent": 2, "queued": 2}, saved
    on_v1.sheet.write_bytes(plain.encode("cp1252"))
    text = on_v1.campaign.read_text()
    coded = "prospects: {source: spring.csv, encoding: cp1252}"
    on_v1.campaign.write_text(text.replace("prospects: spring.csv", coded))
    in_process(on_v1)
    assert sorted(on_v1.api.recipients) == ids


@pytest.mark.slow
def test_a_sheet_that_is_not_as_it_was_stops_the_run(on_v1: Project) -> None:
    ids = half_sent(on_v1)
    plain = rows(ids)
    gone = "of 2 queued recipients"
    for saved, told in (
        (b"", "is empty"),
        (b"\n", "is empty"),
        (plain.encode("cp1252"), "row 3, column first_name: is not UTF-8 text"),
        (plain.replace("ö", "oe").encode("utf-16-le"), "NUL character"),
        (plain.replace("Cleo", "C\0leo").encode(), "row 4: holds a NUL character"),
        (plain.replace(",Cleo", ',"Cleo').encode(), "a quote is opened and never closed"),
        (plain[:-5].encode(), "row 5: has 1 fields, the header has 2"),
        (plain.replace("x_user_id", "id").encode(), "set prospects.id to the column"),
        (plain.replace("first_name", "platform_id").encode(), "set prospects.id"),
        (plain.replace("first_name", "vorname").encode(), "the template needs first_name"),
        (plain.splitlines()[0].encode(), f"2 {gone} are gone"),
        ("\n".join(plain.splitlines()[:-1]).encode(), f"1 {gone} is gone"),
        (rows([f"7{id[1:]}" for id in ids]).encode(), f"2 {gone} are gone"),
        (plain.replace("Dan", "Dora").encode(), "1 message that is not sent yet would change"),
    ):
        on_v1.sheet.write_bytes(saved)
        with pytest.raises(RunnerError) as stopped:
            plan_only(on_v1)
        assert told in str(stopped.value)
        if "would change" not in told:
            assert "\n" not in str(stopped.value)
    for make, told in (
        (Path.mkdir, "is a folder"),
        (os.mkfifo, "is not a file"),
        (lambda _: None, "no such file"),
    ):
        with_other_kind(on_v1, make, told)
    on_v1.sheet.write_text(plain, encoding="utf-8")
    in_process(on_v1)
    assert sorted(on_v1.api.recipients) == ids


def with_other_kind(project: Project, make: Callable[[Path], None], told: str) -> None:
    """Put something else in the sheet's place, and see it told."""
    project.sheet.unlink()
    make(project.sheet)
    try:
        with pytest.raises(RunnerError, match=told):
            plan_only(project)
    finally:
        if project.sheet.is_dir():
            project.sheet.rmdir()
        else:
            project.sheet.unlink(missing_ok=True)
        project.sheet.touch()


def test_a_selection_that_lets_go_of_who_waits_is_asked_about(on_v1: Project) -> None:
    half_sent(on_v1)
    text = on_v1.campaign.read_text()
    where = "prospects: {source: spring.csv, where: {first_name: [Ann, Cleo]}}"
    on_v1.campaign.write_text(text.replace("prospects: spring.csv", where))
    with pytest.raises(RunnerError, match=r"1 of 2 .* or not selected any more"):
        in_process(on_v1)
    in_process(on_v1, accept_changes=True)
    assert sorted(on_v1.api.recipients) == people(3)


def test_files_that_are_gone_or_changed_while_a_run_is_live_wait_for_the_next(
    project: Project,
) -> None:
    ids = people(8)
    project.write(ids[:6], concurrency=1)
    project.api.faults("slow:seconds=0.1")
    first = project.start(project.campaign)
    until(lambda: project.api.recipients, "the first message")
    project.campaign.unlink()
    project.sheet.unlink()
    assert first.wait().code == 0
    project.write([*reversed(ids[3:]), ids[3]], text="New {{ first_name }}")
    assert sorted(project.api.recipients) == ids[:6]
    project.api.faults()
    project.ok(project.campaign)
    texts = {one["person"]: one["content"][:3] for one in project.api.accepted}
    assert sorted(project.api.recipients) == ids
    assert [texts[id] for id in ids] == ["Hi "] * 6 + ["New"] * 2


def test_files_that_change_after_a_kill(both: Project) -> None:
    ids = people(7)
    both.write(ids[:6], concurrency=1)
    both.api.faults("slow:seconds=30,phase=after,at=3")
    first = both.start(both.campaign)
    until(lambda: len(both.api.recipients) == 3, "the third message")
    begun = 3 + both.begun_ahead()
    both.sheet.unlink()
    first.process.kill()
    first.process.wait()
    both.api.faults()
    refused = both.ok(both.campaign, code=1)
    assert "spring.csv: no such file" in refused.err
    both.write([*reversed(ids), ids[0]], text="New {{ first_name }}", retry="settle: 1s")
    both.ok(both.campaign, "--accept-changes")
    texts = {one["person"]: one["content"][:3] for one in both.api.accepted}
    assert sorted(both.api.recipients) == ids
    # What may have been sent is settled with the bytes that were begun, whatever it says now.
    assert [texts[id] for id in ids] == ["Hi "] * begun + ["New"] * (7 - begun)
