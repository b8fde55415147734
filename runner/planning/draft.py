"""Drafts: campaigns with their files read, and matched with what the ledger knows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from runner.addresses import is_loopback
from runner.audience.columns import as_written
from runner.audience.inspection import decimal_sign
from runner.audience.prospects import Audience, missing_columns, read_audience
from runner.errors import AudienceError, LedgerError, RunnerError, TemplateError
from runner.findings import Finding
from runner.ledger import schema
from runner.ledger.campaigns import account_links, registry
from runner.ledger.campaigns.registry import CampaignRow
from runner.ledger.ledger import Ledger
from runner.ledger.people import erased
from runner.ledger.people import handles as kept_handles
from runner.ledger.rehearsals import team_of
from runner.message.account import AccountName, sender_finder
from runner.message.handle import KeptHandle
from runner.message.key import REHEARSAL
from runner.message.plan import FIRST_STEP
from runner.planning.variants import refuse_unknown_variant, same_variants
from runner.templating.template import Template, compile_template, load_template

if TYPE_CHECKING:
    from runner.campaign.inputs import TextSource
    from runner.campaign.schema import Campaign
    from runner.planning.approved.approval import ApprovedPlan
from runner.planning.fingerprints import file_hashes, kept_path, prospects_key


class StepText(NamedTuple):
    """A follow-up and its texts: by variant, one without a name where it is for all. `previous`:
    the step before it; `after`: seconds after that."""

    name: str
    previous: str
    after: float
    texts: Mapping[str, Template]


@dataclass(frozen=True, slots=True)
class Draft:
    """A campaign with all its files read. `row` is None before its first plan; `files` are
    hashes of their bytes, the prospects' first, taken before any was read. `as_new`: a campaign of
    its own, whatever the ledger knows of its files; `rest_with`: the variant that a person gives to
    all who are not written to yet, empty for none; `approved`: the plan that it is held to."""

    campaign: Campaign
    audience: Audience
    texts: Mapping[str, Template]  # by variant; one without a name where there are none
    steps: tuple[StepText, ...]
    row: CampaignRow | None
    files: list[str]
    as_new: bool = False
    rest_with: str = ""
    handles: str = ""  # of the ledger's handles: differs when they do
    lane: str | None = None  # of its team
    links: Mapping[str, AccountName] = field(default_factory=dict)  # of the API, by their ids
    approved: ApprovedPlan | None = None

    @property
    def id(self) -> int | None:
        return self.row.id if self.row else None

    @property
    def team(self) -> str | None:
        """Return the team that it is sent for, None while that is not known."""
        return None if self.lane is None else team_of(self.lane)

    @property
    def team_obeyed(self) -> str | None:
        """Return the team whose opt-outs count alone, None where everybody's do."""
        return self.team if self.campaign.own_opt_outs else None

    def named_sender(self) -> Callable[[Mapping[str, str]], tuple[str, str]] | None:
        """Return a function of a row's columns that gives the sender it names, empty for none, and
        why there is none of that name; None where no column names senders."""
        column = self.audience.sender
        if column is None:
            return None
        find = sender_finder([each.id for each in self.campaign.senders], self.links)
        return lambda columns: find(columns[column])

    def sender_columns(self) -> Mapping[str, Mapping[str, str]]:
        """Return what the text may say of each sender; nothing for a text that names none."""
        if not self.sender_parts:
            return {}
        links = {each.id: self.links.get(each.id, AccountName()) for each in self.campaign.senders}
        return {
            id: {"_sender_name": link.name, "_sender_handle": link.handle}
            for id, link in links.items()
        }

    @property
    def templates(self) -> tuple[Template, ...]:
        """Return the texts of all its messages, the first one's first."""
        later = (text for each in self.steps for text in each.texts.values())
        return *self.texts.values(), *later

    @property
    def sender_parts(self) -> frozenset[str]:
        """Return what its texts say of senders."""
        return frozenset[str]().union(*(each.sender_parts for each in self.templates))

    @property
    def findings(self) -> list[Finding]:
        """Return the findings of its files, as far as no row needs to be read."""
        campaign, columns = self.campaign, self.audience.columns
        texts = [*campaign.findings, *same_variants(self)]
        for variant, template in self.texts.items():
            source = campaign.message.texts[variant]
            texts += text_findings(campaign, source, template, columns, variant)
        for step, read in zip(campaign.steps, self.steps, strict=True):
            for variant, template in read.texts.items():
                source = step.texts[variant]
                texts += text_findings(campaign, source, template, columns, variant, step.name)
        lists = [each for one in self.audience.lists for each in one.findings]
        return [*texts, *self.audience.findings, *lists]

    @property
    def suppressed(self) -> Mapping[str, str]:
        """Return ids that its own lists say are never written to, and where they are listed."""
        return self.audience.suppressed


