"""Sheets of handles that workers send: those with an id are written to, the others are told."""

from __future__ import annotations

from .conftest import MakeFleet
from .support import people

ADA, BEN, CLEO = people(3)


def test_workers_write_to_those_who_are_resolved(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(1, 3)
    [team] = fleet.teams
    file = fleet.file(team)
    sheet = file.with_suffix(".csv")
    of = f"prospects: {{source: {sheet.name}, id: handle, id_type: username}}"
    file.write_text(file.read_text().replace(f"prospects: {sheet.name}", of))
    sheet.write_text("handle,first_name\nada,Ada\nBen,Ben\ncleo,Cleo\n@ADA,Ada\n")
    known = [{"platformId": id, "username": name} for id, name in ((ADA, "Ada"), (BEN, "ben"))]
    team.api.ask("people", {"people": known})

    told = fleet.submit().all
    assert f"4 rows (2, 3, 4 …) are not resolved; run run-campaign handles {file}\n" in told
    assert fleet.ask("select count(*) from message") == [(0,)]
    reasons = "select reason, count(*) from row_skip group by reason"
    assert fleet.ask(reasons) == [("unknown_handle", 4)]

    done = fleet.ok("handles", file)
    assert "3 handles: 2 with an id" in done.out
    told = fleet.submit().all
    assert "row 4 has a handle of nobody known; why: --dry-run" in told
    assert sorted(fleet.ask(reasons)) == [("duplicate", 1), ("unknown_handle", 1)]
    fleet.worker()
    fleet.until_done()
    assert sorted(team.api.recipients) == [ADA, BEN]

    team.api.ask("people", {"people": [*known, {"platformId": CLEO, "username": "cleo"}]})
    fleet.ok("handles", file, "--again", "--wait")
    fleet.submit()
    fleet.until_accepted(3)
    fleet.until_done()
    assert sorted(team.api.recipients) == [ADA, BEN, CLEO]
    assert fleet.ask(reasons) == [("duplicate", 1)]
    fleet.end()
