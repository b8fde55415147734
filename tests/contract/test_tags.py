"""Whose contact has a campaign's tag, on both databases."""

from __future__ import annotations

from runner.ledger.ledger import Ledger
from runner.ledger.messages import outcomes
from runner.ledger.messages.outcomes import Result
from runner.ledger.people import tags
from runner.message.evidence import Evidence
from tests.support import claim_one, make_campaign, make_intent, make_queue, own_lane


def test_only_what_is_proven_to_be_sent_is_tagged_and_once(ledger: Ledger) -> None:
    row = make_campaign(ledger)
    make_queue(ledger, row, [11, 12, 13])
    run, epoch = own_lane(ledger)
    for message, evidence in ((1, Evidence.ACCEPTED), (2, Evidence.UNKNOWN)):
        number = claim_one(ledger, make_intent(message, run, epoch))
        said = f"m{message}" if evidence is Evidence.ACCEPTED else ""
        ledger.write(outcomes.record, [Result(message, number, evidence, 9.0, message_id=said)])
    [found] = ledger.read(tags.untagged, row.id, "spring", 10)
    assert (found.message, found.recipient) == (1, "11")
    assert ledger.read(tags.untagged, row.id, "spring", 10, 1) == []
    ledger.write(tags.keep, [1], "spring", 9.0)
    ledger.write(tags.keep, [], "spring", 9.0)
    assert ledger.read(tags.untagged, row.id, "spring", 10) == []
    assert len(ledger.read(tags.untagged, row.id, "autumn", 10)) == 1
