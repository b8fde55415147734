"""The charts of a report, as SVG inside a page: text as text, colours by the page's own variables,
so that they follow light, dark and print; no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pygal
from pygal.etree import etree
from pygal.style import Style

from runner.formats import number, short
from runner.message.status import MessageStatus
from runner.report.content import BarChart, TimeChart, name_of, not_sent
from runner.status.statistics import Bucket, Series

WIDTH = 440
ROW, FRAME = 24, 34
"""Units of a drawing, about pixels: it is scaled to the page."""
LABEL = 24
DAY = 86_400
MOST_LABELS = 4
"""TimeChart that are labelled below a chart of times."""


def chart_of(spec: BarChart | TimeChart, key: str) -> str:
    """Return a chart as an `<svg>`, with its title and its description in words. `key`: a name of
    its own on the page."""
    chart = _bars(spec) if isinstance(spec, BarChart) else _times(spec)
    chart.uuid = key
    return _inline(chart.render_tree(), key, spec.title, _described(spec))


def _style(*colours: str) -> Style:
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--text)",
        foreground_strong="var(--text)",
        foreground_subtle="var(--line)",
        guide_stroke_color="var(--line)",
        major_guide_stroke_color="var(--line)",
        font_family="inherit",
        label_font_size=11,
        major_label_font_size=11,
        legend_font_size=11,
        value_font_size=11,
        opacity="1",
        stroke_opacity="1",
        transition="0s",
        colors=colours,
    )


_LOOK: dict[str, Any] = {
    "js": [],
    "width": WIDTH,
    "margin": 4,
    "margin_left": 14,
    "spacing": 6,
    "show_legend": False,  # the page has it as text, which wraps
    "value_formatter": lambda value: number(round(value)),
    "include_x_axis": True,
    "no_data_text": "",
    "max_scale": 5,
}


def _colour(status: MessageStatus) -> str:
    return f"var(--{status})"


def _bars(spec: BarChart) -> Any:
    chart = pygal.HorizontalStackedBar(
        style=_style(*map(_colour, spec.statuses)),
        height=FRAME + ROW * len(spec.labels),
        # From the bottom up, as pygal has it.
        x_labels=[short(label, LABEL) for label in reversed(spec.labels)],
        **_LOOK,
    )
    for each in spec.statuses:
        chart.add(name_of(each), [counts.get(each, 0) for counts in reversed(spec.counts)])
    return chart


def _times(spec: TimeChart) -> Any:
    buckets, zone = spec.series.buckets, spec.series.zone
    midnights = [each for each in buckets if f"{_local_time(each.begin, zone):%H:%M}" == "00:00"]
    named = midnights if len(midnights) > 1 else buckets
    named = named[:: -(-len(named) // MOST_LABELS)]
    chart = pygal.XY(
        style=_style("var(--rejected)", "var(--sent)", "var(--text)"),
        height=230,
        margin_right=30,
        show_dots=False,
        truncate_label=-1,
        x_labels=[each.begin for each in named],
        xrange=(buckets[0].begin, buckets[-1].end),
        x_value_formatter=lambda at: _label(at, spec.series, days=len(midnights) > 1),
        **_LOOK,
    )
    # What was sent stands before all that came to an end, so that the rest shows above it.
    ended = _steps(buckets, lambda each: _sent(each) + not_sent(each))
    chart.add("ended", ended, fill=True, stroke_style={"width": 0})
    chart.add("sent", _steps(buckets, _sent), fill=True, stroke_style={"width": 0})
    if spec.is_limited:
        dashes = {"width": 1.5, "dasharray": "4, 3"}
        chart.add("allowed", _steps(buckets, lambda each: each.allowed or 0), stroke_style=dashes)
    return chart


def _sent(bucket: Bucket) -> int:
    return bucket.counts.get(MessageStatus.SENT, 0)


def _steps(buckets: Sequence[Bucket], height: Callable[[Bucket], int]) -> list[tuple[float, int]]:
    """Return a line that keeps its height through each bucket."""
    return [(at, height(each)) for each in buckets for at in (each.begin, each.end)]


def _label(at: float, series: Series, *, days: bool) -> str:
    span, there = series.buckets[-1].end - series.buckets[0].begin, _local_time(at, series.zone)
    if days:
        return f"{there:%Y-%m-%d}" if span > 300 * DAY else f"{there:%d %b}"
    return f"{there:%H:%M}" if span <= DAY else f"{there:%d %b %H:%M}"


def _local_time(at: float, zone: str) -> datetime:
    """Return a time by the clock that cut the buckets: this machine's where no zone is named."""
    return datetime.fromtimestamp(at, ZoneInfo(zone) if zone else None)


def _described(spec: BarChart | TimeChart) -> str:
    if isinstance(spec, BarChart):
        totals = [
            f"{label} {number(sum(counts.values()))}"
            for label, counts in zip(spec.labels, spec.counts, strict=True)
        ]
        return f"Bars: {', '.join(totals)}. The table beside it has all numbers."
    most = max(map(_sent, spec.series.buckets))
    total = sum(map(_sent, spec.series.buckets))
    return (
        f"{number(total)} sent, at most {number(most)} per {spec.series.every}. "
        "The table beside it has all numbers."
    )


_SVG = "{http://www.w3.org/2000/svg}"
_EXTRAS = {"script", "desc"}
"""Elements that only pygal's own script would use."""


def _inline(root: Any, key: str, title: str, description: str) -> str:
    for parent in list(root.iter()):
        for child in list(parent):
            name = child.tag if isinstance(child.tag, str) else "script"  # a comment's is none
            if name.removeprefix(_SVG) in _EXTRAS:
                parent.remove(child)
    for child in root:
        if child.tag.removeprefix(_SVG) == "title":
            child.text, child.attrib["id"] = title, f"{key}-title"
    told = etree.SubElement(root, "desc", {"id": f"{key}-desc"})
    told.text = description
    root.attrib["role"] = "img"
    root.attrib["aria-labelledby"] = f"{key}-title {key}-desc"
    text: str = etree.tostring(root, encoding="unicode")
    return text
