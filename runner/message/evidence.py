"""The evidence table: by what proof a message moves, and the questions that the table answers.

It says what evidence does to an attempt and its message (`judge`), what an answer or a look-up is
evidence of, and how a message in doubt may be settled (`way_to_settle`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import NamedTuple

from runner.message.outcome import (
    IN_PROGRESS,
    KEY_REUSED,
    UNCONFIRMED,
    Accepted,
    Deferred,
    InDoubt,
    Outcome,
    Rejected,
)
from runner.message.status import OPEN, MessageStatus

_S = MessageStatus


class Evidence(StrEnum):
    """Everything that can be learnt about an attempt."""

    ACCEPTED = "accepted"  # its own answer: taken
    REPLAYED = "replayed"  # its own answer: this key was taken before
    REJECTED = "rejected"  # its own answer: no, for this recipient or text
    DEFERRED = "deferred"  # its own answer: not processed
    NOT_WRITTEN = "not_written"  # no byte of the body left this machine
    UNKNOWN = "unknown"  # no answer, or one that proves nothing
    ORPHANED = "orphaned"  # its owner died before an answer was recorded
    FOUND = "found"  # a look-up shows the message
    ABSENT_HELD = "absent_held"  # a look-up does not show it; a person decides
    ABSENT_ASSUMED = "absent_assumed"  # the same, and `retry.absent: resend` takes it as not sent
    UNCLEAR = "unclear"  # a look-up that proves nothing
    PRESUMED = "presumed"  # the ledger is an old copy: a run that it does not know may have sent it
    SAID_SENT = "said_sent"  # a person's resolution
    SAID_NOT_SENT = "said_not_sent"  # a person's resolution


class AttemptOutcome(StrEnum):
    """The outcome of one attempt, as far as it is known. Only `unknown` leaves its message
    unproven."""

    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"


MAY_HAVE_SENT = frozenset({AttemptOutcome.UNKNOWN, AttemptOutcome.ACCEPTED})
"""An attempt of these may have become a message: it counts against its sender's limits, and holds
its message to its key, which only a message whose every attempt is proven not sent may give up."""


class Effect(NamedTuple):
    """The effect of evidence on its attempt and on the message."""

    attempt: AttemptOutcome
    alone: MessageStatus  # the message, when every other attempt of its key is proven
    beside_unproven: MessageStatus  # the message, while another attempt is unproven


_A = AttemptOutcome
EVIDENCE: Mapping[Evidence, Effect] = {
    Evidence.ACCEPTED: Effect(_A.ACCEPTED, _S.SENT, _S.SENT),
    Evidence.REPLAYED: Effect(_A.ACCEPTED, _S.SENT, _S.SENT),
    Evidence.REJECTED: Effect(_A.REJECTED, _S.REJECTED, _S.IN_DOUBT),
    Evidence.DEFERRED: Effect(_A.NOT_SENT, _S.QUEUED, _S.IN_DOUBT),
    Evidence.NOT_WRITTEN: Effect(_A.NOT_SENT, _S.QUEUED, _S.IN_DOUBT),
    Evidence.UNKNOWN: Effect(_A.UNKNOWN, _S.IN_DOUBT, _S.IN_DOUBT),
    Evidence.ORPHANED: Effect(_A.UNKNOWN, _S.IN_DOUBT, _S.IN_DOUBT),
    Evidence.FOUND: Effect(_A.ACCEPTED, _S.SENT, _S.SENT),
    Evidence.ABSENT_HELD: Effect(_A.UNKNOWN, _S.IN_DOUBT, _S.IN_DOUBT),
    Evidence.ABSENT_ASSUMED: Effect(_A.NOT_SENT, _S.QUEUED, _S.IN_DOUBT),
    Evidence.UNCLEAR: Effect(_A.UNKNOWN, _S.IN_DOUBT, _S.IN_DOUBT),
    Evidence.PRESUMED: Effect(_A.UNKNOWN, _S.IN_DOUBT, _S.IN_DOUBT),
    Evidence.SAID_SENT: Effect(_A.ACCEPTED, _S.SENT, _S.SENT),
    Evidence.SAID_NOT_SENT: Effect(_A.NOT_SENT, _S.QUEUED, _S.QUEUED),
}
"""The table: the effect of each kind of evidence. Proof belongs to the key, not to the attempt:
while another attempt is unproven, only acceptance (or a person's resolution) settles the
message."""


def judge(
    evidence: Evidence, status: MessageStatus, *, others_unproven: bool, tries_left: bool = True
) -> tuple[AttemptOutcome, MessageStatus]:
    """Return the outcome of the attempt and the status of its message, which is `status` now.

    The attempt's outcome is always recorded. The message moves only out of `sending` or `in_doubt`;
    from anywhere, acceptance makes it `sent`, and an attempt that ends unproven makes all but
    `sent` doubtful: what may have been sent is not sent again. `tries_left=False` turns a retry
    into `failed`.
    """
    effect = EVIDENCE[evidence]
    wanted = effect.beside_unproven if others_unproven else effect.alone
    if wanted is _S.SENT:
        return effect.attempt, _S.SENT
    if effect.attempt is AttemptOutcome.UNKNOWN and status is not _S.SENT:
        return effect.attempt, _S.IN_DOUBT
    if status not in OPEN:
        return effect.attempt, status
    if wanted is _S.QUEUED and not tries_left:
        wanted = _S.FAILED
    return effect.attempt, wanted


def evidence_of(outcome: Outcome) -> Evidence:
    """Return the kind of evidence that an answer to our own request is."""
    match outcome:
        case Accepted(replay=replay):
            return Evidence.REPLAYED if replay else Evidence.ACCEPTED
        case Rejected():
            return Evidence.REJECTED
        case Deferred(written=written):
            return Evidence.DEFERRED if written else Evidence.NOT_WRITTEN
        case InDoubt():
            return Evidence.UNKNOWN


def is_foreign(outcome: Outcome) -> bool:
    """Return whether an answer to a message's first attempt means that its key was used before: by
    another ledger, since this one never did."""
    match outcome:
        case Accepted(replay=True):
            return True
        case InDoubt(reason=reason):
            return reason in (KEY_REUSED, IN_PROGRESS)
    return False


OF_ONE_MESSAGE = (IN_PROGRESS, UNCONFIRMED, KEY_REUSED)
"""Reasons of a doubt that the API gives for one message."""


def is_of_one_message(outcome: Outcome) -> bool:
    """Return whether the API gives a doubt for this message alone, and no sign that it is
    unwell."""
    return isinstance(outcome, InDoubt) and outcome.reason in OF_ONE_MESSAGE


class Way(StrEnum):
    """The ways to settle a message in doubt."""

    REPEAT = "repeat"  # the same bytes under the same key: the API sends now, or tells the first
    LOOK_UP = "look_up"  # read back; nothing is sent


CLOCK_SLACK = 2.0
"""Seconds by which the server's clock and ours may differ although neither was set: `Date` headers
have whole seconds. By so much an attempt may seem to lie in the future, and a message before it may
be its own."""


def way_to_settle(
    *, idempotent: bool, barred: bool, presumed: bool, ages: Collection[float], key_life: float
) -> Way:
    """Choose between repeating a message in doubt and looking it up.

    `barred`: it must not be written again on any account. `presumed`: no attempt of ours is known,
    so there is nothing to repeat. `ages`: seconds since the first attempt, by every clock there is:
    neither a wall clock set back nor a server's must make a key look young.
    """
    if barred or presumed or not idempotent:
        return Way.LOOK_UP
    young = min(ages) >= -CLOCK_SLACK and max(ages) < key_life
    return Way.REPEAT if young else Way.LOOK_UP
