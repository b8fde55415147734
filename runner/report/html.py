"""The HTML of a report, in one file: it needs no network, runs nothing, and prints."""

from __future__ import annotations

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from runner.formats import number
from runner.report.charts import chart_of
from runner.report.content import ORDER, BarChart, Moment, Report, TimeChart, name_of


def escaping_environment(loader: BaseLoader) -> Environment:
    """Return an environment that escapes everything that is put into a page."""
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = number
    return made


def render_html(report: Report) -> str:
    """Return the page. Everything that is not this package's own is escaped."""
    loader = PackageLoader("runner", "report")
    environment = escaping_environment(loader)
    environment.tests["moment"] = lambda cell: isinstance(cell, Moment)
    style, _, _ = loader.get_source(environment, "report.css")
    return environment.get_template("report.html.j2").render(
        report=report,
        order=ORDER,
        name_of=name_of,
        chart=_chart,
        style=Markup(style),
    )


def _chart(spec: BarChart | TimeChart, key: str) -> Markup:
    return Markup(chart_of(spec, key))  # pygal's own, with every text in it escaped
