"""Tables that are not what they seem, through the command: what is told of them."""

from __future__ import annotations

from .support import Project, people


def dry(project: Project, *more: str) -> tuple[int, str]:
    done = project.run(project.campaign, "--dry-run", *more)
    return done.code, done.all


def test_an_encoding_that_looks_wrong_is_asked_for(on_v1: Project) -> None:
    ids = people(2)
    on_v1.write(ids)
    source = "prospects: {source: spring.csv, encoding: cp1252}"
    text = on_v1.campaign.read_text().replace("prospects: spring.csv", source)
    on_v1.campaign.write_text(text)
    sheet = f"x_user_id,first_name\n{ids[0]},Łukasz\n{ids[1]},Ján\n"
    on_v1.sheet.write_bytes(sheet.encode("cp1250"))
    code, told = dry(on_v1)
    assert code == 2
    assert "encoding_doubtful" in told
    assert "£ukasz" in told
    on_v1.sheet.write_bytes(sheet.replace("Ł", "L").encode("cp1252"))
    code, told = dry(on_v1)
    assert code == 0
    assert "note encoding_read" in told
    assert "Ján" in told


def test_lists_in_a_column_stop_only_where_it_is_used(on_v1: Project) -> None:
    ids = people(1)
    for text, expected in (("Hi {{ first_name }}", 0), ("Hi {{ skills | default('x') }}", 1)):
        on_v1.write(ids, text=text)
        source = on_v1.sheet.with_suffix(".json")
        source.write_text(f'[{{"x_user_id": "{ids[0]}", "first_name": "Ada", "skills": ["a"]}}]')
        campaign = on_v1.campaign.read_text().replace("spring.csv", source.name)
        on_v1.campaign.write_text(campaign)
        code, told = dry(on_v1)
        assert code == expected, told
        assert ("nested_used" if expected else "nested_left_out") in told
