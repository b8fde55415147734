"""The follow-ups of a campaign file, and how their mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.campaign.loader import load_campaign
from runner.campaign.steps import MOST_STEPS
from tests.campaign_files import problems, with_line, write

DAY = 86400.0
NUDGE = "name: nudge, after: 3d, text: x"


def many(count: int) -> str:
    steps = ", ".join(f"{{name: s{n}, after: 1d, text: x}}" for n in range(count))
    return f"steps: [{steps}]"


def test_steps_are_read_in_their_order(tmp_path: Path) -> None:
    line = """steps:
  - {name: nudge, after: 3d, template: ../nudge.j2}
  - {name: Last_one-2, after: 1h30m, text: "Still there, {{ first_name }}?"}
stop_on: reply"""
    campaign = load_campaign(write(tmp_path, with_line(line)))
    assert [(each.name, each.after, each.template, each.text) for each in campaign.steps] == [
        ("nudge", 3 * DAY, tmp_path / "../nudge.j2", None),
        ("Last_one-2", 5400.0, None, "Still there, {{ first_name }}?"),
    ]
    assert campaign.stop_on == ("reply",)


def test_without_a_word_a_campaign_has_no_steps_and_stops_on_everything(tmp_path: Path) -> None:
    campaign = load_campaign(write(tmp_path, with_line("steps: []")))
    assert campaign.steps == ()
    assert campaign.stop_on == ("reply", "colleague", "assigned")
    assert load_campaign(write(tmp_path, with_line("stop_on: []"))).stop_on == ()


def test_there_may_be_as_many_steps_as_are_said(tmp_path: Path) -> None:
    assert len(load_campaign(write(tmp_path, with_line(many(MOST_STEPS)))).steps) == 20


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (many(MOST_STEPS + 1), "steps: has 21 steps; keep 20 or fewer"),
        (f"steps: [{{{NUDGE}}}, {{name: last, after: 1d, text: y}}, {{{NUDGE}}}]",
         "steps[2].name: nudge is the name of step 1 already; give each step a name of its own"),
        ("steps: hello", "steps: must be a list; put the value in brackets: [ ]"),
        (f"steps: {{{NUDGE}}}", "steps: must be a list; put the value in brackets: [ ]"),
        ("steps: [hello]", "steps[0]: must be keys and values"),
        ("steps: [{after: 3d, text: x}]", "steps[0].name: is missing; add it"),
        ("steps: [{name: nudge, text: x}]", "steps[0].after: is missing; add it"),
        ("steps: [{name: nudge, after: 3, text: x}]",
         'steps[0].after: has no unit; write "3s"'),
        ('steps: [{name: nudge, after: "3", text: x}]',
         'steps[0].after: has no unit; write "3s"'),
        ("steps: [{name: nudge, after: none, text: x}]",
         "steps[0].after: is not a duration; write one such as 45s, 1m30s, 2h or 30d"),
        ("steps: [{name: nudge, after: 500ms, text: x}]",
         "steps[0].after: must be greater than or equal to 1"),
        ("steps: [{name: nudge, after: 366d, text: x}]",
         "steps[0].after: must be less than or equal to 31536000"),
        ("steps: [{name: nudge, after: 3d}]",
         "steps[0]: is empty; write template: FILE, or text: with the text itself"),
        (f"steps: [{{{NUDGE}, template: a.j2}}]", "steps[0]: has both template and text; keep one"),
        (f"steps: [{{{NUDGE}, massage: x}}]",
         "steps[0].massage: unknown key; known here: template, text, name, after, "
         "variants"),
        ("steps: [{name: 2, after: 3d, text: x}]",
         'steps[0].name: `2` is a number to YAML, not text; quote it: "2"'),
        ("stop_on: answer",
         "stop_on: `answer` is not known here; write 'reply', 'colleague' or 'assigned'"),
        ("stop_on: [reply, answer]",
         "stop_on[1]: `answer` is not known here; write 'reply', 'colleague' or 'assigned'"),
    ],
)  # fmt: skip
def test_a_mistake_of_steps_is_one_line_with_what_to_write(
    tmp_path: Path, line: str, told: str
) -> None:
    assert problems(write(tmp_path, with_line(line))) == [f"F:4: {told}"]


@pytest.mark.parametrize("name", ["1", "2nd", "a b", "-a", "é", "a" * 41, "a\\n", "a."])
def test_the_name_of_a_step_is_a_plain_word(tmp_path: Path, name: str) -> None:
    """It is part of the key of each message, for as long as there is one; "1" is the first's."""
    line = f'steps: [{{name: "{name}", after: 3d, text: x}}]'
    [told] = problems(write(tmp_path, with_line(line)))
    assert told == (
        "F:4: steps[0].name: is not the name of a step; write a letter, then letters, digits, - "
        "and _, 40 at most"
    )


