"""What goes on with a command that was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli.invocation import Invocation
from runner.cli.main import main

SPRING = Path("spring.yaml")
URL = "postgresql+psycopg://ada:geheim@db/outreach"


def test_a_command_goes_on_by_its_own_words() -> None:
    call = Invocation(["export", "spring.yaml", "-o", "to everybody.csv"])
    call.about((SPRING,), None)
    assert call.resume == "run-campaign export spring.yaml -o 'to everybody.csv'"


def test_what_runs_campaigns_goes_on_by_a_run() -> None:
    call = Invocation(["retry", "spring.yaml", "--status", "failed"])
    call.about((SPRING,), None, runs=True)
    assert call.resume == "run-campaign spring.yaml"


@pytest.mark.parametrize(
    ("option", "does"),
    [
        ("--dry-run", "runner.cli.dry_run.show_dry_run"),
        ("--sandbox", "runner.cli.rehearsal.once.rehearse"),
    ],
)
def test_what_sends_nothing_goes_on_sending_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    does: str,
) -> None:
    def interrupted(*_words: object, **_options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(does, interrupted)
    file = tmp_path / "spring.yaml"
    file.write_text("")
    assert main([str(file), option]) == 130
    assert f"to go on: run-campaign {file} {option}\n" in capsys.readouterr().err


def test_no_password_is_repeated() -> None:
    for words in (["--state", URL], [f"--state={URL}"]):
        call = Invocation(["suppress", "add", "5", *words])
        call.about((), URL)
        assert "geheim" not in call.resume
        assert "://ada@db/outreach" in call.resume