def make_draft(
    campaign: Campaign,
    ledger: Ledger | None,
    *,
    new_campaign: bool = False,
    rest_with: str = "",
    handles: Mapping[str, KeptHandle] = MappingProxyType({}),
) -> Draft:
    """Read a campaign's files, and match it with what the ledger knows of it. `handles`: those
    whose ids are known, where no ledger says so.

    Raises CampaignError, TemplateError, AudienceError for the files; LedgerError when the ledger
    knows this campaign as another (id_type, platform), or these files under another name;
    UsageError when it has no variant `rest_with`.
    """
    if rest_with:
        refuse_unknown_variant(campaign, rest_with, "--rest-with")
    files = file_hashes(campaign)
    with _with_column_hint(campaign):
        texts = {
            name: _read_text(campaign, text, name) for name, text in campaign.message.texts.items()
        }
        steps = tuple(_read_steps(campaign))
    templates = (*texts.values(), *(text for each in steps for text in each.texts.values()))
    needs = frozenset[str]().union(*(each.needs for each in templates))
    audience = read_audience(campaign, needs, handles)
    with _with_column_hint(campaign):
        missing_columns(needs, audience)
    for each in templates:
        each.decimal_of = cache(partial(decimal_sign, audience))
    draft = Draft(campaign, audience, texts, steps, None, files, new_campaign, rest_with)
    return _matched(draft, ledger) if ledger else draft


def _read_text(campaign: Campaign, source: TextSource, variant: str, step: str = "") -> Template:
    if source.template is not None:
        return load_template(source.template)
    place = partial(campaign.text_place, variant=variant, step=step)
    return compile_template(source.text or "", str(campaign.path), place)


def _read_steps(campaign: Campaign) -> Iterator[StepText]:
    previous = FIRST_STEP
    for step in campaign.steps:
        texts = {
            variant: _read_text(campaign, text, variant, step.name)
            for variant, text in step.texts.items()
        }
        yield StepText(step.name, previous, step.after, texts)
        previous = step.name


def update_draft(draft: Draft, ledger: Ledger) -> Draft:
    """Match a draft with what the ledger knows of it now, and read its files again if they were
    edited. Raises what `make_draft` does."""
    if file_hashes(draft.campaign) != draft.files:
        again = partial(make_draft, new_campaign=draft.as_new, rest_with=draft.rest_with)
        return again(draft.campaign, ledger)
    return _matched(draft, ledger)


def _matched(draft: Draft, ledger: Ledger) -> Draft:
    row = ledger.read(registry.find_campaign, draft.campaign.name)
    if row is not None:
        _refuse_other_identity(draft, row)
    else:
        _refuse_rehearsed(draft, ledger)
        holder = ledger.read(schema.note, prospects_key(draft))
        refuse_other_name(draft, ledger, ledger.read(registry.campaigns), holder)
    lane = draft.lane if row is None or row.lane is None else row.lane
    links = ledger.read(account_links.known, rehearsal=draft.campaign.rehearsal)
    draft = replace(draft, row=row, lane=lane, links=links)
    if not draft.audience.has_handles:
        return draft
    state = ledger.read(kept_handles.changes)  # first: what is kept meanwhile is planned later
    audience = draft.audience
    if gone := ledger.read(erased.people):
        audience = audience.without_erased(gone)
    audience = audience.with_handles(known_handles(draft.campaign, ledger))
    return replace(draft, audience=audience, handles=state)


def known_handles(campaign: Campaign, ledger: Ledger) -> Mapping[str, KeptHandle]:
    """Return the handles of a campaign's platform that were asked for."""
    platform, rehearsal = campaign.api.platform, campaign.rehearsal
    return ledger.read(kept_handles.kept, platform, rehearsal=rehearsal)


