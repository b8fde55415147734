"""The comparison of two plans in Markdown, for the people who approve the newer one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence

from runner.formats import number, safe
from runner.planning.approved.approval import ApprovedPlan, differing
from runner.planning.approved.ceilings import ceiling_text, looser_than


def compare_plans(old: ApprovedPlan | None, new: ApprovedPlan, power: str = "") -> str:
    """Return what a plan would let a campaign do that `old` does not, and what it no longer does.
    Both have one key. `old`: None before the first plan; `power`: what a comparison of variants can
    show, empty without any."""
    lines = [f"## Plan of {_plain(new.campaign)}", ""]
    parts = [*_numbers(old, new), *_limits(old, new), *_texts(old, new)]
    parts = parts or ["Nothing differs from the approved plan."]
    told = ["", f"Variants: {power}."] if power else []
    return "\n".join([*lines, *parts, *told]) + "\n"


def _numbers(old: ApprovedPlan | None, new: ApprovedPlan) -> Iterator[str]:
    if old is not None and old.messages == new.messages:
        return
    before: frozenset[str] = old.people if old else frozenset()
    changed = sum(1 for _ in differing(old, new)) if old else 0
    yield f"- people who are new: **{number(len(new.people - before))}**"
    yield f"- people who are gone: {number(len(before - new.people))}"
    yield f"- people with another text, sender, variant, step or time zone: **{number(changed)}**"
    yield ""
    yield "| | approved | now |"
    yield "| --- | --- | --- |"
    counts = old.counts if old else {}
    for name in ("people", "messages"):
        yield _row(name, counts.get(name, 0), new.counts[name])
    for kind, word in (("senders", "sender"), ("steps", "step"), ("variants", "variant")):
        was: Mapping[str, int] = counts.get(kind, {})
        for name in sorted(was.keys() | new.counts[kind].keys()):
            told = f"{word} `{_plain(name)}`"
            yield _row(told, was.get(name, 0), new.counts[kind].get(name, 0))
    yield ""


def _limits(old: ApprovedPlan | None, new: ApprovedPlan) -> Iterator[str]:
    if old is None:
        return
    was, now = old.ceilings, new.ceilings
    changed = [key for key in sorted(was.keys() | now.keys()) if was.get(key) != now.get(key)
               or (key in was) != (key in now)]  # fmt: skip
    if old.api != new.api:
        yield f"Sent to another address: **{_code(new.api)}**, approved: {_code(old.api)}"
        yield ""
    if not changed:
        return
    looser = set(looser_than(was, now))
    yield "| limit | approved | now | |"
    yield "| --- | --- | --- | --- |"
    for key in changed:
        sign = "**looser**" if key in looser else "tighter"
        told = [_code(ceiling_text(each[key])) if key in each else "" for each in (was, now)]
        yield f"| {_code(key)} | {told[0]} | {told[1]} | {sign if key in now else 'gone'} |"
    yield ""


def _texts(old: ApprovedPlan | None, new: ApprovedPlan) -> Iterator[str]:
    was: Mapping[str, str] = old.texts if old else {}
    for name in dict.fromkeys((*was, *new.texts)):
        before, after = was.get(name, ""), new.texts.get(name, "")
        if before == after:
            continue
        yield f"Text of {_plain(name)}:"
        yield ""
        yield from _fenced([
            each for each in difflib.ndiff(before.splitlines(), after.splitlines())
            if not each.startswith("?")
        ])  # fmt: skip
        yield ""


def _fenced(lines: Sequence[str]) -> list[str]:
    """Return lines of a difference in a block that no text in it can end."""
    told = [safe(line.replace("\t", "    ")) for line in lines]
    longest = max((len(each) for line in told for each in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}diff", *(f"{line[0]}{line[2:]}" for line in told), fence]


def _row(name: str, before: int, now: int) -> str:
    more = now - before
    told = f" ({'+' if more > 0 else '−'}{number(abs(more))})" if more else ""
    return f"| {name} | {number(before)} | {number(now)}{told} |"


def _code(text: str) -> str:
    return f"`{_plain(text)}`"


def _plain(text: str) -> str:
    """Return a text that ends no cell and begins no markup."""
    return re.sub(r"[`|<>\[\]*\\]", "", safe(text))
