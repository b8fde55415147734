"""What a resumed run asks of its ledger before it can send: seconds, on standard output.

    python -m benchmarks.first_batch LEDGER

Opening, taking back what died under way, what is in doubt, and the first queued messages.
"""

from __future__ import annotations

import sys
import time

from benchmarks.projects import LINK
from runner.ledger.campaigns import registry
from runner.ledger.doubts import in_doubt, orphans
from runner.ledger.ledger import open_ledger
from runner.ledger.messages import queue
from runner.sending.dispatcher import READ_AHEAD


def seconds(location: str) -> float:
    """Seconds from opening the ledger to the first batch in hand."""
    began = time.perf_counter()
    with open_ledger(location) as ledger:
        now = time.time()
        ids = [campaign.id for campaign in ledger.read(registry.campaigns)]
        [row] = ledger.read(registry.campaigns)
        ledger.write(orphans.recover_orphaned, row.lane or "", now)
        ledger.read(in_doubt.in_doubt, ids)
        found = ledger.read(queue.due, row.id, LINK, now, READ_AHEAD)
        took = time.perf_counter() - began
    assert found, "nothing is queued"
    return took


if __name__ == "__main__":
    print(seconds(sys.argv[1]))
