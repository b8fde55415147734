"""Answers that are lost, and all that an API can then say: nobody is written to twice, and what is
not known is in doubt. The judge is the sandbox's own list."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import StartApi
from tests.acceptance.support import LINK, Api, Project, people, until

QUICK = "settle: 1s, timeout: 5s"


@pytest.fixture
def api(request: pytest.FixtureRequest, start_api: StartApi, tmp_path: Path) -> Api:
    """A sandbox without limits, with the options that a test asks for."""
    words = [word.format(tmp=tmp_path) for word in getattr(request, "param", ())]
    return start_api("--per-minute", "none", *words)


def sandbox(*options: tuple[str, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("api", options, indirect=True, ids=" ".join)


def by_status(project: Project) -> dict[str, str]:
    """The status of each recipient's message, straight from the ledger."""
    with contextlib.closing(
        sqlite3.connect(f"file:{project.ledger}?mode=ro", uri=True)
    ) as connection:
        return dict(connection.execute("select recipient, status from message").fetchall())


def text_for(number: int) -> str:
    """What the campaign writes to the n-th person."""
    return f"Hi Person{number}, shall I send the notes?"


def write_elsewhere(project: Project, person: str, number: int, **how: object) -> None:
    """The very text of the n-th message, to the same person, but not by this ledger."""
    where = {"accountLinkId": LINK, "platformId": person, "content": text_for(number)}
    project.api.ask("outbound", where | how)


def sends(project: Project) -> dict[str, int]:
    """How often each answer was given to a send on v2."""
    counts = project.api.ask("requests")["counts"]
    name = "POST /api/v2/messages "
    return {key.removeprefix(name): n for key, n in counts.items() if key.startswith(name)}


def lost(person: str, *more: str) -> list[str]:
    return [f"accept_then_reset:recipient={person},times=1", *more]


def refused(person: str, *more: str) -> list[str]:
    """Not accepted, and the runner cannot know."""
    return [f"reset_before:recipient={person},times=1", *more]


@sandbox(("--v1-order", "mixed", "--page", "2"))
def test_without_a_key_a_look_up_finds_what_is_there_and_guesses_nothing(on_v1: Project) -> None:
    project = on_v1
    ids = people(12)
    # Between two in doubt somebody who is well: a guard would slow the run down.
    found, deep, old, typed, failing, syncing = ids[::2]
    number = {person: place for place, person in enumerate(ids, 1)}
    for minutes in range(1, 7):
        write_elsewhere(project, deep, 0, ago=60 * minutes, origin="internal")
    write_elsewhere(project, syncing, 0, ago=600)
    write_elsewhere(project, old, number[old], ago=600, origin="api")
    write_elsewhere(project, typed, number[typed], ago=600, origin="external")
    project.write(ids, concurrency=1, retry=f"{QUICK}, absent: resend")
    project.api.faults(
        *lost(found),
        *lost(deep),
        *refused(old),
        *refused(typed),
        *lost(failing, f"error_before:on=lookup,recipient={failing}"),
        *refused(syncing, f"syncing:on=lookup,recipient={syncing}"),
    )
    project.ok(project.campaign, code=4)
    in_doubt = {old, failing, syncing}
    assert {id for id, status in by_status(project).items() if status == "in_doubt"} == in_doubt
    assert sorted(project.api.recipients) == sorted(set(ids) - {old, syncing})

    project.api.faults()
    project.ok(project.campaign, code=4)
    assert sorted(project.api.recipients) == sorted(set(ids) - {old})
    assert by_status(project)[old] == "in_doubt"


def test_without_a_key_what_is_accepted_too_late_is_held_and_found_later(on_v1: Project) -> None:
    ids = people(3)
    late, later = ids[0], ids[2]
    on_v1.write(ids, concurrency=1, retry="settle: 2s, timeout: 1s")
    on_v1.api.faults(
        f"accept_late:recipient={late},seconds=0.5", f"accept_late:recipient={later},seconds=6"
    )
    on_v1.ok(on_v1.campaign, code=4)
    assert by_status(on_v1) == dict(zip(ids, ("sent", "sent", "in_doubt"), strict=True))
    until(lambda: later in on_v1.api.recipients, "the late acceptance")
    on_v1.ok(on_v1.campaign)
    assert sorted(on_v1.api.recipients) == ids


@sandbox(("--mangle", "links"))
def test_a_text_that_comes_back_changed_is_no_proof(on_v1: Project) -> None:
    ids = people(2)
    on_v1.write(
        ids, text="{{ first_name }}, see https://a.example", retry=f"{QUICK}, absent: resend"
    )
    on_v1.api.faults("accept_then_reset:times=1")
    on_v1.ok(on_v1.campaign, code=4)
    assert sorted(on_v1.api.recipients) == ids
    assert "its text differs" in on_v1.ok("resolve", on_v1.campaign, "--list", code=4).out


OTHER_VERSION = """
import json, sys
import runner.channels.v2.inbox_v2 as channel
channel._encode = json.JSONEncoder(separators=(", ", ": ")).encode
from runner.__main__ import main
sys.argv[0] = "run-campaign"
main()
"""

EXTRAS_GONE = """
import sys
for name in ("pyarrow", "psycopg", "uvloop", "openpyxl"):
    sys.modules[name] = None
"""


