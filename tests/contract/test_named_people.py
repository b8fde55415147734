"""People who are named by handle, of whom real and made-up answers are kept."""

from __future__ import annotations

import pytest

from runner.errors import UsageError
from runner.ledger.ledger import Ledger
from runner.ledger.people import handles
from runner.message.handle import HandleAnswer, KeptHandle
from runner.project.people import named_people
from tests.support import make_campaign


def keep(ledger: Ledger, id: str, *, rehearsal: bool) -> None:
    kept = KeptHandle("ada", HandleAnswer.FOUND, id, "ada", "Ada", "inbox", 1.0)
    ledger.write(handles.keep, [kept], "twitter", rehearsal=rehearsal)


def test_an_id_that_a_rehearsal_made_up_is_nobodys_beside_real_campaigns(ledger: Ledger) -> None:
    keep(ledger, "7", rehearsal=True)
    assert named_people(ledger, ["@ada"]) == ["7"]  # a ledger of rehearsals alone
    make_campaign(ledger)
    with pytest.raises(UsageError, match="in a rehearsal only"):
        named_people(ledger, ["@ada"])
    keep(ledger, "11", rehearsal=False)
    assert named_people(ledger, ["@ada"]) == ["11"]
