"""The verdict on a campaign's variants, from what the ledger has of their people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.formats import moment, number, safe
from runner.ledger.campaigns import deals
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Connection
from runner.ledger.queries import replied, variants
from runner.variants.mismatch import is_mismatch
from runner.variants.power import LEAST
from runner.variants.verdict import Arm, Verdict, pairs_of


def verdict_of(connection: Connection, row: CampaignRow, now: float) -> Verdict | None:
    """Return what a campaign's variants have shown by `now` (Unix s), None where there are none.

    It is judged once: at the first moment at which everybody written to has had `judge_after` to
    answer, with LEAST people in each variant. Who is written to and who answers after it changes
    nothing of that, so that to look often, or to send on, cannot find what is not there. For the
    same reason that moment depends only on when messages went, never on the answers.
    """
    deal = deals.find(connection, row.name)
    if deal is None:
        return None
    found = variants.dealt(connection, row.id)
    shares = {name: share for name, share in deal.shares.items() if share or found.dealt[name]}
    names = list(shares)
    ended = [[each[name] for name in names] for each in (found.written_to, found.ended)]

    def verdict(
        written_until: float, until: float, why: str = "", *, unread: bool = False
    ) -> Verdict:
        wrote = variants.written_to(connection, row.id, names, written_until)
        heard = variants.replied(connection, row.id, names, written_until, until)
        arms = [
            Arm(name, share, found.dealt[name], wrote[name], heard[name])
            for name, share in shares.items()
        ]
        told = Verdict(
            arms, why=why, chosen=found.chosen, unequal=is_mismatch(*ended), unread=unread
        )
        return told if why else replace(told, judged_at=until, pairs=pairs_of(arms))

    ends = variants.pauses(connection, row.id, names, deal.judge_after)
    last = next((end for end in ends if _is_enough(connection, row, names, end)), None)
    if last is None:
        return verdict(now, now, f"judged from {LEAST} people of each variant on")
    at = last + deal.judge_after
    if at > now:
        why = f"judged {moment(at, now)}, if nobody else is written to until then"
        return verdict(now, now, why)
    read = replied.read_up_to(connection, row.lane)
    if read.at is None or read.at < at or read.left:
        why = f"replies are to be read first, up to {moment(at, now)}"
        return verdict(now, now, why, unread=True)
    return verdict(last, at)


def _is_enough(connection: Connection, row: CampaignRow, names: Sequence[str], end: float) -> bool:
    wrote = variants.written_to(connection, row.id, names, end)
    return len(names) > 1 and all(wrote[name] >= LEAST for name in names)


def verdict_lines(found: Verdict) -> list[str]:
    """Return a verdict in words: its phrase, the people of each variant, and the differences."""
    why = f": {found.why}" if found.why else ""
    lines = [f"variants: {safe(found.phrase)}{why}"]
    for each in found.arms:
        told = f"{number(each.replied)} of {number(each.written_to)} written to have answered"
        lines.append(f"  {safe(each.variant)}: {told}: {each.rate or '–'}")
    lines += [f"  {safe(str(each))}" for each in found.pairs]
    if found.chosen:
        lines.append(f"  not compared: {number(found.chosen)} whose variant a person chose")
    if found.unequal:
        lines.append(f"  {UNEQUAL}")
    return lines


UNEQUAL = (
    "unequal: of one variant's people more were written to than of another's, beyond chance; what "
    "kept some from it may be what makes the difference"
)
