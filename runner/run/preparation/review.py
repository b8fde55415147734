"""The review of a campaign before anything of it is sent: its findings, and what a person said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from runner.audience.inspection import inspect
from runner.audience.lists.suppression import shrunk
from runner.errors import RunnerError
from runner.events import Notice
from runner.findings import Finding, FindingError, FindingsError, Level, open_findings, questions_of
from runner.formats import counted
from runner.ledger import schema
from runner.ledger.campaigns import accepted_findings
from runner.ledger.ledger import Ledger
from runner.ledger.queries import totals
from runner.message.status import SkipReason
from runner.planning.draft import Draft, known_characters, origin_of
from runner.planning.fingerprints import is_unchanged, list_key
from runner.planning.preview import RowProgress
from runner.planning.variants import gone_findings
from runner.planning.write import report_rows
from runner.run.preparation.options import Options, Surroundings

ASKED_EACH_TIME = frozenset({"list_shrank"})
"""Questions that are no matter of sheet and text: the answer to one is not one to the next."""


@dataclass(frozen=True, slots=True)
class Review:
    """A campaign's findings, and the codes of questions that are answered."""

    draft: Draft
    findings: Sequence[Finding]
    accepted: Collection[str]

    @property
    def open(self) -> list[Finding]:
        """Return the findings that stop it."""
        return open_findings(self.findings, self.accepted)


def review(
    draft: Draft,
    ledger: Ledger | None,
    now: float,
    accept: Collection[str] = (),
    progress: RowProgress = lambda _: None,
) -> Review:
    """Find what a person should know of a draft; reads its prospects once, unless the ledger has
    this very plan already. `accept`: codes accepted on the command line."""
    characters = known_characters(ledger, origin_of(draft), draft.campaign.api.platform)
    if ledger is not None and is_unchanged(draft, ledger, characters, now):
        return Review(draft, _unresolved(draft, ledger), frozenset())
    findings = list(draft.findings)
    try:
        findings += _lists_shrunk(draft, ledger)
        findings += gone_findings(draft, ledger)
        findings += inspect(draft.audience, draft.templates, progress)
    except FindingError as error:
        findings.append(error.finding)
    said = frozenset(accept) | frozenset(draft.campaign.accept)
    if ledger is not None:
        said |= ledger.read(accepted_findings.accepted, draft.campaign.name, _fingerprint(draft))
    return Review(draft, list(dict.fromkeys(findings)), said)


def _unresolved(draft: Draft, ledger: Ledger) -> list[Finding]:
    """Find the rows of an unchanged plan whose handles have no id: each run tells of them."""
    if not draft.audience.by_handle or draft.id is None:
        return []
    count = ledger.read(totals.rows_skipped, draft.id, SkipReason.UNKNOWN_HANDLE)
    if not count:
        return []
    what = f"{counted(count, 'row')} without an id"
    file, column = str(draft.audience.table.path), draft.audience.id_column
    instead = f"run {draft.audience.resolve}"
    return [Finding("handles_unresolved", what, instead, file, column=column)]


def _lists_shrunk(draft: Draft, ledger: Ledger | None) -> list[Finding]:
    """Find the do-not-contact lists that have lost people since the last plan."""
    if ledger is None:
        return []
    found = []
    for each in draft.audience.lists:
        path, name = each.source.path, draft.campaign.name
        before = ledger.read(schema.note, list_key(name, path, ledger))
        found += shrunk(path, int(before or 0), len(each.people))
    return found


def confirm_findings(
    drafts: Sequence[Draft],
    ledger: Ledger,
    options: Options,
    around: Surroundings,
) -> bool:
    """Tell the notes of campaigns, and ask a person about what is open; False when they decline.

    Raises FindingsError for an error, and for a question where no person can be asked.
    """
    now = around.clock.now()
    found = []
    for draft in drafts:
        progress = report_rows(draft.campaign.name, around.clock, around.bus)
        found.append(review(draft, ledger, now, options.accept, progress))
    for each in found:
        name = each.draft.campaign.name
        for finding in each.findings:
            if finding.level is Level.NOTE or finding.code in each.accepted:
                told = "" if finding.level is Level.NOTE else "accepted: "
                around.bus.emit(Notice(now, f"{name}: {told}{finding}", finding.code))
    for each in found:
        errors = [one for one in each.open if one.level is Level.ERROR]
        if errors or (each.open and around.confirm is None):
            raise refusal(each)
    for each in found:
        name = each.draft.campaign.name
        if each.open:
            assert around.confirm is not None
            told = "\n".join(f"  {one.code}: {one}" for one in each.open)
            if not around.confirm(f"{name}: before anything is sent:\n{told}\nIs that meant?"):
                return False
        codes = [code for code in questions_of(each.findings) if code not in ASKED_EACH_TIME]
        if codes:
            ledger.write(accepted_findings.accept, name, _fingerprint(each.draft), codes)
    return True


def refusal(found: Review) -> RunnerError:
    """Return the error that a run of what is open ends in."""
    codes = questions_of(found.open)
    accept = " ".join(f"--accept {code}" for code in codes)
    errors = any(each.level is Level.ERROR for each in found.open)
    if errors:
        hint = "nothing was sent; correct that, and run the same command again"
    else:
        path = found.draft.campaign.path
        hint = (
            f"if that is meant: run-campaign {path} {accept} "
            f"(or `accept: [{', '.join(codes)}]` in {path.name})"
        )
    return FindingsError(found.draft.campaign.name, found.open, hint)


def _fingerprint(draft: Draft) -> str:
    """Return a hash of sheet and text: what was accepted is accepted for these."""
    campaign = draft.campaign
    texts: list[object] = [each.text for each in campaign.texts if each.text is not None]
    texts += draft.files[-len(campaign.templates) :] if campaign.templates else []
    every = (campaign.message.texts, *(each.texts for each in campaign.steps))
    variants = [list(texts) for texts in every if "" not in texts]
    parts = [draft.files[0], *texts, *variants]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
