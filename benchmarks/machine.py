"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.figures import spread
from benchmarks.tools import disk_sync

PACKAGES = ("run-campaign", "aiohttp", "SQLAlchemy", "pandas", "Jinja2", "uvloop", "orjson")


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def memory() -> float:
    """Gigabytes of memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def versions() -> str:
    """Of what takes part."""
    found = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def describe(folder: Path) -> str:
    """The machine, its disk, its load, and the versions."""
    sync = spread([took * 1000 for took in disk_sync(folder)], 2)
    load = os.getloadavg()[0]
    return "\n".join(
        (
            f"- Processor: {processor()}, {os.cpu_count()} cores, {memory():.0f} GB of memory",
            f"- System: {platform.system()} {platform.release()}; load before: {load:.2f}",
            f"- Disk: a sync after 4 KB more takes {sync} ms",
            f"- Versions: {versions()}",
            f"- Measured on {time.strftime('%Y-%m-%d')}",
        )
    )
