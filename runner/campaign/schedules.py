"""The keys of a schedule: its start, its windows and its holidays."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from runner.campaign.section import CampaignSection
from runner.campaign.values import Days, Duration, LocalTime, Region, TimeOfDay, Zone, refuse
from runner.schedule import ALWAYS, Hours, local_time, make_week, parse_time


class Window(CampaignSection):
    """A part of a day in which messages may go."""

    days: Days = Field(description="Days of the week: mon-fri, mon,wed, sat or fri-mon.")
    from_: TimeOfDay = Field(alias="from", description='Local time of opening, such as "09:00".')
    to: TimeOfDay = Field(description='Local time of closing, such as "17:30"; "24:00" at most.')

    @model_validator(mode="after")
    def _in_order(self) -> Window:
        if self.span[0] >= self.span[1]:
            what = f"{self.from_} is not before {self.to}"
            refuse(what, "for a night write two windows, one to 24:00 and one from 00:00")
        return self

    @property
    def span(self) -> tuple[int, int]:
        """Return from and to in minutes after midnight."""
        return parse_time(self.from_), parse_time(self.to)


class Schedule(CampaignSection):
    """The schedule: when messages may go."""

    start: LocalTime | None = Field(
        None, description="Nothing goes before this local time, such as 2026-03-02 09:00."
    )
    grace: Duration = Field(
        7200.0,
        description="A start missed by more than this asks instead of sending, such as 2h. "
        "Default: 2h.",
    )
    timezone: Zone | None = Field(
        None,
        description="IANA time zone of start, windows and holidays, such as Europe/London. The "
        "prospects' own, prospects.timezone, wins for windows and holidays.",
    )
    windows: tuple[Window, ...] = Field(
        (), min_length=1, description="When messages may go, in local time. Default: always."
    )
    skip_holidays: Region | None = Field(
        None, description="Country (US) or part of one (DE-BY) on whose public holidays none go."
    )

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key, value in data.items():
                if value is None:  # nobody means "at once" or "always" by an empty line
                    refuse("is empty", "write a value or remove the line", at=(key,))
        return data

    @model_validator(mode="after")
    def _in_a_zone(self) -> Schedule:
        if self.timezone is None and (self.start or self.windows or self.skip_holidays):
            refuse("has no timezone", "add one such as `timezone: Europe/London`")
        return self

    @property
    def starts_at(self) -> float | None:
        """Return the start in Unix seconds."""
        if self.start is None or self.timezone is None:
            return None
        return local_time(self.start, self.timezone)

    @property
    def hours(self) -> Hours | None:
        """Return the hours in which messages may go once the campaign has begun; None for
        always."""
        if self.timezone is None or not (self.windows or self.skip_holidays):
            return None
        spans = [(window.days, *window.span) for window in self.windows]
        week = make_week(spans) if spans else ALWAYS
        return Hours(self.timezone, week, self.skip_holidays or "")
