"""The variant of each person of a plan: the one that they were dealt, or one dealt now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.errors import UsageError
from runner.findings import Finding
from runner.formats import number
from runner.ledger.campaigns import deals
from runner.ledger.campaigns.deals import Deal
from runner.ledger.ledger import Connection, Ledger
from runner.ledger.queries import variants
from runner.message.plan import FIRST_STEP, Known
from runner.message.prospect import Recipient
from runner.message.status import OPEN, MessageStatus
from runner.planning.approved.approval import Content
from runner.planning.planner import Pick, Rendered, RowText, only_text
from runner.variants.dealer import Dealer, Left, block_of

if TYPE_CHECKING:
    from runner.campaign.schema import Campaign
    from runner.planning.approved.approval import ApprovedPlan
    from runner.planning.draft import Draft

_NO_MATTER = frozenset({MessageStatus.SENT, *OPEN})
"""Statuses of those whose text nothing changes any more."""


@dataclass(frozen=True, slots=True)
class VariantPicker:
    """Picks a variant's text for each row. Who was dealt one keeps it, as long as the file has it;
    who was not is dealt one once every variant has a text for them, so that no variant's people are
    others than another's. `rest_with`: the variant that a person gives to all instead; `approved`:
    the plan in which they were dealt one before, whatever people have come or gone since."""

    names: tuple[str, ...]
    dealer: Dealer
    rest_with: str = ""
    approved: ApprovedPlan | None = None

    def __call__(
        self, to: Recipient, sender: str, known: Known | None, texts: Rendered
    ) -> tuple[RowText, str, bool]:
        variant, chosen = (known.variant, known.chosen) if known else ("", False)
        if known is not None and known.status in _NO_MATTER:
            return texts[0], variant, chosen
        if self.rest_with:  # also who was dealt it: others are not written to beside them any more
            variant, chosen = self.rest_with, True
        if variant not in self.names:
            for name, (text, skip, detail) in zip(self.names, texts, strict=True):
                if skip is not None:
                    return (text, skip, f"variant {name}: {detail}"), variant, chosen
            variant, chosen = self._approved(to, sender, texts), False
            if variant:
                self.dealer.count(variant, sender)
            else:
                variant = self.dealer.deal(to, sender)
        return texts[self.names.index(variant)], variant, chosen

    def _approved(self, to: Recipient, sender: str, texts: Rendered) -> str:
        """Return the variant that is approved for a person; empty for none."""
        if self.approved is None:
            return ""
        for name, (text, _, _) in zip(self.names, texts, strict=True):
            content = Content(to, sender, FIRST_STEP, name, text)
            if self.dealer.deals(name) and self.approved.has(content):
                return name
        return ""


def picker(draft: Draft, connection: Connection | None) -> Pick:
    """Return what picks a draft's texts, as the ledger's plans have left it (None: no ledger)."""
    found = draft.campaign.message.variants
    if found is None:
        return only_text
    shares = {name: each.share for name, each in found.items()}
    before = deals.find(connection, draft.campaign.name) if connection is not None else None
    left: Left | None = None
    if before is not None and block_of(before.shares) == block_of(shares):
        left = before.left  # else a changed share would be made up for by new people
    dealer = Dealer(draft.campaign.own_name, shares, left)
    return VariantPicker(tuple(found), dealer, draft.rest_with, draft.approved)


def keep_deal(connection: Connection, draft: Draft, pick: Pick) -> None:
    """Keep in the ledger how far a plan has dealt its variants."""
    message = draft.campaign.message
    if isinstance(pick, VariantPicker) and message.variants is not None:
        shares = {name: each.share for name, each in message.variants.items()}
        found = Deal(shares, message.judge_after, pick.dealer.left)
        deals.keep(connection, draft.campaign.name, found)


def refuse_unknown_variant(campaign: Campaign, variant: str, option: str) -> None:
    """Raise UsageError where a campaign has no such variant."""
    names: Mapping[str, object] = campaign.message.variants or {}
    if variant not in names:
        told = ", ".join(names) or "none"
        raise UsageError(
            f"{option} {variant}: {campaign.name} has no such variant", f"it has: {told}"
        )


def same_variants(draft: Draft) -> Iterator[Finding]:
    """Find variants of one message that have the same text: what is compared is then chance."""
    every = [("", draft.texts), *((each.name, each.texts) for each in draft.steps)]
    for step, texts in every:
        first: dict[str, str] = {}
        for variant, template in texts.items():
            other = first.setdefault(template.source.strip(), variant)
            if other != variant:
                of = f" of step {step}" if step else ""
                what = f"variants {other} and {variant}{of} have the same text"
                instead = "write another, or remove one of them"
                yield Finding("same_variants", what, instead, *template.place(0))


def gone_findings(draft: Draft, ledger: Ledger | None) -> list[Finding]:
    """Find the variants that a draft's file has no more, with people who are not written to yet, or
    have messages to come of which each variant has its own text."""
    if ledger is None or draft.id is None:
        return []
    return [*_gone_later(draft, draft.id, ledger), *_gone_first(draft, draft.id, ledger)]


def _gone_first(draft: Draft, id: int, ledger: Ledger) -> Iterator[Finding]:
    campaign = draft.campaign
    if draft.rest_with:
        return
    if campaign.message.variants is None and ledger.read(deals.find, campaign.name) is None:
        return  # it never had any
    names = campaign.message.texts
    then = f"would be dealt one of {', '.join(names)}" if len(names) > 1 else "would get its text"
    for variant, count in ledger.read(variants.unsent, id).items():
        if variant not in names:
            had = f"had variant {variant}" if variant else "were planned without a variant"
            what = f"{_people(count)} not written to yet {had}, which the file has no more, and "
            yield Finding("variant_gone", what + then, "", str(campaign.path))


def _gone_later(draft: Draft, id: int, ledger: Ledger) -> Iterator[Finding]:
    campaign = draft.campaign
    if not any(each.variants for each in campaign.steps):
        return
    for variant, count in ledger.read(variants.followed, id).items():
        if variant not in campaign.message.texts:
            had = f"had variant {variant}, which" if variant else "had no variant, and"
            what = f"{_people(count)} written to already {had} the file has no text for: "
            then = "what each variant has a text of its own for would not go to them any more"
            yield Finding("variant_gone", what + then, "", str(campaign.path))


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{number(count)} people"
