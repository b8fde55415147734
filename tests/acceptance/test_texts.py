"""What nobody means to send is not sent, and what a person means goes out."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.support import Project, people


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("Hi [First Name]!", 1, "write {{ first_name }}"),
        ("{Hi|Hello} {{ first_name }}", 2, "--accept spintax"),
        ("Hi {{ first_name }}\\nKim", 2, "break the line instead"),
        ("Hello!", 2, "everybody gets the same text"),
        ("spring.csv", 1, "write message: {template: spring.csv}"),
        ("Hi {{ First_Name }}", 1, "did you mean first_name?"),
        ("Hi {{ FIRST_NAME }}", 1, "did you mean first_name?"),
    ],
)
def test_what_nobody_means_is_not_sent(project: Project, text: str, code: int, told: str) -> None:
    project.write(people(1), text=text)
    assert told in project.ok(project.campaign, "--dry-run", code=code).all
    assert told in project.ok(project.campaign, "--yes", code=code).all
    assert project.api.recipients == []


def test_an_accepted_question_goes_out(project: Project) -> None:
    project.write(people(1), text="Hello!", more="accept: [same_text]\n")
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == people(1)


def test_a_text_with_odd_signs_goes_out(project: Project) -> None:
    text = "Hi {{ first_name }}, [sic] { } 50% off 20% #DevWeek @handle (see below) <3 C:\\new $5"
    project.write(people(1), text=text)
    done = project.ok(project.campaign, "--dry-run", "--json")
    assert json.loads(done.out)["findings"] == []
    project.ok(project.campaign, "--yes")
    assert project.api.recipients == people(1)


def test_a_text_that_yaml_cuts_off_is_not_sent(project: Project) -> None:
    project.write(people(1))
    text = project.campaign.read_text()
    line = next(each for each in text.splitlines() if each.startswith("message:"))
    project.campaign.write_text(text.replace(line, "message: Hi {{ first_name }} at #DevWeek"))
    done = project.ok(project.campaign, "--yes", code=1)
    assert "text_cut_off" in done.all
    assert "message: everything from #DevWeek on" in done.all
    assert project.api.recipients == []