def text_findings(
    campaign: Campaign,
    source: TextSource,
    template: Template,
    columns: Sequence[str],
    variant: str = "",
    step: str = "",
) -> list[Finding]:
    """Find what is to be known of a text, by the file that it is in."""
    if source.text is None:
        return template.findings(columns)
    place, line = campaign.text_place(1, variant, step)
    file = _file_named(source.text, Path(place).parent)
    if file:
        said = f"variant {variant}" if variant else f"text of step {step}" if step else "message"
        of_step = bool(step) and not variant
        written = f"{variant or 'message'}: {{template: {file}}}"
        instead = f"write {f'template: {file}' if of_step else written}"
        what = f"{said} is the name of a file"
        return [Finding("text_is_path", what, instead, place, line)]
    return template.findings(columns)


def _file_named(text: str, folder: Path) -> str:
    """Return the file in a folder that a text names; empty for none."""
    name = text.strip()
    if "\n" in name or len(name) > 1000 or "{{" in name:
        return ""
    for written in (name, name.replace("\\", "/")):
        try:
            # A word of a text may be the name of a folder, or of a file without an ending.
            if Path(written).suffix and (folder / written).expanduser().is_file():
                return written
        except (OSError, ValueError, RuntimeError):
            continue
    return ""


@contextmanager
def _with_column_hint(campaign: Campaign) -> Iterator[None]:
    """Add to an error about the text how a template writes those columns that the text names as
    the sheet does."""
    try:
        yield
    except (TemplateError, AudienceError) as error:
        with suppress(RunnerError, OSError):
            text = "\n".join(
                each.text or ""
                if each.template is None
                else each.template.read_text(encoding="utf-8", errors="replace")
                for each in campaign.texts
            )
            error.hint = error.hint or as_written(text, read_audience(campaign).columns)
        raise


def _refuse_other_identity(draft: Draft, row: CampaignRow) -> None:
    for what, was, now in (
        ("api.platform", row.platform, draft.campaign.api.platform),
        ("prospects.id_type", row.id_type, draft.audience.id_type),
    ):
        if was != now:
            raise LedgerError(
                f"campaign {row.name} was planned with {what} {was}, the file says {now}: its "
                "recipients would all count as new people",
                f"set {what} back to {was}, or give the file another `name:`",
            )


def refuse_other_name(
    draft: Draft, ledger: Ledger, known: Sequence[CampaignRow], holder: str
) -> None:
    """Raise LedgerError if a campaign that is new to the ledger has files that are `known` in it
    under another name, unless it was said to be new. `holder`: the campaign that first had
    prospects of exactly these bytes, if any."""
    if draft.as_new:
        return
    campaign = draft.campaign
    path, source = kept_path(campaign.path, ledger), kept_path(campaign.prospects.source, ledger)
    file = campaign.prospects.source.name
    kind = [each for each in known if each.rehearsal == campaign.rehearsal]
    for what, name in (
        ("this file", next((each.name for each in kind if each.path == path), "")),
        (file, next((each.name for each in kind if each.source == source), "")),
        (f"what {file} holds", holder),
    ):
        # Its own name: another run has planned it in this very moment.
        if name and name != campaign.name:
            raise LedgerError(
                f"{what} is known as campaign {name}; as {campaign.name} its people would be "
                "written to again",
                f"set `name: {name}` to go on with it, or run with --new-campaign",
            )


def _refuse_rehearsed(draft: Draft, ledger: Ledger) -> None:
    """Raise LedgerError if a campaign is to go through a gateway at whose address it was begun as a
    rehearsal: whom that has written to would be written to again."""
    campaign = draft.campaign
    if draft.as_new or not (campaign.api.gateway and is_loopback(campaign.api.base_url)):
        return
    row = ledger.read(registry.find_campaign, campaign.name + REHEARSAL)
    if row is not None and row.origin == origin_of(draft):
        raise LedgerError(
            f"campaign {campaign.name} was begun at {row.origin} as a rehearsal, which counts for "
            "nothing: its people would be written to again",
            "if nothing real was sent there, run with --new-campaign",
        )


def origin_of(draft: Draft) -> str:
    """Return the API's `scheme://host[:port]`, as a channel names it, without asking one."""
    if draft.row is not None and draft.row.origin is not None:
        return draft.row.origin
    parts = urlsplit(draft.campaign.api.base_url)
    return f"{parts.scheme}://{parts.netloc}"


def characters_key(origin: str, platform: str) -> str:
    """Return the ledger's key for the platform's longest text, as the API told it last."""
    return f"characters {origin} {platform}"


def known_characters(ledger: Ledger | None, origin: str, platform: str) -> int | None:
    """Return the longest text that the platform was last known to allow; None for unknown or no
    limit."""
    if ledger is None:
        return None
    value = ledger.read(schema.note, characters_key(origin, platform))
    return int(value) if value else None
