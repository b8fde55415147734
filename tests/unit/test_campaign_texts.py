"""Texts in a campaign file that YAML reads otherwise than they were meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.campaign.loader import load_campaign
from runner.errors import CampaignError
from runner.planning.draft import text_findings
from runner.templating.template import compile_template

HEAD = "senders: [a1]\nprospects: p.csv\n"


def found(folder: Path, text: str, head: str = HEAD) -> list[str]:
    path = folder / "c.yaml"
    path.write_text(head + text, encoding="utf-8")
    campaign = load_campaign(path)
    template = compile_template(
        campaign.message.text or "{{ first_name }}", str(path), campaign.text_place
    )
    findings = text_findings(campaign, campaign.message, template, ["x_user_id", "first_name"])
    told = map(str, [*campaign.findings, *findings])
    return [each.replace(f"{path}", "F") for each in told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("message: Hi {{ first_name }}, see #DevWeek\n",
         "F:3: message: everything from #DevWeek on is a comment to YAML"),
        ("message: Hi {{ first_name }} # see\n", "F:3: message: everything from # see on"),
        ("message:\n  text: Hi {{ first_name }}, ticket\n    #42 is solved.\n",
         "F:4: message.text: everything from #42 is solved. on"),
        ("message: {text: Hi {{ first_name }} #42\n}\n", ""),
        ("message: Hi {{ first_name }}\r\n  #42 is solved.\r\n", "F:3: message: everything from #"),
        ("message: Hi {{ first_name }},\n\n  #42 is solved.\n", "F:3: message: everything from #4"),
    ],
)  # fmt: skip
def test_a_text_that_a_comment_cuts_off(tmp_path: Path, text: str, told: str) -> None:
    if not told:
        with pytest.raises(CampaignError):
            found(tmp_path, text)
        return
    (only,) = found(tmp_path, text)
    assert only.startswith(told)
    assert only.endswith("put the text in quotes")


@pytest.mark.parametrize(
    "text",
    [
        'message: "Hi {{ first_name }}, see #DevWeek"\n',
        'message: "Hi {{ first_name }}" # the greeting\n',
        "message: Hi {{ first_name }}, see#DevWeek, C# and F#\n",
        "message: |  # the greeting\n  Hi {{ first_name }}, see #DevWeek\n  #42\n",
        "message: Hi {{ first_name }}\n# the end\n",
        "message: Hi {{ first_name }}\n\n# limits\nlimits: {per_minute: 300} # few\n",
        "# a file\nname: x # its name\nmessage: {template: t.j2} # a file\n",
        "message: # the greeting\n  text: |\n    Hi {{ first_name }}\n",
    ],
)
def test_comments_that_cut_nothing_off(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == []


@pytest.mark.parametrize(
    ("where", "cut"),
    [
        ("team: Team #1", True),
        ("team: [Team #1,\n      Team #2]", False),
        ('team: "Team #1"', False),
        ("team: active # only active ones", False),
        ("team: active  # only active ones", False),
        ("team: Team # 1", True),
        ("team:\n      - Team #1\n      - b", True),
    ],
)
def test_a_value_to_compare_with_that_a_comment_cuts_off(
    tmp_path: Path, where: str, cut: bool
) -> None:
    head = f"senders: [a1]\nprospects:\n  source: p.csv\n  where:\n    {where}\n"
    text = "message: Hi {{ first_name }}\n"
    if where.startswith("team: [Team #1"):
        with pytest.raises(CampaignError, match=r":5: everything from ` #` on is a comment"):
            found(tmp_path, text, head)
        return
    told = found(tmp_path, text, head)
    assert [each.startswith("F:") and "prospects.where.team" in each for each in told] == [
        True
    ] * cut


@pytest.mark.parametrize(
    ("value", "what", "instead"),
    [
        ("{{ first_name }}, shall I?", "a text that begins with {{ is not in quotes", "quotes"),
        ("{{ first_name }}", "a text that begins with {{ is not in quotes", "message: |"),
        ("{% if a %}Hi{% endif %}", "a text that begins with {% is not in quotes", "message: |"),
        ("{first_name}, shall I?", "a text that begins with { is not in quotes", "message: |"),
        ("[First Name], shall I?", "a text that begins with [ is not in quotes", "message: |"),
        ("'Hi {{ a | default('there') }}!'", "a ' inside the text ends it", "other kind of quotes"),
        ('"Hi {{ a | default("there") }}!"', 'a " inside the text ends it', "other kind of quotes"),
        ("'Hi,\n  it's me'", "a ' inside the text ends it", "other kind of quotes"),
        ("!Hi {{ first_name }}", "begins with !Hi, which is a tag to YAML", "put a text in quotes"),
        ("%first_name% hello", "a text that begins with % is not in quotes", "{{ first_name }}"),
        ("*|FNAME|* hello", "a text that begins with * is not in quotes", "{{ first_name }}"),
        ("@first_name hello", "a sign that means something in YAML", "quote the text"),
        ("#DevWeek, {{ a }}", "everything from #DevWeek, {{ a }} on is a comment", "quotes"),
    ],
)
def test_a_text_that_yaml_cannot_read(tmp_path: Path, value: str, what: str, instead: str) -> None:
    with pytest.raises(CampaignError) as caught:
        found(tmp_path, f"message: {value}\n")
    (problem, *_) = caught.value.problems
    assert problem.line in (3, 4)
    assert what in problem.what
    assert instead in problem.instead


def test_a_file_named_as_the_text(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "t.j2").write_text("Hi {{ first_name }}")
    told = "F:3: message is the name of a file; write message: {template: texts/t.j2}"
    assert found(tmp_path, "message: texts/t.j2\n") == [told]
    assert found(tmp_path, "message: ./texts/t.j2\n") != []
    assert found(tmp_path, "message: texts\\t.j2\n") == [told]
    assert found(tmp_path, "message: {text: texts/t.j2}\n") == [told]
    assert found(tmp_path, "message: '{{ first_name }} texts/t.j2'\n") == []


def test_a_finding_names_the_line_of_the_file(tmp_path: Path) -> None:
    (told,) = found(tmp_path, "message: |\n  Hi {{ first_name }},\n\n  {Hi|Hello}\n")
    assert told.startswith("F:6: {Hi|Hello}")
    (told,) = found(tmp_path, "message:\n  text: 'Hi {{ first_name }}\n\n  {Hi|Hello}'\n")
    assert told.startswith("F:4: {Hi|Hello}")
    (told,) = found(tmp_path, "message: Hello\n")
    assert told.startswith("F:3: everybody gets the same text")
