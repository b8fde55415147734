"""`test`: one message to oneself, under a key of its own and never counted in the campaign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from runner.audience.ids import IdRefusal, id_checker
from runner.campaign.schedules import Schedule
from runner.campaign.schema import Campaign
from runner.clock import iso
from runner.errors import AudienceError, RunnerError, UsageError
from runner.ledger.campaigns import account_links, registry
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger, open_ledger
from runner.ledger.messages import decisions, plans
from runner.ledger.people import erased, holds
from runner.ledger.queries import totals
from runner.message.account import AccountName
from runner.message.handle import KeptHandle
from runner.message.key import TEST
from runner.message.plan import FIRST_STEP, PlannedMessage
from runner.message.prospect import Recipient, RowSkip
from runner.planning.draft import Draft, known_handles, make_draft
from runner.planning.fingerprints import kept_path
from runner.planning.planner import plan_messages, render_with
from runner.planning.variants import refuse_unknown_variant
from runner.project.campaign_files import load
from runner.project.ledgers.ledger_location import ledger_location
from runner.project.people import named_people
from runner.run.exit_code import RunResult
from runner.run.preparation.options import Options, Surroundings
from runner.run.preparation.prepare import Steps, prepare, read_tokens, served_at
from runner.run.run import drive
from runner.templating.template import Template

Agree = Callable[[PlannedMessage], bool]
"""Shown the message; True to send it."""


def run_test(
    path: Path,
    to: str,
    row: int | None,
    options: Options,
    around: Surroundings,
    agree: Agree,
    *,
    variant: str = "",
    step: str = FIRST_STEP,
) -> RunResult:
    """Send `to` the text of sheet row `row` (default: the first that would be sent). `variant`:
    whose text, the first's where it is empty; `step`: of which message, always sent as a first one.

    Raises UsageError for an id that is none and for an unknown variant or step, AudienceError for a
    row that would not be sent, RunnerError for an id that nothing may go to now.
    """
    campaign = served_at(load([path])[0], options)
    if variant:
        refuse_unknown_variant(campaign, variant, "--variant")
    _refuse_unknown_step(campaign, step)
    location = ledger_location(options.state, around.environ, [campaign], live=True)
    read_tokens([campaign], location, options, around)  # or told before a person is asked
    handles, links, to = _from_ledger(campaign, location, to)
    draft = replace(make_draft(campaign, None, handles=handles), links=links)
    planned = _message(draft, to, row, variant or next(iter(draft.texts)), step)
    if not agree(planned):
        return RunResult(declined=True)

    def test_draft(tested: Campaign, ledger: Ledger) -> Draft:
        made = _test_campaign(ledger, tested.name, draft, around)
        return replace(draft, campaign=tested, row=made)

    # Oneself may be written to at any time, and however often.
    changes = {
        "contact_once_in": None,
        "skip_known": None,
        "tag": None,
        "schedule": Schedule(),
        "own_name": campaign.own_name + TEST,
    }
    tested = campaign.model_copy(update=changes)
    alone = replace(options, only=frozenset({planned.recipient.id}))
    steps = Steps(test_draft, plans=False)
    with prepare([tested], location, alone, around, steps) as run:
        assert run is not None
        made = run.drafts[0].row
        assert made is not None
        _refuse_unwanted(run.ledger, planned.recipient.id, around.clock.now())
        run.ledger.write(decisions.withdraw, made.id)  # what an interrupted test has left
        run.ledger.write(plans.add_test, made, planned)
        return drive(run)


def _refuse_unknown_step(campaign: Campaign, step: str) -> None:
    names = [FIRST_STEP, *(each.name for each in campaign.steps)]
    if step not in names:
        raise UsageError(
            f"--step {step}: {campaign.name} has no such step", f"it has: {', '.join(names)}"
        )


def _refuse_unwanted(ledger: Ledger, to: str, now: float) -> None:
    """Raise RunnerError for an id that was erased, or is on hold or on the ledger's do-not-contact
    list: the message would wait without a word."""
    if ledger.read(erased.erased_at, to) is not None:
        raise RunnerError(f"{to} was erased: nothing goes there", "name another id")
    if to not in ledger.read(totals.unwanted_among, [to], now):
        return
    held = ledger.read(holds.hold_of, to)
    if held is not None and held.lasts(now):
        until = f" until {iso(held.until)}" if held.until is not None else ""
        raise RunnerError(
            f"{to} is on hold{until}: nothing goes there", f"run-campaign unhold {to}"
        )
    raise RunnerError(
        f"{to} is on the do-not-contact list: nothing goes there",
        f"run-campaign suppress remove {to}",
    )


def _from_ledger(
    campaign: Campaign, location: str, to: str
) -> tuple[Mapping[str, KeptHandle], Mapping[str, AccountName], str]:
    """Return what the ledger keeps of handles and account links, and the id of `to`, which may be
    a handle."""
    platform, rehearsal = campaign.api.platform, campaign.rehearsal
    if "://" not in location and not Path(location).exists():
        return {}, {}, named_people(None, [to], platform=platform)[0]
    with open_ledger(location, read_only=True) as ledger:
        [id] = named_people(ledger, [to], platform=platform, rehearsal=rehearsal)
        by_handle = campaign.prospects.id_type == "username"
        links = ledger.read(account_links.known, rehearsal=rehearsal)
        return known_handles(campaign, ledger) if by_handle else {}, links, id


def _message(draft: Draft, to: str, row: int | None, variant: str, step: str) -> PlannedMessage:
    """Return the row's message with the text of a step and variant, addressed to `to`."""
    platform, id_type = draft.campaign.api.platform, draft.audience.id_type
    checked = id_checker(platform, id_type)(to)
    if isinstance(checked, IdRefusal):
        raise UsageError(
            f"--to: {checked.detail}", "give your own id, as the prospects file has ids"
        )
    texts = next((each.texts for each in draft.steps if each.name == step), draft.texts)
    planned = _row(draft, row, texts.get("") or texts[variant])
    to_us = Recipient(platform, id_type, checked)
    return planned._replace(recipient=to_us, variant=variant)


