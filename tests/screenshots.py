"""Pictures of the real program on a terminal, into docs/images: `make screenshots`.

A campaign runs against the sandbox; what a terminal shows of it is kept as SVG. Nothing in it is
drawn by hand, and nothing is fetched: fonts are those of whoever looks.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.acceptance.screen import Terminal
from tests.processes import COMMAND

IMAGES = Path(__file__).parent.parent / "docs" / "images"
FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
THEME = TerminalTheme(
    (24, 26, 31),
    (214, 218, 224),
    [(0, 0, 0)] * 8,  # no colour of the terminal's own is used
)
SENDERS = ("df6jbw4h36qm5d9iu2sgn7kx", "k2v7q9x4m1n8b3c6z5l0p7ty")
ENDINGS = ("1111", "1111", "1111", "0404", "1111", "1111", "0598", *["1111"] * 12, "0422")
"""Whom the sandbox cannot write to, whom it leaves in doubt, and most people."""


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, _sandbox() as base, ExitStack() as stack:
        folder = Path(home)
        _write(folder, base, "spring", 80)
        _write(folder, base, "summer", 40)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "COLORTERM": "truecolor",
            "LOGNAME": "ada",
            "INBOX_API_TOKEN": "sandbox-token",
        }

        def show(*words: str, columns: int = 80, rows: int = 24, **more: str) -> Terminal:
            command = [*COMMAND, *words]
            terminal = Terminal(command, folder=folder, env=env | more, columns=columns, rows=rows)
            return stack.enter_context(terminal)

        run = ("campaigns/spring.yaml", "campaigns/summer.yaml", "--yes")
        title = f"run-campaign {' '.join(run[:2])}"
        live = show(*run)
        live.until(lambda text: "1 in doubt" in text and _sent(text) > 20, "the run under way")
        _keep(live, "live-80", title)
        live.resize(120, 24)
        live.until(lambda text: _sent(text) > 30, "more of it")
        _keep(live, "live-120", title)
        subprocess.run(
            [*COMMAND, "pause", "campaigns/summer.yaml"], cwd=folder, env=env, check=True
        )
        watching = {
            "watch-80": show("status", "--watch"),
            "watch-120": show("status", "--watch", columns=120),
            "watch-no-colour": show("status", "--watch", NO_COLOR="1"),
        }
        for name, terminal in watching.items():
            while not re.search(r"sent \(\+\d", terminal.text):
                live.read()  # or its terminal is full, and it waits to be read
                terminal.read()
            _keep(terminal, name, "run-campaign status --watch")
        live.type("\x03")
        live.wait()
        plain = show(*run, NO_COLOR="1")
        plain.until(lambda text: _sent(text) > 5, "the run under way again")
        _keep(plain, "live-no-colour", title)


@contextmanager
def _sandbox() -> Iterator[str]:
    words = ["sandbox", "--port", "0", "--per-minute", "none", "--fault", "slow:seconds=0.3"]
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[2]
        finally:
            process.terminate()


def _write(folder: Path, base: str, name: str, count: int) -> None:
    at = folder / "campaigns"
    at.mkdir(exist_ok=True)
    begin = {"spring": 1, "summer": 5001}[name]
    people = (f"90000000000{n:04d}{ENDINGS[n % 20]}" for n in range(begin, begin + count))
    at.joinpath(f"{name}.csv").write_text("\n".join(["x_user_id", *people]) + "\n")
    senders = "".join(
        f"  - {{id: {sender}, per_hour: 1800, per_day: none, gap: 2s}}\n" for sender in SENDERS
    )
    at.joinpath(f"{name}.yaml").write_text(
        f"name: {name}-2026\n"
        f"api: {{base_url: {base}/api/v2}}\n"
        f"senders:\n{senders}"
        f"prospects: {name}.csv\n"
        f"message: Shall I send you the notes of {name}?\n"
        "accept: [same_text]\n"
        "guard: {failure_rate: none}\n"
    )


def _sent(text: str) -> int:
    """How many a view says are sent, of all campaigns."""
    return sum(map(int, re.findall(r"^ +(\d+) sent", text, re.MULTILINE)))


def _keep(terminal: Terminal, name: str, title: str) -> None:
    """The screen as it is now, without the empty rows at its end."""
    screen = terminal.screen
    console = Console(
        record=True,
        width=screen.columns,
        height=screen.lines,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    for row in range(len(terminal.text.splitlines())):
        line = Text(no_wrap=True, overflow="crop")
        for column in range(screen.columns):
            char = screen.buffer[row][column]
            colour = "" if char.fg == "default" else f"#{char.fg}"
            line.append(char.data, f"{'bold' if char.bold else ''} {colour}".strip())
        line.rstrip()
        console.print(line)
    console.print()  # the picture's edge cuts into its last row
    svg = console.export_svg(title=title, theme=THEME, unique_id=name)
    svg = re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;]+;", f"font-family: {FONTS};", svg)
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", ""), "nothing is fetched"
    lines = [line.rstrip() for line in svg.splitlines()]
    (IMAGES / f"{name}.svg").write_text("\n".join(line for line in lines if line) + "\n")


if __name__ == "__main__":
    main()
