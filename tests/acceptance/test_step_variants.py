"""Follow-ups with a text for each variant: who gets which, and what becomes of a variant that is
gone."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from .support import Project, people

FIRSTS = {"plain": "Hi {{ first_name }}.", "question": "Hi {{ first_name }}?"}
NUDGES = {"plain": "Again {{ first_name }}.", "question": "Again {{ first_name }}?"}


def write(
    project: Project,
    ids: list[str],
    *,
    firsts: dict[str, str] | None = FIRSTS,
    nudges: dict[str, str] | None = NUDGES,
    after: str = "1s",
) -> None:
    """Write a campaign with variants of the first message, of its first step, and one text for all
    of the second; None: one text there too."""

    def texts(found: dict[str, str] | None, only: str) -> dict[str, Any]:
        every = {name: {"text": text} for name, text in (found or {}).items()}
        return {"variants": every} if every else {"text": only}

    nudge = {"name": "nudge", "after": after} | texts(nudges, "Again")
    last = {"name": "last", "after": after, "text": "Bye {{ first_name }}"}
    message = texts(firsts, "Hi {{ first_name }}")
    more = f"steps: {json.dumps([nudge, last])}\nreplies: {{poll: 10s}}\n"
    project.write(ids, more=more)
    lines = project.campaign.read_text().splitlines()
    kept = [line for line in lines if not line.startswith("message:")]
    project.campaign.write_text("\n".join([*kept, f"message: {json.dumps(message)}"]) + "\n")


def got(project: Project) -> dict[str, list[str]]:
    """The texts that each person was sent, in order."""
    found: dict[str, list[str]] = {}
    for each in project.api.accepted:
        found.setdefault(each["recipient"], []).append(each["content"])
    return found


def rows(project: Project) -> list[dict[str, str]]:
    """The nudges as `export` has them, and with their texts."""
    with closing(sqlite3.connect(project.ledger)) as connection:
        nudges = "select recipient, text from message where step = 'nudge'"
        texts = dict(connection.execute(nudges).fetchall())
    found = [row for row in project.exported() if row["step"] == "nudge"]
    return [row | {"text": texts[row["recipient"]]} for row in found]


@pytest.mark.slow
def test_each_gets_the_follow_up_of_their_own_variant(project: Project) -> None:
    write(project, people(8))
    shown = project.ok(project.campaign, "--dry-run").out
    assert any(f"Again Person{n}" in shown for n in range(1, 9))
    project.ok(project.campaign, "--yes")
    ends = Counter(tuple(text[-1] for text in texts[:2]) for texts in got(project).values())
    assert ends == {(".", "."): 4, ("?", "?"): 4}
    assert {texts[2][:3] for texts in got(project).values()} == {"Bye"}
    assert Counter(row["variant"] for row in rows(project)) == {"plain": 4, "question": 4}


def test_the_rest_gets_the_follow_ups_of_what_a_person_chose(project: Project) -> None:
    write(project, people(8), after="28d")
    project.ok(project.campaign, "--yes", "--limit", "2", "--until-idle")
    before = {row["recipient"]: row["variant"] for row in rows(project)}
    written = set(project.api.recipients)
    project.ok(project.campaign, "--yes", "--rest-with", "question", "--until-idle")
    assert len(project.api.accepted) == 8
    for row in rows(project):
        variant = before[row["recipient"]] if row["recipient"] in written else "question"
        assert row["variant"] == variant
        assert row["text"].endswith(NUDGES[variant][-1])


def test_no_follow_up_of_a_variant_that_is_gone(project: Project) -> None:
    ids = people(4)
    write(project, ids, after="28d")
    project.ok(project.campaign, "--yes", "--until-idle")
    had = {row["recipient"]: row["variant"] for row in rows(project)}
    others = {"plain": "Hello {{ first_name }}", "short": "Hey {{ first_name }}"}
    write(project, ids, firsts=others, nudges=others, after="28d")
    asked = project.run(project.campaign, "--yes", "--until-idle", "--accept-changes")
    assert asked.code != 0
    assert "variant_gone" in asked.all
    assert "2 people written to already had variant question, which the file has no text for" in (
        asked.all
    )
    accepted = ("--yes", "--until-idle", "--accept-changes", "--accept", "variant_gone")
    project.ok(project.campaign, *accepted)
    for row in rows(project):
        if had[row["recipient"]] == "plain":
            assert row["status"] == "queued"
            assert row["text"].startswith("Hello ")
        else:
            assert row["status"] == "skipped"
            assert row["reason"].startswith("removed: the first message had variant question")
    # It comes back into the file, and with it who had it.
    write(project, ids, after="28d")
    project.ok(project.campaign, "--yes", "--until-idle", "--accept-changes")
    assert Counter(row["status"] for row in rows(project)) == {"queued": 4}


def test_one_to_yourself_of_a_step(project: Project) -> None:
    write(project, people(2))
    me = people(3)[2]
    project.ok("test", project.campaign, "--to", me, "--step", "nudge", "--variant", "question")
    project.ok("test", project.campaign, "--to", me, "--step", "last")
    project.ok("test", project.campaign, "--to", me, "--step", "1")
    assert got(project) == {me: ["Again Person1?", "Bye Person1", "Hi Person1."]}
    done = project.run("test", project.campaign, "--to", me, "--step", "x")
    assert (done.code, "it has: 1, nudge, last" in done.all) == (2, True), done.all