def _row(draft: Draft, row: int | None, text: Template) -> PlannedMessage:
    source = draft.audience.table.path
    for chunk in plan_messages(
        draft.audience.rows(),
        render_with({"": text}),
        draft.campaign.senders,
        lambda _: {},
        {},
        named_sender=draft.named_sender(),
        sender_columns=draft.sender_columns(),
    ):
        for entry in chunk:
            found = entry if isinstance(entry, RowSkip) else entry.planned
            reason = found.reason if isinstance(found, RowSkip) else found.skip
            if row is None and reason is None and isinstance(found, PlannedMessage):
                return found
            if found.row == row:
                if isinstance(found, PlannedMessage) and reason is None:
                    return found
                raise AudienceError(
                    f"{source}: row {row} would not be sent: {reason}: {found.detail}",
                    "choose another --row",
                )
    if row is None:
        raise AudienceError(f"{source}: no row can be sent", "see why: --dry-run")
    raise AudienceError(
        f"{source}: there is no row {row}", "rows are counted as in the sheet, header 1"
    )


def _test_campaign(ledger: Ledger, name: str, draft: Draft, around: Surroundings) -> CampaignRow:
    """Return the ledger's row for tests of this campaign: kept apart from it, and never listed."""
    with ledger.writing() as connection:  # two tests may begin at once
        return registry.find_campaign(connection, name) or registry.add_campaign(
            connection,
            name=name,
            path=kept_path(draft.campaign.path, ledger),
            source=kept_path(draft.campaign.prospects.source, ledger),
            platform=draft.campaign.api.platform,
            id_type=draft.audience.id_type,
            at=around.clock.now(),
            is_test=True,
            rehearsal=draft.campaign.rehearsal,
        )
