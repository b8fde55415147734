"""Sends over time as a picture: an image of its own, so that no style of it enters the page."""

from __future__ import annotations

from runner.pages.charts import chart_of
from runner.pages.told import Times
from runner.run.figures import Series

POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""Of the image alone: the chart library writes its styles into it. It runs nothing."""

_COLOURS = """<style>
:root { --text: #373c44; --line: #c7ccd6; --sent: #0072b2; --rejected: #d55e00; }
@media (prefers-color-scheme: dark) {
  :root { --text: #c2c7d0; --line: #3a414e; --sent: #56b4e9; --rejected: #f0803c; }
}
text { font-family: system-ui, sans-serif; }
</style>"""


def sends_of(series: Series) -> str:
    """The chart of sends over time, as an SVG file."""
    chart = chart_of(Times("Sends over time", series), "sends")
    head, end, rest = chart.partition(">")
    return head + end + _COLOURS + rest
