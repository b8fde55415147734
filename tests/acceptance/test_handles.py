"""Sheets of handles: resolved once, by Inbox and by X, and only those with an id are written to."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import pytest

from tests.processes import COMMAND

from .screen import Terminal
from .support import LINK, Api, Project, people, until

ADA, BEN, CHLOE = people(3)


def write(
    project: Project,
    rows: Sequence[str],
    *,
    header: str = "handle,first_name",
    text: str = "Hi {{ first_name }} (@{{ handle }})",
    more: str = "",
) -> None:
    """A campaign whose sheet has handles."""
    project.write([], text=text, more=more)
    of = "prospects: {source: spring.csv, id: handle, id_type: username}\n"
    project.campaign.write_text(project.campaign.read_text().replace("prospects: spring.csv\n", of))
    project.sheet.write_text("\n".join([header, *rows]) + "\n")


def knows(api: Api, *people: dict[str, Any]) -> None:
    api.ask("people", {"people": [*people]})


def person(id: str, username: str, name: str = "", **more: Any) -> dict[str, Any]:
    return {"platformId": id, "username": username, "name": name or username, **more}


def stranger(id: str, username: str, name: str = "", **more: Any) -> dict[str, Any]:
    """Somebody whom X knows, and the team does not."""
    return person(id, username, name, contact=False, **more)


def handles(project: Project, *words: str, code: int = 0, **env: str) -> Any:
    return project.ok("handles", project.campaign, *words, code=code, **env)


def ask_x(project: Project, *words: str, code: int = 0) -> Any:
    via = ("--via", "x", "--x-url", project.api.base)
    return handles(project, *via, *words, code=code, X_BEARER_TOKEN="sandbox-token")


def asked(project: Project) -> int:
    """Requests that the sandbox got about contacts."""
    counts: dict[str, int] = project.api.ask("requests")["counts"]
    return sum(n for what, n in counts.items() if what.startswith("GET /api/v2/contacts "))


def test_a_sheet_of_handles_is_resolved_and_sent(project: Project) -> None:
    knows(project.api, person(ADA, "AdaAdler", "Ada Adler"), person(BEN, "ben_b", "Ben Brooks"))
    rows = ["@adaadler,Ada", "https://x.com/Ben_B?s=20,Ben", "nobody_1,Nobody"]
    write(project, rows)
    for told in ("rows 2, 3 and 4 are not resolved", "3 rows without an id"):
        before = project.run("campaigns/spring.yaml", "--yes")
        assert f"{told}; run run-campaign handles campaigns/spring.yaml" in before.all
    assert project.api.accepted == []
    told = handles(project).out
    assert "3 handles: 2 with an id; asked for now: 3 of Inbox" in told
    assert "@AdaAdler" in told
    assert ADA in told
    assert "Ada Adler" in told
    assert "@nobody_1 was in no contact of Inbox on " in told
    done = project.ok(project.campaign, "--yes")
    assert "handles_unresolved" in done.all or "of nobody known" in done.all
    assert project.api.recipients == [ADA, BEN]
    texts = [each["content"] for each in project.api.accepted]
    assert texts == ["Hi Ada (@adaadler)", "Hi Ben (@Ben_B)"]
    exported = {row["handle"]: row for row in project.exported()}
    assert exported["nobody_1"]["reason"].startswith("unknown_handle")
    assert exported["adaadler"]["recipient"] == ADA


def test_what_is_resolved_is_never_asked_for_again_in_silence(project: Project) -> None:
    knows(project.api, person(ADA, "ada"))
    write(project, ["ada,Ada", "ben,Ben"])
    handles(project)
    assert asked(project) == 1
    assert "asked for now" not in handles(project).out
    project.ok(project.campaign, "--yes")
    assert asked(project) == 1
    handles(project, "--older-than", "1d")
    assert asked(project) == 1
    handles(project, "--again")
    assert asked(project) == 2


@pytest.mark.slow
def test_ten_thousand_rows_need_at_most_110_requests(project: Project) -> None:
    count = 10_000
    known = [person(id, f"user_{n}") for n, id in enumerate(people(count), 1)]
    knows(project.api, *known)
    write(project, [f"@User_{n},Person" for n in range(1, count + 1)])
    told = handles(project, "--json").json
    assert sum(each["id"] is not None for each in told) == count
    assert project.api.ask("requests")["total"] <= 110
    assert asked(project) == 100
    with sqlite3.connect(project.ledger) as ledger:
        [(counted,)] = ledger.execute("select count(*) from request").fetchall()
    assert counted == project.api.ask("requests")["total"]


def test_one_person_by_handle_and_by_id_gets_one_message(project: Project) -> None:
    knows(project.api, person(ADA, "ada"))
    write(project, ["@ada,Ada", f"{ADA},Ada", "https://twitter.com/ADA/,Ada"])
    handles(project)
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == [ADA]
    skipped = {row["reason"]: row for row in project.exported() if row["status"] == "skipped"}
    assert list(skipped) == [f"duplicate: same id as row 2: {ADA}"]


def test_the_handle_after_the_id_of_an_earlier_run_is_not_written_to_again(
    project: Project,
) -> None:
    knows(project.api, person(ADA, "ada"))
    project.write([ADA])
    project.ok(project.campaign, "--yes")
    write(project, ["@ada,Ada"])
    handles(project)
    project.ok(project.campaign, "--yes", "--accept-changes")
    assert project.api.recipients == [ADA]


def test_digits_alone_are_a_handle_unless_ids_stand_beside_them(project: Project) -> None:
    knows(project.api, person(ADA, "783214"), person("783214", "someone_else"))
    write(project, ["783214,Ada"])
    handles(project)
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == [ADA]
    write(project, ["783214,Ada", f"{BEN},Ben"])
    done = project.run(project.campaign, "--yes")
    assert done.code == 2
    assert "row 2 is 783214, which may be a handle or an id; write @783214" in done.all
    assert project.api.recipients == [ADA]


def test_a_handle_of_several_profiles_is_nobodys(project: Project) -> None:
    knows(project.api, person(ADA, "ada"), person(BEN, "ada", onX=None))
    write(project, ["ada,Ada"])
    assert "@ada is a handle of several profiles" in handles(project).out
    project.run(project.campaign, "--yes")
    assert project.api.recipients == []


def test_a_handle_that_a_second_profile_has_is_nobodys_any_more(project: Project) -> None:
    knows(project.api, person(ADA, "ada"))
    write(project, ["ada,Ada"])
    handles(project)
    knows(project.api, person(BEN, "ada"))
    assert "@ada is a handle of several profiles" in handles(project, "--again").out
    project.run(project.campaign, "--yes")
    assert project.api.recipients == []


def test_a_suspended_account_is_not_resolved(project: Project) -> None:
    knows(project.api, person(ADA, "ada", accountStatus="suspended"))
    write(project, ["ada,Ada"])
    assert "@ada is suspended" in handles(project).out


def test_a_handle_that_was_given_to_another_is_nobodys_until_it_is_taken(project: Project) -> None:
    knows(project.api, person(ADA, "ada", "Ada Adler"))
    write(project, ["ada,Ada"])
    handles(project)
    knows(project.api, person(ADA, "ada_was", "Ada Adler"), person(BEN, "ada", "Ada Imposter"))
    told = handles(project, "--again").out
    assert f"@ada is the handle of {BEN}" in told
    assert f"was that of {ADA}" in told
    project.run(project.campaign, "--yes")
    assert project.api.recipients == []
    told = handles(project, "--take-changed").out
    assert BEN in told
    assert f"was {ADA}" in told
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == [BEN]


def test_a_renamed_person_keeps_the_id_that_was_found(project: Project) -> None:
    knows(project.api, person(ADA, "ada"))
    write(project, ["ada,Ada"])
    handles(project)
    knows(project.api, person(ADA, "ada_new"))
    handles(project, "--again")
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == [ADA]


def test_another_name_than_the_sheets_is_a_question(project: Project) -> None:
    knows(project.api, person(ADA, "lovely", "Ben Brooks"), person(BEN, "zoe", "Zoé 🚀"))
    write(project, ["lovely,Ada", "zoe,Zoe"])
    handles(project)
    done = project.run(project.campaign, "--yes")
    assert done.code == 2
    assert "row 2: @lovely is Ben Brooks, the sheet says Ada; is that the same person?" in done.all
    assert "--accept handle_name_differs" in done.all
    project.ok(project.campaign, "--yes", "--accept", "handle_name_differs")
    assert project.api.recipients == [ADA, BEN]


# X ---------------------------------------------------------------------------------------------


def test_x_is_asked_for_those_whom_inbox_does_not_know(project: Project) -> None:
    knows(project.api, person(ADA, "ada"), stranger(BEN, "Ben_B", "Ben Brooks"))
    knows(project.api, stranger(CHLOE, "chloe", onX="suspended"))
    write(project, ["ada,Ada", "ben_b,Ben", "chloe,Chloe", "gone,Gone"])
    told = ask_x(project, "--yes")
    assert "3 handles are up to 0.03 USD, at 0.010 each" in told.all
    assert "asked for now: 4 of Inbox, 3 of X" in told.out
    assert "@chloe is suspended, by X's API of " in told.out
    assert "@gone was not found on " in told.out
    assert project.api.ask("x") == {
        "requests": 1, "asked": [["ben_b", "chloe", "gone"]], "charged": 1, "trouble": [],
    }  # fmt: skip
    ask_x(project, "--yes")
    assert project.api.ask("x")["requests"] == 1
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == [ADA, BEN]


def test_the_price_is_agreed_to_first(project: Project) -> None:
    knows(project.api, stranger(ADA, "ada"))
    write(project, ["ada,Ada"])
    done = ask_x(project, code=2)
    assert "up to 0.01 USD" in done.err
    assert "--yes" in done.err
    done = ask_x(project, "--price", "0.5", code=2)
    assert "up to 0.50 USD" in done.err
    assert project.api.ask("x")["requests"] == 0


def test_without_a_token_of_x_nothing_is_asked(project: Project) -> None:
    write(project, ["ada,Ada"])
    done = handles(project, "--via", "x", "--yes", code=2)
    assert "no token for X's API: X_BEARER_TOKEN is not set" in done.err
    assert project.api.ask("requests")["total"] == 0


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, "X refuses the token"), (402, "buy credits"), (403, "what this app may ask")],
)
def test_what_was_paid_for_is_kept_when_x_refuses(project: Project, status: int, told: str) -> None:
    ids = people(150)
    knows(project.api, *(stranger(id, f"u{n}") for n, id in enumerate(ids)))
    write(project, [f"u{n},P" for n in range(150)])
    project.api.ask("x", {"trouble": [200, status]})
    done = ask_x(project, "--yes", code=1)
    assert told in done.err
    ask_x(project, "--yes")
    [first, second] = project.api.ask("x")["asked"]
    assert sorted(first + second) == sorted(f"u{n}" for n in range(150))
    assert project.api.ask("x")["charged"] == 150


@pytest.mark.slow
def test_a_kill_while_resolving_keeps_what_was_paid_for(project: Project) -> None:
    ids = people(150)
    knows(project.api, *(stranger(id, f"u{n}") for n, id in enumerate(ids)))
    write(project, [f"u{n},P" for n in range(150)])
    project.api.ask("x", {"trouble": [200, 0]})
    running = project.start(
        "handles", project.campaign, "--via", "x", "--x-url", project.api.base, "--yes",
        X_BEARER_TOKEN="sandbox-token",
    )  # fmt: skip
    until(lambda: kept_of_x(project) == 100, "the first answer to be kept")
    until(lambda: not project.api.ask("x")["trouble"], "the second request to wait for its answer")
    running.process.kill()
    running.process.wait()
    ask_x(project, "--yes")
    assert kept_of_x(project) == 150
    asked_of_x = [name for names in project.api.ask("x")["asked"] for name in names]
    assert sorted(asked_of_x) == sorted(f"u{n}" for n in range(150))


def kept_of_x(project: Project) -> int:
    if not project.ledger.exists():
        return 0
    with sqlite3.connect(f"file:{project.ledger}?mode=ro", uri=True) as ledger:
        try:
            [(count,)] = ledger.execute("select count(*) from handle where source = 'x'")
        except sqlite3.OperationalError:
            return 0
        return int(count)


@pytest.mark.slow
def test_x_is_asked_again_after_its_limit(project: Project) -> None:
    knows(project.api, stranger(ADA, "ada"))
    write(project, ["ada,Ada"])
    project.api.ask("x", {"trouble": [503, 503]})
    told = ask_x(project, "--yes")
    assert "X's API has trouble (HTTP 503); it is asked again in 2 s" in told.err
    assert ADA in told.out


def test_made_up_answers_are_not_taken_for_a_real_campaign(project: Project) -> None:
    write(project, ["ada,Ada"])
    text = project.campaign.read_text()
    project.campaign.write_text(text.replace(project.api.base, "https://inboxapp.com"))
    done = ask_x(project, "--yes", code=2)
    assert "whose answers may be made up" in done.err


# Wherever a person is named ---------------------------------------------------------------------


@pytest.fixture
def resolved(project: Project) -> Project:
    """Ada and Ben are resolved, Chloe is not."""
    knows(project.api, person(ADA, "ada"), person(BEN, "ben"))
    write(project, ["ada,Ada", "ben,Ben", "chloe,Chloe"])
    handles(project)
    return project


def test_only_and_test_take_handles(resolved: Project) -> None:
    done = resolved.ok("test", resolved.campaign, "--to", "@Ada", "--yes")
    assert f"to {ADA}" in done.out
    resolved.ok(resolved.campaign, "--yes", "--only", "https://x.com/Ben")
    assert resolved.api.recipients == [ADA, BEN]
    shown = resolved.ok(resolved.campaign, "--dry-run", "--only", "@ada", "--json").json
    assert [each["recipient"] for each in shown["messages"]] == [ADA]
    done = resolved.run(resolved.campaign, "--yes", "--only", "@chloe")
    assert done.code == 2
    assert "@chloe was in no contact of Inbox" in done.err
    done = resolved.run(resolved.campaign, "--yes", "--only", "@zoe")
    assert "@zoe is a username, and no id is kept for it" in done.err
    assert "run-campaign handles CAMPAIGN" in done.err


def test_lists_take_handles(resolved: Project) -> None:
    state = ("--state", str(resolved.ledger))
    resolved.ok("suppress", "add", "@ada", *state)
    resolved.ok("hold", "BEN", "--id-type", "username", *state)
    assert resolved.ok("suppress", "list", "--json", *state).json[0]["recipient"] == ADA
    assert resolved.ok("hold", "--list", "--json", *state).json[0]["recipient"] == BEN
    resolved.ok(resolved.campaign, "--yes", "--until-idle")
    assert resolved.api.recipients == []
    resolved.ok("unhold", "x.com/ben", *state)
    resolved.ok("suppress", "remove", "@ADA", *state)
    resolved.ok(resolved.campaign, "--yes")
    assert resolved.api.recipients == [ADA, BEN]


def test_an_import_by_handle_is_taken_whole_or_not_at_all(resolved: Project) -> None:
    state = ("--state", str(resolved.ledger))
    file = resolved.folder / "dnc.csv"
    file.write_text("name,handle,reason\nAda,@ada,asked\nZoe,zoe,asked\n")
    done = resolved.run("suppress", "import", file, *state)
    assert done.code == 1
    assert "row 3 has handles not resolved" in done.err
    assert resolved.ok("suppress", "list", "--json", *state).json == []
    file.write_text("name,handle,reason\nAda,@ada,asked\n")
    resolved.ok("suppress", "import", file, *state)
    [listed] = resolved.ok("suppress", "list", "--json", *state).json
    assert (listed["recipient"], listed["reason"]) == (ADA, "asked")


def test_a_list_by_handle_protects_those_written_to_by_id(project: Project) -> None:
    knows(project.api, person(ADA, "ada"))
    project.write([ADA, BEN], more="suppress: dnc.csv\n")
    (project.campaign.parent / "dnc.csv").write_text("handle\n@ada\nnobody_1\n")
    done = project.run(project.campaign, "--yes")
    assert done.code == 1
    assert "list_handle_open" in done.err
    handles(project)
    done = project.run(project.campaign, "--yes")
    assert done.code == 2
    assert "list_handle_unknown" in done.err
    project.ok(project.campaign, "--yes", "--accept", "list_handle_unknown")
    assert project.api.recipients == [BEN]


def test_a_list_goes_on_protecting_the_account_that_a_handle_was_of(project: Project) -> None:
    knows(project.api, person(ADA, "ada"))
    project.write([ADA, BEN], more="suppress: dnc.csv\n")
    (project.campaign.parent / "dnc.csv").write_text("handle\n@ada\n")
    handles(project)
    knows(project.api, person(ADA, "ada_was"), person(BEN, "ada"))
    handles(project, "--again")
    project.run(project.campaign, "--yes", "--accept", "list_handle_unknown")
    assert project.api.recipients == []
    handles(project, "--take-changed")
    project.run(project.campaign, "--yes")
    assert project.api.recipients == []


def test_a_rehearsal_makes_up_whose_the_handles_are(project: Project) -> None:
    write(project, ["ada,Ada", "@ben,Ben", "https://x.com/ada,Ada"])
    done = project.ok(project.campaign, "--sandbox")
    assert "sandbox: accepted 2 messages to 2 people, nobody twice" in done.out
    assert not project.ledger.exists()


def test_handles_are_of_v2(on_v1: Project) -> None:
    write(on_v1, ["ada,Ada"])
    done = on_v1.run(on_v1.campaign, "--yes")
    assert done.code == 2
    assert "prospects.id_type: needs api.version v2: v1 is announced to end" in done.err


def test_a_row_of_an_erased_person_has_nothing_to_resolve(resolved: Project) -> None:
    resolved.ok("erase", "@ada", "--yes")
    done = resolved.ok(resolved.campaign, "--yes")
    assert "is not resolved" not in done.all
    assert ADA not in resolved.api.recipients
    assert "erased " in resolved.ok("who", "@Ada").out
    assert "@ada: erased " in resolved.ok("erase", "--check", "@Ada").out


def test_a_campaign_without_handles_says_so(project: Project) -> None:
    project.write([ADA])
    assert "has no handles to resolve" in handles(project, code=2).err


def test_what_is_known_is_listed_without_a_question(resolved: Project) -> None:
    before = resolved.api.ask("requests")["total"]
    told = handles(resolved, "--list", "--json").json
    assert resolved.api.ask("requests")["total"] == before
    assert [(each["handle"], each["id"]) for each in told] == [
        ("ada", ADA), ("ben", BEN), ("chloe", None),
    ]  # fmt: skip
    assert told[0]["source"] == "inbox"
    assert told[2]["answer"] == "not_a_contact"


def test_linkedin_profiles_are_found_by_name_or_address(project: Project) -> None:
    link = {"platform": "linkedin"}
    knows(
        project.api,
        {**person("ACoAAAda", "ada-adler-1", "Ada Adler"), **link},
        {**person("ACoAARen", "rené-m", "René M"), **link},
    )
    rows = [
        "https://de.linkedin.com/in/Ada-Adler-1/?trk=people,Ada",
        "www.linkedin.com/in/ren%C3%A9-m/de,René",
        "https://www.linkedin.com/company/acme,Acme",
    ]
    write(project, rows)
    text = project.campaign.read_text().replace("api: {", "api: {platform: linkedin, ")
    project.campaign.write_text(text)
    told = handles(project, "--json").json
    assert [each["id"] for each in told] == ["ACoAAAda", "ACoAARen"]
    done = ask_x(project, "--yes", code=2)
    assert "X knows its own only" in done.err


def test_people_and_senders_are_shown_by_handle_where_a_person_looks(resolved: Project) -> None:
    state = ("--state", str(resolved.ledger))
    resolved.ok(resolved.campaign, "--yes", "--only", "@ben")
    shown = resolved.ok(resolved.campaign, "--dry-run").out
    assert f"to {ADA} (@ada, ada)  from @acmecorp ({LINK})" in shown
    resolved.ok("hold", "@ada", *state)
    resolved.ok("suppress", "add", "@ben", *state)
    assert f"{ADA} (@ada)  until unhold" in resolved.ok("hold", "--list", *state).out
    assert f"{BEN} (@ben)" in resolved.ok("suppress", "list", *state).out
    report = resolved.ok("report", resolved.campaign, "--format", "md").out
    assert "| @acmecorp |" in report


def test_what_is_in_doubt_is_told_by_handle(resolved: Project) -> None:
    resolved.api.faults("stall:on=send")
    text = resolved.campaign.read_text().replace("settle: 1s", "settle: 1s, timeout: 1s")
    resolved.campaign.write_text(
        text.replace("settle: 1s", "settle: 1s, key_life: 1s, attempts: 1")
    )
    resolved.run(resolved.campaign, "--yes", "--only", "@ada", "--until-idle")
    told = resolved.run("resolve", resolved.campaign, "--list").out
    assert f"look into the thread of @acmecorp ({LINK}) with {ADA} (@ada) in Inbox" in told


# On a terminal ------------------------------------------------------------------------------------


def on_terminal(project: Project, *words: str) -> Terminal:
    return Terminal(
        [*COMMAND, "handles", "campaigns/spring.yaml", *words],
        folder=project.folder,
        env=project.environment(X_BEARER_TOKEN="sandbox-token", NO_COLOR="1"),
    )


def test_a_line_counts_on_a_terminal_and_what_is_told_stands_below_it(project: Project) -> None:
    ids = people(250)
    knows(project.api, *(stranger(id, f"u{n}") for n, id in enumerate(ids)))
    write(project, [f"u{n},P" for n in range(300)])
    project.api.ask("x", {"trouble": [200, 503]})
    with on_terminal(project, "--yes", "--via", "x", "--x-url", project.api.base) as terminal:
        assert terminal.wait() == 0
        told = terminal.raw.decode()
    assert "\rInbox: 100 of 300 handles\rInbox: 200 of 300 handles\rInbox: 300" in told
    assert "\rX: 100 of 300 handles\r\nX's API has trouble (HTTP 503)" in told
    assert "\x1b[3" not in told  # no colour
    assert "  and 30 more without an id" in told
    assert "\r" not in ask_x(project, "--again", "--yes").err


def test_lines_are_folded_at_words_and_commands_are_whole(project: Project) -> None:
    write(project, ["nobody_has_this,N"])
    with on_terminal(project) as terminal:
        assert terminal.wait() == 0
        lines = terminal.lines
    assert "    run-campaign handles campaigns/spring.yaml --via x asks X" in lines
