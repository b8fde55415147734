"""The command that adds an optional part: it fits how the program was installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from runner import installation
from runner.installation import install_command


class Installed:
    """A distribution that was installed from somewhere."""

    def __init__(self, told: dict[str, object] | None) -> None:
        self._told = told

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._told is None else json.dumps(self._told)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> object:
    def made(told: dict[str, object] | None, *modules: str) -> None:
        monkeypatch.setattr(installation, "distribution", lambda _: Installed(told))
        monkeypatch.setattr(installation, "find_spec", lambda name: name in modules or None)

    return made


@pytest.mark.parametrize(
    ("receipt", "words"),
    [
        ("uv-receipt.toml", "uv tool install"),
        ("pipx_metadata.json", "pipx install --force"),
        ("", f"{sys.executable} -m pip install"),
    ],
)
def test_the_tool_is_the_one_that_installed_it(
    tmp_path: Path, install: object, receipt: str, words: str
) -> None:
    assert callable(install)
    if receipt:
        (tmp_path / receipt).touch()
    install({"url": "file:///home/ada/run%20campaign", "dir_info": {}}, "pip", "pyarrow")
    assert install_command("metrics", tmp_path) == (
        f"{words} '/home/ada/run campaign[metrics,parquet]'"
    )
    install(None, "pip")
    assert install_command("metrics", tmp_path) == f"{words} 'run-campaign[metrics]'"


def test_what_was_installed_is_installed_again(tmp_path: Path, install: object) -> None:
    assert callable(install)
    install({"url": "file:///src", "dir_info": {"editable": True}}, "pip")
    assert install_command("metrics", tmp_path).endswith("pip install --editable '/src[metrics]'")
    install({"url": "https://git.example/r.git", "vcs_info": {"vcs": "git"}}, "pip")
    assert install_command("metrics", tmp_path).endswith(
        "'run-campaign[metrics] @ git+https://git.example/r.git'"
    )
    install(None)
    assert install_command("metrics", tmp_path) == (
        f"uv pip install --python {sys.executable} 'run-campaign[metrics]'"
    )
