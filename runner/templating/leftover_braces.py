"""Leftover braces: a `{{` or `{%` in a text that was rendered, so that it is not sent."""


def has_leftover(text: str) -> bool:
    """Return whether a rendered text still holds a template's braces."""
    return "{{" in text or "{%" in text
