"""An acceptance is believed only where it is one of what was sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.front import Front
from tests.acceptance.support import OTHER_LINK, Project, people

Change = Callable[[dict[str, Any]], None]


def answering(front: Front, change: Change) -> None:
    """Let `change` have each acceptance before it reaches the run."""

    def changed(body: bytes) -> bytes:
        try:
            said = json.loads(body)
        except ValueError:
            return body
        if isinstance(said, dict) and {"message", "thread"} <= said.keys():
            change(said)
        return json.dumps(said).encode()

    front.change = changed


def another_link(said: dict[str, Any]) -> None:
    said["thread"]["accountLinkId"] = OTHER_LINK


def another_thread(said: dict[str, Any]) -> None:
    said["message"]["threadId"] = "t0000000000000000000000k"


def another_text(said: dict[str, Any]) -> None:
    said["message"]["content"] = "Hi Somebody, shall I send the notes?"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (another_link, "from another account link"),
        (another_thread, "in another thread"),
        (another_text, "with another text"),
    ],
)
def test_an_acceptance_of_something_else_is_in_doubt(
    both: Project, front: Front, change: Change, told: str
) -> None:
    both.write(people(1), retry="settle: 0s")
    answering(front, change)
    done = both.run(both.campaign, "--stop-after", "3s")
    assert f"notAsAsked: accepted, but {told}" in done.all
    assert len(both.api.recipients) == 1, "and is not repeated"
    front.change = lambda body: body
    both.run(both.campaign)
    assert len(both.api.recipients) == 1


def test_what_platforms_change_of_a_text_is_its_own(both: Project, front: Front) -> None:
    both.write(people(1), text="{{ first_name }}: https://example.com/a?b=1  & tell me é.\n\nYours")

    def shown(said: dict[str, Any]) -> None:
        said["message"]["content"] = "Person1: https://t.co/x1 &amp; tell me e\u0301. Yours"

    answering(front, shown)
    both.ok(both.campaign)
    assert both.counts() == {"sent": 1}


def test_an_id_that_another_row_has_proves_nothing(both: Project, front: Front) -> None:
    both.write(people(3), concurrency=1, retry="settle: 0s")
    ids: list[str] = []

    def same(said: dict[str, Any]) -> None:
        ids.append(said["message"]["id"])
        said["message"]["id"] = ids[0]

    answering(front, same)
    done = both.run(both.campaign, "--stop-after", "4s")
    assert "which is another row's" in done.all
    assert sorted(both.api.recipients) == people(3)
    # Looked up, each has an id of its own; what was not found stays in doubt.
    kept = [row["message_id"] for row in both.exported() if row["status"] == "sent"]
    assert len(set(kept)) == len(kept)
