"""`--dry-run`: the messages that would be sent, the rows that would be skipped, and the finish
time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from runner.cli.invocation import Invocation
from runner.cli.options import ENDINGS
from runner.cli.output import NONE_KNOWN, WORDS, folded, json_text, progress_in_place, text_lines
from runner.cli.prompts import preview_lines, sequence_lines, when_lines
from runner.clock import SystemClock
from runner.errors import RunnerError
from runner.findings import SAMPLE_PEOPLE
from runner.formats import number, safe
from runner.message.account import AccountName, sender_text
from runner.message.key import name_fields
from runner.message.plan import Change, Entry, PlannedMessage
from runner.message.prospect import RowSkip
from runner.message.status import MessageStatus, SkipReason
from runner.pacing.forecast import finish_as_json
from runner.planning.dates.sequence import sequence
from runner.planning.draft import Draft
from runner.run.dry_run import DryRun, dry_run
from runner.tables.writer import write_table

MESSAGES_SHOWN = 10
"""Messages shown unless an option says otherwise."""

ROWS_NAMED = 20
"""Rows named for each skip reason unless `--verbose`."""

COLUMNS = ("row", "recipient", "would", "reason", "sender", "step", "content")


HANDLES_NAMED = 3
"""Rows without an id for their handle that are shown."""


@dataclass(slots=True)
class _Shown:
    """The part of a plan that is to be shown."""

    campaign: str
    messages: list[PlannedMessage] = field(default_factory=list)
    variants: set[str] = field(default_factory=set)  # of these messages
    later: list[tuple[Entry, ...]] = field(default_factory=list)  # what follows each of those
    skips: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)  # row, id, detail
    unnamed: Counter[str] = field(default_factory=Counter)  # skipped rows that are not kept


@dataclass(slots=True)
class _PlanReader:
    """A reader of plans that keeps what is to be shown, and writes all of it to `output`."""

    limit: int | None
    output: Path | None
    named: int | None  # rows kept per reason for skipping
    samples: bool = False  # one of each variant at least, beyond the limit
    only: frozenset[str] = frozenset()
    seen: list[_Shown] = field(default_factory=list)

    def choose(self, only: frozenset[str]) -> None:
        """Show these people alone; everybody where there are none."""
        self.only = only

    def __call__(
        self, draft: Draft, entries: Iterator[tuple[Entry | RowSkip, PlannedMessage | None]]
    ) -> None:
        seen = _Shown(draft.campaign.name)
        self.seen.append(seen)
        if self.output is None:
            for entry, planned in entries:
                self._see(seen, entry, planned)
            return
        head = COLUMNS if draft.campaign.message.variants is None else (*COLUMNS, "variant")
        names = [name for name in draft.audience.columns if name not in head]

        def lines() -> Iterator[list[str | int | None]]:
            for entry, planned in entries:
                self._see(seen, entry, planned)
                row, columns = _line(entry, planned)
                own = [columns.get(name, "") for name in names]
                has_variants = len(head) > len(COLUMNS)
                if has_variants:
                    row.append("" if isinstance(entry, RowSkip) else entry.planned.variant)
                yield [*row, *own]
                for each in entry.later if isinstance(entry, Entry) else ():
                    variant = [each.planned.variant] if has_variants else []
                    yield [*_later_line(each), *variant, *own]

        write_table(self.output, [*head, *names], lines())

    def _see(self, seen: _Shown, entry: Entry | RowSkip, planned: PlannedMessage | None) -> None:
        """Keep an entry as far as it is shown."""
        if planned is not None:
            more = self.limit is None or len(seen.messages) < self.limit
            more |= self.samples and planned.variant not in seen.variants
            if more and (not self.only or planned.recipient.id in self.only):
                seen.messages.append(planned)
                seen.variants.add(planned.variant)
                seen.later.append(entry.later if isinstance(entry, Entry) else ())
        elif isinstance(entry, RowSkip):
            id = entry.recipient.id if entry.recipient else ""
            self._skip(seen, entry.reason, entry.row, id, entry.detail)
        elif entry.planned.skip is not None:
            said = entry.planned
            assert said.skip is not None
            self._skip(seen, said.skip, said.row, said.recipient.id, said.detail)

    def _skip(self, seen: _Shown, reason: str, row: int, id: str, detail: str) -> None:
        if not self.only or id in self.only:
            rows = seen.skips.setdefault(str(reason), [])
            most = self.named
            if most is not None and reason == SkipReason.UNKNOWN_HANDLE:
                most = min(most, HANDLES_NAMED)  # a note tells what to do about all of them
            if most is None or len(rows) < most:
                rows.append((row, id, detail))
            else:
                seen.unnamed[str(reason)] += 1


def _line(
    entry: Entry | RowSkip, planned: PlannedMessage | None
) -> tuple[list[str | int | None], Mapping[str, str]]:
    """Return what is written of an entry, and the columns of its row."""
    if isinstance(entry, RowSkip):
        id = entry.recipient.id if entry.recipient else ""
        reason = f"{entry.reason}: {entry.detail}"
        return [entry.row, id, "skip", reason, "", "", ""], entry.columns
    said = entry.planned
    row: list[str | int | None] = [said.row, said.recipient.id]
    if planned is not None:
        return [*row, "send", "", said.sender, said.step, said.text], said.columns
    if said.skip is not None:
        why = f"{said.skip}: {said.detail}"
        return [*row, "skip", why, "", said.step, said.text], said.columns
    was = str(entry.known.status) if entry.known and entry.known.status else ""
    return [*row, "keep", was, said.sender, said.step, said.text], said.columns


def _later_line(entry: Entry) -> list[str | int | None]:
    """Return what is written of a follow-up: `send` is only if they do not answer."""
    said, known = entry.planned, entry.known
    row: list[str | int | None] = [said.row, said.recipient.id]
    if entry.change is Change.KEPT and known is not None:
        why = f"{known.status}{f' ({known.reason})' if known.reason else ''}"
        return [*row, "keep", why, known.sender, said.step, known.text]
    if said.skip is not None:
        return [*row, "skip", f"{said.skip}: {said.detail}", "", said.step, said.text]
    return [*row, "send", "if they do not answer", said.sender, said.step, said.text]


def show_dry_run(
    call: Invocation,
    campaigns: tuple[Path, ...],
    *,
    limit: int | None,
    only: tuple[str, ...],
    new_campaign: bool,
    rest_with: str,
    accept: tuple[str, ...],
    accept_changes: bool,
    accept_old_ledger: bool,
    yes: bool,
    as_json: bool,
    output: Path | None,
    verbose: bool,
    plans: tuple[Path, ...] = (),
    handles: Mapping[str, str] = NONE_KNOWN,
) -> int:
    """Do a dry run and show it; return the exit code. `handles`: of senders that no ledger knows
    yet."""
    if output is not None:
        _check_output(output, campaigns)
    shown = limit if limit is not None else None if verbose or as_json or only else MESSAGES_SHOWN
    named = None if verbose or as_json else ROWS_NAMED
    reader = _PlanReader(shown, output, named, samples=limit is None)
    clock = SystemClock()
    with progress_in_place() as tell:

        def progress(rows: int) -> None:
            tell(lambda: f"reading: {number(rows)} rows")

        found = dry_run(
            campaigns,
            call.state,
            os.environ,
            clock,
            progress,
            reader,
            new_campaign=new_campaign,
            rest_with=rest_with,
            accept=accept,
            accept_changes=accept_changes,
            accept_old_ledger=accept_old_ledger,
            yes=yes,
            only=only,
            output=output,
            choose=reader.choose,
            plans=plans,
        )
    if handles:
        links = {id: AccountName(handle) for id, handle in handles.items()}
        found = replace(found, links={**links, **found.links})
        for each in found.previews:
            each.handles = {**handles, **each.handles}
    if as_json:
        told = [_as_json(at, found, reader.seen, clock.now()) for at in range(len(campaigns))]
        click.echo(json_text(told[0] if len(told) == 1 else told))
    else:
        _show(found, reader.seen, bool(only) or limit is not None, clock.now())
    if output is not None:
        click.echo(f"written: {safe(str(output))}", err=as_json)
    if found.refusals:
        refused = found.refusals[0]
        for other in found.refusals[1:]:
            click.echo(f"error: {safe(str(other), lines=True)}", err=True)
        raise refused if refused.exit_code in (1, 2) else RunnerError(str(refused), refused.hint)
    if not as_json:
        left = [each.to_send or each.to_follow for each in found.previews]
        if not any(left) and not any(each.kept[MessageStatus.IN_DOUBT] for each in found.previews):
            click.echo("dry run: nothing was sent, and nothing is left to send")
            return 0
        if any(one.code == SAMPLE_PEOPLE for each in found.reviews for one in each.open):
            rehearse = call.command(*map(str, campaigns), "--sandbox")
            click.echo(f"dry run: nothing was sent. The sample can be rehearsed: {rehearse}")
            return 0
        words = [word for code in accept for word in ("--accept", code)]
        words += [word for id in only for word in ("--only", id)]
        words += ["--accept-changes"] if accept_changes else []
        words += ["--accept-old-ledger"] if accept_old_ledger else []
        words += ["--rest-with", rest_with] if rest_with else []
        words += ["--yes"] if yes else []
        words += [word for path in plans for word in ("--plan", str(path))]
        send = call.command(*map(str, campaigns), *words)
        click.echo(f"dry run: nothing was sent. To send: {send}")
    return 0


def _check_output(output: Path, campaigns: tuple[Path, ...]) -> None:
    if len(campaigns) > 1:
        raise click.UsageError("--output takes one campaign at a time")
    if output.suffix.lower() in ENDINGS:
        raise click.UsageError(f"--output {output}: would overwrite a campaign file; name a .csv")


def _show(found: DryRun, seen: list[_Shown], chosen: bool, now: float) -> None:
    for each in found.reviews:
        for finding in each.findings:
            told = f"{finding.level} {finding.code}: {safe(str(finding))}"
            for part in folded(told, err=True):
                click.echo(part, err=True)
    for warning in found.warnings:
        click.echo(f"warning: {safe(warning)}", err=True)
    for preview, shown in zip(found.previews, seen, strict=True):
        begins = now + found.forecast.first
        for at, message in enumerate(shown.messages):
            to = safe(found.people.get(message.recipient.id, message.recipient.id))
            sender = safe(sender_text(message.sender, found.links))
            variant = f"  variant {message.variant}" if message.variant else ""
            for part in folded(f"row {message.row}  to {to}  from {sender}{variant}"):
                click.echo(part)
            for line in text_lines(message.text):
                click.echo(line)
            if not at or chosen:
                for line in sequence_lines(message, shown.later[at], preview.hours, begins):
                    for part in folded(line):
                        click.echo(part)
            click.echo()
        rest = preview.to_send.total() - len(shown.messages)
        if rest > 0 and chosen:
            click.echo(f"now, as chosen: {number(len(shown.messages))}; of all that waits:\n")
        elif rest > 0 and shown.messages:
            click.echo(f"… and {number(rest)} more (--limit N, --verbose, --output FILE)\n")
        for line in preview_lines(preview, _skip_lines(shown)):
            for part in folded(line):
                click.echo(part)
        kept = preview.kept.copy()
        if sent := kept.pop(MessageStatus.SENT, 0):
            click.echo(f"  already sent: {number(sent)}")
        if kept:
            told = ", ".join(
                f"{number(n)} {WORDS.get(str(status), str(status))}"
                for status, n in kept.most_common()
            )
            click.echo(f"  left as they are: {told}")
        if preview.held:
            click.echo(
                f"  held: {number(preview.held)} of those to send (run-campaign hold --list)"
            )
    if any(preview.to_send or preview.to_follow for preview in found.previews):
        for line in when_lines(found.previews, found.forecast, now):
            click.echo(line)
    ledger = found.place or "none yet, the first run makes it"
    click.echo(f"ledger: {safe(ledger)}")


def _skip_lines(shown: _Shown) -> Iterable[str]:
    named: list[tuple[int, str]] = []
    for reason, rows in shown.skips.items():
        for row, id, detail in rows:
            who = f" {safe(id)}" if id else ""
            told = f"    row {row}{who}: {reason}" + (f": {safe(detail)}" if detail else "")
            named.append((row, told))
    yield from (told for _, told in sorted(named))
    for reason, count in sorted(shown.unnamed.items()):
        yield f"    … and {number(count)} more rows: {reason} (--verbose, --output FILE)"


def _as_json(at: int, found: DryRun, seen: list[_Shown], now: float) -> dict[str, Any]:
    preview, shown = found.previews[at], seen[at]
    return {
        **name_fields(preview.campaign),
        "counts": {
            "rows": preview.rows,
            "to_send": preview.to_send.total(),
            "new": preview.added,
            "requeued": preview.requeued,
            "changed": preview.changed,
            "removed": preview.removed,
            "skipped": preview.skipped.total(),
            "held": preview.held,
            "kept": {str(status): count for status, count in preview.kept.items()},
        },
        "senders": dict(sorted(preview.to_send.items())),
        "messages": [
            {
                "row": m.row,
                "recipient": m.recipient.id,
                "sender": m.sender,
                "content": m.text,
                "variant": m.variant,
            }
            for m in shown.messages
        ],
        "variants": {"counts": dict(sorted(preview.variants.items())), "power": preview.power},
        "skipped": [
            {"row": row, "recipient": id, "reason": reason, "detail": detail}
            for reason, rows in sorted(shown.skips.items())
            for row, id, detail in rows
        ],
        "steps": [{"step": name, **each.as_json()} for name, each in preview.steps.items()],
        "steps_removed": {each.name: each.to_come for each in preview.steps_removed},
        "sequence": [
            each.as_json()
            for each in sequence(
                shown.messages[0], shown.later[0], preview.hours, now + found.forecast.first
            )
        ]
        if shown.later and shown.later[0]
        else [],
        **finish_as_json(found.forecast, now),
        "warnings": found.warnings,
        "findings": [each.as_json() for each in found.reviews[at].findings],
    }
