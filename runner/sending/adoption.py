"""Adoption (`--adopt`): messages that the API knows from another ledger."""

from __future__ import annotations

from runner.errors import ForeignKeyUse
from runner.ledger import lanes
from runner.ledger.doubts import in_doubt
from runner.ledger.messages.claims import SendRequest
from runner.sending.lane import Lane, fenced


def refuse_foreign_key(lane: Lane, request: SendRequest, number: int) -> None:
    """Raise ForeignKeyUse if the API knows a message's key, and no attempt of this ledger can have
    used it before."""
    if not lane.ledger.read(in_doubt.is_first_use, request.message, number):
        return
    if not lane.ledger.read(lanes.is_owner, lane.id, lane.epoch):
        raise fenced()  # the new owner has repeated what was under way
    raise ForeignKeyUse(
        f"the API already knows {lane.campaigns[request.campaign].name}'s message to "
        f"{request.recipient}, but this ledger never sent it: another ledger has used this "
        "campaign's name",
        "find that ledger (--state), give this campaign another `name:`, or run with --adopt "
        "to take such messages as sent",
    )