@sandbox(("--compare", "bytes", "--record", "{tmp}/record.jsonl"))
def test_the_stored_bytes_are_sent_again_whatever_has_changed(
    project: Project, tmp_path: Path
) -> None:
    """Another version that writes other bytes, other extras, another locale and hash seed: the
    sandbox takes a repeat for another request unless its bytes are the same."""
    ids = people(4)
    text = "Zoë, {{ first_name }}: naïve – “quoted”\nétude"
    project.write(ids[:3], text=text, concurrency=3)
    project.api.faults("stall:accept=yes")
    running = project.start(project.campaign, PYTHONHASHSEED="1")
    until(lambda: len(project.api.accepted) == 3, "all to be accepted")
    running.process.kill()
    running.process.wait()

    project.api.faults()
    extras = tmp_path / "extras"
    extras.mkdir()
    (extras / "sitecustomize.py").write_text(EXTRAS_GONE)
    for name in ("orjson", "ujson", "simplejson"):
        (extras / f"{name}.py").write_text("def dumps(value, *_, **__): return b'{}'\n")
    project.write(ids, text=text, concurrency=3)
    changed = {"PYTHONPATH": str(extras), "PYTHONHASHSEED": "2", "LC_ALL": "C", "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", OTHER_VERSION]
    done = project.run("run", project.campaign, command=command, **changed)
    assert done.code == 0, done.all
    assert sorted(project.api.recipients) == ids
    assert sends(project) == {"200": 3, "201": 1, "no answer": 3}
    record = tmp_path / "record.jsonl"
    bodies = [json.loads(line)["body"] for line in record.read_text().splitlines()]
    assert ["\\u" in body for body in bodies] == [False, False, False, True]


def test_a_send_that_is_still_in_progress_is_waited_for(project: Project) -> None:
    ids = people(3)
    project.write(ids, retry="timeout: 1s")
    project.api.faults(f"slow:seconds=3,recipient={ids[1]},times=1")
    project.ok(project.campaign)
    assert sorted(project.api.recipients) == ids
    told = sends(project)
    assert told["409"] >= 1
    assert told["200"] == 1


def test_what_the_api_is_not_sure_of_is_read_and_never_repeated(project: Project) -> None:
    ids = [*people(1), people(2, "0599")[1], people(3, "0598")[2]]
    project.write(ids, retry=f"{QUICK}, absent: resend")
    project.ok(project.campaign, code=4)
    project.ok(project.campaign, code=4)
    assert by_status(project) == dict(zip(ids, ("sent", "sent", "in_doubt"), strict=True))
    assert sorted(project.api.recipients) == sorted(ids[:2])
    assert sends(project) == {"201": 1, "502": 2}


def test_a_used_key_stops_only_what_never_tried_it(project: Project) -> None:
    ids = people(4)
    project.write(ids, concurrency=1)
    project.api.faults(*lost(ids[0], f"key_reused:recipient={ids[0]},times=1"))
    project.ok(project.campaign, "--limit", "2")
    assert sorted(project.api.recipients) == ids[:2]

    project.api.faults(f"key_reused:recipient={ids[2]}")
    stopped = project.ok(project.campaign, code=1)
    assert "another ledger" in stopped.err
    assert "--adopt" in stopped.err
    project.ok(project.campaign, "--adopt")
    assert sorted(project.api.recipients) == [*ids[:2], ids[3]]
    assert project.counts() == {"sent": 4}


def test_with_the_ledger_lost_the_keys_protect_and_adopt_goes_on(project: Project) -> None:
    ids = people(6)
    project.write(ids, concurrency=2)
    project.ok(project.campaign, "--limit", "4")
    for path in [*project.folder.glob("state.db*"), *project.folder.glob(".run-campaign/*")]:
        path.unlink()
    (project.folder / ".run-campaign").rmdir()
    elsewhere = str(project.outputs / "another-machine")
    stopped = project.ok(project.campaign, code=1, RUN_CAMPAIGN_MEMORY=elsewhere)
    assert "another ledger has used this campaign's name" in stopped.err
    project.ok(project.campaign, "--adopt", RUN_CAMPAIGN_MEMORY=elsewhere)
    assert sorted(project.api.recipients) == ids
    assert project.counts() == {"sent": 6}


@pytest.mark.parametrize(
    ("absent", "code", "sent"), [("hold", 4, [True, False]), ("resend", 0, [True, True])]
)
@sandbox(("--key-life", "1"))
def test_a_key_that_grew_old_is_not_used_before_a_look(
    project: Project, absent: str, code: int, sent: list[bool]
) -> None:
    """The server has forgotten both keys by then: a blind repeat would be a second message."""
    ids = people(2)
    project.write(ids, retry=f"settle: 1s, key_life: 1s, absent: {absent}")
    project.api.faults(f"stall:accept=yes,recipient={ids[0]}", f"stall:recipient={ids[1]}")
    running = project.start(project.campaign)
    until(lambda: project.counts().get("sending") == 2, "both under way")
    until(lambda: project.api.accepted, "the first one")
    running.process.kill()
    running.process.wait()
    project.api.faults()
    begun = project.api.accepted[0]["at"]
    until(lambda: time.time() > begun + 2, "the keys to be old")
    project.ok(project.campaign, code=code)
    assert [id in project.api.recipients for id in ids] == sent
    assert len(project.api.recipients) == sum(sent)
