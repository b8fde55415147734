"""The steps of a campaign: how many messages of each stand how, and when its follow-ups are due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import Connection, Integer, cast, func, literal_column, select

from runner.ledger.messages.eligibility import IS_QUEUED
from runner.ledger.schema import campaign, message
from runner.message.status import MessageStatus

_S = MessageStatus

SLOT = 3600
"""Seconds: follow-ups that are due within so long are counted together."""


@dataclass(frozen=True, slots=True)
class StepFigures:
    """The messages of one step. `previous`: the step before it, empty for the first; `after`:
    seconds after that one; `skipped`: by reason; `next_at`: when the first of the queued ones is
    due (Unix s), and `why` it has been put off, if it was."""

    name: str
    previous: str = ""
    after: float = 0.0
    counts: Counter[MessageStatus] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    next_at: float | None = None
    why: str = ""

    @property
    def to_come(self) -> int:
        """Return how many messages of it are queued or wait."""
        return self.counts[_S.QUEUED] + self.counts[_S.WAITING]


class DueFollowUps(NamedTuple):
    """Queued follow-ups that are due at about the same time: the first and the last (Unix s)."""

    sender: str
    zone: str
    step: str
    messages: int
    first: float
    last: float


def has_steps(connection: Connection, id: int) -> bool:
    """Return whether a campaign has follow-ups."""
    wanted = select(campaign.c.stop_on).where(campaign.c.id == id)
    return bool(connection.execute(wanted).scalar_one())


def step_figures(connection: Connection, id: int) -> list[StepFigures]:
    """Return the figures of a campaign's steps in their order; none where nothing follows."""
    if not has_steps(connection, id):
        return []
    found: dict[str, StepFigures] = {}
    of_step = message.c.step, message.c.previous
    for name, previous, status, reason, count, after in connection.execute(
        select(
            *of_step, message.c.status, message.c.reason, func.count(), func.max(message.c.after)
        )
        .where(message.c.campaign == id)
        .group_by(*of_step, message.c.status, message.c.reason)
        .order_by(*of_step)
    ):
        step = found.setdefault(name, StepFigures(name, previous, after))
        step.counts[_S(status)] += count
        if status == _S.SKIPPED:
            step.skipped[reason] += count
    return [_with_next(connection, id, step) for step in _in_order(found)]


def removed(connection: Connection, id: int, names: Collection[str]) -> list[StepFigures]:
    """Return the figures of the follow-ups of a campaign that people have to come, and that are not
    among the steps of these names."""
    found = step_figures(connection, id)
    return [each for each in found if each.previous and each.to_come and each.name not in names]


def _with_next(connection: Connection, id: int, step: StepFigures) -> StepFigures:
    if not step.previous or not step.counts[_S.QUEUED]:
        return step
    row = connection.execute(
        select(message.c.not_before, message.c.detail)
        .where(message.c.campaign == id, message.c.step == step.name, IS_QUEUED)
        .order_by(message.c.not_before, message.c.id)
        .limit(1)
    ).one_or_none()
    if row is None:
        return step
    return replace(step, next_at=row.not_before, why=row.detail)


def _in_order(found: dict[str, StepFigures]) -> list[StepFigures]:
    """Return steps each after the one before it; those whose place is gone come last."""
    ordered: list[StepFigures] = []
    left, last = dict(found), ""
    while (step := next((one for one in left.values() if one.previous == last), None)) is not None:
        ordered.append(left.pop(step.name))
        last = step.name
    return ordered + list(left.values())


def following(figures: Sequence[StepFigures], step: str) -> list[tuple[float, float]]:
    """Return what follows a message of this step: (seconds after the one before it, which share of
    those has it), in order."""
    by_name = {each.name: each for each in figures}
    found: list[tuple[float, float]] = []
    before = by_name.get(step)
    while before is not None:
        after = next((each for each in figures if each.previous == before.name), None)
        if after is None or not after.counts[_S.WAITING]:
            break
        ahead = before.counts[_S.WAITING] + (before.counts[_S.QUEUED] if not found else 0)
        found.append((after.after, min(1.0, after.counts[_S.WAITING] / max(1, ahead))))
        before = after
    return found


def due_follow_ups(connection: Connection, id: int) -> list[DueFollowUps]:
    """Return the queued follow-ups of a campaign, by sender, zone, step and the hour in which they
    are due."""
    # In words: PostgreSQL takes two values given later for two expressions.
    slot = cast(message.c.not_before / literal_column(str(SLOT)), Integer)
    group = message.c.sender, message.c.zone, message.c.step
    wanted = (
        select(
            *group,
            func.count(),
            func.min(message.c.not_before),
            func.max(message.c.not_before),
        )
        .where(message.c.campaign == id, IS_QUEUED, message.c.previous != "")
        .group_by(*group, slot)
        .order_by(*group, slot)
    )
    return [DueFollowUps(*row) for row in connection.execute(wanted)]
