"""Words of a campaign file that YAML or other systems take for something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.campaign.loader import load_campaign


def prospects_of(folder: Path, prospects: str) -> Path:
    path = folder / "spring.yaml"
    path.write_text(f"senders: [a1]\nprospects: {prospects}\nmessage: x\n")
    return path


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NO", ("NO",)),
        ("[NO, SE]", ("NO", "SE")),
        ("yes", ("yes",)),
        ("[yes, Off]", ("yes", "Off")),
        ("02134", ("02134",)),
        ("[1, 2.50, 1_000, +4712]", ("1", "2.50", "1_000", "+4712")),
        ("true", ("true",)),
        ("10:30", ("10:30",)),
        ("2026-03-02", ("2026-03-02",)),
        ("0x1F", ("0x1F",)),
        ("'NO'", ("NO",)),
    ],
)
def test_where_takes_a_value_as_the_text_that_is_written(
    tmp_path: Path, written: str, meant: tuple[str, ...]
) -> None:
    path = prospects_of(tmp_path, f"{{source: a.csv, where: {{x: {written}}}}}")
    assert load_campaign(path).prospects.where == {"x": meant}


def test_defaults_take_a_value_as_the_text_that_is_written(tmp_path: Path) -> None:
    path = prospects_of(tmp_path, "{source: a.csv, defaults: {size: 5, vip: no, zip: 02134}}")
    assert load_campaign(path).prospects.defaults == {"size": "5", "vip": "no", "zip": "02134"}


def test_a_path_may_begin_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = prospects_of(tmp_path, "~/p.csv")
    assert load_campaign(path).prospects.source == tmp_path / "home" / "p.csv"
    path = prospects_of(tmp_path, "~p.csv")
    assert load_campaign(path).prospects.source == tmp_path / "~p.csv"


def test_a_file_whose_name_really_has_a_backslash_is_read(tmp_path: Path) -> None:
    (tmp_path / "a\\b.csv").write_text("x_user_id\n5\n")
    path = prospects_of(tmp_path, "a\\b.csv")
    assert load_campaign(path).prospects.source == tmp_path / "a\\b.csv"


@pytest.mark.parametrize("zone", ["europe/london", "Europe/london", " Europe/London "])
def test_a_zone_may_be_written_in_small_letters(tmp_path: Path, zone: str) -> None:
    path = prospects_of(tmp_path, "a.csv")
    path.write_text(path.read_text() + f"schedule: {{timezone: '{zone}'}}\n")
    assert load_campaign(path).schedule.timezone == "Europe/London"