def test_version_1_has_no_steps(tmp_path: Path) -> None:
    line = f"api: {{version: v1}}\nsteps: [{{{NUDGE}}}]"
    assert problems(write(tmp_path, with_line(line))) == [
        "F:5: steps: needs api.version v2: v1 is announced to end on 2026-12-03; use v2, or remove "
        "it"
    ]


TWO = "senders: [a1]\nprospects: p.csv\nmessage: {variants: {plain: a.j2, question: {text: '?'}}}\n"


def test_a_step_has_a_text_for_each_variant_of_the_message(tmp_path: Path) -> None:
    line = "steps: [{name: n, after: 3d, variants: {question: {text: x}, plain: b.j2}}]\n"
    campaign = load_campaign(write(tmp_path, TWO + line))
    texts = campaign.steps[0].texts
    assert (texts["question"].text, texts["plain"].template) == ("x", tmp_path / "b.j2")
    assert campaign.templates == [tmp_path / "a.j2", tmp_path / "b.j2"]


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("variants: {plain: b.j2}",
         "variants: have no text for question; write one for each variant of the message"),
        ("variants: {plain: b.j2, question: c.j2, long: d.j2}",
         "variants.long: is not a variant of the message; the message has plain, question"),
        ("variants: {plain: b.j2, question: {text: x, share: 2}}",
         "variants.question.share: unknown key; known here: template, text"),
        ("variants: {plain: b.j2, question: {text: ''}}",
         "variants.question: is empty; write template: FILE, or text: with the text itself"),
        ("variants: {}",
         "variants: have no text for plain, question; write one for each variant of the message"),
    ],
)  # fmt: skip
def test_the_variants_of_a_step_are_those_of_the_message(
    tmp_path: Path, step: str, told: str
) -> None:
    last = "  - {name: last, after: 1d, text: x}\n"
    path = write(tmp_path, f"{TWO}steps:\n{last}  - {{name: n, after: 3d, {step}}}\n")
    assert problems(path) == [f"F:6: steps[1].{told}"]


def test_a_step_has_one_text_or_variants_that_the_message_has(tmp_path: Path) -> None:
    both = "steps: [{name: n, after: 3d, text: x, variants: {plain: a.j2, question: b.j2}}]"
    told = "has both variants and a text of its own; keep one"
    assert problems(write(tmp_path, f"{TWO}{both}\n")) == [f"F:4: steps[0]: {told}"]
    alone = "steps: [{name: n, after: 3d, variants: {plain: a.j2, question: b.j2}}]"
    told = "are texts of variants, and the message has none; write one text"
    assert problems(write(tmp_path, with_line(alone))) == [f"F:4: steps[0].variants: {told}"]


def test_variants_of_a_base_are_told_by_its_file(tmp_path: Path) -> None:
    write(tmp_path, TWO + "steps: [{name: n, after: 3d, variants: {plain: b.j2}}]\n", "base.yaml")
    [told] = problems(write(tmp_path, "extends: base.yaml\n"))
    assert told.startswith(f"{tmp_path}/base.yaml:4: steps[0].variants: have no text for question")
