"""Figures for people: medians, spreads, Markdown tables, and the page that keeps them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median


def number(value: float, digits: int = 3) -> str:
    """A value with so many digits that count: 10297 is 10,300, and 0.0029 stays."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= 10 ** (digits - 1):
        return f"{rounded:,.0f}"
    return f"{rounded:.{digits + 3}f}".rstrip("0").rstrip(".")


def spread(values: Sequence[float], digits: int = 3) -> str:
    """The median, and the least and the most where there are several."""
    middle = number(median(values), digits)
    if len(values) == 1:
        return middle
    return f"{middle} [{number(min(values), digits)} … {number(max(values), digits)}]"


def ratios(ours: Sequence[float], others: Sequence[float]) -> list[float]:
    """Ours by the other's, round by round."""
    return [one / other for one, other in zip(ours, others, strict=True)]


def ratio(values: Sequence[float]) -> str:
    """The median of ratios with two decimals, and their least and most."""
    middle = f"{median(values):.2f}"
    return middle if len(values) == 1 else f"{middle} [{min(values):.2f} … {max(values):.2f}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is flush right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


def put(page: Path, name: str, block: str) -> None:
    """Put a block between its marks in a page, or at its end if it has none; the rest stays."""
    begin, end = f"<!-- bench:{name} -->", "<!-- /bench -->"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    whole = f"{begin}\n{block}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if pattern.search(text):
        text = pattern.sub(lambda _: whole, text)
    else:
        text = f"{text.rstrip()}\n\n{whole}\n".lstrip()
    page.write_text(text, encoding="utf-8")
