"""Variants in a campaign file: what is taken, and how the rest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.campaign.loader import load_campaign
from runner.errors import CampaignError, TemplateError
from runner.findings import Level
from runner.planning.draft import make_draft

HEAD = "senders: [a1]\nprospects: p.csv\n"


def load(folder: Path, text: str):  # type: ignore[no-untyped-def]
    path = folder / "c.yaml"
    path.write_text(HEAD + text)
    return load_campaign(path)


def test_short_and_long_forms(tmp_path: Path) -> None:
    campaign = load(
        tmp_path, "message: {variants: {plain: a.j2, q: {text: 'Hi {{ x }}', share: 2}}}\n"
    )
    texts = campaign.message.variants
    assert texts["plain"].template == tmp_path / "a.j2"
    assert (texts["q"].text, texts["q"].share, texts["plain"].share) == ("Hi {{ x }}", 2, 1)
    assert campaign.message.judge_after == 7 * 86400
    assert campaign.templates == [tmp_path / "a.j2"]
    assert not campaign.message.has_equal_shares


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("message: {variants: {a: a.j2}}", "message.variants: has one text alone"),
        ("message: {variants: {a: a.j2, b: b.j2}, text: Hi}", "has both variants and a text"),
        ("message: {variants: {a: {share: 2}, b: b.j2}}", "message.variants.a: is empty"),
        ("message: {variants: {a: {share: 0, text: x}, b: {share: 0, text: y}}}",
         "message.variants: has no share above 0"),
        ("message: {variants: {a: {share: -1, text: x}, b: b.j2}}", "message.variants.a.share"),
        ("message: {variants: {'a b': a.j2, b: b.j2}}",
         "message.variants.a b: is not the name of a variant; write letters, digits, - and _"),
        ("message: {text: Hi, judge_after: 7d}", "message.judge_after: is for variants"),
        ("message: {variants: {a: a.j2, b: b.j2}, judge_after: 30d}",
         "message.judge_after: is longer than replies.for"),
        ("message: {variants: {a: a.j2, b: b.j2}, judge_after: 5m}", "message.judge_after"),
        ("message: {variants: {a: a.j2, b: b.j2}}\napi: {version: v1}",
         "message.variants: needs api.version v2"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(CampaignError) as caught:
        load(tmp_path, text + "\n")
    assert told in str(caught.value)


def test_a_mistake_in_a_variants_own_text_is_told_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x_user_id,name\n9000000000000001111,Ada\n")
    campaign = load(
        tmp_path,
        "message:\n  variants:\n    a:\n      text: |\n        Hi {{ name }}\n"
        "        [City] is nice\n    b: {text: 'Hi {{ name }}, [City]?'}\n",
    )
    found = [each for each in make_draft(campaign, None).findings if each.code == "placeholder"]
    assert [each.line for each in found] == [8, 9]


STEPS = (
    "message:\n  variants: {a: {text: 'Hi {{ name }}'}, b: {text: 'Hi, {{ name }}'}}\n"
    "steps:\n  - name: nudge\n    after: 3d\n    text: |\n      Hi {{ name }},\n      PLACE\n"
    "  - name: last\n    after: 3d\n    variants:\n      a: {text: '{{ name }}? PLACE'}\n"
    "      b: {text: '{{ name }}!'}\n"
)


def test_a_mistake_in_a_steps_own_text_is_told_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x_user_id,name\n9000000000000001111,Ada\n")
    text = STEPS.replace("PLACE", "[City] is nice")
    found = make_draft(load(tmp_path, text), None).findings
    told = [(each.code, each.file, each.line) for each in found]
    file = str(tmp_path / "c.yaml")
    assert told == [("placeholder", file, 10), ("placeholder", file, 14)]
    for line, text in (
        (10, STEPS.replace("PLACE", "{{ name | titel }}", 1).replace("PLACE", "")),
        (14, STEPS.replace("PLACE", "", 1).replace("PLACE", "{{ name | titel }}")),
    ):
        with pytest.raises(TemplateError) as caught:
            make_draft(load(tmp_path, text), None)
        assert str(caught.value).startswith(f"{file}:{line}: no filter titel; did you mean title?")


def test_a_steps_text_that_names_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x_user_id,name\n9000000000000001111,Ada\n")
    (tmp_path / "nudge.j2").write_text("Hi {{ name }}")
    text = "message: 'Hi {{ name }}'\nsteps:\n  - {name: nudge, after: 3d, text: nudge.j2}\n"
    [found] = make_draft(load(tmp_path, text), None).findings
    assert str(found) == (
        f"{tmp_path}/c.yaml:5: text of step nudge is the name of a file; write template: nudge.j2"
    )


def test_variants_of_one_text_are_asked_about(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x_user_id,name\n9000000000000001111,Ada\n")
    (tmp_path / "a.j2").write_text("Hi {{ name }}\n")
    text = (
        "message:\n  variants:\n    a: a.j2\n    b: {text: 'Hi {{ name }}'}\n    c: {text: 'Hi'}\n"
        "steps:\n  - name: nudge\n    after: 3d\n    variants:\n      a: {text: '{{ name }}?'}\n"
        "      b: {text: 'So, {{ name }}?'}\n      c: {text: '{{ name }}?'}\n"
    )
    draft = make_draft(load(tmp_path, text), None)
    found = [str(each) for each in draft.findings if each.code == "same_variants"]
    instead = "have the same text; write another, or remove one of them"
    assert found == [
        f"{tmp_path}/c.yaml:6: variants a and b {instead}",
        f"{tmp_path}/c.yaml:14: variants a and c of step nudge {instead}",
    ]
    assert {each.level for each in draft.findings} == {Level.QUESTION}
