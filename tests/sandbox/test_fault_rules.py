"""Reading fault rules, and which requests they hit."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.sandbox.faults import FAULTS, SELECTORS, FaultBook, parse_fault

VALUES: dict[str, st.SearchStrategy[str]] = {
    "status": st.integers(500, 599).map(str),
    "accept": st.sampled_from(["yes", "no"]),
    "seconds": st.floats(0, 86400).map(str),
    "phase": st.sampled_from(["before", "after"]),
    "delivered": st.sampled_from(["yes", "no"]),
    "retry_after": st.integers(0, 10**9).map(str),
    "to": st.just("/elsewhere"),
    "pid": st.integers(2, 2**22).map(str),
    "pidfile": st.just("/run/some.pid"),
    "every": st.integers(1, 10**6).map(str),
    "at": st.integers(1, 10**6).map(str),
    "first": st.integers(1, 10**6).map(str),
    "what": st.sampled_from(["link", "thread", "text", "id"]),
    "id": st.text("0123456789abc", min_size=1, max_size=24),
    "times": st.integers(1, 10**6).map(str),
    "rate": st.floats(0, 1).map(str),
    "recipient": st.text("0123456789abc", min_size=1, max_size=24),
    "on": st.sampled_from(["send", "lookup", "any"]),
}


@st.composite
def rules(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A fault's name and valid keys for it."""
    name = draw(st.sampled_from(sorted(FAULTS)))
    own = [key for key in FAULTS[name][1] if key != "pidfile"]
    chosen = draw(st.lists(st.sampled_from([*own, *SELECTORS]), unique=True))
    if name == "accept_then_kill" and "pid" not in chosen:
        chosen.append("pid")
    keys = {key: draw(VALUES[key]) for key in chosen}
    if name == "redirect" and "status" in keys:
        keys["status"] = "308"
    return name, keys


@given(rules())
def test_a_rule_reads_back_as_written(rule: tuple[str, dict[str, str]]) -> None:
    name, keys = rule
    text = name + ":" * bool(keys) + ",".join(f"{key}={value}" for key, value in keys.items())
    fault = parse_fault(text)
    assert fault.name == name
    for key, value in keys.items():
        read = getattr(fault, key)
        shown = {True: "yes", False: "no"}[read] if isinstance(read, bool) else str(read)
        assert shown == value
    assert parse_fault(str(fault)) == fault


@given(st.text(max_size=60))
def test_any_text_is_a_rule_or_one_line_of_complaint(text: str) -> None:
    try:
        parse_fault(text)
    except ValueError as problem:
        assert len(str(problem).splitlines()) == 1  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"unknown fault ''; known: accept_late, accept_then_kill,"),
        ("explode", "unknown fault 'explode'; known: .*unconfirmed"),
        ("stall:colour=red", "fault stall: unknown key 'colour'; known: accept, every, at"),
        ("stall:status=500", "fault stall: unknown key 'status'"),
        ("stall:every", "fault stall: every needs a value: every=..."),
        ("stall:every=0", "fault stall: every must be a whole number from 1, not '0'"),
        ("stall:every=x", "fault stall: every must be a whole number from 1, not 'x'"),
        ("stall:at=1,at=2", "fault stall: at stands twice"),
        ("stall:rate=1.5", "fault stall: rate must be a share from 0 to 1, not '1.5'"),
        ("stall:rate=nan", "fault stall: rate must be a share from 0 to 1, not 'nan'"),
        ("stall:on=read", "fault stall: on must be send or lookup or any, not 'read'"),
        ("stall:accept=true", "fault stall: accept must be yes or no, not 'true'"),
        ("slow:seconds=-1", "fault slow: seconds must be seconds from 0 to 86400, not '-1'"),
        ("slow:phase=late", "fault slow: phase must be before or after, not 'late'"),
        ("error_before:status=404", "fault error_before: status must be 500 to 599, not 404"),
        ("redirect:status=500", "fault redirect: status must be 300 to 399, not 500"),
        ("redirect:to=login", "fault redirect: to must be a path that starts with /"),
        ("accept_then_kill", "fault accept_then_kill: give either pid=N or pidfile=PATH"),
        ("accept_then_kill:pid=2,pidfile=a", "give either pid=N or pidfile=PATH"),
        ("accept_then_kill:pid=1", "pid must be a whole number from 2, not '1'"),
        ("stall:recipient=", "fault stall: recipient must be some text, not ''"),
    ],
)
def test_complaints(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_fault(text)


NOBODY: frozenset[str] = frozenset()


def hits(rule: str, count: int = 12, **more: Any) -> list[int]:
    """Numbers of the sends that a rule hits."""
    book = FaultBook([rule], **more)
    return [n for n in range(1, count + 1) if book.pick("send", NOBODY)[0] is not None]


def test_selectors() -> None:
    assert hits("stall", 3) == [1, 2, 3]
    assert hits("stall:every=4") == [4, 8, 12]
    assert hits("stall:every=4,times=2") == [4, 8]
    assert hits("stall:at=5") == [5]
    assert hits("stall:first=2") == [1, 2]
    assert hits("stall:rate=0") == []
    assert hits("stall:rate=1", 3) == [1, 2, 3]
    assert hits("stall:on=lookup") == []
    assert hits("stall:on=any", 2) == [1, 2]
    assert hits("stall:recipient=5") == []


def test_a_rate_depends_on_the_seed_alone() -> None:
    assert hits("stall:rate=0.5", 64, seed=1) == hits("stall:rate=0.5", 64, seed=1)
    assert hits("stall:rate=0.5", 64, seed=1) != hits("stall:rate=0.5", 64, seed=2)
    assert 50 < len(hits("stall:rate=0.1", 1000)) < 150


def test_a_recipient_is_counted_apart() -> None:
    book = FaultBook(["stall:recipient=5,at=2"])
    picks = [book.pick("send", frozenset({who}))[0] for who in ("5", "6", "5", "5")]
    assert [pick is not None for pick in picks] == [False, False, True, False]


def test_the_first_rule_that_agrees_acts_and_sunset_beside_it() -> None:
    book = FaultBook(["sunset", "half:at=2", "stall"])
    assert [
        (fault and fault.name, sunset)
        for fault, sunset in (
            book.pick("send", NOBODY),
            book.pick("send", NOBODY),
            book.pick("other", NOBODY),
        )
    ] == [("stall", True), ("half", True), (None, True)]
    assert dict(book.fired) == {"sunset": 3, "stall": 1, "half": 1}
