"""The report of a campaign, as HTML, Markdown or JSON."""
