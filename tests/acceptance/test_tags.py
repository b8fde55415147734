"""A campaign's tag on those whom it has written to, which never touches a message."""

from __future__ import annotations

from .conftest import StartApi
from .support import TOKEN, Project, people

ADA, BEN, CHLOE = people(3)
TAG = "tag: Spring 2026\n"


def tagged(project: Project) -> list[str]:
    """Whoever has a tag, as the sandbox knows them."""
    found: dict[str, list[str]] = project.api.ask("tags")
    return sorted(id for id, tags in found.items() if tags == ["Spring 2026"])


def puts(project: Project) -> dict[str, int]:
    counts: dict[str, int] = project.api.ask("requests")["counts"]
    return {what: n for what, n in counts.items() if "tags" in what}


def test_the_tag_is_made_once_and_put_on_those_who_were_written_to(project: Project) -> None:
    rejected = people(1, "0404")
    project.write([ADA, BEN, *rejected], more=TAG)
    done = project.run(project.campaign, "--yes")
    assert done.code == 0, done.all
    assert tagged(project) == sorted([ADA, BEN])
    assert puts(project) == {
        "GET /api/v2/tags 200": 1,
        "POST /api/v2/tags 201": 1,
        "PUT /api/v2/contacts/{contactId}/tags/{tagRef} 204": 2,
    }
    project.ok(project.campaign, "--yes")
    assert sum(puts(project).values()) == 4


def test_a_later_run_puts_it_on_those_who_were_written_to_before(project: Project) -> None:
    project.write([ADA, BEN])
    project.ok(project.campaign, "--yes")
    assert tagged(project) == []
    project.campaign.write_text(project.campaign.read_text() + TAG)
    project.ok(project.campaign, "--yes")
    assert tagged(project) == sorted([ADA, BEN])
    assert project.api.recipients == [ADA, BEN]


def test_what_goes_wrong_with_a_tag_touches_nothing_else(
    project: Project, start_api: StartApi
) -> None:
    api = start_api("--per-minute", "none", "--tag-limit", "0")
    project.api = api
    project.write([ADA, BEN], more=TAG)
    done = project.ok(project.campaign, "--yes")
    assert "spring: the tag Spring 2026 is not put on for now: " in done.all
    assert project.api.recipients == [ADA, BEN]
    assert project.counts() == {"sent": 2}
    assert TOKEN not in done.all


def test_it_is_of_v2(on_v1: Project) -> None:
    on_v1.write([ADA], more=TAG)
    done = on_v1.run(on_v1.campaign, "--yes")
    assert done.code == 2
    assert "tag: needs api.version v2" in done.err


def test_a_test_puts_no_tag_on(project: Project) -> None:
    project.write([ADA], more=TAG)
    project.ok("test", project.campaign, "--to", CHLOE, "--yes")
    assert tagged(project) == []
