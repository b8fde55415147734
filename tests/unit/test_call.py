"""What goes on with a command that was interrupted."""

from __future__ import annotations

from pathlib import Path

from runner.cli.invocation import Call

SPRING = Path("spring.yaml")
URL = "postgresql+psycopg://ada:geheim@db/outreach"


def test_a_command_goes_on_by_its_own_words() -> None:
    call = Call(["export", "spring.yaml", "-o", "to everybody.csv"])
    call.about((SPRING,), None)
    assert call.resume == "run-campaign export spring.yaml -o 'to everybody.csv'"


def test_what_runs_campaigns_goes_on_by_a_run() -> None:
    call = Call(["retry", "spring.yaml", "--status", "failed"])
    call.about((SPRING,), None, runs=True)
    assert call.resume == "run-campaign spring.yaml"


def test_no_password_is_repeated() -> None:
    for words in (["--state", URL], [f"--state={URL}"]):
        call = Call(["suppress", "add", "5", *words])
        call.about((), URL)
        assert "geheim" not in call.resume
        assert "://ada@db/outreach" in call.resume
